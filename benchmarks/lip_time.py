"""Two videos of one person who speaks in, by how much lips and sound of the second are later out.

mouth opening, frame by frame ─┐
                               ├── where do both courses fit best? ── ms later, and how well they fit
sound, sample by sample ───────┘
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headgan.codec.hgn_header import SOUND_RATE
from headgan.codec.hgn_sound import read_sound
from headgan.codec.rate_grid import on_grid
from headgan.codec.video import read_video
from headgan.models.mouth import mouth_opening
from headgan.models.tracker import MediaPipeTracker
from headgan.proto.errors import HeadganError

RATE_FPS = 25.0
# Further apart they are not looked for.
_MOST_MS = 1000.0
# Less alike, they may be anywhere.
_ALIKE = 0.3


@dataclass(frozen=True)
class Later:
    """By how much something is later.

    Attributes:
        ms: below 0: earlier.
        alike: the correlation there, -1 to 1.
    """

    ms: float
    alike: float

    @property
    def is_sure(self) -> bool:
        """Whether both are alike enough to say."""
        return self.alike >= _ALIKE


def mouth_course(video: Path) -> NDArray[np.float64]:
    """Float64 [N]: how far the mouth is open in each frame of 25 a second, as height over width.

    Raises:
        HeadganError: there is no face in it.
    """
    tracker = MediaPipeTracker()
    courses: list[float] = []
    frames = ((frame.pts_ms, frame.frame_rgb) for frame in read_video(video))
    for slots, frame_rgb in on_grid(frames, RATE_FPS):
        face = tracker.track(frame_rgb)
        courses += [float("nan") if face is None else mouth_opening(face.points)] * len(slots)
    course = np.array(courses)
    is_seen = np.isfinite(course)
    if not is_seen.any():
        raise HeadganError(f"{video}: no face is seen in it")
    places = np.arange(len(course))
    filled: NDArray[np.float64] = np.interp(places, places[is_seen], course[is_seen])
    return filled


def sound_of(video: Path, start_ms: float = 0.0) -> NDArray[np.float32]:
    """Float32 [N] at 48 kHz from so many milliseconds of the video's time on."""
    return np.concatenate([np.zeros(0, np.float32), *read_sound(video, start_ms)])


def lips_later(course: NDArray[np.float64], other: NDArray[np.float64]) -> Later:
    """Of two courses of `mouth_course`."""
    return _later(course, other, RATE_FPS)


def sound_later(sound: NDArray[np.floating], other: NDArray[np.floating]) -> Later:
    """Of two sounds of `sound_of`."""
    return _later(sound.astype(np.float64), other.astype(np.float64), SOUND_RATE)


def _later(one: NDArray[np.float64], other: NDArray[np.float64], rate_hz: float) -> Later:
    one, other = one - one.mean(), other - other.mean()
    size = len(one) + len(other)
    spectra = np.fft.rfft(other, size) * np.conj(np.fft.rfft(one, size))
    scores = np.fft.irfft(spectra, size)
    most = min(round(_MOST_MS * rate_hz / 1000), size // 2 - 1)
    scores = np.concatenate([scores[-most:], scores[: most + 1]])
    best = int(np.argmax(scores))
    scale = np.sqrt((one**2).sum() * (other**2).sum())
    alike = float(scores[best] / scale) if scale else 0.0
    return Later((best - most + _between(scores, best)) * 1000 / rate_hz, alike)


def _between(scores: NDArray[np.float64], best: int) -> float:
    """Where between samples the peak is: of the parabola through it and its neighbours."""
    if not 0 < best < len(scores) - 1:
        return 0.0
    before, peak, after = scores[best - 1 : best + 2]
    bend = before - 2 * peak + after
    return float((before - after) / (2 * bend)) if bend < 0 else 0.0
