"""Pictures at their times: gaps are filled with the picture before, and two files line up frame by frame."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.timed_writer import TimedWriter
from headgan.codec.video import read_video

SIZE = 64
RATE_FPS = 25.0
FRAME_MS = 1000 / RATE_FPS
START_MS = 123_456.0


def picture(number: int) -> NDArray[np.uint8]:
    """A grey picture that tells its number."""
    return np.full((SIZE, SIZE, 3), 20 + 8 * number, np.uint8)


def numbers_in(path: Path) -> list[int]:
    return [round((float(frame.frame_rgb.mean()) - 20) / 8) for frame in read_video(path)]


def write(path: Path, numbers: Sequence[int], *, jitter_ms: Sequence[float] = (0.0,)) -> list[int]:
    """Writes the pictures `numbers`, each at its time on the grid; what is in the file then."""
    with TimedWriter(path, size=SIZE, rate_fps=RATE_FPS, start_ms=START_MS) as writer:
        for number in numbers:
            time_ms = START_MS + number * FRAME_MS + jitter_ms[number % len(jitter_ms)]
            writer.write(picture(number), time_ms)
    return numbers_in(path)


def test_every_picture_at_its_place(tmp_path: Path) -> None:
    assert write(tmp_path / "a.mp4", range(12)) == list(range(12))


def test_gaps_repeat_the_picture_before(tmp_path: Path) -> None:
    assert write(tmp_path / "a.mp4", [0, 1, 4, 5, 9]) == [0, 1, 1, 1, 4, 5, 5, 5, 5, 9]


def test_a_lost_start_is_filled_with_the_first_picture(tmp_path: Path) -> None:
    assert write(tmp_path / "a.mp4", [3, 4]) == [3, 3, 3, 3, 4]


def test_two_files_of_the_same_times_line_up(tmp_path: Path) -> None:
    jitter_ms = (0.0, 11.0, -9.0, 17.0)
    whole = write(tmp_path / "whole.mp4", range(20), jitter_ms=jitter_ms)
    lossy = write(tmp_path / "lossy.mp4", [0, 1, 2, 7, 8, 12, 19], jitter_ms=jitter_ms)
    assert whole == list(range(20))
    assert len(lossy) == len(whole)
    assert [number for number, same in zip(whole, lossy, strict=True) if number == same] == [
        0,
        1,
        2,
        7,
        8,
        12,
        19,
    ]


def test_a_picture_whose_place_is_taken_or_past_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with TimedWriter(path, size=SIZE, rate_fps=RATE_FPS, start_ms=START_MS) as writer:
        for number, time_ms in enumerate((0.0, 40.0, 45.0, 10.0, -500.0, 80.0)):
            writer.write(picture(number), START_MS + time_ms)
    assert numbers_in(path) == [0, 1, 5]


def test_the_rate_need_not_divide_a_second(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with TimedWriter(path, size=SIZE, rate_fps=30000 / 1001, start_ms=0.0) as writer:
        for number in range(20):
            writer.write(picture(number), round(number * 1001 / 30))
    assert numbers_in(path) == list(range(20))


def test_a_picture_of_another_size_is_refused_and_the_file_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    writer = TimedWriter(path, size=SIZE, rate_fps=RATE_FPS, start_ms=0.0)
    writer.write(picture(1), 0.0)
    with pytest.raises(ValueError, match="need uint8"):
        writer.write(np.zeros((SIZE, SIZE + 2, 3), np.uint8), 40.0)
    writer.close()
    writer.close()
    assert numbers_in(path) == [1]
