"""A folder that `headgan prepare` made in, the faces of its segments out, in any order; `shards` tells its form."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from headgan.models.morphable import MorphableModel
from headgan.models.train.shard_pictures import decode_mask, decode_picture
from headgan.models.train.shards import SAMPLE_TYPE, SHARD_FOLDER, DatasetInfo, is_done
from headgan.proto.errors import DeviceError, ModelError

T = TypeVar("T", np.uint8, np.float32)

# Each open shard holds two files open; 1024 are the usual limit of a process.
_OPEN_SHARDS = 128


@dataclass(frozen=True, eq=False)
class Segment:
    """Frames in a row of one face in one crop.

    Attributes:
        index: place in `PreparedSet.segments`.
        shard: number of its shard.
        row: place in its shard.
        person: name; segments of one person share it.
        clip: path of the clip it was cut from.
        frames: how many.
        frame_rate: frames a second.
        identity: float32 [n_id].
        crop: left, top, size in pixels of the clip.
        references: how many.
        sound_samples: how many, at 16 kHz; 0 if the clip has no sound.
    """

    index: int
    shard: int
    row: int
    person: str
    clip: str
    frames: int
    frame_rate: float
    identity: NDArray[np.float32]
    crop: tuple[float, float, float]
    references: int
    sound_samples: int


class PreparedSet:
    """A training set, read by random access.

    Can be pickled: another process opens the files for itself. Not thread-safe.
    """

    def __init__(self, folder: Path, segments: list[Segment], info: DatasetInfo, missing: int) -> None:
        """Used by `open`."""
        self.folder = folder
        self.segments = segments
        self.info = info
        self.missing_shards = missing
        self._open: OrderedDict[int, _Shard] = OrderedDict()

    @classmethod
    def open(cls, folder: Path, model: MorphableModel | None = None) -> "PreparedSet":
        """Opens what is finished of the set in `folder`; `missing_shards` tells how much is not.

        Args:
            folder: made by `headgan prepare`.
            model: the parameters have to be of this one; the one that ships if left out.

        Raises:
            DeviceError: there is no such set, nothing of it is finished, or a file of it is damaged.
            ModelError: it was made with another morphable model.
        """
        info = DatasetInfo.read(folder)
        model_id = (model or MorphableModel.load()).model_id.hex()
        if info.model_id != model_id:
            raise ModelError(
                f"{folder} was prepared with the morphable model {info.model_id}, this one is {model_id}; "
                "run headgan prepare again"
            )
        segments: list[Segment] = []
        done = [number for number in range(info.shards) if is_done(folder, number)]
        for number in done:
            segments += _read_segments(folder, number, len(segments))
        if not segments:
            raise DeviceError(f"{folder}: no segment is finished; run headgan prepare to its end")
        return cls(folder, segments, info, info.shards - len(done))

    def picture(self, segment: Segment, frame: int) -> NDArray[np.uint8]:
        """Uint8 [256, 256, 3] RGB: a frame, counted from 0 to `segment.frames` - 1.

        Raises:
            IndexError: there is no such frame.
            DeviceError: its bytes are damaged.
        """
        data = self._bytes(segment, "frame_picture", "segment_first", frame, segment.frames)
        return self._whole(segment, decode_picture(data))

    def params(self, segment: Segment) -> NDArray[np.float32]:
        """Float32 [N, 37], each row as `FaceParams.to_array`."""
        return self._frame_rows(segment, "frame_params")

    def fit_error_px(self, segment: Segment) -> NDArray[np.float32]:
        """Float32 [N]: mean distance between the tracked and the fitted points, pixels of 256."""
        return self._frame_rows(segment, "frame_fit_error_px")

    def pts_ms(self, segment: Segment) -> NDArray[np.float64]:
        """Float64 [N]: time of each frame in its clip."""
        return self._frame_rows(segment, "frame_pts_ms")

    def reference_frames(self, segment: Segment) -> list[int]:
        """The frames that can be references, counted from the segment's first, which is the first of them."""
        tables = self._shard(segment.shard).tables
        first = int(tables["segment_reference_first"][segment.row])
        frames: list[int] = tables["reference_frame"][first : first + segment.references].tolist()
        return frames

    def mask(self, segment: Segment, reference: int) -> NDArray[np.float32]:
        """Float32 [256, 256], 1 where the person is; reference: index into `reference_frames`.

        Raises:
            IndexError: there is no such reference.
            DeviceError: its bytes are damaged.
        """
        return self._whole(segment, decode_mask(self._reference(segment, "reference_mask", reference)))

    def background(self, segment: Segment, reference: int) -> NDArray[np.uint8]:
        """Uint8 [256, 256, 3] RGB: a reference without the person; see `mask`."""
        data = self._reference(segment, "reference_background", reference)
        return self._whole(segment, decode_picture(data))

    def sound(self, segment: Segment) -> NDArray[np.int16]:
        """Int16 [M], mono at 16 kHz, from the first frame's time to the end of the last; empty if there is none."""
        shard = self._shard(segment.shard)
        offset = int(shard.tables["segment_sound_offset"][segment.row])
        end = (offset + segment.sound_samples) * SAMPLE_TYPE.itemsize
        data = shard.sound[offset * SAMPLE_TYPE.itemsize : end]
        if len(data) != segment.sound_samples * SAMPLE_TYPE.itemsize:
            raise _damage(_file(self.folder, segment.shard, "sound"))
        return np.frombuffer(data.tobytes(), SAMPLE_TYPE).astype(np.int16)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": OrderedDict()}

    def _frame_rows(self, segment: Segment, table: str) -> NDArray[Any]:
        tables = self._shard(segment.shard).tables
        first = int(tables["segment_first"][segment.row])
        return tables[table][first : first + segment.frames]

    def _reference(self, segment: Segment, table: str, reference: int) -> NDArray[np.uint8]:
        return self._bytes(segment, table, "segment_reference_first", reference, segment.references)

    def _bytes(self, segment: Segment, table: str, first: str, index: int, count: int) -> NDArray[np.uint8]:
        """What row `index` of the segment's `count` rows in `table` names; the table `first` tells where they begin."""
        if not 0 <= index < count:
            raise IndexError(f"{segment.clip}: index {index} of {count}")
        shard = self._shard(segment.shard)
        row = int(shard.tables[first][segment.row]) + index
        offset = int(shard.tables[f"{table}_offset"][row])
        return shard.pictures[offset : offset + int(shard.tables[f"{table}_bytes"][row])]

    def _whole(self, segment: Segment, decoded: NDArray[T] | None) -> NDArray[T]:
        if decoded is None:
            raise _damage(_file(self.folder, segment.shard, "pictures"))
        return decoded

    def _shard(self, number: int) -> "_Shard":
        shard = self._open.pop(number, None) or _Shard(self.folder, number)
        self._open[number] = shard
        if len(self._open) > _OPEN_SHARDS:
            self._open.popitem(last=False)
        return shard


class _Shard:
    """The open files of one shard: tables, and bytes uint8 [n] of pictures and sound, mapped into memory."""

    def __init__(self, folder: Path, number: int) -> None:
        self.tables = _load(_file(folder, number, "npz"))
        self.pictures = _map(_file(folder, number, "pictures"))
        self.sound = _map(_file(folder, number, "sound"))


def _file(folder: Path, number: int, suffix: str) -> Path:
    return folder / SHARD_FOLDER / f"{number:05d}.{suffix}"


def _load(path: Path, prefixes: tuple[str, ...] = ("",)) -> Mapping[str, NDArray[Any]]:
    """The tables in an .npz whose names begin with one of `prefixes`."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            return {name: data[name] for name in data.files if name.startswith(prefixes)}
    except Exception as exc:  # a damaged archive makes zipfile, zlib and numpy raise nearly everything
        raise _damage(path) from exc


def _map(path: Path) -> NDArray[np.uint8]:
    try:
        if path.stat().st_size == 0:
            return np.empty(0, np.uint8)  # nothing cannot be mapped
        return np.memmap(path, np.uint8, mode="r")
    except OSError as exc:
        raise _damage(path) from exc


def _damage(path: Path) -> DeviceError:
    npz = path.with_suffix(".npz").name
    return DeviceError(f"{path} is damaged or missing; delete {npz} beside it and run headgan prepare again")


def _read_segments(folder: Path, number: int, start: int) -> list[Segment]:
    """The segments of a shard; the first gets the index `start`."""
    path = _file(folder, number, "npz")
    tables = _load(path, ("segment_", "people", "clips"))
    try:
        people, clips = tables["people"].tolist(), tables["clips"].tolist()
        return [
            Segment(
                index=start + row,
                shard=number,
                row=row,
                person=people[tables["segment_person"][row]],
                clip=clips[tables["segment_clip"][row]],
                frames=int(tables["segment_count"][row]),
                frame_rate=float(tables["segment_rate_fps"][row]),
                identity=tables["segment_identity"][row],
                crop=tuple(tables["segment_crop"][row].tolist()),
                references=int(tables["segment_reference_count"][row]),
                sound_samples=int(tables["segment_sound_samples"][row]),
            )
            for row in range(len(tables["segment_first"]))
        ]
    except (KeyError, IndexError) as exc:
        raise _damage(path) from exc
