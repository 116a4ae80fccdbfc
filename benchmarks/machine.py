"""Which machine, which code: what every report starts with, so that a number can be judged later."""

import os
import platform
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any


def describe_run() -> dict[str, Any]:
    """Processor, cores, system and versions; the commit if this runs from a checkout."""
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "headgan": version("headgan"),
        "onnxruntime": version("onnxruntime"),
        "commit": _commit(),
    }


@dataclass(frozen=True)
class CpuTime:
    """Time of all cores since the machine started, in the kernel's ticks.

    Attributes:
        total: of any kind.
        stolen: when a core had work, but the host gave its time to another machine.
    """

    total: int
    stolen: int

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
    return CpuTime(sum(numbers), numbers[7])


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _commit() -> str | None:
    """Short hash of the checkout, with a mark if it has changes; None outside one."""
    root = Path(__file__).resolve().parent.parent
    try:
        words = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"]
        result = subprocess.run(words, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() or None
