"""What happened to a frame and when in, one row of numbers for each of the newest frames out.

A frame is known by when it was captured, on the sender's clock modulo 2**32: the one mark that goes with it from
camera to display. Rows of both sides of a call, joined by it, tell where each millisecond went.
"""

import threading
from collections.abc import Callable, Mapping

# Five minutes at 25 frames a second.
_KEPT = 7500


class FrameMoments:
    """Of one side of a call; any thread."""

    def __init__(self, clock_ms: Callable[[], float], kept: int = _KEPT) -> None:
        """Args: clock_ms: a monotonic clock; kept: frames, of which older ones give way."""
        self._clock_ms = clock_ms
        self._kept = kept
        self._rows: dict[int, dict[str, float]] = {}
        self._lock = threading.Lock()

    def mark(self, capture_ms: float, moment: str, at_ms: float | None = None) -> None:
        """Notes that the frame of `capture_ms` has come to `moment`, now or at `at_ms`; the first time counts."""
        self.note(capture_ms, {moment: self._clock_ms() if at_ms is None else at_ms})

    def note(self, capture_ms: float, numbers: Mapping[str, float]) -> None:
        """Notes numbers of a frame by their names."""
        with self._lock:
            row = self._rows.setdefault(int(capture_ms) % 2**32, {})
            for name, number in numbers.items():
                row.setdefault(name, number)
            if len(self._rows) > self._kept:
                del self._rows[next(iter(self._rows))]

    def rows(self) -> list[dict[str, float]]:
        """A row for each frame with its `capture_ms`, in the order in which they came; ready for JSON."""
        with self._lock:
            return [
                {"capture_ms": capture_ms, **{name: round(number, 3) for name, number in row.items()}}
                for capture_ms, row in self._rows.items()
            ]
