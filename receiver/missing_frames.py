"""What was shown in, a guess at the frame that is missing out, and when it is to be shown."""

from dataclasses import dataclass
from typing import Any

from headgan.codec.concealer import Concealer
from headgan.codec.params import FaceParams
from headgan.receiver.jitter_buffer import JitterBuffer

# So long after its time a frame is waited for, and a guess is worth showing if the next frame is that far away; both in
# frames.
_PATIENCE, _WORTH = 0.25, 0.6
# How fast the time from frame to frame is learned.
_LEARNED = 0.1


@dataclass(frozen=True, eq=False)
class Guess:
    """A frame that nobody sent so.

    Attributes:
        seq: that of the frame before.
        capture_ms: when it would have been captured, by the sender's clock, unwrapped.
        due_ms: when to show it, by the receiver's clock.
        params: the face.
        references: numbers of those to draw it from.
    """

    seq: int
    capture_ms: int
    due_ms: float
    params: FaceParams
    references: tuple[int, ...]


class MissingFrames:
    """Belongs to the drawing thread. No clock."""

    def __init__(self, frame_ms: float) -> None:
        """Args: frame_ms: from frame to frame, until it is known better."""
        self._frame_ms = frame_ms
        self._concealer = Concealer()
        self._last: tuple[int, int, tuple[int, ...]] | None = None
        self._filled = 0

    def shown(
        self, seq: int, capture_ms: int, params: FaceParams | None, references: tuple[int, ...]
    ) -> None:
        """A frame was shown; params: its face, None if none was drawn."""
        if self._last is not None and seq > self._last[0]:
            measured = (capture_ms - self._last[1]) / (seq - self._last[0])
            self._frame_ms += _LEARNED * (measured - self._frame_ms)
        self._last, self._filled = (seq, capture_ms, references), 0
        if params is None:
            self._concealer.forget()
        else:
            self._concealer.saw(params, capture_ms)

    def next_guess(self, buffer: JitterBuffer[Any], next_ms: float | None) -> Guess | None:
        """What to show if the frame does not come until then; None where there is nothing to guess.

        Args:
            buffer: knows when frames are due.
            next_ms: when the next of those that came is due.
        """
        missing = self._concealer.missing(self._filled + 1, self._frame_ms)
        if missing is None or self._last is None:
            return None
        time_ms, params = missing
        due_ms = buffer.due_ms_of(time_ms) + _PATIENCE * self._frame_ms
        if next_ms is not None and next_ms - due_ms < (_WORTH - _PATIENCE) * self._frame_ms:
            return None
        seq, _, references = self._last
        return Guess(seq, round(time_ms), due_ms, params, references)

    def filled(self) -> None:
        """The guess is shown."""
        self._filled += 1
