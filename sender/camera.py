"""A camera or a video file in, its newest frame at the rate of the call out.

    camera  ── read() ── RateLimit ──────────────┐
                                                 ├── slot of one ── newest()
    file ── ReadAhead ── RateGrid, at its time ──┘

A frame that is not taken before the next one is ready is overwritten: what counts in a call is now.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from headgan.codec.rate_grid import RateGrid, RateLimit
from headgan.proto.errors import DeviceError
from headgan.proto.program import monotonic_ms
from headgan.sender.devices import LIST_HINT, CameraInfo, DeviceSource, list_cameras
from headgan.sender.read_ahead import ReadAhead
from headgan.sender.sources import FileSource, Source, SourceFrame

__all__ = [
    "Camera",
    "CameraInfo",
    "CapturedFrame",
    "DeviceSource",
    "FileSource",
    "Source",
    "SourceFrame",
    "is_device",
    "list_cameras",
    "open_source",
]

logger = logging.getLogger(__name__)

JOIN_S = 1.0


@dataclass(frozen=True, eq=False)
class CapturedFrame:
    """A frame of the call.

    frame_rgb: uint8 [H, W, 3]; a repeated frame is the same array again, so nobody may write into it.
    capture_ms: when it arrived from the camera, or was due in the file; by the clock of the Camera.
    index: counts the frames offered by a camera, or is the slot of the file's grid; a gap is a lost frame.
    """

    frame_rgb: npt.NDArray[np.uint8]
    capture_ms: float
    index: int


def is_device(spec: str) -> bool:
    """Whether `spec` names a camera and no file."""
    return (spec.isascii() and spec.isdigit()) or spec.startswith("/dev/")


def open_source(
    spec: str, *, loop: bool = False, clock_ms: Callable[[], float] = monotonic_ms
) -> DeviceSource | FileSource:
    """Opens what `spec` names: a camera number (`0`), a device path (`/dev/video0`) or a video file.

    Args:
        spec: what the user gave.
        loop: play a file over and over; means nothing to a camera.
        clock_ms: what stamps the frames of a camera.

    Raises:
        DeviceError: there is no such camera or file, or it cannot be used; says which and what to do.
    """
    if is_device(spec):
        return DeviceSource(spec, clock_ms=clock_ms)
    if not Path(spec).exists():
        raise DeviceError(
            f"{spec} is neither the number of a camera nor a file that exists; "
            f"give the path of a video, or {LIST_HINT}"
        )
    return FileSource(Path(spec), loop=loop)


class Camera:
    """Offers the frames of a source at `rate_fps` while the context is open; owns and closes the source.

    A file is played in real time: frames repeat or are left out to meet the rate. Of a faster camera frames
    are left out evenly; a slower one stays slower.
    """

    def __init__(self, source: Source, *, rate_fps: float = 25.0, clock_ms: Callable[[], float]) -> None:
        """Starts nothing yet.

        Args:
            source: what open_source() gave; it must not be used by anyone else from now on.
            rate_fps: at most this many frames are offered each second.
            clock_ms: a clock that runs at the speed of real time; what capture_ms is read from.
        """
        self._source = source
        self._rate_fps = rate_fps
        self._clock_ms = clock_ms
        self._changed = threading.Condition()
        self._slot: CapturedFrame | None = None
        self._error: Exception | None = None
        self._is_over = False
        self._stopping = threading.Event()
        self._dropped = 0
        self._skipped = 0
        self._started_ms: float | None = None
        self._ahead = None if source.is_live else ReadAhead(source)
        self._thread = threading.Thread(target=self._work, name="camera", daemon=True)

    def __enter__(self) -> Self:
        if self._ahead is not None:
            self._ahead.thread.start()
        self._thread.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def dropped(self) -> int:
        """Frames that were overwritten before newest() took them: the reader is too slow."""
        return self._dropped

    @property
    def skipped(self) -> int:
        """Slots of a file whose time had passed before they could be offered: the machine is too slow."""
        return self._skipped

    @property
    def started_ms(self) -> float | None:
        """When the first frame of a file was due, which its sound is played from; None before, and for a camera."""
        return self._started_ms

    @property
    def is_ended(self) -> bool:
        """Whether no frame will come any more and the last one was taken: the file is over, or close()."""
        with self._changed:
            return self._is_over and self._slot is None and self._error is None

    def newest(self, timeout_s: float) -> CapturedFrame | None:
        """The newest frame that was not taken yet; None if none comes within `timeout_s` or none ever will.

        Raises:
            DeviceError: the camera went away or the file is damaged, once the last frame was taken.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._slot is not None or self._is_over, timeout_s)
            frame, self._slot = self._slot, None
            if frame is None and self._error is not None:
                raise self._error
            return frame

    def close(self) -> None:
        """Stops within a second and frees the source; idempotent. Errors are left to newest()."""
        self._stopping.set()
        if self._ahead is not None:
            self._ahead.stop()
        with self._changed:
            self._slot = self._error = None
            self._is_over = True
            self._changed.notify_all()
        threads = [self._thread] if self._ahead is None else [self._thread, self._ahead.thread]
        for thread in threads:
            if thread.ident is None:
                self._source.close()
                continue
            thread.join(JOIN_S / len(threads))
            if thread.is_alive():
                logger.warning("%s does not answer and was left behind", self._source.describe())

    def _work(self) -> None:
        try:
            if self._ahead is None:
                self._follow()
            else:
                self._play(self._ahead)
        except Exception as error:  # raised again by newest()
            self._end(error)
        else:
            self._end(None)
        finally:
            if self._ahead is None:
                self._source.close()

    def _follow(self) -> None:
        """Offers the frames of a live source as they arrive."""
        limit = RateLimit(self._rate_fps)
        index = 0
        while not self._stopping.is_set() and (frame := self._source.read()) is not None:
            arrival_ms = self._clock_ms()
            if limit.accepts(arrival_ms):
                self._offer(CapturedFrame(frame.frame_rgb, arrival_ms, index))
                index += 1

    def _play(self, ahead: ReadAhead) -> None:
        """Offers the frames of a file, each at its time."""
        grid = RateGrid(self._rate_fps)
        shown: SourceFrame | None = None
        while (frame := ahead.read()) is not None:
            slots = grid.slots_before(frame.pts_ms)
            if shown is None:
                self._started_ms = self._clock_ms()
                grid.start(self._started_ms)
            else:
                self._show(shown, slots, grid)
            shown = frame
        if shown is not None:
            self._show(shown, grid.slots_to_end(), grid)

    def _show(self, frame: SourceFrame, slots: range, grid: RateGrid) -> None:
        for slot in slots:
            wait_s = (grid.due_ms(slot) - self._clock_ms()) / 1000.0
            if self._stopping.wait(max(0.0, wait_s)):
                return
            capture_ms = grid.place(slot, self._clock_ms())
            if capture_ms is None:
                self._skipped += 1
            else:
                self._offer(CapturedFrame(frame.frame_rgb, capture_ms, slot))

    def _offer(self, frame: CapturedFrame) -> None:
        with self._changed:
            if self._is_over:
                return
            self._dropped += self._slot is not None
            self._slot = frame
            self._changed.notify_all()

    def _end(self, error: Exception | None) -> None:
        with self._changed:
            self._error = None if self._is_over else error
            self._is_over = True
            self._changed.notify_all()
