"""How long drawings took in, from how many references the next frame is drawn out: fewer while the machine is busy.

What a machine draws in time is measured before a call, when nothing else runs. In the call there is the other
direction, and whatever its user does. Where drawing takes much of the time between two frames, one reference fewer is
fused; the next try waits longer each time that it was too much.
"""

from dataclasses import dataclass

# Of the time between two frames: more is too much, and less than this leaves room for one reference more.
_TOO_MUCH, _ROOM = 0.5, 0.3
# How fast the time that drawing takes is learned, and after how many frames it is known.
_LEARNED, _KNOWN = 0.1, 20
_FIRST_WAIT_MS, _LONGEST_WAIT_MS = 5000.0, 160_000.0


@dataclass(eq=False)
class FusingPace:
    """Belongs to the drawing thread. No clock.

    Attributes:
        most: from how many references a frame is drawn at most.
        frame_ms: from frame to frame.
        first: from how many to begin with, if not from the most.
    """

    most: int
    frame_ms: float
    first: int | None = None

    def __post_init__(self) -> None:
        # From how many references the next frame is drawn.
        self.count = min(self.first or self.most, self.most)
        self._mean_ms = 0.0
        self._drawn = 0
        self._wait_ms = _FIRST_WAIT_MS
        self._changed_ms: float | None = None

    @property
    def is_busy(self) -> bool:
        """Whether the machine has so little time that frames are drawn from one reference, though more could be had."""
        return self.count == 1 < self.most

    def drew(self, took_ms: float, now_ms: float) -> None:
        """Learns that a frame took so long to draw from `count` references, at `now_ms`."""
        if self._changed_ms is None:
            self._changed_ms = now_ms
        self._drawn += 1
        self._mean_ms += max(_LEARNED, 1 / self._drawn) * (took_ms - self._mean_ms)
        if self._drawn < _KNOWN:
            return
        since_ms = now_ms - self._changed_ms
        if self.count > 1 and self._mean_ms > _TOO_MUCH * self.frame_ms:
            # What was too much at once is tried less often; what went well for long may be tried soon again.
            is_failed = since_ms < self._wait_ms
            self._wait_ms = min(2 * self._wait_ms, _LONGEST_WAIT_MS) if is_failed else _FIRST_WAIT_MS
            self._change(self.count - 1, now_ms)
        elif self.count < self.most and since_ms >= self._wait_ms and self._mean_ms < _ROOM * self.frame_ms:
            self._change(self.count + 1, now_ms)

    def _change(self, count: int, now_ms: float) -> None:
        self.count, self._changed_ms = count, now_ms
        self._mean_ms, self._drawn = 0.0, 0
