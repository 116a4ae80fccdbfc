"""A video file in, RGB frames with timestamps out; and what every source of frames has to offer."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from headgan.codec.video import DecodedFrame, probe_video, read_video


@dataclass(frozen=True, eq=False)
class SourceFrame:
    """One picture of a source.

    frame_rgb: uint8 [H, W, 3]; a receiver of it must not write into it.
    pts_ms: its time, counted from wherever the source likes.
    """

    frame_rgb: npt.NDArray[np.uint8]
    pts_ms: float


class Source(Protocol):
    """Where frames come from; used by one thread at a time."""

    is_live: bool

    def read(self) -> SourceFrame | None:
        """The next frame, or None at the end of a file; waits for a camera.

        Raises:
            DeviceError: the file is damaged or the camera went away.
        """

    def rewind(self) -> None:
        """Makes the next frame the first of the file again; does nothing to a camera."""

    def close(self) -> None:
        """Frees the file or the camera; idempotent."""

    def describe(self) -> str:
        """What this is, for a log line."""


class FileSource:
    """A video file of any size, rate and rotation, played once or over and over.

    Attributes, which other threads may read:
        path: the file.
        has_sound: whether it has a sound track.
        first_ms: the pts_ms of its first frame; None before that was read.
        pass_ms: from one pass to the next, or to the end of the last frame; None before the first pass was read.
    """

    is_live = False

    def __init__(self, path: Path, *, loop: bool = False) -> None:
        self.path = path
        self._is_looping = loop
        self._info = probe_video(path)
        self.has_sound = self._info.has_sound
        self.first_ms: float | None = None
        self.pass_ms: float | None = None
        self.rewind()

    @property
    def is_looping(self) -> bool:
        """Whether it is played over and over."""
        return self._is_looping

    def rewind(self) -> None:
        """Starts the file again, with the timestamps of its first pass."""
        self._frames: Iterator[DecodedFrame] = read_video(self.path)
        self._shift_ms = 0.0
        self._pass_pts_ms: tuple[float, float] | None = None  # the first and the last of this pass
        self._pass_frames = 0

    def read(self) -> SourceFrame | None:
        """The next frame; with `loop` the timestamps go on rising evenly over the seam."""
        frame = next(self._frames, None)
        if frame is None and self._pass_pts_ms is not None:
            self.pass_ms = self._length_ms(*self._pass_pts_ms)
            if self._is_looping:
                self._begin_next_pass(self.pass_ms)
                frame = next(self._frames, None)
        if frame is None:
            return None
        first_ms = self._pass_pts_ms[0] if self._pass_pts_ms is not None else frame.pts_ms
        self.first_ms = first_ms
        self._pass_pts_ms = (first_ms, frame.pts_ms)
        self._pass_frames += 1
        return SourceFrame(frame.frame_rgb, frame.pts_ms + self._shift_ms)

    def close(self) -> None:
        """Lets go of the decoder, which closes the file; read() then returns None."""
        self._frames = iter(())
        self._is_looping = False
        self._pass_pts_ms = None  # this pass does not end here

    def describe(self) -> str:
        """Such as `clip.mp4, 640x480 at 30 fps`."""
        info = self._info
        return f"{self.path.name}, {info.width}x{info.height} at {info.rate_fps:g} fps"

    def _length_ms(self, first_ms: float, last_ms: float) -> float:
        """How long this pass is: up to one frame interval after the frame that is its last."""
        interval_ms = 1000.0 / self._info.rate_fps
        if self._pass_frames > 1:
            interval_ms = (last_ms - first_ms) / (self._pass_frames - 1)
        return last_ms - first_ms + interval_ms

    def _begin_next_pass(self, pass_ms: float) -> None:
        self._shift_ms += pass_ms
        self._frames = read_video(self.path)
        self._pass_pts_ms = None
        self._pass_frames = 0
