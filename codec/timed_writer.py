"""Pictures with their times in, a video of constant rate out: a picture stays until the next one's time."""

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from headgan.codec.video import VideoWriter


class TimedWriter:
    """Writes pictures at the places in the video that their times give; gaps repeat the picture before.

    Two videos written from the same times line up frame by frame, whatever was lost in one of them.
    """

    def __init__(self, path: Path, *, size: int, rate_fps: float, start_ms: float) -> None:
        """Opens `path` for square pictures.

        Args:
            path: the file, replaced if it exists.
            size: width and height in pixels.
            rate_fps: of the video.
            start_ms: the time of its first frame.

        Raises:
            DeviceError: the file cannot be written.
        """
        self._writer = VideoWriter(path, width=size, height=size, rate_fps=rate_fps)
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

    def close(self) -> None:
        """Finishes the file; again does nothing."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
