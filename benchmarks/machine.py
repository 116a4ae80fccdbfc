"""How much of the machine its host took away while something was measured."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CpuTime:
    """Time of all cores since the machine started, in the kernel's ticks.

    Attributes:
        total: of any kind.
        stolen: when a core had work, but the host gave its time to another machine.
        idle: when a core had no work.
    """

    total: int
    stolen: int
    idle: int = 0

    def idle_since(self, earlier: "CpuTime") -> float | None:
        """Share of the cores' time without work since `earlier`, 0 to 1; None where nobody counts it."""
        if self.total <= earlier.total:
            return None
        return round((self.idle - earlier.idle) / (self.total - earlier.total), 3)

    def stolen_since(self, earlier: "CpuTime") -> float | None:
        """Share of the cores' time that the host took since `earlier`, 0 to 1; None where nobody counts it."""
        if self.total <= earlier.total:
            return None
        return round((self.stolen - earlier.stolen) / (self.total - earlier.total), 3)


def read_cpu_time() -> CpuTime:
    """The counters now; zeros on systems other than Linux."""
    try:
        numbers = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return CpuTime(0, 0)
    # The fourth is idle, the fifth idle while a disk works.
    return CpuTime(sum(numbers), numbers[7], numbers[3] + numbers[4])
