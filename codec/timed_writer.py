"""Pictures and sound with their times in, a video of constant rate out: a picture stays until the next one's time."""

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from headgan.codec.time_stretch import ENOUGH_SAMPLES, lengthen, shorten
from headgan.codec.video import SOUND_RATE, VideoWriter

SOUND_PATIENCE_MS = 500.0
# Where sound is moved to its exact place: by more than so many samples, in speech and where it is quiet.
_MOST_APART, _LEAST_APART = SOUND_RATE * 12 // 1000, SOUND_RATE * 2 // 1000
_QUIET = 0.003
# What is closer is left: a period of a voice is hardly shorter.
_CLOSE = SOUND_RATE * 3 // 1000


class TimedWriter:
    """Writes pictures at the places in the video that their times give; gaps repeat the picture before.

    Two videos written from the same times line up frame by frame, whatever was lost in one of them.
    """

    def __init__(
        self, path: Path, *, size: int, rate_fps: float, start_ms: float, has_sound: bool = False
    ) -> None:
        """Opens `path` for square pictures.

        Args:
            path: the file, replaced if it exists.
            size: width and height in pixels.
            rate_fps: of the video.
            start_ms: the time of its first frame.
            has_sound: whether there is a sound track; it is silent where nothing is written.

        Raises:
            DeviceError: the file cannot be written.
        """
        self._writer = VideoWriter(path, width=size, height=size, rate_fps=rate_fps, has_sound=has_sound)
        self._has_sound = has_sound
        self._samples = 0
        # Whether speech can begin anywhere: nothing was written yet, or silence was.
        self._ends_silent = True
        self._rate_fps = rate_fps
        self._start_ms = start_ms
        self._written = 0
        self._last: NDArray[np.uint8] | None = None

    def write(self, picture_rgb: NDArray[np.uint8], time_ms: float) -> None:
        """Places `picture_rgb`, uint8 [size, size, 3]; one for a place that is taken or past is left out."""
        place = round((time_ms - self._start_ms) * self._rate_fps / 1000)
        if place < self._written:
            return
        filler = picture_rgb if self._last is None else self._last
        for _ in range(self._written, place):
            self._writer.write(filler)
        self._writer.write(picture_rgb)
        self._written = place + 1
        self._last = picture_rgb
        if self._has_sound:
            # Sound comes a little later than its pictures; what has not come by then will not come.
            self._silence_until(self._sample_at(time_ms - SOUND_PATIENCE_MS))

    def write_sound(self, samples: NDArray[np.float32], time_ms: float) -> None:
        """Places sound, float32 [N], mono at 48 kHz; what is past is cut off, a gap is silent.

        Times that tremble, or drift, do not tear speech apart: pieces that nearly follow each other are joined, unless
        they are quiet, and made longer or shorter by a period of the voice until they are at their time.

        Raises:
            ValueError: the file has no sound.
        """
        place = self._sample_at(time_ms)
        is_quiet = self._ends_silent or float(np.abs(samples).max(initial=0.0)) < _QUIET
        apart = place - self._samples
        if abs(apart) < (_LEAST_APART if is_quiet else _MOST_APART):
            place = self._samples
            samples = _fitted(samples, apart)
        self._silence_until(place)
        new = samples[max(0, self._samples - place) :]
        if len(new):
            self._writer.write_sound(new)
            self._samples += len(new)
            self._ends_silent = False

    def _sample_at(self, time_ms: float) -> int:
        return round((time_ms - self._start_ms) * SOUND_RATE / 1000)

    def _silence_until(self, place: int) -> None:
        while self._samples < place:
            count = min(place - self._samples, SOUND_RATE)
            self._writer.write_sound(np.zeros(count, np.float32))
            self._samples += count
            self._ends_silent = True

    def close(self) -> None:
        """Finishes the file; again does nothing."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _fitted(samples: NDArray[np.float32], apart: int) -> NDArray[np.float32]:
    """Sound that should begin `apart` samples after what is before it, longer or shorter by a part of that."""
    if abs(apart) < _CLOSE or len(samples) < ENOUGH_SAMPLES:
        return samples
    return (lengthen if apart > 0 else shorten)(samples, most=abs(apart)).sound
