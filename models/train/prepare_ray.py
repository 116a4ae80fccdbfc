"""Shard tasks in, the numbers of finished shards out, as they finish: on the machines of a Ray cluster.

The clips and the training set lie on storage that all machines see under the same path, and headgan is installed on
each. A task whose machine is lost runs again on another.
"""

import logging
import socket
from collections.abc import Iterator, Sequence
from types import ModuleType

from headgan.models.train.prepare_shard import ShardTask, prepare_shard
from headgan.models.train.prepare_workers import ONE_THREAD
from headgan.proto.errors import DeviceError, HeadganError, UsageError

# Ray finds these by itself; any other address is looked at first, because Ray waits two minutes for one that is wrong.
_NAMES = ("local", "auto")
_ANSWER_WITHIN_S = 10.0


def run_on_ray(tasks: Sequence[ShardTask], address: str) -> Iterator[int]:
    """Runs `tasks`, each on one core, and yields the number of each shard that is done.

    Closing the iterator cancels what still runs.

    Args:
        tasks: what to do.
        address: of the cluster's head, such as 10.0.0.1:6379; `local` starts a cluster of this machine alone, `auto`
            finds the one that this machine belongs to.

    Raises:
        UsageError: Ray is not installed, or `address` is none.
        DeviceError: the cluster cannot be reached or stopped working.
        HeadganError: the first that a task ended with.
    """
    ray = _connected(address)
    pending = []
    try:
        remote = ray.remote(num_cpus=1)(prepare_shard)
        pending = [remote.remote(task) for task in tasks]
        while pending:
            done, pending = ray.wait(pending)
            yield from ray.get(done)
    except ray.exceptions.RayTaskError as exc:
        if isinstance(exc.cause, HeadganError):
            raise exc.cause from exc
        raise
    except ray.exceptions.RayError as exc:
        raise DeviceError(
            f"the Ray cluster stopped working ({exc}); the same command goes on from here"
        ) from exc
    finally:
        for task in pending:
            ray.cancel(task)
        ray.shutdown()


def _connected(address: str) -> ModuleType:
    """Ray, connected to the cluster at `address`."""
    try:
        import ray
    except ImportError as exc:
        raise UsageError(
            "--ray needs Ray; install it on every machine: pip install 'headgan[cluster]'"
        ) from exc
    try:
        if address not in _NAMES:
            host, _, port = address.removeprefix("ray://").rpartition(":")
            socket.create_connection((host, int(port)), _ANSWER_WITHIN_S).close()
        ray.init(
            address=address,
            runtime_env={"env_vars": ONE_THREAD},
            log_to_driver=False,
            logging_level=logging.WARNING,
        )
    except (ValueError, OverflowError) as exc:
        raise UsageError(
            f"--ray {address}: give the HOST:PORT of a Ray cluster, auto or local ({exc})"
        ) from exc
    except (OSError, RuntimeError, ray.exceptions.RayError) as exc:
        raise DeviceError(
            f"--ray {address}: no Ray cluster answers ({exc}); start one with ray start --head, then the others"
        ) from exc
    ray_module: ModuleType = ray
    return ray_module
