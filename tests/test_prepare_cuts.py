"""Cuts: a new picture is one, a hand before the camera is none."""

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.models.train.prepare_cuts import CutDetector


def picture(shade: int) -> NDArray[np.uint8]:
    return np.full((256, 256, 3), shade, np.uint8)


def cuts(shades: list[int]) -> list[int]:
    detector = CutDetector()
    return [index for index, shade in enumerate(shades) if detector.is_cut(picture(shade))]


def test_the_first_picture_is_no_cut() -> None:
    assert cuts([200]) == []


@pytest.mark.parametrize(("step", "is_cut"), [(10, False), (30, True)])
def test_a_cut_is_a_large_difference(step: int, is_cut: bool) -> None:
    assert cuts([100] * 10 + [100 + step] * 10) == ([10] if is_cut else [])


def test_a_smaller_difference_counts_after_stillness() -> None:
    # At the start it is not known how much moves in this clip.
    assert cuts([100, 118, 118]) == []
    assert cuts([100] * 10 + [118]) == [10]


def test_a_cut_stands_out_against_movement() -> None:
    moving = [100 + 12 * (index % 2) for index in range(20)]
    assert cuts([*moving, 150]) == []
    assert cuts([*moving, 170]) == [20]


def test_another_crop_of_the_same_scene_is_no_cut() -> None:
    detector = CutDetector()
    for _ in range(5):
        detector.is_cut(picture(100))
    detector.start_from(picture(180))
    assert not detector.is_cut(picture(181))
    assert detector.is_cut(picture(100))
