"""References in, the few that are kept and the one for a frame out: a reference memory, the same code on both ends.

ReferenceMemory   what is held, by number; a number is never used twice in a call
Coverage          the sender's choice: which picture to add, which to give up for it, which to draw a frame from

A picture is a point in a space of descriptors, in which the distance to a reference stands for how badly a frame is
drawn from it. What was seen of late stands for what will be seen: a reference is worth what it takes off the distances
of these frames to their nearest reference (facility location; Nemhauser, Wolsey, Fisher 1978). No clock, no network.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from headgan.proto.errors import UsageError

T = TypeVar("T")

DEFAULT_CAPACITY = 16
MAX_CAPACITY = 64
# Frames that are nearer than this to a reference, in pixels or levels, are drawn well: there is little to gain.
_CLOSE = 10.0


def check_capacity(references: int) -> None:
    """Raises UsageError unless `--references` names a size that a memory can have."""
    if not 1 <= references <= MAX_CAPACITY:
        raise UsageError(f"--references {references}: give 1 to {MAX_CAPACITY}")


class ReferenceMemory(Generic[T]):
    """At most `capacity` references by number, oldest first."""

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        """Raises ValueError unless the capacity is 1 to 64."""
        if not 1 <= capacity <= MAX_CAPACITY:
            raise ValueError(f"a memory of {capacity} references; 1 to {MAX_CAPACITY} can be held")
        self.capacity = capacity
        self._held: dict[int, T] = {}
        self._last = -1

    def admit(self, number: int, item: T, *, replaces: int | None = None) -> None:
        """Takes a reference, in place of another if it names one.

        Raises:
            ValueError: the number is not above all before it, `replaces` is not held, or there is no room.
        """
        if number <= self._last:
            raise ValueError(f"reference {number} came after reference {self._last}")
        if replaces is not None and replaces not in self._held:
            raise ValueError(f"reference {number} replaces {replaces}, which is not held")
        if len(self._held) - (replaces is not None) >= self.capacity:
            raise ValueError(f"reference {number} has no room among {self.capacity}")
        if replaces is not None:
            del self._held[replaces]
        self._held[number] = item
        self._last = number

    def get(self, number: int) -> T | None:
        """The reference of this number, or None if it is not held."""
        return self._held.get(number)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Of all that are held."""
        return tuple(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[T]:
        return iter(self._held.values())


@dataclass(frozen=True)
class Offer:
    """What a picture would bring to the memory.

    Attributes:
        gain: share of all distances between the last frames and their nearest references that it would take away;
            less where they are small already.
        replaces: number of the reference that it would be taken for, None while there is room.
    """

    gain: float
    replaces: int | None


class Coverage:
    """How well the references that are held cover the frames of late."""

    def __init__(self, *, history: int = 300, hysteresis: float = 0.9) -> None:
        """Holds nothing yet.

        Args:
            history: frames to look back on.
            hysteresis: another reference is taken below this share of the distance to one in use, so that the
                picture does not pop to and fro.
        """
        self._history = history
        self._seen = 0
        # The newest frames, float32 [history, D], in no order; what is held, and how far from it each of them is.
        self._ring = np.empty((0, 0), np.float32)
        self._references: dict[int, NDArray[np.float32]] = {}
        self._distances: dict[int, NDArray[np.float32]] = {}
        self._hysteresis = hysteresis
        self._chosen: tuple[int, ...] = ()
        self._distance = 0.0

    @property
    def distance(self) -> float:
        """From the frame that was chosen for last to the first of its references."""
        return self._distance

    def saw(self, descriptor: NDArray[np.float32]) -> None:
        """Keeps a frame, float32 [D]."""
        if not self._seen:
            self._ring = np.empty((self._history, len(descriptor)), np.float32)
        place = self._seen % self._history
        self._ring[place] = descriptor
        self._seen += 1
        for number, reference in self._references.items():
            self._distances[number][place] = np.linalg.norm(reference - descriptor)

    def hold(self, number: int, descriptor: NDArray[np.float32]) -> None:
        """Learns that a reference, float32 [D], is held from now on."""
        self._references[number] = descriptor
        self._distances[number] = np.zeros(self._history, np.float32)
        if self._seen:
            frames = self._frames()
            self._distances[number][: len(frames)] = _distances(frames, descriptor)

    def drop(self, number: int) -> NDArray[np.float32]:
        """Learns that a reference, which is held, is not to be used any more; returns its descriptor."""
        self._chosen = tuple(chosen for chosen in self._chosen if chosen != number)
        del self._distances[number]
        return self._references.pop(number)

    def offer(
        self, descriptor: NDArray[np.float32], *, coming: NDArray[np.float32] | None = None, is_full: bool
    ) -> Offer:
        """What a picture, float32 [D], would bring.

        Args:
            descriptor: of the picture.
            coming: float32 [D] of a reference that is on its way.
            is_full: whether one has to make room.
        """
        if not self._seen or (not self._references and coming is None):
            return Offer(1.0, None)
        frames = self._frames()  # [N, D]
        rows = [row[: len(frames)] for row in self._distances.values()]
        if coming is not None:
            rows.append(_distances(frames, coming))
        distances = np.stack(rows)  # [R, N]
        new = _distances(frames, descriptor)  # [N]
        nearest = distances.min(axis=0)
        total = max(float(nearest.sum()), _CLOSE * len(frames))
        if not is_full:
            return Offer(float(np.maximum(nearest - new, 0).sum()) / total, None)
        numbers = list(self._references)
        without = [
            np.minimum(np.delete(distances, place, axis=0).min(axis=0, initial=np.inf), new).sum()
            for place in range(len(numbers))
        ]
        place = int(np.argmin(without))
        return Offer(float(nearest.sum() - without[place]) / total, numbers[place])

    def choose(self, descriptor: NDArray[np.float32], count: int = 1) -> tuple[int, ...]:
        """Numbers of the references to draw a frame, float32 [D], from: at most `count`, the nearest first.

        Raises:
            ValueError: no reference is held.
        """
        if not self._references:
            raise ValueError("no reference is held")
        numbers = np.array(list(self._references))
        real = _distances(np.stack(list(self._references.values())), descriptor)
        # Those in use count as nearer than they are: nothing pops to and fro.
        distances = np.where(np.isin(numbers, self._chosen), self._hysteresis * real, real)
        order = np.argsort(distances, kind="stable")[:count]
        self._distance = float(real[order[0]])
        self._chosen = tuple(int(number) for number in numbers[order])
        return self._chosen

    def _frames(self) -> NDArray[np.float32]:
        """Float32 [N, D], those that there are."""
        return self._ring[: self._seen]


def _distances(some: NDArray[np.float32], one: NDArray[np.float32]) -> NDArray[np.float32]:
    """Float32 [S] from descriptors, [S, D], to another, [D]."""
    apart = some - one
    distances: NDArray[np.float32] = np.sqrt(np.einsum("sd,sd->s", apart, apart))
    return distances
