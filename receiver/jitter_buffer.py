"""Packets in as they arrive, packets out when they are due: the playout clock of the receiver.

A packet captured at `capture_ms` is due at capture + fastest transit + delay. The fastest transit of the last seconds
stands for the unknown difference of the clocks (it follows their drift); the delay covers how much later most packets
come than the fastest. No clock, no thread, no lock: the caller brings `now_ms`.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from headgan.proto.clock import nearest_zero
from headgan.proto.errors import WireError

T = TypeVar("T")

MIN_DELAY_MS = 5.0
MAX_DELAY_MS = 320.0
# Packets of the last this many milliseconds decide the fastest transit and the jitter.
_WINDOW_MS = 5000.0
# The share of packets that are meant to arrive in time: of pictures, and of pieces of sound, whose lack is noticed.
_IN_TIME = 0.97
_SOUND_IN_TIME = 0.99
# The delay grows at once and shrinks by this share a packet, so that one quiet second does not cost the next.
_SHRINK = 0.01
_MAX_HELD = 64
# After a silence sound comes as late as before.
_SOUNDS_KEPT = 50
# Sound further behind its picture than this tells of an outage, not of jitter.
_MOST_APART_MS = 500.0
# Nothing for so long, at one frame a second or more, is an outage. What should have come during one was held up by it,
# and what comes in the second after it by what the channel has to make up for: neither says anything about the jitter.
_OUTAGE_MS = 1500.0
_RECOVERY_MS = 1000.0
# Two clocks drift apart by less than this in days; a sender that claims more is broken or means harm.
MAX_CLOCK_STEP_MS = 60_000.0


@dataclass(frozen=True)
class Due(Generic[T]):
    """A packet whose time has come.

    Attributes:
        seq: its number.
        capture_ms: when it was captured, by the sender's clock, unwrapped.
        item: what was pushed.
    """

    seq: int
    capture_ms: int
    item: T


@dataclass
class PlayoutCounts:
    """What became of the packets that arrived; `lost` is for the caller, who knows how many were sent.

    Attributes:
        arrived: different packets that came.
        shown: handed out by `pop`.
        late: came after their time, or were overtaken while the caller was busy.
        duplicates: came again.
    """

    arrived: int = 0
    shown: int = 0
    late: int = 0
    duplicates: int = 0


class JitterBuffer(Generic[T]):
    """Puts packets in order and hands each out at its time; one that missed it is counted and dropped.

    Attributes:
        counts: what became of the packets.
        earliest: the packet with the lowest number of all that arrived, in time or not.
    """

    def __init__(self) -> None:
        self.counts = PlayoutCounts()
        self.earliest: Due[T] | None = None
        self._held: dict[int, Due[T]] = {}
        self._seen: deque[int] = deque(maxlen=1024)
        self._shown_seq = -1
        self._last_capture_ms: int | None = None
        self._transits: deque[tuple[float, float]] = deque()
        self._sound_transits: deque[tuple[float, float]] = deque()
        self._first_transit_ms: float | None = None
        self._last_arrival_ms: float | None = None
        self._recovered_ms = -float("inf")
        self._fastest_ms = 0.0
        self._delay_ms = MIN_DELAY_MS

    @property
    def delay_ms(self) -> float:
        """How much later than the fastest packets a packet may come and still be in time."""
        return self._delay_ms

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits for its time."""
        return not self._held

    def push(self, seq: int, capture_ms: int, item: T, now_ms: float) -> bool:
        """Takes a packet that arrived at `now_ms`; False if it is of no use.

        Args:
            seq: its number, rising by one a frame.
            capture_ms: the sender's clock, modulo 2**32.
            item: the packet.
            now_ms: the receiver's clock.

        Raises:
            WireError: the sender's clock jumped.
        """
        if seq in self._seen:
            self.counts.duplicates += 1
            return False
        unwrapped = self._unwrap(capture_ms)
        self._check_clock(seq, now_ms - unwrapped)
        self._seen.append(seq)
        self.counts.arrived += 1
        self._learn_transit(now_ms - unwrapped, now_ms)
        due = Due(seq, unwrapped, item)
        if self.earliest is None or seq < self.earliest.seq:
            self.earliest = due
        if seq < self._shown_seq:
            self.counts.late += 1
            return False
        if len(self._held) == _MAX_HELD:  # a sender far ahead of its time: the oldest gives way
            self._held.pop(min(self._held))
            self.counts.late += 1
        self._held[seq] = due
        return True

    def unwrapped_ms(self, capture_ms: int) -> int | None:
        """The time of something else of this sender's clock, modulo 2**32, unwrapped; None while no picture has come.

        Raises:
            WireError: it is nowhere near the pictures.
        """
        if self._last_capture_ms is None:
            return None
        unwrapped = _nearest(capture_ms, self._last_capture_ms)
        apart_ms = unwrapped - self._last_capture_ms
        if abs(apart_ms) > MAX_CLOCK_STEP_MS:
            raise WireError(f"a voice is {apart_ms / 1000:.0f} s away from the pictures")
        return unwrapped

    def hear(self, start_ms: float, now_ms: float, ahead_ms: float = 0.0) -> None:
        """Has sound that began at `start_ms`, and is here at `now_ms`, heard in time with its picture from now on.

        Sound arrives as long after its beginning as its piece is long, and pictures wait for it; as they do for what
        plays it, which wants it so many milliseconds before it is heard.
        """
        transit_ms = now_ms + ahead_ms - start_ms
        if self._transits and transit_ms - self._fastest_ms < _MOST_APART_MS and now_ms > self._recovered_ms:
            self._sound_transits.append((now_ms, transit_ms))
            self._learn_delay(now_ms)

    def captured_ms(self, now_ms: float) -> float | None:
        """When that was captured which is due at `now_ms`; None before the first packet."""
        return now_ms - self._fastest_ms - self._delay_ms if self._transits else None

    def next_due_ms(self) -> float | None:
        """When the next packet is due, by the receiver's clock; None when nothing waits."""
        if not self._held:
            return None
        return self._due_ms(self._held[min(self._held)])

    def due_ms_of(self, capture_ms: float) -> float:
        """When a frame that was captured at `capture_ms` of the sender's clock, unwrapped, is due."""
        return capture_ms + self._fastest_ms + self._delay_ms

    def pop(self, now_ms: float) -> Due[T] | None:
        """The newest packet whose time has come; older ones that were not popped in time count as late."""
        ready = [seq for seq, due in self._held.items() if self._due_ms(due) <= now_ms]
        if not ready:
            return None
        newest = max(ready)
        overtaken = [seq for seq in self._held if seq < newest]
        for seq in overtaken:
            del self._held[seq]
        self.counts.late += len(overtaken)
        self.counts.shown += 1
        self._shown_seq = newest
        return self._held.pop(newest)

    def _due_ms(self, due: Due[T]) -> float:
        return self.due_ms_of(due.capture_ms)

    def _unwrap(self, capture_ms: int) -> int:
        """The sender's clock without the jump at 2**32: the value nearest to the last one."""
        if self._last_capture_ms is None:
            self._last_capture_ms = capture_ms
            return capture_ms
        unwrapped = _nearest(capture_ms, self._last_capture_ms)
        self._last_capture_ms = max(self._last_capture_ms, unwrapped)
        return unwrapped

    def _check_clock(self, seq: int, transit_ms: float) -> None:
        if self._first_transit_ms is None:
            self._first_transit_ms = transit_ms
        step_ms = self._first_transit_ms - transit_ms
        if abs(step_ms) > MAX_CLOCK_STEP_MS:
            raise WireError(f"frame {seq}: the sender's clock jumped by {step_ms / 1000:.0f} s")

    def _learn_transit(self, transit_ms: float, now_ms: float) -> None:
        if self._last_arrival_ms is not None and now_ms - self._last_arrival_ms > _OUTAGE_MS:
            self._recovered_ms = now_ms + _RECOVERY_MS
        self._last_arrival_ms = now_ms
        if now_ms - transit_ms + self._fastest_ms < self._recovered_ms:
            return
        self._transits.append((now_ms, transit_ms))
        self._learn_delay(now_ms)

    def _learn_delay(self, now_ms: float) -> None:
        for transits, kept in ((self._transits, 0), (self._sound_transits, _SOUNDS_KEPT)):
            while len(transits) > kept and now_ms - transits[0][0] > _WINDOW_MS:
                transits.popleft()
        if self._transits:
            self._fastest_ms = min(transit for _, transit in self._transits)
        in_time_ms = max(_share(self._transits, _IN_TIME), _share(self._sound_transits, _SOUND_IN_TIME))
        wanted = min(max(in_time_ms - self._fastest_ms, MIN_DELAY_MS), MAX_DELAY_MS)
        if wanted >= self._delay_ms:
            self._delay_ms = wanted
        else:
            self._delay_ms += _SHRINK * (wanted - self._delay_ms)


def _nearest(capture_ms: int, last_ms: int) -> int:
    """Of the times that `capture_ms`, modulo 2**32, may stand for, the one nearest to `last_ms`."""
    return last_ms + nearest_zero(capture_ms - last_ms)


def _share(transits: deque[tuple[float, float]], in_time: float) -> float:
    """What this share of the transits does not exceed; minus infinity if there are none."""
    if not transits:
        return -math.inf
    ordered = sorted(transit for _, transit in transits)
    return ordered[min(len(ordered) - 1, int(in_time * len(ordered)))]
