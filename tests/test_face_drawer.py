"""Faces drawn from the references that they name, on a machine that has the time for it or not."""

from typing import cast

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import CAMERA_SIZE, EXPRESSION_SIZE, GAZE_SIZE, FaceParams
from headgan.codec.stage_times import StageTimes
from headgan.models.ears import Ears
from headgan.models.reconstruct import Reconstructor
from headgan.receiver.due_frames import DueFrames
from headgan.receiver.face_drawer import FaceDrawer
from headgan.receiver.held_references import HeldReferences
from headgan.receiver.playback_settings import PlaybackSettings
from headgan.receiver.sound_intake import SoundIntake

FRAME_MS = 40
FACE = FaceParams(
    np.zeros(EXPRESSION_SIZE, np.float32),
    np.ones(CAMERA_SIZE, np.float32),
    np.zeros(GAZE_SIZE, np.float32),
)
BEFORE = np.zeros((2, 2, 3), np.uint8)


class Clock:
    """Goes on only while something is drawn."""

    def __init__(self) -> None:
        self.now_ms = 0.0

    def __call__(self) -> float:
        return self.now_ms


class Slow:
    """A reference that shows as one grey, several of them as the mean; draws for most of a frame's time."""

    def __init__(self, clock: Clock, level: int) -> None:
        self._clock = clock
        self.level = level
        self.heard: list[float | None] = []

    def draw(
        self, _params: FaceParams, *others: "Slow", audio: NDArray[np.float32] | None = None
    ) -> NDArray[np.uint8]:
        self._clock.now_ms += 0.8 * FRAME_MS
        self.heard.append(None if audio is None else float(audio[0]))
        levels = [self.level, *(other.level for other in others)]
        return np.full((2, 2, 3), round(float(np.mean(levels))), np.uint8)


class Echo:
    """Ears that hear the time of the picture."""

    def __init__(self) -> None:
        self.followed_ms: list[float] = []

    def at(self, frame_ms: float) -> NDArray[np.float32]:
        return np.array([frame_ms], np.float32)

    def follow(self, frame_ms: float) -> None:
        self.followed_ms.append(frame_ms)


def drawer_of(clock: Clock, references: list[Slow], ears: Echo | None = None, *, fuses: int) -> FaceDrawer:
    held = HeldReferences(cast(Reconstructor, references[0]), len(references))
    for number, reference in enumerate(references[1:], start=1):
        held.hold(number, cast(Reconstructor, reference), None)
    times = StageTimes(clock)
    sound = SoundIntake(DueFrames(FRAME_MS, clock), times, clock, cast(Ears | None, ears), None, None)
    return FaceDrawer(held, sound, PlaybackSettings(1000 / FRAME_MS, fuses=fuses), times, clock)


def test_a_face_none_of_whose_references_is_held_is_not_drawn() -> None:
    clock = Clock()
    drawer = drawer_of(clock, [Slow(clock, 10), Slow(clock, 20)], fuses=2)
    assert drawer.draw(FACE, (7, 8), 0, BEFORE) is None
    assert not drawer.drawn_from and clock.now_ms == 0
    drawn = drawer.draw(FACE, (7, 1), 0, BEFORE)
    assert drawn is not None and drawn.max() == 20
    assert list(drawer.drawn_from) == [1]


def test_a_machine_that_gets_busy_in_a_call_draws_from_fewer_and_does_not_listen() -> None:
    clock, ears = Clock(), Echo()
    references = [Slow(clock, 0), Slow(clock, 10), Slow(clock, 20)]
    drawer = drawer_of(clock, references, ears, fuses=2)
    levels = []
    for place in range(30):
        drawn = drawer.draw(FACE, (1, 2), place * FRAME_MS, BEFORE)
        assert drawn is not None
        levels.append(int(drawn.max()))
    assert list(drawer.drawn_from) == [2] * 20 + [1] * 10
    assert levels == [15] * 20 + [10] * 10
    times_ms: list[float] = [place * FRAME_MS for place in range(30)]
    assert references[1].heard == [*times_ms[:20], *[None] * 10]
    assert ears.followed_ms == times_ms[20:]


def test_the_same_picture_once_more_took_no_time_to_draw() -> None:
    class Still(Slow):
        def draw(self, *_args: object, **_heard: object) -> NDArray[np.uint8]:
            self._clock.now_ms += 0.8 * FRAME_MS
            return BEFORE

    clock = Clock()
    drawer = drawer_of(clock, [Still(clock, 0), Still(clock, 1)], fuses=2)
    for place in range(30):
        assert drawer.draw(FACE, (0, 1), place * FRAME_MS, BEFORE) is BEFORE
    assert list(drawer.drawn_from) == [2] * 30
