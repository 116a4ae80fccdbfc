"""One planned shard in, its files out: the task that every worker, here or on another machine, runs.

for each person: clips ─ read_pieces ─ pictures to the disk, points kept
                 all points ─ estimate_identity ─ FaceFitter ─ parameters, references ─ tables
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import PARAMS_SIZE
from headgan.models.clip_sound import ClipSound, read_sound
from headgan.models.fitting import FaceFitter
from headgan.models.identity import estimate_identity
from headgan.models.morphable import MorphableModel
from headgan.models.pncc import CROP_SIZE
from headgan.models.train.prepare_clip import Piece, Rejection, read_pieces
from headgan.models.train.prepare_faces import FaceFinder
from headgan.models.train.prepare_plan import PlannedPerson, PlannedShard
from headgan.models.train.prepare_references import choose_references, make_reference
from headgan.models.train.shards import PreparedSegment, ShardWriter
from headgan.proto.errors import DeviceError

IDENTITY_FRAMES = 40


@dataclass(frozen=True)
class ShardTask:
    """What a worker is told: the shard, where the training set is, and every how many-th frame to keep."""

    shard: PlannedShard
    folder: Path
    every: int


class Stopped(Exception):  # noqa: N818 - asked for, no error
    """The user stopped the command."""


@dataclass(frozen=True, eq=False)
class _Held:
    """A piece whose pictures are on the disk."""

    clip: Path
    piece: Piece
    places: list[tuple[int, int]]
    sound: NDArray[np.int16]
    rate_fps: float


def prepare_shard(task: ShardTask, is_stopped: Callable[[], bool] = lambda: False) -> int:
    """Prepares one shard; returns its number.

    Raises:
        Stopped: `is_stopped` said so; nothing of the shard is left.
        DeviceError: its files cannot be written.
    """
    cv2.setNumThreads(1)
    number = task.shard.number
    try:
        with ShardWriter(task.folder, number) as writer:
            worker = _ShardWorker(writer, task.every, is_stopped)
            for person in task.shard.people:
                worker.add_person(person)
            writer.finish(worker.report())
    except OSError as exc:
        raise DeviceError(f"shard {number} cannot be written to {task.folder} ({exc})") from exc
    return number


class _ShardWorker:
    def __init__(self, writer: ShardWriter, every: int, is_stopped: Callable[[], bool]) -> None:
        self._writer = writer
        self._every = every
        self._is_stopped = is_stopped
        self._model = MorphableModel.load()
        self._finder = FaceFinder()
        self._clips: list[dict[str, object]] = []
        self._kept_s = 0.0

    def add_person(self, person: PlannedPerson) -> None:
        """Prepares everything of one person."""
        held = [piece for clip in person.clips for piece in self._read_clip(person, clip)]
        if not held:
            return
        identity = estimate_identity(self._model, _spread([piece.piece.points for piece in held]))
        fitter = FaceFitter(self._model, identity)
        for piece in held:
            self._check_stopped()
            self._writer.add_segment(self._fitted(person, piece, fitter))

    def report(self) -> dict[str, object]:
        """What the shard's .json says: clips, and counts of them all."""
        return {"kept_s": round(self._kept_s, 2), "clips": self._clips}

    def _read_clip(self, person: PlannedPerson, clip: Path) -> list[_Held]:
        held: list[_Held] = []
        rejected: list[Rejection] = []
        entry: dict[str, object] = {"clip": str(clip), "person": person.name}
        sound: ClipSound | None = None
        try:
            for item in read_pieces(clip, self._finder, every=self._every, check=self._check_stopped):
                if isinstance(item, Rejection):
                    rejected.append(item)
                    continue
                sound = sound or read_sound(clip)
                held.append(self._hold(clip, item, sound))
        except DeviceError as exc:
            entry["unreadable"] = str(exc)
        entry["segments"] = len(held)
        entry["frames"] = sum(len(piece.places) for piece in held)
        entry["rejected"] = [asdict(span) for span in rejected]
        self._clips.append(entry)
        return held

    def _hold(self, clip: Path, piece: Piece, sound: ClipSound) -> _Held:
        places = [self._writer.add_picture(data) for data in piece.pictures]
        piece.pictures.clear()  # they are on the disk now; a person may have an hour of them
        first_ms, last_ms = piece.pts_ms[0], piece.pts_ms[-1]
        frame_ms = float(last_ms - first_ms) / (len(places) - 1)
        samples = sound.between(float(first_ms), float(last_ms) + frame_ms)
        self._kept_s += len(places) * frame_ms / 1000
        return _Held(clip, piece, places, samples, 1000 / frame_ms if frame_ms > 0 else 25.0)

    def _fitted(self, person: PlannedPerson, held: _Held, fitter: FaceFitter) -> PreparedSegment:
        piece = held.piece
        fitter.reset()
        params = np.empty((len(held.places), PARAMS_SIZE), np.float32)
        errors = np.empty(len(held.places), np.float32)
        for index, points in enumerate(piece.points):
            fit = fitter.fit(points)
            params[index], errors[index] = fit.params.to_array(), fit.error * CROP_SIZE / 2
        references = []
        for frame in choose_references(params):
            self._check_stopped()
            jpeg = self._writer.picture(held.places[frame])
            references.append(make_reference(self._model, fitter.identity, params[frame], frame, jpeg))
        return PreparedSegment(
            person=person.name,
            clip=str(held.clip),
            places=held.places,
            params=params,
            fit_error_px=errors,
            pts_ms=piece.pts_ms,
            identity=fitter.identity,
            crop=(piece.crop.left, piece.crop.top, piece.crop.size),
            rate_fps=held.rate_fps,
            sound=held.sound,
            references=references,
        )

    def _check_stopped(self) -> None:
        if self._is_stopped():
            raise Stopped


def _spread(pieces: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Up to IDENTITY_FRAMES frames [478, 3], evenly from all over `pieces`, each [N, 478, 3]."""
    ends = np.cumsum([len(points) for points in pieces])
    wanted = np.linspace(0, ends[-1] - 1, min(IDENTITY_FRAMES, int(ends[-1]))).astype(int)
    owners = np.searchsorted(ends, wanted, side="right")
    return [
        pieces[owner][index - (ends[owner] - len(pieces[owner]))]
        for owner, index in zip(owners, wanted, strict=True)
    ]
