"""Likeness: another lamp changes the colour, a hand before the mouth the shape; and what a call makes of it."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.params import EXPRESSION_SIZE, GAZE_SIZE, FaceParams
from headgan.models.fitting import project
from headgan.models.likeness import Likeness, compare_likeness
from headgan.models.morphable import MorphableModel
from headgan.models.mouth import INNER_LIPS
from headgan.models.pncc import to_pixels
from headgan.sender.scene_truth import EYES_LIMIT, MOUTH_LIMIT, SceneTruth

MODEL = MorphableModel.load()
FACE = FaceParams(
    np.zeros(EXPRESSION_SIZE, np.float32),
    np.array([1, 0, 0, 0, 0.6, 0, 0], np.float32),
    np.zeros(GAZE_SIZE, np.float32),
)
POINTS = project(MODEL, np.zeros(MODEL.identity_size, np.float32), FACE)


def textured() -> NDArray[np.uint8]:
    """Something with local contrast everywhere."""
    noise = np.random.default_rng(3).normal(size=(256, 256, 3)).astype(np.float32)
    picture: NDArray[np.uint8] = np.clip(130 + 500 * cv2.GaussianBlur(noise, (0, 0), 5), 20, 235).astype(
        np.uint8
    )
    return picture


PICTURE = textured()


def lit(picture_rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    across = np.linspace(0.5, 1.1, 256, dtype=np.float32)[None, :, None]
    relit: NDArray[np.uint8] = np.clip(
        picture_rgb * across * np.array([1.1, 1.0, 0.8], np.float32), 0, 255
    ).astype(np.uint8)
    return relit


def covered(picture_rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    mouth = to_pixels(POINTS[list(INNER_LIPS), :2]).mean(axis=0)
    hand = picture_rgb.copy()
    x, y = (round(float(place)) for place in mouth)
    hand[y - 45 : y + 45, x - 60 : x + 60] = np.flip(
        picture_rgb[y - 45 : y + 45, x - 60 : x + 60], axis=(0, 1)
    )
    return hand


def test_the_same_picture_is_alike() -> None:
    likeness = compare_likeness(PICTURE, PICTURE, POINTS)
    assert likeness.color == 0
    assert (likeness.mouth, likeness.eyes) == pytest.approx((0, 0), abs=1e-5)


def test_another_lamp_changes_the_color_and_hardly_the_shape() -> None:
    likeness = compare_likeness(lit(PICTURE), PICTURE, POINTS)
    assert likeness.color > 14
    assert likeness.mouth < MOUTH_LIMIT / 2 and likeness.eyes < EYES_LIMIT / 2


def test_a_hand_before_the_mouth_changes_its_shape_and_not_that_of_the_eyes() -> None:
    likeness = compare_likeness(covered(PICTURE), PICTURE, POINTS)
    assert likeness.mouth > MOUTH_LIMIT
    assert likeness.eyes < EYES_LIMIT / 2


def test_a_face_that_is_nowhere_has_nothing_to_compare() -> None:
    assert compare_likeness(PICTURE, lit(PICTURE), POINTS + 9) == Likeness(0.0, 0.0, 0.0)


def flat(picture_rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.full_like(picture_rgb, 90)


def test_a_picture_without_any_contrast_gives_numbers() -> None:
    likeness = compare_likeness(flat(PICTURE), flat(PICTURE), POINTS)
    assert likeness == Likeness(0.0, 0.0, 0.0)


def at(mouth: float, color: float = 4.0) -> Likeness:
    return Likeness(mouth, 0.0, color)


def judge(*seen: Likeness) -> list[tuple[bool, bool]]:
    truth = SceneTruth()
    verdicts = []
    for likeness in seen:
        truth.saw(likeness)
        verdicts.append((truth.is_true, truth.is_stale))
    return verdicts


def test_one_blurred_frame_is_no_lie_but_a_covered_mouth_is() -> None:
    assert judge(at(0.1), at(0.6), at(0.1)) == [(True, False)] * 3
    assert judge(at(0.1), at(1.0))[-1] == (False, True)
    assert judge(at(0.1), at(0.6), at(0.6))[-1] == (False, True)


def test_a_face_is_shown_again_after_two_good_frames() -> None:
    verdicts = judge(at(1.0), at(0.45), at(0.1), at(0.1))
    assert [is_true for is_true, _ in verdicts] == [False, False, False, True]


def test_covered_eyes_count_as_well() -> None:
    truth = SceneTruth()
    truth.saw(Likeness(0.0, 0.9, 4.0))
    assert not truth.is_true
    truth.forget()
    assert truth.is_true and not truth.is_stale


def test_another_lamp_makes_the_references_stale_and_nothing_untrue() -> None:
    assert judge(*[at(0.1)] * 9, at(0.1, 25.0))[-1] == (True, True)
    # Where the colours are never right, they are no news.
    assert judge(*[at(0.1, 13.0)] * 9, at(0.1, 18.0))[-1] == (True, False)


def test_what_is_poorly_drawn_for_a_while_is_stale_though_not_untrue() -> None:
    verdicts = judge(at(0.1), *[at(0.36)] * 4)
    assert all(is_true for is_true, _ in verdicts)
    assert [is_stale for _, is_stale in verdicts] == [False, False, False, True, True]


def test_a_call_that_is_always_poor_has_limits_of_its_own() -> None:
    assert all(is_true for is_true, _ in judge(*[at(0.28)] * 9, *[at(0.65)] * 3))
    assert judge(*[at(0.28)] * 9, at(1.0), at(1.0))[-1] == (False, True)


def test_what_is_drawn_from_a_doubtful_reference_has_to_be_more_alike() -> None:
    truth = SceneTruth()
    for _ in range(2):
        truth.saw(at(0.4))
    assert truth.is_true
    for _ in range(2):
        truth.saw(at(0.4), is_doubtful=True)
    assert not truth.is_true
