"""A clip in, a call in both directions at once on this machine out: what each end saw, and what it cost.

end a   headgan-send ──▶ headgan-recv   end b
        headgan-recv ◀── headgan-send
"""

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from headgan.benchmarks.children import Process, end_child, finish_child, last_line, start_child
from headgan.benchmarks.process_watch import ProcessWatch
from headgan.benchmarks.run_call import END_LIMIT_S, START_LIMIT_S, free_port, wait_for_port
from headgan.benchmarks.timed_side import timed_words
from headgan.proto.errors import HeadganError

# Direction: who sends, who receives.
DIRECTIONS = {"a to b": ("a", "b"), "b to a": ("b", "a")}
# What is started and found out at the beginning is not what a call costs.
BEGINNING_S = 5.0
_CONNECTED = "connected to"
_LOOK_EVERY_S = 1.0
_INTERRUPT = 2


@dataclass(frozen=True)
class TwoWayFiles:
    """What a call left behind.

    Attributes:
        senders: statistics by direction.
        receivers: statistics by direction.
        cost: what a ProcessWatch reports, after the beginning.
    """

    senders: dict[str, dict[str, Any]]
    receivers: dict[str, dict[str, Any]]
    cost: dict[str, Any]


def run_two_way(
    clip: Path, folder: Path, seconds: float, sender_options: list[str], receiver_options: list[str]
) -> TwoWayFiles:
    """Calls for so many seconds, counted from when both senders were connected, and hangs up.

    Raises:
        HeadganError: a process failed or did not end.
    """
    with ExitStack() as stack:
        processes: dict[str, Process] = {}

        def start(name: str, side: str, words: list[str]) -> None:
            stats = folder / f"{_file(name)}.json"
            stats.unlink(missing_ok=True)
            log = folder / f"{_file(name)}.log"
            processes[name] = start_child([*timed_words(side), *words, "--stats", str(stats)], log)
            stack.callback(end_child, processes[name])

        ports = {direction: free_port() for direction in DIRECTIONS}
        for direction, (_, to) in DIRECTIONS.items():
            listen = ["--listen", f"127.0.0.1:{ports[direction]}", *receiver_options]
            start(f"{to} receives", "receiver", listen)
        for direction, (_, to) in DIRECTIONS.items():
            name = f"{to} receives"
            wait_for_port(processes[name], ports[direction], folder / f"{_file(name)}.log")
        for direction, (by, _) in DIRECTIONS.items():
            send = ["--camera", str(clip), "--loop", "--peer", f"127.0.0.1:{ports[direction]}"]
            start(f"{by} sends", "sender", [*send, *sender_options])
        for by, _ in DIRECTIONS.values():
            _wait_connected(processes[f"{by} sends"], f"{by} sends", folder)
        cost = _watch(processes, folder, seconds)
        for name, process in processes.items():
            if name.endswith("sends"):
                process.send_signal(_INTERRUPT)
        for name, process in processes.items():
            finish_child(process, name, folder / f"{_file(name)}.log", END_LIMIT_S)
    stats = {name: json.loads((folder / f"{_file(name)}.json").read_text()) for name in processes}
    return TwoWayFiles(
        {direction: stats[f"{by} sends"] for direction, (by, _) in DIRECTIONS.items()},
        {direction: stats[f"{to} receives"] for direction, (_, to) in DIRECTIONS.items()},
        cost,
    )


def _wait_connected(process: Process, name: str, folder: Path) -> None:
    """Waits until a headgan-send says that it is connected.

    Raises:
        HeadganError: it does not.
    """
    log = folder / f"{_file(name)}.log"
    end_s = time.monotonic() + START_LIMIT_S
    while _CONNECTED not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > end_s:
            raise HeadganError(f"{name}: it was not connected: {last_line(log)}")
        time.sleep(_LOOK_EVERY_S / 10)


def _watch(processes: dict[str, Process], folder: Path, seconds: float) -> dict[str, Any]:
    """Waits for the end of the call; what it costs after its beginning."""
    began_s, watch = time.monotonic(), None
    with tqdm(total=round(seconds), desc="two-way call", unit="s", leave=False) as bar:
        while (now_s := time.monotonic() - began_s) < seconds:
            if watch is None and now_s >= BEGINNING_S:
                watch = ProcessWatch(processes)
            if watch is not None:
                watch.look()
            for name, process in processes.items():
                if process.poll() is not None:
                    said = last_line(folder / f"{_file(name)}.log")
                    raise HeadganError(f"{name}: it ended before it was told to: {said}")
            bar.update(int(now_s) - bar.n)
            time.sleep(_LOOK_EVERY_S)
    if watch is None:
        raise ValueError(f"a call of {seconds} s has nothing but a beginning")
    return watch.report()


def _file(name: str) -> str:
    return name.replace(" ", "_")
