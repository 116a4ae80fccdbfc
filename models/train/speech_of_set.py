"""A training set in, the 300 features of speech of every frame out, computed once for each shard and kept beside it.

    shards/00012.speech-FORM-SHARD.npy     float32 [F, 300], the frames in the order of the shard's tables

FORM is `speech_form`, SHARD stands for the tables: features that were made otherwise, or of another shard, are not
found, and made anew. Frames of clips without sound have zeros.
"""

import os
import secrets
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from headgan.models.speech import SPEECH_SIZE, clip_features, speech_form
from headgan.models.speech_low import SAMPLE_RATE
from headgan.models.speech_phonemes import PhonemeNet, SpeechNet
from headgan.models.train.prepared_set import PreparedSet, Segment
from headgan.models.train.shards import SHARD_FOLDER
from headgan.proto.errors import DeviceError


class SpeechOfSet:
    """Features by segment. Can be pickled: another process opens the files for itself. Not thread-safe."""

    def __init__(self, prepared: PreparedSet) -> None:
        """Computes what is not kept yet, some milliseconds a frame.

        Raises:
            DeviceError: the features cannot be written.
            ModelError: the network that hears speech is not there.
        """
        self._shards: dict[int, list[Segment]] = {}
        for segment in prepared.segments:
            self._shards.setdefault(segment.shard, []).append(segment)
        self._paths = {number: _path(prepared.folder, number) for number in self._shards}
        # Several processes begin together: each with another shard.
        numbers = list(self._shards)
        first = os.getpid() % len(numbers)
        missing = [number for number in numbers[first:] + numbers[:first] if not self._paths[number].exists()]
        net = PhonemeNet() if missing else None
        for number in tqdm(missing, desc="hearing the training set", unit="shard", disable=not missing):
            if net is not None and not self._paths[number].exists():
                _write(self._paths[number], _features(prepared, self._shards[number], net))
        self._open: OrderedDict[int, NDArray[np.float32]] = OrderedDict()
        self._starts = {
            segment.index: start
            for segments in self._shards.values()
            for segment, start in zip(segments, _starts(segments), strict=True)
        }

    def of(self, segment: Segment, frames: NDArray[np.integer]) -> NDArray[np.float32]:
        """Float32 [T, 300] of `frames` [T], counted from the segment's first."""
        shard = self._open.get(segment.shard)
        if shard is None:
            shard = self._open[segment.shard] = _map(self._paths[segment.shard])
        return np.array(shard[self._starts[segment.index] + frames])

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": OrderedDict()}


def segment_features(prepared: PreparedSet, segment: Segment, net: SpeechNet) -> NDArray[np.float32]:
    """Float32 [N, 300] of a segment's frames; zeros if it has no sound."""
    sound = prepared.sound(segment)
    if not sound.any():
        return np.zeros((segment.frames, SPEECH_SIZE), np.float32)
    pts_ms = prepared.pts_ms(segment)
    return clip_features(sound, SAMPLE_RATE, pts_ms - pts_ms[0], net=net)


def _features(prepared: PreparedSet, segments: list[Segment], net: SpeechNet) -> NDArray[np.float32]:
    return np.concatenate([segment_features(prepared, segment, net) for segment in segments])


def _starts(segments: list[Segment]) -> list[int]:
    """Where the frames of each begin in their shard."""
    counts = [segment.frames for segment in segments]
    return [0, *np.cumsum(counts).tolist()[:-1]]


def _path(folder: Path, number: int) -> Path:
    tables = folder / SHARD_FOLDER / f"{number:05d}.npz"
    return tables.with_suffix(f".speech-{speech_form()}-{zlib.crc32(tables.read_bytes()):08x}.npy")


def _write(path: Path, features: NDArray[np.float32]) -> None:
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("wb") as file:
            np.save(file, features)
        part.replace(path)
    except OSError as exc:
        raise DeviceError(
            f"{path} cannot be written ({exc.strerror}); training with sound keeps its features there"
        ) from exc


def _map(path: Path) -> NDArray[np.float32]:
    try:
        mapped: NDArray[np.float32] = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as exc:
        raise DeviceError(f"{path} is damaged or missing; delete it and start again") from exc
    return mapped
