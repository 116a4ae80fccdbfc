"""Where a judge of lips looks."""

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.params import EXPRESSION_SIZE, FaceParams
from headgan.models.fitting import project
from headgan.models.metrics.mouth_view import MOUTH_HEIGHT, MOUTH_WIDTH, cut_mouth, mouth_views
from headgan.models.morphable import MorphableModel
from headgan.models.mouth import INNER_LIPS
from headgan.models.pncc import to_pixels

COUNT = 20


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return MorphableModel.load()


def face(roll: float = 0.0, scale: float = 0.35, x: float = 0.0, expression: float = 0.0) -> FaceParams:
    camera = np.array([np.cos(roll / 2), 0, 0, np.sin(roll / 2), scale, x, -0.05], np.float32)
    return FaceParams(np.full(EXPRESSION_SIZE, expression, np.float32), camera, np.zeros(2, np.float32))


def views_of(model: MorphableModel, *faces: FaceParams) -> NDArray[np.float64]:
    return mouth_views(model, np.zeros(model.identity_size), faces)


def corners_in_view(model: MorphableModel, params: FaceParams) -> NDArray[np.float64]:
    """Where the corners of the mouth are seen: pixels [2, 2] of the view."""
    points = to_pixels(project(model, np.zeros(model.identity_size), params))[[78, 308], :2]
    (view,) = views_of(model, params)
    seen = []
    for place in points:
        picture = np.zeros((256, 256, 3), np.uint8)
        column, row = np.rint(place).astype(int)
        picture[row - 1 : row + 2, column - 1 : column + 2] = 255
        cut = cut_mouth(picture, view).astype(np.float64)
        rows, columns = np.mgrid[:MOUTH_HEIGHT, :MOUTH_WIDTH]
        seen.append([(columns * cut).sum() / cut.sum(), (rows * cut).sum() / cut.sum()])
    return np.array(seen)


def test_the_mouth_is_upright_and_in_the_middle_however_the_head_is_held(model: MorphableModel) -> None:
    straight = corners_in_view(model, face())
    assert straight.mean(axis=0) == pytest.approx([MOUTH_WIDTH / 2, MOUTH_HEIGHT / 2], abs=4)
    assert 0.35 < (straight[1, 0] - straight[0, 0]) / MOUTH_WIDTH < 0.6
    for other in (face(roll=0.4), face(scale=0.28), face(x=0.2), face(roll=-0.3, scale=0.4, x=-0.1)):
        assert corners_in_view(model, other) == pytest.approx(straight, abs=0.8)


def test_the_view_does_not_move_with_the_mouth(model: MorphableModel) -> None:
    still = views_of(model, *[face()] * COUNT)
    talking = views_of(model, *[face(expression=0.3 * np.sin(place)) for place in range(COUNT)])
    assert np.array_equal(still, talking)
    lips = [
        project(model, np.zeros(model.identity_size), face(expression=e))[INNER_LIPS, 1] for e in (0, 0.3)
    ]
    assert np.abs(lips[0] - lips[1]).max() > 0.005  # the mouth did


def test_trembling_is_calmed_and_turning_is_followed(model: MorphableModel) -> None:
    trembling = views_of(model, *[face(x=0.01 * (-1) ** place) for place in range(COUNT)])
    assert np.abs(np.diff(trembling[5:-5, 0])).max() < 0.002
    moving = views_of(model, *[face(x=0.01 * place) for place in range(COUNT)])
    assert np.diff(moving[5:-5, 0]) == pytest.approx(0.01, abs=1e-4)


def test_a_larger_piece_has_the_view_in_its_middle(model: MorphableModel) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (256, 256, 3), dtype=np.uint8)
    (view,) = views_of(model, face(roll=0.2))
    large, small = cut_mouth(picture, view, 1.25), cut_mouth(picture, view)
    assert large.shape == (60, 80)
    assert np.array_equal(large[6:-6, 8:-8], small)
