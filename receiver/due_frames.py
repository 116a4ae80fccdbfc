"""Frames that arrive in, each one out at its time, and a guess in place of one that is missing.

push ── JitterBuffer ──┬── next, which waits until one is due
        MissingFrames ─┘
            ▲ drew: what became of it, and how long after its time the picture was there
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from headgan.codec.params import FaceParams
from headgan.receiver.jitter_buffer import Due, JitterBuffer
from headgan.receiver.missing_frames import Guess, MissingFrames

_IDLE_S = 0.1
# How fast the time that drawing takes is learned.
_LEARNED = 0.05
_MOST_DRAWING_MS = 100.0


@dataclass(frozen=True, eq=False)
class CallFrame:
    """A frame as it came.

    Attributes:
        params: the face, or None.
        references: numbers of those to draw it from, the best one first; empty for the first of the call.
        is_untrue: whether what would be drawn is known not to be there.
        is_guessed: whether it did not come, and stands in for one that is missing.
    """

    params: FaceParams | None
    references: tuple[int, ...]
    is_untrue: bool
    is_guessed: bool = False


DueFrame: TypeAlias = Due[CallFrame]


class DueFrames:
    """Of one call: filled by one thread and emptied by the drawing thread; any thread may ask for times."""

    def __init__(self, frame_ms: float, clock_ms: Callable[[], float]) -> None:
        """Args: frame_ms: from frame to frame, until it is known better; clock_ms: a monotonic clock."""
        self._clock_ms = clock_ms
        self._buffer: JitterBuffer[CallFrame] = JitterBuffer()
        self._gap = MissingFrames(frame_ms)
        # How long after its time a picture is there.
        self._drawing_ms = 0.0
        self._changed = threading.Condition()
        self._is_closing = False

    @property
    def buffer(self) -> JitterBuffer[CallFrame]:
        """Its counts, to be read after `close`."""
        return self._buffer

    @property
    def earliest(self) -> DueFrame | None:
        """The frame with the lowest number of all that arrived, in time or not."""
        with self._changed:
            return self._buffer.earliest

    def push(self, seq: int, capture_ms: int, frame: CallFrame, now_ms: float) -> None:
        """Takes a frame that arrived at `now_ms`; capture_ms: the sender's clock, modulo 2**32.

        Raises:
            WireError: the sender's clock jumped.
        """
        with self._changed:
            self._buffer.push(seq, capture_ms, frame, now_ms)
            self._changed.notify()

    def unwrapped_ms(self, capture_ms: int) -> int | None:
        """The time of something else of this sender's clock; see `JitterBuffer.unwrapped_ms`."""
        with self._changed:
            return self._buffer.unwrapped_ms(capture_ms)

    def hear(self, start_ms: float, now_ms: float, ahead_ms: float) -> None:
        """Has sound heard in time with its picture; see `JitterBuffer.hear`."""
        with self._changed:
            self._buffer.hear(start_ms, now_ms, ahead_ms)

    def captured_ms(self, play_ms: float) -> float | None:
        """When that was said which is to be heard at `play_ms`: with the picture, which takes a while to draw."""
        with self._changed:
            return self._buffer.captured_ms(play_ms - self._drawing_ms)

    def next(self) -> DueFrame | None:
        """Waits for the next frame's time; None at the end."""
        with self._changed:
            while True:
                now_ms = self._clock_ms()
                due = self._buffer.pop(now_ms)
                if due is not None:
                    return due
                next_ms = self._buffer.next_due_ms()
                if self._is_closing and next_ms is None:
                    return None
                guess = None if self._is_closing else self._gap.next_guess(self._buffer, next_ms)
                if guess is not None and guess.due_ms <= now_ms:
                    return self._guessed(guess)
                waits = [one for one in (next_ms, guess.due_ms if guess else None) if one is not None]
                self._changed.wait(max(0.0, min(waits) - now_ms) / 1000 if waits else _IDLE_S)

    def drew(self, due: DueFrame, now_ms: float, *, is_live: bool) -> None:
        """Learns that the picture for a frame was there at `now_ms`; is_live: whether its face was drawn."""
        frame = due.item
        if frame.is_guessed:
            return
        self._gap.shown(due.seq, due.capture_ms, frame.params if is_live else None, frame.references)
        with self._changed:
            late_ms = min(max(now_ms - self._buffer.due_ms_of(due.capture_ms), 0.0), _MOST_DRAWING_MS)
            self._drawing_ms += _LEARNED * (late_ms - self._drawing_ms)

    def close(self) -> None:
        """Has `next` hand out what has arrived, and then end."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()

    def _guessed(self, guess: Guess) -> DueFrame:
        self._gap.filled()
        frame = CallFrame(guess.params, guess.references, is_untrue=False, is_guessed=True)
        return Due(guess.seq, guess.capture_ms, frame)
