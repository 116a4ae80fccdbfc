"""What the networks are shown of a face: eyes that open and look, landmarks, and the coordinate code with them."""

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.codes import CodeRenderer, render_landmarks
from headgan.models.eyes import render_eyes
from headgan.models.fitting import project
from headgan.models.morphable import LEFT_IRIS, MESH_VERTICES, RIGHT_IRIS, MorphableModel
from headgan.models.pncc import pncc_colors, render_pncc

MODEL = MorphableModel.load()
IDENTITY = np.zeros(MODEL.identity_size, np.float32)


def points(gaze_x: float = 0, shift: float = 0) -> NDArray[np.float32]:
    camera = np.array([1, 0, 0, 0, 0.7, shift, 0], np.float32)
    return project(
        MODEL, IDENTITY, FaceParams(np.zeros(28, np.float32), camera, np.array([gaze_x, 0], np.float32))
    )


def iris_center(eyes: NDArray[np.uint8], side: slice) -> float:
    """Mean x of the bright pixels of one half of the picture."""
    half = (eyes[:, side].astype(float) - 128).clip(0)
    columns = np.arange(256)[side]
    return float((half * columns).sum() / half.sum())


@pytest.mark.parametrize("side", [slice(0, 128), slice(128, 256)])
def test_irises_follow_the_gaze(side: slice) -> None:
    straight, right, left = (render_eyes(points(gaze)) for gaze in (0, 0.25, -0.25))
    assert iris_center(right, side) > iris_center(straight, side) + 0.5
    assert iris_center(left, side) < iris_center(straight, side) - 0.5


def test_eyes_are_where_the_irises_are() -> None:
    face = points()
    eyes = render_eyes(face)
    assert set(np.unique(eyes)) >= {0, 255}
    assert 0.001 < (eyes > 0).mean() < 0.05
    for iris in (LEFT_IRIS, RIGHT_IRIS):
        x, y = np.rint((face[iris, :2].mean(axis=0) + 1) * 128 - 0.5).astype(int)
        assert eyes[y, x] == 255


def test_a_closed_eye_shows_no_iris() -> None:
    face = points()
    for upper, lower in ((159, 145), (158, 153), (160, 144), (157, 154), (161, 163), (173, 155), (246, 7)):
        face[upper] = face[lower]
    left_half = render_eyes(face)[:, :128]
    assert (left_half > 128).sum() < 0.3 * (render_eyes(points())[:, :128] > 128).sum()


def test_a_face_far_outside_is_no_error() -> None:
    face = points() * np.float32(1e6)
    assert render_eyes(face).shape == (256, 256)
    assert render_landmarks(face).shape == (256, 256, 3)


def test_a_sketch_moves_with_the_face() -> None:
    still, moved = render_landmarks(points()), render_landmarks(points(shift=16 / 128))
    assert 0.005 < (still.max(axis=2) > 0).mean() < 0.1
    # Lines are drawn at sixteenths of a pixel, which rounding may move.
    assert np.abs(moved[:, 16:].astype(int) - still[:, :-16]).mean() < 0.5


def test_codes_have_the_channels_that_were_asked_for() -> None:
    face = points()
    mesh = render_pncc(face[:MESH_VERTICES], MODEL.triangles, pncc_colors(MODEL))
    with_eyes = CodeRenderer(MODEL).draw(face)
    assert np.array_equal(with_eyes[..., :3], mesh)
    assert np.array_equal(with_eyes[..., 3], render_eyes(face))
    assert np.array_equal(CodeRenderer(MODEL, gaze=False).draw(face), mesh)
    sketch = CodeRenderer(MODEL, code="landmarks", gaze=False).draw(face)
    assert np.array_equal(sketch, render_landmarks(face))
