"""Benchmarks measure what they say: on small made-up videos, with the answer known beforehand."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.benchmarks.cli import main
from headgan.benchmarks.fidelity import draw_sheet, measure_fidelity
from headgan.benchmarks.machine import CpuTime, read_cpu_time
from headgan.benchmarks.run_call import run_call
from headgan.codec.video import VideoWriter, probe_video, read_video
from headgan.models.machine import describe_run
from headgan.models.metrics.pictures import psnr
from headgan.proto.errors import HeadganError

SIZE = 64


def flat(level: int) -> NDArray[np.uint8]:
    return np.full((SIZE, SIZE, 3), level, np.uint8)


def write(path: Path, levels: list[int]) -> Path:
    with VideoWriter(path, width=SIZE, height=SIZE, rate_fps=25) as writer:
        for level in levels:
            writer.write(flat(level))
    return path


def test_psnr_follows_its_definition() -> None:
    assert psnr(flat(100), flat(110)) == pytest.approx(10 * np.log10(255**2 / 100))
    assert psnr(flat(100), flat(100)) == 60


def test_fidelity_compares_frame_by_frame_and_with_the_first_frame(tmp_path: Path) -> None:
    original = write(tmp_path / "crop.mp4", [100, 120, 140, 160])
    shown = write(tmp_path / "out.mp4", [100, 130, 150, 170])
    result = measure_fidelity(original, shown)
    assert (result.frames, result.shown_frames) == (4, 4)
    # Ten levels off in every frame; H.264 and its colour space may add one more.
    assert result.psnr == pytest.approx(psnr(flat(0), flat(10)), abs=1)
    expected = np.mean([psnr(flat(0), flat(step)) for step in (20, 40, 60)])
    assert result.psnr_repeat == pytest.approx(expected, abs=0.5)
    assert result.psnr_worst <= result.psnr


def test_a_reconstruction_that_ends_early_holds_its_last_picture(tmp_path: Path) -> None:
    original = write(tmp_path / "crop.mp4", [100, 100, 200, 200])
    shown = write(tmp_path / "out.mp4", [100, 100])
    result = measure_fidelity(original, shown)
    assert (result.frames, result.shown_frames) == (4, 2)
    assert result.psnr == pytest.approx(result.psnr_repeat, abs=0.1)


def test_fidelity_of_a_single_picture_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "one.mp4", [100])
    with pytest.raises(HeadganError, match="fewer than two"):
        measure_fidelity(path, path)


def test_the_sheet_shows_both_videos(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    original = write(tmp_path / "crop.mp4", [50] * 6)
    shown = write(tmp_path / "out.mp4", [200] * 6)
    draw_sheet([("a call", original, shown)], tmp_path / "sheet.png", columns=3)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape == (24 + 2 * SIZE, 3 * SIZE, 3)
    assert abs(int(sheet[24 + 10, 10, 0]) - 50) <= 2
    assert abs(int(sheet[24 + SIZE + 10, 10, 0]) - 200) <= 2


def test_side_by_side_joins_the_videos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    original = write(tmp_path / "crop.mp4", [50, 60, 70])
    shown = write(tmp_path / "out.mp4", [200, 210])
    joined = tmp_path / "both.mp4"
    assert main(["side-by-side", str(original), str(shown), "-o", str(joined)]) == 0
    assert "3 frames" in capsys.readouterr().out
    info = probe_video(joined)
    assert (info.width, info.height) == (2 * SIZE, SIZE)
    frames = [frame.frame_rgb for frame in read_video(joined)]
    assert abs(int(frames[1][32, 32, 0]) - 60) <= 2
    # The shorter one holds its last picture.
    assert abs(int(frames[2][32, SIZE + 32, 0]) - 210) <= 2
    assert not info.has_sound
    with VideoWriter(shown, width=SIZE, height=SIZE, rate_fps=25, has_sound=True) as writer:
        for _ in range(3):
            writer.write(np.full((SIZE, SIZE, 3), 200, np.uint8))
            writer.write_sound(np.full(1920, 0.1, np.float32))
    assert main(["side-by-side", str(original), str(shown), "-o", str(joined)]) == 0
    assert probe_video(joined).has_sound


def test_a_missing_clip_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["call", str(tmp_path / "none"), "-o", str(tmp_path)]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_a_folder_without_clips_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["call", str(tmp_path), "-o", str(tmp_path)]) == 2
    assert "no clips" in capsys.readouterr().err


@pytest.mark.slow
def test_a_call_that_fails_says_which_side_and_why(tmp_path: Path) -> None:
    clip = write(tmp_path / "grey.mp4", [128] * 10)
    with pytest.raises(HeadganError, match=r"headgan-send ended with exit code 1: .*no face"):
        run_call(clip, tmp_path / "call", duration_s=1)


def test_a_report_names_its_machine() -> None:
    run = describe_run()
    assert json.loads(json.dumps(run)) == run
    assert run["cpu"] and run["cores"] and run["headgan"]


def test_stolen_time_is_a_share_of_the_time_between() -> None:
    assert CpuTime(300, 30).stolen_since(CpuTime(100, 10)) == 0.1
    assert CpuTime(0, 0).stolen_since(CpuTime(0, 0)) is None
    now = read_cpu_time()
    assert 0 <= now.stolen <= now.total
