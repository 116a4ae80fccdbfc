"""The words of a command in, a process that does not outlive this one out."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from headgan.benchmarks import bound
from headgan.proto.errors import HeadganError

Process = subprocess.Popen[bytes]


def bound_words(words: list[str]) -> list[str]:
    """The same command, to be started from the thread that waits for it; it ends when this process is killed.

    That is the kernel's work, on Linux. Elsewhere a benchmark ends its processes where it is interrupted, but not
    where it is killed.
    """
    # Without site-packages and without what the environment says: a start of 10 ms.
    return [sys.executable, "-I", "-S", str(Path(bound.__file__)), str(os.getpid()), *words]


def start_child(words: list[str], log: Path) -> Process:
    """Starts a command that writes what it says to the file `log`."""
    with log.open("wb") as file:
        return subprocess.Popen(bound_words(words), stdout=file, stderr=file, stdin=subprocess.DEVNULL)


def finish_child(process: Process, name: str, log: Path, limit_s: float) -> None:
    """Waits for its end.

    Raises:
        HeadganError: it failed, or did not end in `limit_s` seconds; with its last line.
    """
    try:
        code = process.wait(limit_s)
    except subprocess.TimeoutExpired as exc:
        raise HeadganError(f"{name} did not end by itself: {last_line(log)}") from exc
    if code != 0:
        raise HeadganError(f"{name} ended with exit code {code}: {last_line(log)}")


def end_child(process: Process) -> None:
    """Ends it if it still runs."""
    if process.poll() is None:
        process.kill()
        process.wait()


def hang_up(process: Process, limit_s: float) -> None:
    """Ends it as Ctrl-C does, and otherwise after `limit_s` seconds."""
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(limit_s)
    end_child(process)


def wait_running(process: Process, name: str, log: Path, seconds: float) -> None:
    """Lets it run for so long.

    Raises:
        HeadganError: it ended before.
    """
    end_s = time.monotonic() + seconds
    while (left_s := end_s - time.monotonic()) > 0:
        with suppress(subprocess.TimeoutExpired):
            process.wait(min(left_s, 0.5))
            raise HeadganError(f"{name} ended before it was told to: {last_line(log)}")


def last_line(log: Path) -> str:
    """The last that a process said."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
