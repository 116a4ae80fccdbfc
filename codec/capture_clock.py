"""Blocks of sound with the times at which they say they were captured in, when they really were out.

A sound card's clock drifts against the machine's by up to some hundred millionths, and blocks are stamped late, by
chance. The time of a sample is therefore counted from the samples before it, and pulled slowly towards the stamps. A
stamp that is far off tells of sound that is missing, or of another clock.
"""

from typing import Final

# Smaller differences are chance.
GAP_MS: Final = 100.0
# Blocks that are early by more than GAP_MS are early until they are no more than by this.
_EARLY_MS = 20.0
# How long the pull takes. A drift of 100 millionths leaves an error of 0.3 ms, chance of 10 ms one of about 0.5 ms.
_PULL_MS = 3000.0


class CaptureClock:
    """Counts time in samples.

    Attributes:
        next_ms: when the next sample will have been captured, by the clock of the stamps; None before the first block.
    """

    def __init__(self, rate: int) -> None:
        """Args: rate: samples a second."""
        self._rate = rate
        self.restart(None)

    def restart(self, next_ms: float | None) -> None:
        """Forgets all stamps; the next sample is captured at `next_ms`."""
        self.next_ms = next_ms
        self._blocks = 0
        self._is_early = False

    def late_ms(self, stamp_ms: float) -> float:
        """By how much a block that follows the last one is late; 0.0 for the first, and when it is but chance."""
        if self.next_ms is None:
            return 0.0
        late_ms = stamp_ms - self.next_ms
        is_gap = abs(late_ms) >= GAP_MS or (self._is_early and late_ms <= -_EARLY_MS)
        self._is_early = is_gap and late_ms < 0
        return late_ms if is_gap else 0.0

    def advance(self, samples: int, stamp_ms: float | None = None) -> None:
        """Goes on by so many samples, the first of which has this stamp; None: nobody knows."""
        block_ms = 1000 * samples / self._rate
        if self.next_ms is None:
            self.next_ms = stamp_ms or 0.0
        if stamp_ms is not None:
            # The first stamps count alike, so that the start is no worse than the rest.
            self._blocks += 1
            pull = min(1.0, max(1 / self._blocks, block_ms / _PULL_MS))
            self.next_ms += pull * (stamp_ms - self.next_ms)
        self.next_ms += block_ms
