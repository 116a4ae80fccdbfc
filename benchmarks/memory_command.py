"""`headgan-bench memory`: how long the two commands take to start, and how much memory they then have, out.

headgan-recv   started ── its networks have drawn, its page is there ── it takes calls
headgan-send   started ── a face is found, the person is known ───────── it calls
"""

import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tqdm import tqdm

from headgan.benchmarks.children import end_child, hang_up, last_line, start_child
from headgan.benchmarks.fps_command import ALL, chosen_providers
from headgan.benchmarks.performance import Figure, Performance, write_performance
from headgan.benchmarks.process_watch import check_psutil, resident_mb, spent_s
from headgan.benchmarks.report_files import make_folder
from headgan.benchmarks.run_call import START_LIMIT_S, command_words, free_port, wait_for_port
from headgan.benchmarks.stage_bars import draw_bars
from headgan.proto.errors import DeviceError, HeadganError, UsageError
from headgan.proto.options import argument, option, required
from headgan.proto.program import check_writable

_EVERY_S = 0.005
_SETTLE_S = 0.3
_HANG_UP_S = 5.0


@dataclass(frozen=True)
class MemoryOptions:
    """Options of `headgan-bench memory`."""

    clip: Path = argument("a clip with a face, for the sender")
    output: Path = required("folder for the report", flag="-o", metavar="DIR")
    provider: str = option(
        ALL,
        "what runs the receiver's networks; several with commas between, or all that work here",
        metavar="P[,P...]",
    )
    times: int = option(5, "how often each is started, after once that does not count; the median is told")
    json: Path | None = option(None, "the numbers by their keys alone, JSON", metavar="FILE")


def bench_memory(options: MemoryOptions) -> int:
    """Writes memory.json, memory.md and memory.png."""
    if not 1 <= options.times <= 1000:
        raise UsageError(f"--times {options.times}: give 1 to 1000")
    if not options.clip.is_file():
        raise DeviceError(f"{options.clip} is no file; give a clip with a face")
    check_writable(options.json, "--json")
    check_psutil("memory")
    make_folder(options.output)
    providers, skipped = chosen_providers(options.provider)
    starts: dict[str, Callable[[], dict[str, float]]] = {
        f"receiver.{name}": lambda name=name: start_receiver(name, options.output)  # type: ignore[misc]
        for name in providers
    }
    starts["sender"] = lambda: start_sender(options.clip, options.output)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in starts}
    order = [name for name in starts for _ in range(options.times + 1)]
    seen: set[str] = set()
    for name in tqdm(order, desc="memory", unit="start"):
        run = starts[name]()
        if name in seen:  # the first one fills the caches
            runs[name].append(run)
        seen.add(name)
    measured = summarise(runs, skipped)
    write_performance(measured, options.output / "memory.json", options.json)
    bars = {name: _start_parts(of) for name, of in runs.items()}
    draw_bars("memory", bars, options.output / "memory.png", "from its start until it is ready, median")
    sys.stdout.write(measured.table)
    return 0


def _start_parts(runs: list[dict[str, float]]) -> dict[str, float]:
    """Milliseconds of a start; with work on several cores at once there may be nothing left of it to wait."""
    start_ms, cpu_ms = (1000 * median(run[what] for run in runs) for what in ("start_s", "cpu_s"))
    return {"processor time": min(cpu_ms, start_ms), "waiting": max(0.0, start_ms - cpu_ms)}


def start_receiver(provider: str, folder: Path) -> dict[str, float]:
    """Starts a headgan-recv and ends it: seconds until it takes calls, and its memory then.

    Raises:
        PeerError: it does not.
    """
    port, log = free_port(), folder / "receiver.log"
    words = [*command_words("receiver"), "--listen", f"127.0.0.1:{port}", "--speaker", "none"]
    began_s = time.perf_counter()
    child = start_child([*words, "--provider", provider], log)
    try:
        wait_for_port(child, port, log, _EVERY_S)
        start_s, cpu_s = time.perf_counter() - began_s, spent_s(child)
        time.sleep(_SETTLE_S)
        return {"start_s": round(start_s, 3), "cpu_s": cpu_s, **resident_mb(child)}
    finally:
        hang_up(child, _HANG_UP_S)


def start_sender(clip: Path, folder: Path) -> dict[str, float]:
    """Starts a headgan-send and ends it: seconds until it calls, and its memory then.

    Raises:
        HeadganError: it does not.
    """
    log = folder / "sender.log"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(_EVERY_S * 20)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        began_s = time.perf_counter()
        child = start_child([*command_words("sender"), "--camera", str(clip), "--peer", address], log)
        try:
            while True:
                try:
                    connection, _ = server.accept()
                    break
                except TimeoutError:
                    waited_s = time.perf_counter() - began_s
                    if child.poll() is not None or waited_s > START_LIMIT_S:
                        raise HeadganError(f"headgan-send did not call: {last_line(log)}") from None
            start_s, cpu_s = time.perf_counter() - began_s, spent_s(child)
            with connection:
                return {"start_s": round(start_s, 3), "cpu_s": cpu_s, **resident_mb(child)}
        finally:
            end_child(child)


def summarise(runs: Mapping[str, list[dict[str, float]]], skipped: Mapping[str, str]) -> Performance:
    """Medians."""
    figures = []
    for name, of in runs.items():
        label = name.replace(".", " on ")
        ready = "takes calls" if name.startswith("receiver") else "has found the face and calls"
        start_s, cpu_s, rss = (
            round(median(run[what] for run in of), 3) for what in ("start_s", "cpu_s", "rss")
        )
        figures += [
            Figure(f"{name}.start_s", start_s, f"{label}: from its start until it {ready}", "s"),
            Figure(f"{name}.start_cpu_s", cpu_s, f"{label}: processor time of that", "s"),
            Figure(f"{name}.start_rss_mb", rss, f"{label}: its memory then", "MB"),
        ]
        if all("own" in run for run in of):
            own = round(median(run["own"] for run in of), 1)
            figures.append(Figure(f"{name}.start_own_mb", own, f"{label}: of it not shared", "MB", True))
    notes = [f"{name} was not measured: {why}." for name, why in skipped.items()]
    details: dict[str, Any] = {"runs": dict(runs), "cores": os.cpu_count()}
    return Performance("headgan-bench memory", figures, details, notes)
