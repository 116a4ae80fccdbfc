"""Pings and pongs in, the other side's clock out (RFC 5905 section 8, with four time stamps made two).

        own clock   ping_ms ─────┐          ┌───── now_ms      round_trip_ms = now_ms - ping_ms
                                 ▼          │                  offset_ms = own_ms - (ping_ms + now_ms) / 2
        peer clock               own_ms ────┘

Both clocks have any origin and wrap modulo 2**32 ms on the wire. The estimate is wrong by at most half the
round trip, which happens when one direction takes all of it; a message that waited in a queue has a long
round trip, so the sample with the shortest one is kept.
"""

from collections import deque
from dataclasses import dataclass
from typing import TypeVar

N = TypeVar("N", int, float)

WINDOW_SAMPLES = 16
# A longer round trip answers no ping of ours, or is worthless.
MAX_ROUND_TRIP_MS = 60_000
_U32 = 2**32


@dataclass(frozen=True)
class ClockEstimate:
    """The other side's clock: peer_time_ms = own_time_ms + offset_ms, modulo 2**32.

    Attributes:
        offset_ms: in -2**31..2**31.
        round_trip_ms: of the sample that gave the offset.
    """

    offset_ms: float
    round_trip_ms: int

    def age_ms(self, peer_ms: int, now_ms: int) -> float:
        """How long ago `peer_ms` was, a u32 on the peer's clock; negative when the estimate is imprecise."""
        return nearest_zero(now_ms + self.offset_ms - peer_ms)


class PeerClock:
    """Estimates the other side's clock from the last 16 pongs.

    Attributes:
        estimate: the sample with the shortest round trip, the newest of those; None before the first pong. Any thread
            may read it.
    """

    def __init__(self) -> None:
        self.estimate: ClockEstimate | None = None
        self._samples: deque[ClockEstimate] = deque(maxlen=WINDOW_SAMPLES)

    def add_pong(self, ping_ms: int, peer_ms: int, now_ms: int) -> None:
        """Takes one Pong that arrived at `now_ms`: its `ping_ms` and its `own_ms`, both u32."""
        round_trip_ms = (now_ms - ping_ms) % _U32
        if round_trip_ms > MAX_ROUND_TRIP_MS:
            return
        offset_ms = nearest_zero(peer_ms - ping_ms - round_trip_ms / 2)
        self._samples.append(ClockEstimate(offset_ms, round_trip_ms))
        self.estimate = min(reversed(self._samples), key=lambda sample: sample.round_trip_ms)


def wrap_ms(now_ms: int) -> int:
    """A clock reading as it goes on the wire: u32, modulo 2**32."""
    return now_ms % _U32


def nearest_zero(difference: N, modulus: int = _U32) -> N:
    """The difference of two numbers that wrap around, of all that it may be the one nearest to zero."""
    half = modulus // 2
    return (difference + half) % modulus - half
