"""Pictures at their times: gaps are filled with the picture before, and two files line up frame by frame."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.timed_writer import TimedWriter
from headgan.codec.video import SOUND_RATE, read_video

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


def heard_in(path: Path) -> NDArray[np.float32]:
    """The sound of a file, from its time zero, at 48 kHz."""
    with av.open(str(path)) as container:
        frames = list(container.decode(container.streams.audio[0]))
    first = round(frames[0].pts * frames[0].time_base * SOUND_RATE)
    pieces = [frame.to_ndarray()[0] for frame in frames]
    heard: NDArray[np.float32] = np.concatenate([np.zeros(first, np.float32), *pieces])
    return heard


def beeps(*starts_s: float, seconds: float) -> NDArray[np.float32]:
    sound = np.zeros(round(seconds * SOUND_RATE), np.float32)
    beep = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2400) / SOUND_RATE)
    for start_s in starts_s:
        at = round(start_s * SOUND_RATE)
        sound[at : at + len(beep)] = beep
    return sound


def onsets_s(heard: NDArray[np.float32]) -> list[float]:
    loud = np.flatnonzero(np.abs(heard) > 0.1)
    return [float(loud[place]) / SOUND_RATE for place in np.flatnonzero(np.diff(loud, prepend=-9999) > 4800)]


def test_sound_is_at_its_time_though_it_comes_late_and_its_times_tremble(tmp_path: Path) -> None:
    sound, rng = beeps(0.5, 1.3, 2.1, seconds=3), np.random.default_rng(0)
    with TimedWriter(
        tmp_path / "a.mp4", size=SIZE, rate_fps=RATE_FPS, start_ms=START_MS, has_sound=True
    ) as w:
        for place in range(75 + 5):
            if place < 75:
                w.write(picture(place % 20), START_MS + place * FRAME_MS)
            if place >= 5:
                piece = sound[(place - 5) * 1920 : (place - 4) * 1920]
                w.write_sound(piece, START_MS + (place - 5) * FRAME_MS + rng.uniform(-1, 1))
    assert onsets_s(heard_in(tmp_path / "a.mp4")) == pytest.approx([0.5, 1.3, 2.1], abs=0.004)
    assert len(numbers_in(tmp_path / "a.mp4")) == 75


def test_where_no_sound_comes_it_is_silent_and_the_file_goes_on(tmp_path: Path) -> None:
    beep = beeps(0, seconds=0.05)
    with TimedWriter(
        tmp_path / "a.mp4", size=SIZE, rate_fps=RATE_FPS, start_ms=START_MS, has_sound=True
    ) as w:
        w.write_sound(beep, START_MS - 500)  # before the file begins
        for place in range(50):
            w.write(picture(place % 20), START_MS + place * FRAME_MS)
        w.write_sound(beep, START_MS + 1600)
        w.write_sound(beep, START_MS + 1000)  # too late: that was silent
        w.write_sound(beep, START_MS + 1800)
    heard = heard_in(tmp_path / "a.mp4")
    assert onsets_s(heard) == pytest.approx([1.6, 1.8], abs=0.004)
    assert np.abs(heard[: SOUND_RATE * 3 // 2]).max() < 0.01


def test_sound_that_begins_late_does_not_begin_early(tmp_path: Path) -> None:
    with TimedWriter(
        tmp_path / "a.mp4", size=SIZE, rate_fps=RATE_FPS, start_ms=START_MS, has_sound=True
    ) as w:
        # Nothing quiet in it from its first sample on, and again after a gap.
        for start_ms in (34.0, 74.0, 945.0):
            w.write_sound(0.5 * np.sin(np.arange(1920) / 9 + 1).astype(np.float32), START_MS + start_ms)
        for place in range(50):
            w.write(picture(place % 20), START_MS + place * FRAME_MS)
    assert onsets_s(heard_in(tmp_path / "a.mp4")) == pytest.approx([0.034, 0.945], abs=0.002)


def test_a_file_without_sound_takes_none(tmp_path: Path) -> None:
    with (
        TimedWriter(tmp_path / "a.mp4", size=SIZE, rate_fps=RATE_FPS, start_ms=START_MS) as writer,
        pytest.raises(ValueError, match="no sound"),
    ):
        writer.write_sound(np.zeros(10, np.float32), START_MS)


def test_speech_that_is_cut_anew_is_brought_to_its_time(tmp_path: Path, voice: NDArray[np.float32]) -> None:
    path, moved = tmp_path / "moved.mp4", 8.0
    pieces = voice[: 48 * 1600].reshape(-1, 1920)
    with TimedWriter(path, size=256, rate_fps=25, start_ms=0.0, has_sound=True) as writer:
        for number in range(40):
            writer.write(np.zeros((256, 256, 3), np.uint8), 40.0 * number)
        for number, piece in enumerate(pieces):
            writer.write_sound(piece, 40.0 * number + (moved if number >= 10 else 0.0))
        # Less than a period of a voice is left.
        assert abs(writer._samples - 48 * (1600 + moved)) < 48 * 4
