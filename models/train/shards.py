"""Prepared faces in, one shard of a training set on the disk out.

A training set is a folder:

    dataset.json            `DatasetInfo`: what it was made from and with, how many shards it has when it is complete
    shards/00012.pictures   pictures one after the other: frames and backgrounds as JPEG, masks as PNG (8 bit grey)
    shards/00012.sound      int16 little-endian PCM, mono, 16 kHz, one segment after the other
    shards/00012.npz        the tables below
    shards/00012.json       clips, counts and what was rejected, for people
    rejected.csv            the same of all shards, written when all are done

All pictures are 256x256. A shard is done when its .npz is there: it is renamed last. Its tables, for F frames, S
segments and R references:

    frame_picture_offset int64 [F]   frame_picture_bytes int32 [F]      where in .pictures
    frame_params float32 [F, 37]     frame_fit_error_px float32 [F]     `FaceParams.to_array`; mean distance of points
    frame_pts_ms float64 [F]         frame_segment int32 [F]            time in the clip
    segment_first int64 [S]          segment_count int32 [S]            its frames
    segment_person int32 [S]         segment_clip int32 [S]             index into `people` and `clips`
    segment_identity float32 [S, n_id]
    segment_crop float64 [S, 3]      left, top, size in pixels of the clip
    segment_rate_fps float64 [S]
    segment_sound_offset int64 [S]   segment_sound_samples int64 [S]    in samples; none if the clip has no sound
    segment_reference_first int64 [S], segment_reference_count int32 [S]
    reference_frame int32 [R]        counted from the segment's first frame
    reference_mask_offset int64 [R], reference_mask_bytes int32 [R]
    reference_background_offset int64 [R], reference_background_bytes int32 [R]
    people str [P]                   clips str [C]

.pictures may hold bytes that no table names: frames of segments that were given up after they had been written.
"""

import json
import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import PARAMS_SIZE
from headgan.proto.errors import DeviceError

FORMAT_VERSION = 1
INFO_NAME = "dataset.json"
SHARD_FOLDER = "shards"
SAMPLE_TYPE = np.dtype("<i2")


@dataclass(frozen=True)
class DatasetInfo:
    """What dataset.json says; sets whose infos are equal can be continued.

    Attributes:
        version: FORMAT_VERSION.
        crop_size: side of the pictures in pixels.
        model_id: of the morphable model, hexadecimal.
        every: every how many-th frame was kept.
        shards: how many there are when all is done.
        plan: `plan_digest` of the shards.
        inputs: what was given on the command line.
    """

    version: int
    crop_size: int
    model_id: str
    every: int
    shards: int
    plan: str
    inputs: tuple[str, ...]

    def write(self, folder: Path) -> None:
        """Writes dataset.json."""
        write_text(folder / INFO_NAME, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> "DatasetInfo":
        """What the dataset.json of `folder` says.

        Raises:
            DeviceError: it is missing, damaged or of another version.
        """
        path = folder / INFO_NAME
        try:
            values = json.loads(path.read_text())
            if values["version"] != FORMAT_VERSION:
                raise DeviceError(
                    f"{path}: version {values['version']}, need {FORMAT_VERSION}; run headgan prepare again"
                )
            return cls(**(values | {"inputs": tuple(values["inputs"])}))
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise DeviceError(
                f"{folder} is no training set ({exc!r}); make one with headgan prepare"
            ) from exc


@dataclass(frozen=True, eq=False)
class PreparedReference:
    """One reference of a segment.

    Attributes:
        frame: counted from the segment's first.
        mask: PNG bytes, 8 bit grey, 255 where the person is.
        background: JPEG bytes of the frame without the person.
    """

    frame: int
    mask: bytes
    background: bytes


@dataclass(frozen=True, eq=False)
class PreparedSegment:
    """A segment that is ready to be written.

    Attributes:
        person: name.
        clip: path.
        places: offset and length of each frame's picture, from `ShardWriter.add_picture`.
        params: float32 [N, 37].
        fit_error_px: float32 [N], pixels of 256.
        pts_ms: float64 [N].
        identity: float32 [n_id].
        crop: left, top, size in pixels of the clip.
        rate_fps: frames a second.
        sound: int16 [M].
        references: at least one.
    """

    person: str
    clip: str
    places: Sequence[tuple[int, int]]
    params: NDArray[np.float32]
    fit_error_px: NDArray[np.float32]
    pts_ms: NDArray[np.float64]
    identity: NDArray[np.float32]
    crop: tuple[float, float, float]
    rate_fps: float
    sound: NDArray[np.int16]
    references: Sequence[PreparedReference]


class ShardWriter:
    """Writes one shard; without `finish` nothing of it counts. A context manager."""

    def __init__(self, folder: Path, number: int) -> None:
        self._base = folder / SHARD_FOLDER / f"{number:05d}"
        # Nobody else's: when a machine of a cluster is lost, its task runs again while the first may still be writing.
        self._token = secrets.token_hex(4)
        self._closing = ExitStack()
        self._pictures = self._closing.enter_context(self._part("pictures").open("w+b"))
        self._sound = self._closing.enter_context(self._part("sound").open("wb"))
        self._pictures_end = self._sound_samples = 0
        self._segments: list[PreparedSegment] = []
        self._sound_places: list[tuple[int, int]] = []
        self._reference_places: list[tuple[int, int, int, int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()
        if kind is not None:
            for suffix in ("pictures", "sound", "npz"):
                self._part(suffix).unlink(missing_ok=True)

    def add_picture(self, data: bytes) -> tuple[int, int]:
        """Appends an encoded picture; returns its offset and length."""
        self._pictures.seek(self._pictures_end)
        self._pictures.write(data)
        place = (self._pictures_end, len(data))
        self._pictures_end += len(data)
        return place

    def picture(self, place: tuple[int, int]) -> bytes:
        """The bytes that `add_picture` returned `place` for."""
        self._pictures.seek(place[0])
        return self._pictures.read(place[1])

    def add_segment(self, segment: PreparedSegment) -> None:
        """Appends a segment, its sound and its references."""
        self._segments.append(segment)
        self._sound_places.append((self._sound_samples, len(segment.sound)))
        self._sound.write(segment.sound.astype(SAMPLE_TYPE).tobytes())
        self._sound_samples += len(segment.sound)
        for reference in segment.references:
            mask, background = self.add_picture(reference.mask), self.add_picture(reference.background)
            self._reference_places.append((*mask, *background))

    def finish(self, report: dict[str, Any]) -> None:
        """Completes the shard; `report` is what its .json says."""
        self._closing.close()
        for suffix in ("pictures", "sound"):
            self._part(suffix).replace(self._base.with_suffix(f".{suffix}"))
        write_text(self._base.with_suffix(".json"), json.dumps(report, indent=1) + "\n")
        with self._part("npz").open("wb") as file:
            np.savez(file, allow_pickle=False, **self._tables())
        self._part("npz").replace(self._base.with_suffix(".npz"))

    def _part(self, suffix: str) -> Path:
        return self._base.with_suffix(f".{suffix}.{self._token}.part")

    def _tables(self) -> dict[str, NDArray[Any]]:
        return _frame_tables(self._segments) | self._segment_tables() | self._reference_tables()

    def _segment_tables(self) -> dict[str, NDArray[Any]]:
        segments = self._segments
        people = sorted({segment.person for segment in segments})
        clips = sorted({segment.clip for segment in segments})
        counts = np.array([len(segment.places) for segment in segments], np.int32)
        references = np.array([len(segment.references) for segment in segments], np.int32)
        sound = np.array(self._sound_places, np.int64).reshape(-1, 2)
        return {
            "segment_first": _starts(counts),
            "segment_count": counts,
            "segment_person": np.array([people.index(segment.person) for segment in segments], np.int32),
            "segment_clip": np.array([clips.index(segment.clip) for segment in segments], np.int32),
            "segment_identity": _stacked([segment.identity for segment in segments], np.float32),
            "segment_crop": _stacked([np.array(segment.crop) for segment in segments], np.float64),
            "segment_rate_fps": np.array([segment.rate_fps for segment in segments], np.float64),
            "segment_sound_offset": sound[:, 0],
            "segment_sound_samples": sound[:, 1],
            "segment_reference_first": _starts(references),
            "segment_reference_count": references,
            "people": np.array(people, dtype=np.str_),
            "clips": np.array(clips, dtype=np.str_),
        }

    def _reference_tables(self) -> dict[str, NDArray[Any]]:
        frames = [reference.frame for segment in self._segments for reference in segment.references]
        places = np.array(self._reference_places, np.int64).reshape(-1, 4)
        return {
            "reference_frame": np.array(frames, np.int32),
            "reference_mask_offset": places[:, 0],
            "reference_mask_bytes": places[:, 1].astype(np.int32),
            "reference_background_offset": places[:, 2],
            "reference_background_bytes": places[:, 3].astype(np.int32),
        }


def _frame_tables(segments: Sequence[PreparedSegment]) -> dict[str, NDArray[Any]]:
    places = np.array([place for segment in segments for place in segment.places], np.int64).reshape(-1, 2)
    counts = [len(segment.places) for segment in segments]
    empty = np.empty((0, PARAMS_SIZE), np.float32)
    return {
        "frame_picture_offset": places[:, 0],
        "frame_picture_bytes": places[:, 1].astype(np.int32),
        "frame_params": np.concatenate([empty, *(segment.params for segment in segments)]),
        "frame_fit_error_px": _joined([segment.fit_error_px for segment in segments], np.float32),
        "frame_pts_ms": _joined([segment.pts_ms for segment in segments], np.float64),
        "frame_segment": np.repeat(np.arange(len(segments), dtype=np.int32), counts),
    }


def is_done(folder: Path, number: int) -> bool:
    """Whether shard `number` of the training set in `folder` is complete."""
    return (folder / SHARD_FOLDER / f"{number:05d}.npz").exists()


def read_report(folder: Path, number: int) -> dict[str, Any]:
    """What the .json of a finished shard says."""
    report: dict[str, Any] = json.loads((folder / SHARD_FOLDER / f"{number:05d}.json").read_text())
    return report


def remove_unfinished(folder: Path) -> None:
    """Removes what tasks that were killed left behind; no other may be running."""
    for path in (folder / SHARD_FOLDER).glob("*.part"):
        path.unlink()


def write_text(path: Path, text: str) -> None:
    """Writes a text file whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.replace(path)


def _starts(counts: NDArray[np.int32]) -> NDArray[np.int64]:
    """Int64 [S]: where each of the runs of these lengths begins."""
    return (np.cumsum(counts) - counts).astype(np.int64)


def _joined(parts: Sequence[NDArray[Any]], kind: type[Any]) -> NDArray[Any]:
    return np.concatenate([np.empty(0, kind), *parts]).astype(kind)


def _stacked(rows: Sequence[NDArray[Any]], kind: type[Any]) -> NDArray[Any]:
    return np.stack(rows).astype(kind) if rows else np.empty((0, 0), kind)
