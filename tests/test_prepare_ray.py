"""`headgan prepare --ray`: a cluster of two nodes on this machine, and what is told without Ray."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from headgan.codec.video import VideoWriter
from headgan.models.cli import main
from headgan.models.train import prepare_plan
from headgan.models.train.shards import is_done

PEOPLE = 4


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Blank clips, so that a shard is quickly done; each is a shard."""
    monkeypatch.setattr(prepare_plan, "SHARD_CLIPS", 1)
    for person in range(PEOPLE):
        path = tmp_path / "clips" / str(person) / "1.mp4"
        path.parent.mkdir(parents=True)
        with VideoWriter(path, width=160, height=120, rate_fps=25) as writer:
            for _ in range(100):
                writer.write(np.full((120, 160, 3), 90, np.uint8))
    return tmp_path / "clips"


@pytest.fixture(scope="module")
def cluster_address() -> Iterator[str]:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'headgan[cluster]'")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster.address
    cluster.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Ray's own
def test_a_cluster_prepares_all_shards(cluster_address: str, clips: Path, tmp_path: Path) -> None:
    command = ["prepare", str(clips), "-o", str(tmp_path / "set"), "--ray", cluster_address]
    assert main(command) == 0
    assert all(is_done(tmp_path / "set", number) for number in range(PEOPLE))
    report = json.loads((tmp_path / "set" / "shards" / "00003.json").read_text())
    assert report["clips"][0]["rejected"][0]["frames"] == 100
    (tmp_path / "set" / "shards" / "00002.npz").unlink()
    assert main(command) == 0
    assert is_done(tmp_path / "set", 2)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_the_error_of_a_task_is_told_in_one_line(
    cluster_address: str, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A folder in the place of a file makes writing fail, for root as well.
    (tmp_path / "set" / "shards" / "00001.pictures").mkdir(parents=True)
    assert main(["prepare", str(clips), "-o", str(tmp_path / "set"), "--ray", cluster_address]) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("headgan prepare: shard 1 cannot be written")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    ("address", "exit_code", "told"),
    [("127.0.0.1:1", 1, "no Ray cluster answers"), ("head", 2, "give the HOST:PORT")],
)
def test_a_cluster_that_does_not_answer_is_told(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], address: str, exit_code: int, told: str
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'headgan[cluster]'")
    assert main(["prepare", str(clips), "-o", str(tmp_path / "set"), "--ray", address]) == exit_code
    assert told in capsys.readouterr().err


def test_without_ray_the_command_to_install_it_is_told(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["prepare", str(clips), "-o", str(tmp_path / "set"), "--ray", "local"]) == 2
    assert "pip install 'headgan[cluster]'" in capsys.readouterr().err
