"""Bytes of packets in, how the next ones are to be coded out: holds a rate over a sliding second.

A ladder of levels leads from the finest step to the coarsest, then to a coder that lets small movements be (more of
what it takes for trembling), then to fewer frames. A packet that overshoots takes it up at once, one that leaves room
down slowly, so that quality does not flutter. One that would make its second cost too much is coded anew. No clock: the
caller brings `now_ms`.
"""

from collections import deque
from dataclasses import dataclass

from headgan.codec.quantizer import STEPS
from headgan.proto.errors import UsageError

WINDOW_MS = 1000.0
# What the last so many packets cost is compared with what is allowed now; where frames are left out, those of so long.
_RECENT, _RECENT_MS = 2, 240.0
_FRAME_MS = 40.0
_ROOM = 0.8
# So many packets in a row have to leave room.
_PATIENCE = 3
# What is owed, or left over, of this many seconds' bytes changes what is allowed.
_MOST_OWED, _MOST_LEFT = 1.0, 0.5
_LEAST_ALLOWED = 0.3
# A second may cost so much of its rate.
_MOST = 1.1
# By so many levels a packet that would cost more is coded coarser, until it fits.
_COARSER = 2


@dataclass(frozen=True)
class CodingLevel:
    """How frames are coded.

    Attributes:
        step: index of the step.
        calm: how much more than usual a bit is worth: what moves little is left alone.
        every: each so many-th frame is sent.
    """

    step: int
    calm: float = 1.0
    every: int = 1


LEVELS = (
    *(CodingLevel(step) for step in range(21)),
    *(CodingLevel(step, calm) for step, calm in ((21, 1.5), (22, 2.0), (23, 3.0))),
    *(CodingLevel(23, 3.0, every) for every in (2, 3, 4)),
    CodingLevel(len(STEPS) - 1, 4.0, 5),
)
# The last level that sends every frame.
_LAST_WHOLE = max(place for place, level in enumerate(LEVELS) if level.every == 1)


class RateControl:
    """For one stream."""

    def __init__(self, kbps: float, *, first: int = 11) -> None:
        """Args: kbps: kbit/s to hold, of the parameters' records; first: the level to begin with.

        Raises:
            UsageError: the rate is not above 0.
        """
        if not kbps > 0:
            raise UsageError(f"{kbps:g} kbit/s of parameters: give more than 0")
        self.kbps = kbps
        self._place = first
        self._spent: deque[tuple[float, int]] = deque()
        self._roomy = 0
        self._owed = 0.0

    @property
    def level(self) -> CodingLevel:
        """How to code the next frame."""
        return LEVELS[self._place]

    def takes(self, size_bytes: int, now_ms: float) -> bool:
        """Whether a packet is to be sent at `now_ms` as it is; if not, the level is coarser now."""
        rate = self.rate_kbps(now_ms) + size_bytes * 8 / WINDOW_MS
        if rate <= _MOST * self.kbps or self._place >= _LAST_WHOLE:
            return True
        self._roomy = 0
        self._place = min(self._place + _COARSER, _LAST_WHOLE)
        return False

    def spent(self, size_bytes: int, now_ms: float) -> None:
        """A packet of so many bytes was made at `now_ms`; a frame that was left out is one of 0 bytes."""
        elapsed_ms = now_ms - self._spent[-1][0] if self._spent else 0.0
        self._spent.append((now_ms, size_bytes))
        while self._spent[0][0] <= now_ms - WINDOW_MS:
            self._spent.popleft()
        second = self.kbps * 1000 / 8
        owed = self._owed + size_bytes - second * elapsed_ms / 1000
        self._owed = min(max(owed, -_MOST_LEFT * second), _MOST_OWED * second)
        allowed = self.kbps * max(_LEAST_ALLOWED, 1 - self._owed / second)
        length_ms = _RECENT_MS if self.level.every > 1 else _RECENT * (elapsed_ms or _FRAME_MS)
        recent = self._rate_of(min(length_ms, WINDOW_MS), now_ms)
        if recent > allowed:
            self._roomy = 0
            self._place = min(self._place + (2 if recent > 1.5 * allowed else 1), len(LEVELS) - 1)
        elif recent < _ROOM * allowed:
            self._roomy += 1
            if self._roomy >= _PATIENCE:
                self._roomy = 0
                self._place = max(self._place - 1, 0)

    def rate_kbps(self, now_ms: float) -> float:
        """kbit/s of the second before `now_ms`."""
        return self._rate_of(WINDOW_MS, now_ms)

    def _rate_of(self, length_ms: float, now_ms: float) -> float:
        return sum(size for at_ms, size in self._spent if at_ms > now_ms - length_ms) * 8 / length_ms
