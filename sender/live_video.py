"""Frames whose face cannot be drawn in, frames of a live video out, as many as the line takes.

camera's thread   look ── no face, or not a true one, for a while ── LiveEncoder ──▶ event loop: sent, then free
"""

import threading

from headgan.codec.live_encoder import FRAMES_PER_SECOND, LiveEncoder
from headgan.sender.analysis import AnalysedFrame

# A face that is away for less is not missed.
_PATIENCE_MS = 300.0


class LiveVideo:
    """Belongs to the camera's thread, but for `sent`."""

    def __init__(self, kbps: float) -> None:
        """Args: kbps: kbit/s that it may cost while it runs."""
        self.frames = 0
        self.frame_bytes = 0
        self.kbps = kbps
        self._encoder = LiveEncoder(kbps)
        self._is_free = threading.Event()
        self._is_free.set()
        self._since_ms: float | None = None
        self._last_ms = -float("inf")

    def look(self, frame: AnalysedFrame, now_ms: float, *, is_wanted: bool) -> bytes | None:
        """A VP9 frame to send now, if one is wanted and the one before it is on its way; it waits for `sent`."""
        if not is_wanted:
            self._since_ms = None
            return None
        self._since_ms = now_ms if self._since_ms is None else self._since_ms
        is_due = now_ms - self._last_ms >= 1000 / FRAMES_PER_SECOND - 1
        if now_ms - self._since_ms < _PATIENCE_MS or not is_due or not self._is_free.is_set():
            return None
        data = self._encoder.encode(frame.crop_rgb, now_ms)
        if not data:
            return None
        self._last_ms = now_ms
        self._is_free.clear()
        self.frames += 1
        self.frame_bytes += len(data)
        return data

    def sent(self) -> None:
        """The frame has left: the next one may be made; from any thread."""
        self._is_free.set()
