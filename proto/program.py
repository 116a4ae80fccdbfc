"""Ctrl-C in, a set event out: runs a command's coroutine so that it can end cleanly."""

import asyncio
import json
import logging
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from headgan.proto.errors import DeviceError
from headgan.proto.process_memory import give_back

log = logging.getLogger(__name__)

# A receiver has drawn before it waits for a call; a sender loads what checks pictures when its call has begun.
_GIVE_BACK_AFTER_S = (0.0, 15.0)


def run_until_stopped(main: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Runs `main`; the event it is given is set by Ctrl-C or SIGTERM. A second Ctrl-C interrupts at once."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()

        def stop() -> None:
            stopped.set()
            if sys.platform == "win32":
                signal.signal(signal.SIGINT, signal.default_int_handler)
            else:
                loop.remove_signal_handler(signal.SIGINT)

        for number in (signal.SIGINT, signal.SIGTERM):
            if sys.platform == "win32":
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
            else:
                loop.add_signal_handler(number, stop)
        giving_back = asyncio.create_task(_give_back_of_start())
        try:
            await main(stopped)
        finally:
            giving_back.cancel()

    asyncio.run(run())


async def _give_back_of_start() -> None:
    """Gives back the memory that only the start of a program needs."""
    began_s = time.monotonic()
    for after_s in _GIVE_BACK_AFTER_S:
        await asyncio.sleep(max(0.0, began_s + after_s - time.monotonic()))
        await asyncio.to_thread(give_back)


def monotonic_ms() -> float:
    """A clock that never goes back, in milliseconds."""
    return time.perf_counter() * 1000.0


def write_stats(path: Path | None, stats: dict[str, Any]) -> None:
    """Writes `stats` as JSON to `path`; does nothing without one.

    Raises:
        DeviceError: the file cannot be written.
    """
    if path is None:
        return
    try:
        path.write_text(json.dumps(stats, indent=2) + "\n")
    except OSError as exc:
        raise DeviceError(f"the statistics cannot be written to {path}: {exc.strerror}") from exc


def check_writable(path: Path | None, option: str) -> None:
    """Raises DeviceError now rather than after the call if `path` cannot become a file."""
    if path is None:
        return
    if path.is_dir():
        raise DeviceError(f"{option} {path}: this is a folder; give the name of a file in it")
    if not path.parent.is_dir():
        raise DeviceError(f"{option} {path}: the folder {path.parent} does not exist; make it first")
