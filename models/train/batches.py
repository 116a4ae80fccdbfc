"""A prepared training set in, one batch for every step out: the same batch for the same step, whenever it is asked for.

A run that stopped at step n goes on with the batches it would have seen; nothing has to be saved for it.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from headgan.models.codes import CodeRenderer
from headgan.models.morphable import MorphableModel
from headgan.models.nets.config import NetConfig
from headgan.models.nets.inputs import Driving, Reference
from headgan.models.nets.warp import shrink, to_grid, to_planes
from headgan.models.train.changes import cut_window, mirrored, recoloured
from headgan.models.train.config import DataConfig, hears
from headgan.models.train.pose_distance import pose_distance
from headgan.models.train.prepared_set import PreparedSet, Segment
from headgan.models.train.samples import Sample, SampleMaker
from headgan.models.train.scene import Scene
from headgan.proto.errors import UsageError

# A reference of a memory is at least so old.
_MOMENT_S = 0.3


@dataclass(frozen=True, eq=False)
class Batch:
    """B samples of K references and T frames each; the fields are those of `Sample` with B before them."""

    reference: Tensor
    background: Tensor
    reference_code: Tensor
    picture: Tensor
    code: Tensor
    grid: Tensor
    uncovered: Tensor
    mouth: Tensor
    mouth_box: Tensor
    face_box: Tensor
    lesson: Tensor
    person: Tensor
    audio: Tensor

    @classmethod
    def of(cls, samples: list[Sample]) -> "Batch":
        """Stacks samples of equal K and T."""
        return cls(
            *(
                torch.from_numpy(np.stack([getattr(sample, item.name) for sample in samples]))
                for item in fields(cls)
            )
        )

    def to(self, device: torch.device) -> "Batch":
        """On `device`."""
        return Batch(*(getattr(self, item.name).to(device, non_blocking=True) for item in fields(self)))

    def pin_memory(self) -> "Batch":
        """In memory that a GPU copies from by itself; a data loader calls this."""
        return Batch(*(getattr(self, item.name).pin_memory() for item in fields(self)))

    @property
    def heard(self) -> Tensor | None:
        """[B T, 300], what each frame hears, or None for silence."""
        return self.audio.flatten(0, 1) if self.audio.shape[-1] else None

    def inputs(self, size: int = 256) -> tuple[Reference, Driving, Tensor]:
        """What the generator is given, B references and B T frames, and the truth [B T, 3, size, size], -1 to 1.

        Windows smaller than `size` stay as they are.
        """
        factor = max(1, self.picture.shape[-1] // size)
        code, mouth, uncovered = (
            _small(planes.flatten(0, 1).float() / 255, factor)
            for planes in (self.code, self.mouth, self.uncovered)
        )
        grid = self.grid.flatten(0, 1)  # [B T, K, H, W, 2]
        K = grid.shape[1]
        small_grid = to_grid(shrink(to_planes(grid.flatten(0, 1).float()), factor))  # [B T K, h, w, 2]
        reference = Reference(
            _small(self.reference.float() / 127.5 - 1, factor),
            _small(self.reference_code.float() / 255, factor),
            _small(self.background.float() / 127.5 - 1, factor),
        )
        truth = _small(self.picture.flatten(0, 1).float() / 127.5 - 1, factor)
        return (
            reference,
            Driving(code, small_grid.reshape(-1, K, *small_grid.shape[1:]), uncovered, mouth, self.heard),
            truth,
        )


def _small(planes: Tensor, factor: int) -> Tensor:
    """Planes [..., C, H, W] averaged down by `factor`."""
    if factor == 1:
        return planes
    shape = planes.shape
    small = functional.avg_pool2d(planes.reshape(-1, *shape[-3:]), factor)
    return small.reshape(*shape[:-2], *small.shape[-2:])


class BatchMaker(Dataset[Batch]):
    """`self[step]` is the batch of that step; works in any number of processes."""

    def __init__(
        self,
        folder: Path,
        network: NetConfig,
        data: DataConfig,
        *,
        seed: int,
        rank: int = 0,
        world: int = 1,
        teaches: bool = False,
        masks: bool = False,
    ) -> None:
        """Opens the training set in `folder`.

        Raises:
            DeviceError: it is missing or damaged.
            UsageError: it holds too few people for the settings.
        """
        self._set = PreparedSet.open(folder)
        self._data, self._seed, self._rank, self._world = data, seed, rank, world
        model = MorphableModel.load()
        renderer = CodeRenderer(model, code=network.code, gaze=network.gaze)
        self._maker = SampleMaker(
            self._set,
            renderer,
            past_frames=network.past_frames,
            teaches=teaches,
            masks=masks,
            hears=hears(network, data),
            drifts=data.drift > 0,
            codes=data.coded > 0,
        )
        self._hears = hears(network, data)
        held_out = held_out_people(self._set, data.held_out)
        self._people = _by_person([item for item in self._set.segments if item.person not in held_out])
        if len(self._people) < 1:
            raise UsageError(
                f"{folder}: no people are left to train on; prepare more clips or lower held_out"
            )
        # A person with an hour of clips is not worth sixty with a minute each.
        frames = [sum(segment.frames for segment in segments) for segments in self._people]
        self._weights = _shares(np.sqrt(frames))

    def __len__(self) -> int:
        # Endless, in effect: a sampler names the steps.
        return 2**31

    def __getitem__(self, step: int) -> Batch:
        """The batch of `step`."""
        random = np.random.default_rng([self._seed, step, self._rank, self._world])
        count = 1 + int(random.choice(len(self._data.references), p=self._data.references))
        return Batch.of([part for _ in range(self._data.people) for part in self._samples(random, count)])

    def _samples(self, random: np.random.Generator, count: int) -> list[Sample]:
        """One sample, or the windows cut out of it."""
        sample = self._sample(random, count)
        if not self._data.window:
            return [sample]
        return [self._window(random, sample) for _ in range(self._data.windows)]

    def _sample(self, random: np.random.Generator, count: int) -> Sample:
        segments = self._people[random.choice(len(self._people), p=self._weights)]
        segment = segments[random.choice(len(segments), p=_shares([item.frames for item in segments]))]
        references, frames = self._choose(random, segment, count)
        scene = Scene.random(random) if self._data.scene else None
        drifts = bool(self._data.drift) and random.random() < self._data.drift
        codes = bool(self._data.coded) and random.random() < self._data.coded
        sample = self._maker.make(segment, references, frames, scene, drifts=drifts, codes=codes)
        if self._data.scene:
            sample = recoloured(sample, random)
            sample = mirrored(sample) if random.random() < 0.5 else sample
        if self._hears and random.random() < self._data.audio_drop:
            sample = replace(sample, audio=np.zeros_like(sample.audio))
        return sample

    def _window(self, random: np.random.Generator, sample: Sample) -> Sample:
        """A part of the sample: on the mouth, on the face, or anywhere."""
        data, whole = self._data, sample.picture.shape[-1]
        room = whole - data.window
        corner = random.uniform(0, room, 2)
        if random.random() < data.window_face:
            is_mouth = random.random() < data.window_mouth
            box, reach = (sample.mouth_box[0], 0.3) if is_mouth else (sample.face_box[0], 0.7)
            middle = (box[:2] + reach * box[2] * random.uniform(-1, 1, 2) + 1) * whole / 2
            corner = np.clip(middle - data.window / 2, 0, room)
        # Whole cells of the lesson.
        x, y = (int(value) // 4 * 4 for value in corner)
        return cut_window(sample, x, y, data.window)

    def _choose(
        self, random: np.random.Generator, segment: Segment, count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Indices of `count` references, and of the driving frames."""
        params, known = self._set.params(segment), np.array(self._set.reference_frames(segment))
        if self._data.near and random.random() < self._data.near:
            frames = random.integers(len(params), size=self._data.frames)
            held = random.permutation(len(known))[
                : int(random.integers(min(count, len(known)), len(known) + 1))
            ]
            # A call has no reference from the very moment.
            held = held[np.abs(known[held] - frames[0]) > _MOMENT_S * segment.frame_rate]
            if len(held) >= count:
                distances = [pose_distance(params[frame], params[frames[0]]) for frame in known[held]]
                return held[np.argsort(distances, kind="stable")[:count]], frames
        references = self._references(random, len(known), count)
        drawn = [self._frame(random, params, known[references[0]]) for _ in range(self._data.frames)]
        return references, np.array(drawn)

    def _references(self, random: np.random.Generator, available: int, count: int) -> NDArray[np.int64]:
        """Which references; the first of a segment is the one that a call begins with."""
        if count == 1 and random.random() < self._data.first:
            return np.zeros(1, np.int64)
        return random.choice(available, size=count, replace=count > available)

    def _frame(self, random: np.random.Generator, params: NDArray[np.float32], reference: int) -> int:
        """A driving frame, now and then the farther in pose and expression of two, or the reference itself."""
        if self._data.same and random.random() < self._data.same:
            return reference
        one, other = (int(value) for value in random.integers(len(params), size=2))
        if random.random() >= self._data.far:
            return one
        return max(one, other, key=lambda index: pose_distance(params[index], params[reference]))


def held_out_people(prepared: PreparedSet, share: float) -> frozenset[str]:
    """Every so many-th person of the set, by name."""
    people = sorted({segment.person for segment in prepared.segments})
    count = round(len(people) * share)
    chosen = np.linspace(0, len(people) - 1, count).round().astype(int)
    return frozenset(people[index] for index in chosen)


def _by_person(segments: list[Segment]) -> list[list[Segment]]:
    people: dict[str, list[Segment]] = {}
    for segment in segments:
        people.setdefault(segment.person, []).append(segment)
    return list(people.values())


def _shares(weights: NDArray[np.floating] | list[int]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = np.asarray(weights, np.float64)
    values /= values.sum()
    return values
