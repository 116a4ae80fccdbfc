"""The sound of a clip: on the clock of its pictures, mono, 16 kHz, and none where there is none."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.video import VideoWriter
from headgan.models.clip_sound import NO_SOUND, ClipSound, read_sound
from headgan.models.speech_low import SAMPLE_RATE

RATE = 48_000


def write_sound(
    path: Path, samples: NDArray[np.int16], *, start_s: float = 0.0, gap_at: int | None = None
) -> Path:
    """Stereo at 48 kHz in blocks of 20 ms; from sample `gap_at` on, half a second later than it should be."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE)
        stream.layout = "stereo"
        for first in range(0, len(samples), 960):
            block = np.repeat(samples[first : first + 960], 2)[None]
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="s16", layout="stereo")
            frame.sample_rate = RATE
            late = RATE // 2 if gap_at is not None and first >= gap_at else 0
            frame.pts = first + round(start_s * RATE) + late
            frame.time_base = Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def click(at_s: float, seconds: float = 2.0) -> NDArray[np.int16]:
    """Silence but for 10 ms of a tone."""
    samples = np.zeros(round(seconds * RATE), np.int16)
    first = round(at_s * RATE)
    samples[first : first + 480] = (12000 * np.sin(np.arange(480) * 2 * np.pi * 1000 / RATE)).astype(np.int16)
    return samples


def first_loud_ms(samples: NDArray[np.int16]) -> float:
    return 1000 * int(np.flatnonzero(np.abs(samples.astype(int)) > 2000)[0]) / SAMPLE_RATE


def test_sound_lies_where_it_was(tmp_path: Path) -> None:
    sound = read_sound(write_sound(tmp_path / "clip.mkv", click(1.0)))
    assert sound.samples.dtype == np.int16
    assert len(sound.samples) == pytest.approx(2 * SAMPLE_RATE, abs=64)
    assert first_loud_ms(sound.between(0, 2000)) == pytest.approx(1000, abs=2)
    assert first_loud_ms(sound.between(900, 1100)) == pytest.approx(100, abs=2)


def test_sound_that_begins_late_is_late(tmp_path: Path) -> None:
    sound = read_sound(write_sound(tmp_path / "clip.mkv", click(0.5), start_s=1.5))
    assert first_loud_ms(sound.between(0, 4000)) == pytest.approx(2000, abs=2)


def test_what_the_file_left_out_is_silence(tmp_path: Path) -> None:
    sound = read_sound(write_sound(tmp_path / "clip.mkv", click(1.5), gap_at=48_000))
    assert first_loud_ms(sound.between(0, 3000)) == pytest.approx(2000, abs=3)


def test_a_clip_without_sound_has_none(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "clip.mp4", width=64, height=64, rate_fps=25) as writer:
        writer.write(np.zeros((64, 64, 3), np.uint8))
    assert read_sound(tmp_path / "clip.mp4") is NO_SOUND
    assert NO_SOUND.between(0, 1000).size == 0


def test_silence_is_no_sound(tmp_path: Path) -> None:
    assert read_sound(write_sound(tmp_path / "clip.mkv", np.ones(RATE, np.int16))) is NO_SOUND


def test_what_cannot_be_decoded_is_no_sound(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(bytes(1000))
    assert read_sound(tmp_path / "clip.mp4") is NO_SOUND


@pytest.mark.parametrize(
    ("start_ms", "end_ms", "expected"),
    [
        (100, 101, [1] * 16),
        (99, 101, [0] * 16 + [1] * 16),
        (109, 111, [1] * 16 + [0] * 16),
        (50, 51, [0] * 16),
        (150, 151, [0] * 16),
        (99, 111, [0] * 16 + [1] * 160 + [0] * 16),
    ],
)
def test_outside_there_is_silence(start_ms: float, end_ms: float, expected: list[int]) -> None:
    sound = ClipSound(np.ones(160, np.int16), 100.0)
    assert sound.between(start_ms, end_ms).tolist() == expected
