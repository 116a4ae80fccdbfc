"""Mouths and sound of a prepared set."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.params import EXPRESSION_SIZE, FaceParams
from headgan.models.metrics.mouth_view import cut_mouth, mouth_views
from headgan.models.morphable import MorphableModel
from headgan.models.speech_classes import CLASSES, REST
from headgan.models.train.lip_set import MARGIN, read_lip_clips

FRAMES = 60


@dataclass(frozen=True)
class FakeSegment:
    person: str
    frame_rate: float
    sound_samples: int
    identity: NDArray[np.float32]


class FakeSet:
    """Pictures of one level each, told from each other by it, that begin 5 s into their clip."""

    def __init__(self, *segments: FakeSegment) -> None:
        self.segments = segments

    def sound(self, segment: FakeSegment) -> NDArray[np.int16]:
        return np.full(segment.sound_samples, 3000, np.int16)

    def pts_ms(self, segment: FakeSegment) -> NDArray[np.float64]:
        return 5000 + np.arange(FRAMES) * 1000 / segment.frame_rate

    def params(self, _: FakeSegment) -> NDArray[np.float32]:
        return np.tile(face().to_array(), (FRAMES, 1))

    def picture(self, _: FakeSegment, frame: int) -> NDArray[np.uint8]:
        return np.full((256, 256, 3), 4 * frame, np.uint8)


class Talk:
    """Hears one sound all the time, or none."""

    def __init__(self, sound: int) -> None:
        self.sound = sound

    def shares(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.tile(np.eye(CLASSES, dtype=np.float32)[self.sound], (len(sound) // 320, 1))


def face() -> FaceParams:
    camera = np.array([1, 0, 0, 0, 0.35, 0, -0.05], np.float32)
    return FaceParams(np.zeros(EXPRESSION_SIZE, np.float32), camera, np.zeros(2, np.float32))


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return MorphableModel.load()


def segment(model: MorphableModel, person: str, rate: float = 30.0, seconds: float = 2.0) -> FakeSegment:
    return FakeSegment(person, rate, round(16000 * seconds), np.zeros(model.identity_size, np.float32))


def read(prepared: FakeSet, net: Talk, model: MorphableModel) -> list[Any]:
    return list(read_lip_clips(prepared, net, model))  # type: ignore[arg-type]


def test_each_moment_has_the_picture_of_its_time(model: MorphableModel) -> None:
    (clip,) = read(FakeSet(segment(model, "ana")), Talk(4), model)
    assert clip.person == "ana"
    assert clip.mouths.shape == (50, 60, 80)
    wanted = np.rint(np.arange(50) * 40 * 30 / 1000)
    assert np.abs(clip.mouths.mean(axis=(1, 2)) / 4 - wanted).max() <= 0.5
    assert len(clip.sound.shares) == 50
    view = mouth_views(model, np.zeros(model.identity_size), [face()])[0]
    cut = cut_mouth(FakeSet().picture(segment(model, "ana"), 12), view, MARGIN)
    assert np.array_equal(clip.mouths[10], cut)


def test_what_teaches_nothing_is_left_out(model: MorphableModel) -> None:
    speaking = FakeSet(
        segment(model, "slow", rate=15.0),
        segment(model, "short", seconds=0.8),
        segment(model, "silent", seconds=0),
        segment(model, "fine"),
    )
    assert [clip.person for clip in read(speaking, Talk(4), model)] == ["fine"]
    assert read(speaking, Talk(REST), model) == []
