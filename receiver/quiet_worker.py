"""Work that can wait in, its result out: a thread that gives way to those that draw and send.

Drawing fills most of a core; what is prepared for later frames must not make this one late.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_NICENESS = 10


class QuietWorker:
    """One thread of low priority, begun when it is first asked for something; `close` waits for what it does."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "quiet", initializer=_give_way)

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def close(self) -> None:
        """Idempotent."""
        self._executor.shutdown()


def _give_way() -> None:
    # Only Linux has a priority for each thread; elsewhere the threads stay equal.
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
