"""`headgan prepare` on blank clips: what is done, left, continued and refused."""

import csv
import multiprocessing
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from headgan.codec.video import VideoWriter
from headgan.models.cli import main
from headgan.models.train import prepare_command, prepare_plan
from headgan.models.train.prepare_shard import ShardTask, prepare_shard
from headgan.models.train.prepare_workers import run_here
from headgan.models.train.shards import is_done
from headgan.proto.errors import DeviceError


def blank_clip(path: Path, frames: int = 3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, width=160, height=120, rate_fps=25) as writer:
        for _ in range(frames):
            writer.write(np.full((120, 160, 3), 90, np.uint8))
    return path


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three people with a clip each; each is a shard."""
    monkeypatch.setattr(prepare_plan, "SHARD_CLIPS", 1)
    for person in ("ann", "ben", "cas"):
        blank_clip(tmp_path / "clips" / person / "1.mp4")
    return tmp_path / "clips"


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The shards that were prepared; in this process, because starting others takes its time."""
    numbers: list[int] = []

    def run(tasks: Sequence[ShardTask], _workers: int) -> Iterator[int]:
        for task in tasks:
            numbers.append(prepare_shard(task))
            yield numbers[-1]

    monkeypatch.setattr(prepare_command, "run_here", run)
    return numbers


def rejected(folder: Path) -> list[dict[str, str]]:
    with (folder / "rejected.csv").open() as file:
        return list(csv.DictReader(file))


def test_what_is_of_no_use_is_listed(
    clips: Path, ran: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (clips / "ben" / "broken.mp4").write_bytes(bytes(100))
    assert main(["prepare", str(clips), "-o", str(tmp_path / "set")]) == 0
    assert ran == [0, 1, 2]
    assert "0 segments of 0 people" in capsys.readouterr().out
    rows = rejected(tmp_path / "set")
    assert [(Path(row["clip"]).name, row["reason"]) for row in rows[:2]] == [
        ("1.mp4", "no face"),
        ("1.mp4", "no face"),
    ]
    assert [rows[0][name] for name in ("first_frame", "last_frame", "frames")] == ["0", "2", "3"]
    assert "broken.mp4: the video cannot be read" in rows[2]["reason"]


def test_what_is_done_is_not_done_again(clips: Path, ran: list[int], tmp_path: Path) -> None:
    command = ["prepare", str(clips), "-o", str(tmp_path / "set")]
    assert main(command) == 0
    (tmp_path / "set" / "shards" / "00001.npz").unlink()
    (tmp_path / "set" / "shards" / "00001.pictures.12345678.part").write_bytes(b"of a task that was killed")
    assert main(command) == 0
    assert not list((tmp_path / "set" / "shards").glob("*.part"))
    assert main(command) == 0
    assert ran == [0, 1, 2, 1]
    assert len(rejected(tmp_path / "set")) == 3


def test_ctrl_c_leaves_what_is_done(
    clips: Path, ran: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["prepare", str(clips), "-o", str(tmp_path / "set")]
    run = prepare_command.run_here  # type: ignore[attr-defined]  # the one of `ran`

    def interrupted(tasks: Sequence[ShardTask], workers: int) -> Iterator[int]:
        yield next(iter(run(tasks, workers)))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(prepare_command, "run_here", interrupted)
        assert main(command) == 130
    assert [is_done(tmp_path / "set", number) for number in range(3)] == [True, False, False]
    assert main(command) == 0
    assert ran == [0, 1, 2]


@pytest.mark.parametrize("change", ["every", "clip"])
def test_another_plan_needs_another_folder(
    clips: Path, ran: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    command = ["prepare", str(clips), "-o", str(tmp_path / "set")]
    assert main(command) == 0
    if change == "every":
        command += ["--every", "2"]
    else:
        blank_clip(clips / "ann" / "2.mp4")
    assert main(command) == 2
    assert "give another -o" in capsys.readouterr().err
    assert ran == [0, 1, 2]


@pytest.mark.parametrize(
    ("words", "exit_code"),
    [
        (["--workers", "0"], 2),
        (["--every", "0"], 2),
        (["--list", "nowhere.txt"], 2),
        (["-o", "{clips}/ann/1.mp4"], 1),
    ],
)
def test_what_cannot_work_is_told(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], exit_code: int
) -> None:
    words = [word.format(clips=clips) for word in words]
    assert main(["prepare", str(clips), "-o", str(tmp_path / "set"), *words]) == exit_code
    assert capsys.readouterr().err.count("\n") == 1


@pytest.fixture
def tasks(clips: Path, tmp_path: Path) -> list[ShardTask]:
    (tmp_path / "set" / "shards").mkdir(parents=True)
    shards = prepare_plan.plan_shards(prepare_plan.find_clips([clips]))
    return [ShardTask(shard, tmp_path / "set", 1) for shard in shards]


@pytest.mark.slow
def test_processes_share_the_shards(tasks: list[ShardTask], tmp_path: Path) -> None:
    assert sorted(run_here(tasks, 2)) == [0, 1, 2]
    assert all(is_done(tmp_path / "set", number) for number in range(3))


@pytest.mark.slow
def test_processes_stop_with_the_iterator(clips: Path, tasks: list[ShardTask], tmp_path: Path) -> None:
    blank_clip(clips / "ben" / "1.mp4", frames=2000)
    results = run_here(tasks, 1)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert [is_done(tmp_path / "set", number) for number in range(3)] == [True, False, False]
    assert not list((tmp_path / "set").rglob("*.part"))


@pytest.mark.slow
def test_a_worker_that_was_killed_is_told(clips: Path, tasks: list[ShardTask]) -> None:
    blank_clip(clips / "ben" / "1.mp4", frames=2000)
    results = run_here(tasks, 1)
    assert next(results) == 0
    for worker in multiprocessing.active_children():
        worker.kill()
    with pytest.raises(DeviceError, match="a worker was killed"):
        next(results)
