"""Frames in, the picture to send as a reference next out: the sender's half of a reference memory.

saw ── every 0.2 s ── Coverage: what would it bring? ── the best since the last one ── Proposal
                                                        once the line is free and it brings enough

It knows what the other side holds only from what was acknowledged, and spends no more than its rate. No clock, no
network: the caller brings `now_ms` and moves the bytes.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from headgan.codec.memory import DEFAULT_CAPACITY, Coverage

T = TypeVar("T")

DEFAULT_KBPS = 8.0
_EVERY_MS = 200.0
# A reference has to take away this share of the distances at least: below it bytes are better saved. Once the rate of
# the first time is spent, the share grows by as much again with that of each second one: a memory is filled once.
MIN_GAIN = 0.02
_FILL_MS, _SPARE_MS = 30_000.0, 7500.0
# What is urgent may be paid for afterwards, but no more of it than this time's worth of the rate.
_CREDIT_MS = 5000.0


@dataclass(frozen=True, eq=False)
class Proposal(Generic[T]):
    """A picture that is worth its bytes.

    Attributes:
        number: what it is called on the wire.
        item: what came with its frame.
        replaces: number of the reference that is given up for it, or None.
    """

    number: int
    item: T
    replaces: int | None


@dataclass(frozen=True, eq=False)
class _Candidate(Generic[T]):
    descriptor: NDArray[np.float32]
    item: T


class ReferencePlanner(Generic[T]):
    """Fills the other side's memory; the first reference, number 0, is held from the start."""

    def __init__(
        self,
        first: NDArray[np.float32],
        *,
        capacity: int = DEFAULT_CAPACITY,
        kbps: float = DEFAULT_KBPS,
        min_gain: float = MIN_GAIN,
    ) -> None:
        """Args: first: descriptor of the first reference, float32 [D]; kbps: kbit/s to spend at most."""
        self._coverage = Coverage()
        self._coverage.hold(0, first)
        self._capacity, self._kbps, self._min_gain = capacity, kbps, min_gain
        self._held = {0}
        self._coming: dict[int, NDArray[np.float32]] = {}
        self._given_up: tuple[int, NDArray[np.float32]] | None = None
        self._next_number = 1
        self._best: _Candidate[T] | None = None
        self._seen_ms = -np.inf
        self._free_ms = -np.inf
        self._spent_ms = 0.0

    def expects(self, number: int, descriptor: NDArray[np.float32]) -> None:
        """Learns of a reference, float32 [D], that the other side has from an earlier call, and will answer for."""
        self._coming[number] = descriptor
        self._next_number = max(self._next_number, number + 1)

    def saw(
        self,
        descriptor: NDArray[np.float32],
        item: T,
        now_ms: float,
        *,
        is_urgent: bool = False,
        on_credit: bool = True,
    ) -> Proposal[T] | None:
        """Looks at a frame; the picture to send now, which need not be this one, or None.

        Args:
            descriptor: float32 [D] of the frame.
            item: handed out again with a proposal.
            now_ms: when the frame was taken.
            is_urgent: whether what is held is known not to show what there is now: then it is this frame.
            on_credit: whether what is urgent may be paid for afterwards.
        """
        if self._capacity == 1 or now_ms - self._seen_ms < _EVERY_MS - 1:
            return None
        self._seen_ms = now_ms
        self._coverage.saw(descriptor)
        new = _Candidate(descriptor, item)
        best = new
        if self._best is not None and not is_urgent:
            best = max([self._best, new], key=lambda one: self._offer(one)[0])
        self._best = best
        gain, replaces = self._offer(best)
        free_ms = self._free_ms - (_CREDIT_MS if is_urgent and on_credit else 0)
        if now_ms < free_ms or self._coming or (gain < self._worth() and not is_urgent):
            return None
        number, self._best = self._next_number, None
        self._next_number += 1
        self._coming[number] = best.descriptor
        if replaces is not None:
            # Frames on their way may still name it; new ones must not, unless the other side refuses.
            self._held.discard(replaces)
            self._given_up = (replaces, self._coverage.drop(replaces))
        return Proposal(number, best.item, replaces)

    def spent(self, sent_bytes: int, now_ms: float) -> None:
        """Learns what a proposal costs: the next one waits until the rate has paid for it."""
        cost_ms = sent_bytes * 8 / self._kbps
        self._free_ms = max(self._free_ms, now_ms) + cost_ms
        self._spent_ms += cost_ms

    def acknowledged(self, number: int) -> None:
        """The other side holds the reference: frames may be drawn from it."""
        descriptor = self._coming.pop(number, None)
        if descriptor is not None:
            self._held.add(number)
            self._coverage.hold(number, descriptor)
            self._given_up = None

    def refused(self, number: int) -> None:
        """The other side could not take the reference, and has given up none for it."""
        if self._coming.pop(number, None) is not None and self._given_up is not None:
            replaced, descriptor = self._given_up
            self._held.add(replaced)
            self._coverage.hold(replaced, descriptor)
            self._given_up = None

    def choose(self, descriptor: NDArray[np.float32], count: int = 1) -> tuple[int, ...]:
        """Numbers of at most `count` references, all acknowledged, to draw a frame, float32 [D], from."""
        return self._coverage.choose(descriptor, count)

    @property
    def distance(self) -> float:
        """From the frame that was chosen for last to the best of its references."""
        return self._coverage.distance

    @property
    def held(self) -> frozenset[int]:
        """Numbers that a frame may name."""
        return frozenset(self._held)

    def _worth(self) -> float:
        """The gain that a reference has to bring by now."""
        return self._min_gain * (1 + max(0.0, self._spent_ms - _FILL_MS) / _SPARE_MS)

    def _offer(self, candidate: _Candidate[T]) -> tuple[float, int | None]:
        is_full = len(self._held) + len(self._coming) >= self._capacity
        coming = next(iter(self._coming.values()), None)
        offer = self._coverage.offer(candidate.descriptor, coming=coming, is_full=is_full)
        return offer.gain, offer.replaces
