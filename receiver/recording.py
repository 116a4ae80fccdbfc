"""Shown pictures, their states and times, and what is heard, in, an MP4 out: with a small sign on what is held.

Page and window say beside the picture that it is not of now; who watches a recording sees the picture alone.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.codec.timed_writer import TimedWriter
from headgan.models.pncc import CROP_SIZE
from headgan.proto.hello import Role
from headgan.proto.line_watch import NOTICE_MS
from headgan.receiver.display import Frame, State, short_text

# Places in a picture of 256 pixels.
_LEFT, _TOP, _HEIGHT, _PAD = 6, 232, 18, 6
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.38
_WHITE = (235, 232, 226)
_DARKENED = 0.4
_FLUENT_FRAMES = 5


class Recording:
    """Belongs to the drawing thread, but for `line_silent`; the file is there from the first picture on."""

    def __init__(
        self,
        path: Path,
        *,
        rate_fps: float,
        size: int = CROP_SIZE,
        is_plain: bool = False,
        has_sound: bool = False,
    ) -> None:
        """Starts nothing.

        Args:
            path: the file.
            rate_fps: of the video.
            size: side of its pictures.
            is_plain: whether pictures stay without a sign.
            has_sound: whether there is a sound track.
        """
        self._path, self._rate_fps, self._is_plain = path, rate_fps, is_plain
        self._size, self._has_sound = size, has_sound
        self._writer: TimedWriter | None = None
        self._last: tuple[NDArray[np.uint8], int] | None = None
        self._was_silent = False
        # From when on, by the sender's clock, the receiver knew of an outage that is not over.
        self._silent_ms: float | None = None

    def line_silent(self) -> None:
        """Learns that nothing arrives any more: until the next picture the last one is held; from any thread."""
        self._was_silent = True

    @property
    def is_open(self) -> bool:
        """Whether the file has begun."""
        return self._writer is not None

    def open(self, start_ms: float) -> None:
        """Begins the file; start_ms: the capture time of its first frame.

        Raises:
            DeviceError: it cannot be written.
        """
        self._writer = TimedWriter(
            self._path,
            size=self._size,
            rate_fps=self._rate_fps,
            start_ms=start_ms,
            has_sound=self._has_sound,
        )

    def write(self, picture_rgb: NDArray[np.uint8], state: State, capture_ms: int) -> None:
        """Places `picture_rgb`, uint8 [size, size, 3], which is not changed, in a file that is open."""
        if self._writer is None:
            raise ValueError("the recording is not open")
        self._mark_silence(self._writer, capture_ms)
        self._writer.write(self._signed(picture_rgb, state), capture_ms)
        self._last = (picture_rgb, capture_ms)

    def write_guess(self, picture_rgb: NDArray[np.uint8], capture_ms: int) -> None:
        """Places what stood in for a frame that did not come; in an outage the last picture is held instead."""
        if self._writer is not None and self._silent_ms is None and not self._was_silent:
            self._writer.write(picture_rgb, capture_ms)

    def write_sound(self, samples: NDArray[np.float32], start_ms: float) -> None:
        """Places sound, float32 [N] at 48 kHz, said at `start_ms` of the sender's clock, in a file that is open."""
        if self._writer is not None:
            self._writer.write_sound(samples, start_ms)

    def close(self) -> None:
        """Finishes the file, if there is one; again does nothing."""
        if self._writer is not None:
            self._writer.close()

    def _mark_silence(self, writer: TimedWriter, capture_ms: int) -> None:
        """Has what is held through an outage held with a sign, from when the receiver noticed it."""
        if self._last is None:
            return
        picture_rgb, last_ms = self._last
        if self._was_silent:
            self._was_silent = False
            self._silent_ms = last_ms + NOTICE_MS[Role.RECEIVER]
        if self._silent_ms is None:
            return
        # Afterwards a frame or two come first that were under way: it is over when frames follow each other.
        frame_ms = 1000 / self._rate_fps
        if last_ms >= self._silent_ms and capture_ms - last_ms <= _FLUENT_FRAMES * frame_ms:
            self._silent_ms = None
            return
        held_ms = max(self._silent_ms, last_ms + frame_ms)
        if held_ms < capture_ms:
            writer.write(self._signed(picture_rgb, "no connection"), held_ms)

    def _signed(self, picture_rgb: NDArray[np.uint8], state: State) -> NDArray[np.uint8]:
        return picture_rgb if self._is_plain else with_sign(picture_rgb, state)


def with_sign(picture_rgb: Frame, state: State) -> Frame:
    """The picture itself where it is of now; else a copy with a pause sign and the reason in its lower left corner.

    Args:
        picture_rgb: uint8 [size, size, 3], 256 or more.
        state: what it is shown in.
    """
    if state in ("live", "video"):
        return picture_rgb
    text = short_text(state)
    (text_width, _), _ = cv2.getTextSize(text, _FONT, _FONT_SCALE, 1)
    signed = picture_rgb.copy()
    # In the corner of a larger picture too, and as many pixels high.
    top = len(signed) - CROP_SIZE + _TOP
    bars = _LEFT + _PAD
    words = bars + 7 + _PAD
    ground = signed[top : top + _HEIGHT, _LEFT : words + text_width + _PAD]
    ground[:] = ground * _DARKENED
    for left in (bars, bars + 5):
        cv2.rectangle(signed, (left, top + 5), (left + 2, top + _HEIGHT - 6), _WHITE, cv2.FILLED)
    cv2.putText(signed, text, (words, top + 13), _FONT, _FONT_SCALE, _WHITE, 1, cv2.LINE_AA)
    return signed
