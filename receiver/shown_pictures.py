"""Pictures that are ready in, the same with how old they are out; what was shown in which state is kept."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headgan.codec.stage_times import KEPT_FRAMES
from headgan.receiver.display import State
from headgan.receiver.due_frames import DueFrame
from headgan.receiver.picture_choice import ChosenPicture

_KEPT_CHANGES = 1000


@dataclass(frozen=True, eq=False)
class ShownPicture:
    """A picture at the moment it is ready.

    Attributes:
        picture_rgb: uint8 [256, 256, 3], or [512, 512, 3].
        state: `live`, or why another picture is shown: the sender sees no face, knows that what would be drawn is not
            what is there, or names an unknown reference.
        latency_ms: since its capture; None until the sender's clock is known.
    """

    picture_rgb: NDArray[np.uint8]
    state: State
    latency_ms: float | None


@dataclass(frozen=True)
class Latency:
    """When a picture was shown and how long after its capture, in milliseconds of the receiver's clock."""

    shown_ms: float
    latency_ms: float


class StateChange(NamedTuple):
    """The frame that was captured at `capture_ms` of the sender's clock, and those after it, were shown in `state`."""

    capture_ms: int
    state: State


class ShownPictures:
    """Belongs to the drawing thread; to be read after it.

    Attributes:
        latencies: of each frame that came, while the sender's clock was known.
        changes: which state each frame began that was not in that of the one before.
    """

    def __init__(self, age_ms: Callable[[int, float], float | None]) -> None:
        """Args: age_ms: (the sender's capture time, now) to the time between, or None while it is unknown."""
        self.latencies: deque[Latency] = deque(maxlen=KEPT_FRAMES)
        self.changes: deque[StateChange] = deque(maxlen=_KEPT_CHANGES)
        self._age_ms = age_ms

    def add(self, due: DueFrame, chosen: ChosenPicture, now_ms: float) -> ShownPicture:
        """The picture chosen for a frame, ready at `now_ms`."""
        if not self.changes or self.changes[-1].state != chosen.state:
            self.changes.append(StateChange(due.capture_ms, chosen.state))
        latency_ms = self._age_ms(due.capture_ms, now_ms)
        if latency_ms is not None and not due.item.is_guessed:
            self.latencies.append(Latency(now_ms, latency_ms))
        return ShownPicture(chosen.picture_rgb, chosen.state, latency_ms)
