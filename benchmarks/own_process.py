"""What a process costs in, from the kernel: its processor time and its resident memory out; and its stages' times."""

import os
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgan.codec.stage_times import StageTimes


@dataclass(frozen=True)
class Cost:
    """Of this process up to now.

    Attributes:
        wall_s: on the clock.
        cpu_s: of all its threads on all cores.
    """

    wall_s: float
    cpu_s: float

    @classmethod
    def now(cls) -> "Cost":
        """Both clocks."""
        return cls(time.perf_counter(), time.process_time())

    def since(self, earlier: "Cost") -> "Cost":
        """What was spent after `earlier`."""
        return Cost(self.wall_s - earlier.wall_s, self.cpu_s - earlier.cpu_s)

    def plus(self, other: "Cost") -> "Cost":
        """Both together."""
        return Cost(self.wall_s + other.wall_s, self.cpu_s + other.cpu_s)


def resident_mb() -> float:
    """Memory of this process that is in RAM, in MB of 10**6 bytes; where the kernel tells only its peak, that."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)


def take_one_core() -> bool:
    """Leaves this process, and all threads that it starts from now on, one core; False where that cannot be."""
    setaffinity: Any = getattr(os, "sched_setaffinity", None)
    if setaffinity is None:
        return False
    setaffinity(0, {max(os.sched_getaffinity(0))})
    return True


def stages_of(times: StageTimes, frames: int) -> dict[str, dict[str, float | None]]:
    """Of each stage the percentiles of its runs, and its mean over the frames, in milliseconds; means add up."""
    totals = times.total_ms()
    return {
        name: {**values, "mean": round(totals[name] / frames, 3)} for name, values in times.report().items()
    }
