"""A training set in, something about every frame of it out, computed once for each shard and kept beside it.

    shards/00012.NAME-FORM-SHARD.npy     one row a frame, or a reference, in the order of the shard's tables

FORM says how it was made, SHARD stands for the tables: rows that were made otherwise, or of another shard, are not
found, and made anew.
"""

import os
import secrets
import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from headgan.models.train.prepared_set import PreparedSet, Segment
from headgan.models.train.shards import SHARD_FOLDER
from headgan.proto.errors import DeviceError

# The rows of one segment.
RowsOf = Callable[[Segment], NDArray[Any]]


class KeptRows:
    """Rows by segment. Can be pickled: another process opens the files for itself. Not thread-safe."""

    def __init__(
        self,
        prepared: PreparedSet,
        name: str,
        form: str,
        prepare: Callable[[], RowsOf],
        doing: str,
        *,
        count: Callable[[Segment], int] = lambda segment: segment.frames,
    ) -> None:
        """Computes what is not kept yet.

        Args:
            prepared: the training set.
            name: what the rows are, in the files' names.
            form: how they are made, likewise.
            prepare: called if any is missing; what it returns makes the rows of a segment.
            doing: what the progress bar says.
            count: how many rows a segment has, one a frame if left out.

        Raises:
            DeviceError: the rows cannot be written.
        """
        shards: dict[int, list[Segment]] = {}
        for segment in prepared.segments:
            shards.setdefault(segment.shard, []).append(segment)
        self._paths = {number: _path(prepared.folder, number, f"{name}-{form}") for number in shards}
        # Several processes begin together: each with another shard.
        numbers = list(shards)
        first = os.getpid() % len(numbers)
        missing = [number for number in numbers[first:] + numbers[:first] if not self._paths[number].exists()]
        rows_of = prepare() if missing else None
        for number in tqdm(missing, desc=doing, unit="shard", disable=not missing):
            if rows_of is not None and not self._paths[number].exists():
                _write(self._paths[number], np.concatenate([rows_of(segment) for segment in shards[number]]))
        self._open: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._starts = {
            segment.index: start
            for segments in shards.values()
            for segment, start in zip(segments, _starts([count(item) for item in segments]), strict=True)
        }

    def of(self, segment: Segment, rows: NDArray[np.integer]) -> NDArray[Any]:
        """`rows` [T], frames for example, counted from the segment's first.

        Raises:
            DeviceError: their file is damaged.
        """
        shard = self._open.get(segment.shard)
        if shard is None:
            shard = self._open[segment.shard] = _map(self._paths[segment.shard])
        return np.array(shard[self._starts[segment.index] + rows])

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": OrderedDict()}


def _starts(counts: list[int]) -> list[int]:
    """Where the rows of each begin in their shard."""
    return [0, *np.cumsum(counts).tolist()[:-1]]


def _path(folder: Path, number: int, kind: str) -> Path:
    tables = folder / SHARD_FOLDER / f"{number:05d}.npz"
    return tables.with_suffix(f".{kind}-{zlib.crc32(tables.read_bytes()):08x}.npy")


def _write(path: Path, rows: NDArray[Any]) -> None:
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("wb") as file:
            np.save(file, rows)
        part.replace(path)
    except OSError as exc:
        raise DeviceError(
            f"{path} cannot be written ({exc.strerror}); training keeps what it computes of a set there"
        ) from exc


def _map(path: Path) -> NDArray[Any]:
    try:
        mapped: NDArray[Any] = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as exc:
        raise DeviceError(f"{path} is damaged or missing; delete it and start again") from exc
    return mapped
