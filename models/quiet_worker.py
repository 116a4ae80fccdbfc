"""Work that can wait in, its result out: a thread that gives way to those that draw and send.

Drawing fills most of a core; what is prepared or checked beside it must not make a frame late.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_NICENESS = 5


class QuietWorker:
    """One thread of low priority, begun when it is first asked for something."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "quiet", initializer=_give_way)

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def begin(self, work: Callable[[], T]) -> "Future[T]":
        """The same for a caller that does not wait."""
        return self._executor.submit(work)

    def close(self, *, waits: bool = True) -> None:
        """Does nothing more but, if it `waits`, what is begun; idempotent."""
        self._executor.shutdown(wait=waits, cancel_futures=True)


def _give_way() -> None:
    # Only Linux has a priority for each thread; elsewhere the threads stay equal.
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
