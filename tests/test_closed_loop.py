"""The closed loop: when it compares, with which reference, and that it tells what it finds."""

import time
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.params import EXPRESSION_SIZE, GAZE_SIZE, FaceParams
from headgan.models.generator import PRIOR_GENERATOR, Generator, OnnxGenerator
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import ReferenceImage
from headgan.models.weights import weights_path
from headgan.sender.analysis import AnalysedFrame
from headgan.sender.closed_loop import ClosedLoop

MODEL = MorphableModel.load()
IDENTITY = np.zeros(MODEL.identity_size, np.float32)
GENERATOR = OnnxGenerator(weights_path(PRIOR_GENERATOR), provider="cpu")
FACE = FaceParams(
    np.zeros(EXPRESSION_SIZE, np.float32),
    np.array([1, 0, 0, 0, 0.5, 0, 0], np.float32),
    np.zeros(GAZE_SIZE, np.float32),
)


def picture(seed: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).integers(0, 255, (16, 16, 3), np.uint8)
    return np.asarray(cv2.resize(noise, (256, 256)), np.uint8)


def doubtful() -> NDArray[np.uint8]:
    """Not so unlike the first picture that one comparison would settle it."""
    return np.asarray(cv2.addWeighted(picture(0), 0.3, picture(5), 0.7, 0), np.uint8)


class Echo:
    """Draws its reference; counts."""

    drawn: list[int]

    def __init__(self, _model: MorphableModel, _generator: Generator, reference: ReferenceImage) -> None:
        self._picture = reference.picture_rgb

    def draw(self, _params: FaceParams) -> NDArray[np.uint8]:
        Echo.drawn.append(int(self._picture[0, 0, 0]))
        return self._picture


class Loop:
    """A loop whose clock stands still until it is set."""

    def __init__(self) -> None:
        self.now_ms = 0.0
        Echo.drawn = []
        self.references = [ReferenceImage(picture(0), IDENTITY, FACE)]
        self.loop = ClosedLoop(MODEL, lambda: GENERATOR, lambda: self.now_ms)

    def look(self, seed: int, number: int = 0, distance: float = 0.0) -> int:
        """Looks at a picture; see `look_at`."""
        return self.look_at(picture(seed), number, distance)

    def look_at(self, picture_rgb: NDArray[np.uint8], number: int = 0, distance: float = 0.0) -> int:
        """Looks at a picture until what is begun is done; how many comparisons there have been."""
        frame = AnalysedFrame(picture_rgb, FACE)
        self.loop.look(frame, [self.references[number]], distance)
        deadline_s = time.monotonic() + 10
        while self.loop.is_comparing and time.monotonic() < deadline_s:
            time.sleep(0.005)
        return len(Echo.drawn)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    monkeypatch.setattr("headgan.sender.closed_loop.Reconstructor", Echo)
    loop = Loop()
    yield loop
    loop.loop.close()


def test_a_frame_is_compared_now_and_then(at: Loop) -> None:
    assert at.look(0) == 1
    assert at.look(0) == 1
    at.now_ms = 1000
    assert at.look(0) == 2
    assert at.loop.truth.is_true


def test_a_frame_that_moves_away_is_compared_at_once(at: Loop) -> None:
    assert [at.look(0, distance=distance) for distance in (10, 12, 40, 40)] == [1, 1, 2, 2]


def test_a_doubt_is_followed_up_at_once_until_it_is_settled(at: Loop) -> None:
    assert at.look(0) == 1
    at.now_ms = 1000
    # Compared, and doubted with the next frame, compared again, and settled.
    assert [at.look_at(doubtful()) for _ in range(4)] == [2, 3, 3, 3]
    assert not at.loop.truth.is_true and at.loop.truth.is_stale


def test_a_frame_is_drawn_from_the_reference_that_the_receiver_will_take(at: Loop) -> None:
    at.references.append(ReferenceImage(picture(5), IDENTITY, FACE))
    for number in range(3):
        at.now_ms += 1000
        at.look(5, number=1)
        assert at.loop.truth.compared == number  # the last one is counted with the next frame
    assert at.loop.truth.is_true
    assert set(Echo.drawn) == {int(picture(5)[0, 0, 0])}


def test_references_are_prepared_once_and_not_kept_for_ever(
    at: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[ReferenceImage] = []

    class Noted(Echo):
        def __init__(self, model: MorphableModel, generator: Generator, reference: ReferenceImage) -> None:
            super().__init__(model, generator, reference)
            prepared.append(reference)

    monkeypatch.setattr("headgan.sender.closed_loop.Reconstructor", Noted)
    monkeypatch.setattr("headgan.sender.closed_loop._MOST_PREPARED", 2)
    at.references += [ReferenceImage(picture(seed), IDENTITY, FACE) for seed in (1, 2)]
    for number in (0, 0, 1, 0, 2, 0, 1):
        at.now_ms += 1000
        at.look(number, number=number)
    # The second made room for the third.
    pictures = [id(one.picture_rgb) for one in at.references]
    assert [pictures.index(id(one.picture_rgb)) for one in prepared] == [0, 1, 2, 1]


def test_what_drift_bends_towards_a_hand_is_not_taken_for_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the frame's drift nor that of a reference has a part in the comparison."""
    seen: list[FaceParams] = []

    class Seeing(Echo):
        def __init__(self, model: MorphableModel, generator: Generator, reference: ReferenceImage) -> None:
            super().__init__(model, generator, reference)
            seen.append(reference.params)

        def draw(self, params: FaceParams) -> NDArray[np.uint8]:
            seen.append(params)
            return super().draw(params)

    monkeypatch.setattr("headgan.sender.closed_loop.Reconstructor", Seeing)
    at = Loop()
    bent = replace(FACE, drift=np.full_like(FACE.drift, 3))
    at.references[0] = ReferenceImage(picture(0), IDENTITY, bent)
    at.loop.look(AnalysedFrame(picture(0), bent), at.references)
    deadline_s = time.monotonic() + 10
    while at.loop.is_comparing and time.monotonic() < deadline_s:
        time.sleep(0.005)
    at.loop.close()
    assert len(seen) == 2 and not any(params.drift.any() for params in seen)


def test_without_a_face_nothing_is_compared_and_nothing_is_untrue(at: Loop) -> None:
    for _ in range(3):
        at.now_ms += 1000
        at.look(5)
    assert not at.loop.truth.is_true
    at.loop.look(AnalysedFrame(picture(5), None), at.references[:1])
    assert at.loop.truth.is_true
