"""The vector that tells how well one frame can be drawn from another: nearer where what is seen is more alike."""

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.fitting import project
from headgan.models.morphable import MorphableModel
from headgan.models.view_descriptor import describe_view

MODEL = MorphableModel.load()
GREY = np.full((256, 256, 3), 128, np.uint8)


def described(
    *, x: float = 0.0, turn: float = 0.0, smile: float = 0.0, picture_rgb: NDArray[np.uint8] = GREY
) -> NDArray[np.float32]:
    expression = np.zeros(28, np.float32)
    expression[0] = smile * MODEL.expression_std[0]
    camera = np.array([np.cos(turn / 2), 0, np.sin(turn / 2), 0, 0.4, x, 0], np.float32)
    params = FaceParams(expression, camera, np.zeros(2, np.float32))
    points = project(MODEL, np.zeros(MODEL.identity_size, np.float32), params)
    return describe_view(points, params, picture_rgb)


def distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(one - other))


def test_what_is_the_same_is_at_no_distance() -> None:
    assert distance(described(turn=0.2), described(turn=0.2)) == 0


def test_more_of_any_difference_is_farther() -> None:
    still = described()
    for near, far in (
        (described(x=0.05), described(x=0.2)),
        (described(turn=0.1), described(turn=0.4)),
        (described(smile=0.5), described(smile=2)),
        (described(picture_rgb=GREY + np.uint8(5)), described(picture_rgb=GREY + np.uint8(40))),
    ):
        assert 0.5 < distance(still, near) < distance(still, far)


def test_a_pixel_of_shift_and_a_level_of_light_are_its_units() -> None:
    assert 0.4 < distance(described(), described(x=1 / 128)) < 0.6
    brighter = distance(described(), described(picture_rgb=GREY + np.uint8(10)))
    np.testing.assert_allclose(brighter, 15, rtol=1e-3)
