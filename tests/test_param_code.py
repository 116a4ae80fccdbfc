"""The parameter code: what is read of tracks, what is learned from them, and damaged files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headgan.codec.param_code import ParamCode, params_from, shipped_code
from headgan.codec.range_coder import TOTAL
from headgan.models.cli import main
from headgan.models.morphable import MorphableModel
from headgan.models.train.param_code_command import read_runs
from headgan.proto.errors import DeviceError, ModelError

CODE = shipped_code()


def write_track(
    path: Path, frames: int, rate_fps: float, missing: tuple[int, ...] = (), seed: int = 0
) -> None:
    """A nodding, talking face as headgan track writes it."""
    noise = np.random.default_rng(seed)
    rows = []
    for frame in range(frames):
        vector = CODE.rest.copy()
        vector[:8] += 0.3 * np.sin(frame / np.arange(2, 10) + seed)
        vector[28:34] += 0.05 * np.sin(frame / 10 + np.arange(6)) + noise.normal(0, 1e-3, 6)
        rows.append(params_from(vector).to_array())
    values = np.array(rows)
    values[list(missing)] = np.nan
    np.savez(
        path,
        expression=values[:, :28],
        camera=values[:, 28:35],
        gaze=values[:, 35:],
        pts_ms=np.arange(frames) * 1000 / rate_fps,
    )


def test_stretches_with_a_face_at_25_frames_a_second(tmp_path: Path) -> None:
    write_track(tmp_path / "track.npz", 200, 50.0, missing=(100, 101, 180))
    runs = read_runs(tmp_path / "track.npz")
    assert [len(run) for run in runs] == [50, 39]
    with np.load(tmp_path / "track.npz") as data:
        np.testing.assert_allclose(runs[0][:, 0], data["expression"][:100:2, 0], atol=1e-6)


def test_a_file_that_is_no_track(tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(b"no archive")
    with pytest.raises(DeviceError, match="write it with headgan track"):
        read_runs(tmp_path / "bad.npz")


def test_a_code_is_learned_and_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build = pytest.importorskip("headgan.models.train.param_code_build")
    monkeypatch.setattr(build, "ROUNDS", 1)
    monkeypatch.setattr(build, "_FIT_STEPS", 60)
    for seed in range(2):
        write_track(tmp_path / f"{seed}.npz", 80, 25.0, seed=seed)
    path = tmp_path / "code.npz"
    assert main(["param-code", str(tmp_path), "-o", str(path)]) == 0
    assert "160 frames in 2 stretches" in capsys.readouterr().out
    code = ParamCode.load(path)
    assert code.code_id != CODE.code_id and code.id_with(bytes(8)) != CODE.id_with(bytes(8))
    # What is learned explains the practice better than what was there before.
    runs = [run for seed in range(2) for run in read_runs(tmp_path / f"{seed}.npz")]
    untaught = build._unpractised(*build._axes(MorphableModel.load(), runs))
    following, fresh = build.practise(untaught, runs, np.random.default_rng(0))
    taught = build.learn(untaught, following, fresh, seed=0)
    assert build.measure(taught, following) < 0.9 * build.measure(untaught, following)


@pytest.mark.parametrize("arguments", [["missing/"], ["."], ["track.npz", "-o", "code.txt"]])
def test_what_cannot_be_used_is_told(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    output = [] if "-o" in arguments else ["-o", "code.npz"]
    assert main(["param-code", *arguments, *output]) in (1, 2)
    assert not Path("code.npz").exists()


def arrays() -> dict[str, Any]:
    names = ("rest", "to_point", "weights", "biases", "classes", "same_sign")
    return {name: getattr(CODE, name).copy() for name in names}


def test_a_code_is_saved_and_loaded(tmp_path: Path) -> None:
    CODE.save(tmp_path / "code.npz")
    assert ParamCode.load(tmp_path / "code.npz").code_id == CODE.code_id


def test_damaged_codes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="install headgan anew"):
        ParamCode.load(tmp_path / "missing.npz")
    with pytest.raises(ModelError, match="rest is"):
        ParamCode(**arrays() | {"rest": np.zeros(35)})
    wrong = arrays()
    wrong["classes"][3, 0] += 1
    with pytest.raises(ModelError, match=str(TOTAL)):
        ParamCode(**wrong)
    with pytest.raises(ModelError, match="same_sign"):
        ParamCode(**arrays() | {"same_sign": np.zeros(16, np.int64)})
