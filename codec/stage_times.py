"""Durations in, medians and 95th percentiles out: how long the stages of a frame take."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np

# An hour of frames; older ones give way, so that a long call does not eat the memory.
KEPT_FRAMES = 90_000


def percentiles(values: Iterable[float]) -> dict[str, float | None]:
    """Median and 95th percentile by name, rounded to a hundredth; None without values."""
    array = np.fromiter(values, dtype=np.float64)
    if array.size == 0:
        return {"p50": None, "p95": None}
    p50, p95 = np.percentile(array, [50, 95])
    return {"p50": round(float(p50), 2), "p95": round(float(p95), 2)}


class StageTimes:
    """Collects how long named stages take. Each stage belongs to one thread."""

    def __init__(self, clock_ms: Callable[[], float]) -> None:
        """Args: clock_ms: a monotonic clock."""
        self._clock_ms = clock_ms
        self._durations: dict[str, deque[float]] = {}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Times what is done inside as one run of `stage`."""
        start_ms = self._clock_ms()
        yield
        self._durations.setdefault(stage, deque(maxlen=KEPT_FRAMES)).append(self._clock_ms() - start_ms)

    def clear(self) -> None:
        """Forgets what was measured, such as a warm-up."""
        self._durations.clear()

    def total_ms(self) -> dict[str, float]:
        """How long all runs of each stage took together."""
        return {stage: float(sum(durations)) for stage, durations in self._durations.items()}

    def newest_ms(self) -> dict[str, float]:
        """How long the newest run of each stage took."""
        return {stage: durations[-1] for stage, durations in self._durations.items()}

    def report(self) -> dict[str, dict[str, float | None]]:
        """`percentiles` in milliseconds for each stage, in the order of their first run."""
        return {stage: percentiles(durations) for stage, durations in self._durations.items()}
