"""Shard tasks in, the numbers of finished shards out, as they finish: in several processes of this machine."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.synchronize import Event

from headgan.models.train.prepare_shard import ShardTask, prepare_shard
from headgan.proto.errors import DeviceError

# Each worker has a core of its own; libraries that start threads of theirs would only get in each other's way.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
}
_stop: Event | None = None


def run_here(tasks: Sequence[ShardTask], workers: int) -> Iterator[int]:
    """Runs `tasks` in `workers` processes and yields the number of each shard that is done.

    Closing the iterator, as an exception in the caller does, stops the workers within a second or so.

    Raises:
        DeviceError: a worker was killed.
        HeadganError: the first that a task ended with; the others are stopped.
    """
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    with _environment(ONE_THREAD), ProcessPoolExecutor(workers, context, _start_worker, (stop,)) as pool:
        futures = [pool.submit(_run_task, task) for task in tasks]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as exc:
            raise DeviceError(
                "a worker was killed, perhaps because memory ran out; the same command with fewer --workers goes on"
            ) from exc
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _start_worker(stop: Event) -> None:
    """In a new worker: Ctrl-C is for the parent, which then sets `stop`; a worker does not outlive its parent."""
    global _stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _stop = stop
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run_task(task: ShardTask) -> int:
    return prepare_shard(task, (lambda: False) if _stop is None else _stop.is_set)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Sets environment variables for the processes started inside; the libraries read them when they are loaded."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
