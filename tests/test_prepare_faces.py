"""One face or several, the same face or another."""

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.models.crop import Crop
from headgan.models.face_detector import Detection
from headgan.models.train.prepare_faces import Box, FaceFinder, box_of, is_alone_among


def detection(x: float, y: float, side: float, score: float = 0.9) -> Detection:
    center = np.array([x, y], np.float32)
    box = np.concatenate([center - side / 2, center + side / 2]).astype(np.float32)
    return Detection(box, np.zeros((2, 2), np.float32), score)


def box(x: float, y: float, side: float) -> Box:
    return Box(np.array([x, y], np.float32), side)


OWN = detection(100, 100, 90)


@pytest.mark.parametrize(
    ("found", "is_alone"),
    [
        ([], True),
        ([OWN], True),
        ([OWN, detection(110, 105, 80)], True),  # the same face, found twice
        ([OWN, detection(250, 100, 60)], False),
        ([OWN, detection(250, 100, 40)], True),  # somebody in the back
        ([OWN, detection(250, 100, 60, score=0.55)], True),  # the detector doubts it
        ([detection(250, 100, 60)], False),  # ours was not detected, its points tell its size
        ([detection(250, 100, 40)], True),
    ],
)
def test_a_comparable_face_is_company(found: list[Detection], is_alone: bool) -> None:
    assert is_alone_among(found, box(100, 100, 100)) is is_alone


@pytest.mark.parametrize(
    ("next_box", "jumped"),
    [
        (box(130, 100, 100), False),
        (box(140, 100, 100), True),
        (box(100, 100, 125), False),
        (box(100, 100, 140), True),
        (box(100, 100, 70), True),
    ],
)
def test_a_face_does_not_jump(next_box: Box, jumped: bool) -> None:
    assert box(100, 100, 100).jumped(next_box) is jumped


def test_a_box_holds_its_points() -> None:
    points = np.array([[10, 20, 5], [30, 80, -5]], np.float32)
    found = box_of(points)
    assert (found.center.tolist(), found.side) == ([20.0, 50.0], 60.0)


def test_there_is_no_face_in_noise_and_it_is_alone_there() -> None:
    finder = FaceFinder()
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    assert finder.points(noise) is None
    # Partly outside the frame, as the surroundings of most crops are.
    assert finder.is_alone(noise, Crop(200.0, 100.0, 140.0), box(270, 170, 70))


def test_company_is_looked_for_around_the_crop(monkeypatch: pytest.MonkeyPatch) -> None:
    finder = FaceFinder()
    seen = []

    class PlayedDetector:
        def detect(self, frame_rgb: NDArray[np.uint8]) -> list[Detection]:
            seen.append(frame_rgb.shape)
            return [detection(75, 75, 90)]

    monkeypatch.setattr(finder, "_detector", PlayedDetector())
    frame = np.zeros((400, 600, 3), np.uint8)
    # The surroundings begin at 250, 100: what is at 75, 75 there is the face at 325, 175 of the frame.
    assert finder.is_alone(frame, Crop(275.0, 125.0, 100.0), box(325, 175, 100))
    assert not finder.is_alone(frame, Crop(275.0, 125.0, 100.0), box(75, 75, 100))
    assert seen == [(150, 150, 3)] * 2
