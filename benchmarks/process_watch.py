"""Processes in, what they and the whole machine cost while they run out: processor time, memory, idle time."""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from headgan.benchmarks.children import Process
from headgan.benchmarks.machine import read_cpu_time
from headgan.proto.errors import UsageError

MB = 1e6


def check_psutil(command: str) -> None:
    """Raises UsageError unless psutil is there."""
    try:
        import psutil  # noqa: F401
    except ImportError as exc:
        raise UsageError(f"{command} needs psutil; run: pip install 'headgan[bench]'") from exc


def spent_s(process: Process) -> float:
    """Processor time of a running process on all cores."""
    import psutil

    spent = psutil.Process(process.pid).cpu_times()
    return float(spent.user + spent.system)


def resident_mb(process: Process) -> dict[str, float]:
    """Memory of a running process in MB of 10**6 bytes: `rss`, in RAM, and `own`, that no other process shares."""
    import psutil

    watched = psutil.Process(process.pid)
    found = {"rss": round(watched.memory_info().rss / MB, 1)}
    with suppress(psutil.AccessDenied, AttributeError):
        found["own"] = round(watched.memory_full_info().uss / MB, 1)
    return found


@dataclass
class _Course:
    """Of one process: when, its processor time and its memory."""

    at_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)


class ProcessWatch:
    """Look from time to time; `report` tells of what was between the first look and the last."""

    def __init__(self, processes: Mapping[str, Process]) -> None:
        """Args: processes: by name; they run."""
        import psutil

        self._watched = {name: psutil.Process(process.pid) for name, process in processes.items()}
        self._courses = {name: _Course() for name in processes}
        self._first = self._last = read_cpu_time()

    def look(self) -> None:
        """Takes one sample of each process that still runs."""
        import psutil

        self._last = read_cpu_time()
        for name, watched in self._watched.items():
            with suppress(psutil.NoSuchProcess), watched.oneshot():
                spent = watched.cpu_times()
                course = self._courses[name]
                course.rss_mb.append(watched.memory_info().rss / MB)
                course.cpu_s.append(spent.user + spent.system)
                course.at_s.append(time.monotonic())

    def report(self) -> dict[str, Any]:
        """Cores and memory of each process, and where the rest of the machine's time went; ready for JSON.

        `idle` and `stolen` are shares of it, `others_cores` what programs other than these kept busy.
        """
        processes = {}
        for name, course in self._courses.items():
            if len(course.at_s) < 2:
                continue
            cores = (course.cpu_s[-1] - course.cpu_s[0]) / (course.at_s[-1] - course.at_s[0])
            processes[name] = {
                "cores": round(cores, 3),
                "rss_mb": round(course.rss_mb[-1], 1),
                "rss_most_mb": round(max(course.rss_mb), 1),
            }
        idle, stolen = self._last.idle_since(self._first), self._last.stolen_since(self._first)
        others = None
        if idle is not None and stolen is not None:
            busy = (os.cpu_count() or 1) * (1 - idle - stolen)
            others = round(max(0.0, busy - sum(one["cores"] for one in processes.values())), 3)
        return {"processes": processes, "idle": idle, "stolen": stolen, "others_cores": others}
