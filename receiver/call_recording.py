"""Shown pictures and what is heard in, in the order in which a file takes them out; nothing where none is wanted.

write ─────── those of frames; guesses wait until a frame comes after them ──┬── Recording
keep_sound ── waits until the next picture is written ───────────────────────┘
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from headgan.codec.stage_times import StageTimes
from headgan.receiver.due_frames import DueFrame, DueFrames
from headgan.receiver.playback_settings import PlaybackSettings
from headgan.receiver.recording import Recording
from headgan.receiver.shown_pictures import ShownPicture

# Sound that waits to be recorded until the next picture is.
_KEPT_SOUNDS = 1000
# At most this much of a recording's start is made up for frames that were lost before the first that arrived.
_MAX_LEAD_MS = 5000.0


class CallRecording:
    """Belongs to the drawing thread, but for `keep_sound` and `line_silent`."""

    def __init__(self, settings: PlaybackSettings, size: int, frames: DueFrames, times: StageTimes) -> None:
        """Starts nothing.

        Args:
            settings: where to record to, if at all, and how.
            size: side of the pictures.
            frames: knows which one was the first.
            times: how long recording takes.
        """
        self._recording: Recording | None = None
        if settings.record_path is not None:
            self._recording = Recording(
                settings.record_path,
                size=size,
                rate_fps=settings.rate_fps,
                is_plain=settings.record_plain,
                has_sound=settings.hears,
            )
        self._rate_fps = settings.rate_fps
        self._frames = frames
        self._times = times
        self._sounds: deque[tuple[NDArray[np.float32], float]] = deque(maxlen=_KEPT_SOUNDS)
        # Recorded only if a frame comes after them: at the end of a call there was nothing more to see.
        self._guesses: list[tuple[NDArray[np.uint8], int]] = []

    def keep_sound(self, samples: NDArray[np.float32], start_ms: float) -> None:
        """Takes what is heard, on the thread of what plays it."""
        if self._recording is not None:
            self._sounds.append((samples, start_ms))

    def line_silent(self) -> None:
        """Learns that nothing arrives any more, which the recording is to show; from any thread."""
        if self._recording is not None:
            self._recording.line_silent()

    def write(self, due: DueFrame, shown: ShownPicture) -> None:
        """Takes the picture that was shown for a frame.

        Raises:
            DeviceError: the file cannot be written.
        """
        recording = self._recording
        if recording is None:
            return
        if due.item.is_guessed:
            self._guesses.append((shown.picture_rgb, due.capture_ms))
            return
        with self._times.measure("record"):
            if not recording.is_open:
                recording.open(self._start_ms(due))
            for picture_rgb, capture_ms in self._guesses:
                recording.write_guess(picture_rgb, capture_ms)
            recording.write(shown.picture_rgb, shown.state, due.capture_ms)
            self._write_sound(recording)
        self._guesses.clear()

    def close(self) -> None:
        """Records the sound that is left, and finishes the file, if there is one.

        Raises:
            DeviceError: the file cannot be written.
        """
        if self._recording is None:
            return
        try:
            self._write_sound(self._recording)
        finally:
            self._recording.close()

    def _write_sound(self, recording: Recording) -> None:
        while self._sounds:
            recording.write_sound(*self._sounds.popleft())

    def _start_ms(self, first: DueFrame) -> float:
        """When a recording starts: with the first frame that was sent, even when it came too late or never."""
        earliest = self._frames.earliest or first
        lead_ms = min(earliest.seq * 1000 / self._rate_fps, _MAX_LEAD_MS)
        return earliest.capture_ms - lead_ms
