"""The coordinate code: the fast renderer draws what a slow one does, and nothing makes it fall over."""

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.fitting import project
from headgan.models.morphable import MESH_VERTICES, MorphableModel
from headgan.models.pncc import CROP_SIZE, pncc_colors, rasterise, render_pncc
from headgan.models.rotation import matrix_to_quaternion, rotation_vector_to_matrix

MODEL = MorphableModel.load()
ONE_TRIANGLE = np.array([[0, 1, 2]], np.uint16)


def face_points(yaw_deg: float = 0, scale: float = 0.4) -> NDArray[np.float32]:
    quaternion = matrix_to_quaternion(rotation_vector_to_matrix(np.array([0, np.radians(yaw_deg), 0])))
    camera = np.array([*quaternion, scale, 0, 0], np.float32)
    params = FaceParams(np.zeros(28, np.float32), camera, np.zeros(2, np.float32))
    return project(MODEL, np.zeros(MODEL.identity_size), params)[:MESH_VERTICES]


def render_slowly(
    points: NDArray[np.float32], triangles: NDArray[np.uint16], values: NDArray[np.float32], size: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Every pixel against every triangle: shares from solving b * share = p, the nearest surface wins."""
    axis = (2 * np.arange(size) + 1) / size - 1
    x, y = np.meshgrid(axis, axis)
    pixels = np.stack([x, y, np.ones_like(x)]).reshape(3, -1)
    picture = np.zeros((size * size, values.shape[1]))
    depth = np.full(size * size, np.inf)
    for corners in triangles.astype(int):
        flat = np.vstack([points[corners, :2].T.astype(np.float64), np.ones(3)])
        if abs(np.linalg.det(flat)) < 1e-12:
            continue
        shares = np.linalg.solve(flat, pixels)  # [3, pixels]
        z = points[corners, 2] @ shares
        nearer = (shares >= -1e-6).all(axis=0) & (z < depth)
        depth[nearer] = z[nearer]
        picture[nearer] = (values[corners].T.astype(np.float64) @ shares).T[nearer]
    return picture.reshape(size, size, -1), np.isfinite(depth).reshape(size, size)


def assert_same_as_slowly(
    points: NDArray[np.float32], triangles: NDArray[np.uint16], values: NDArray[np.float32], size: int
) -> None:
    picture, mask = rasterise(points, triangles, values, size)
    expected, expected_mask = render_slowly(points, triangles, values, size)
    np.testing.assert_array_equal(mask, expected_mask)
    np.testing.assert_allclose(picture, expected, atol=1e-3)
    assert mask.any()
    assert picture.dtype == np.float32


@pytest.mark.parametrize("seed", range(4))
def test_random_triangles_are_drawn_as_by_the_slow_renderer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.uniform(-1.5, 1.5, (40, 3)).astype(np.float32)  # partly outside the picture
    triangles = rng.integers(0, 40, (60, 3)).astype(np.uint16)  # some with a corner twice
    values = rng.uniform(0, 255, (40, 2)).astype(np.float32)
    assert_same_as_slowly(points, triangles, values, 48)


@pytest.mark.parametrize("yaw_deg", [0, 40, -70])
def test_the_face_is_drawn_as_by_the_slow_renderer(yaw_deg: float) -> None:
    assert_same_as_slowly(face_points(yaw_deg), MODEL.triangles, pncc_colors(MODEL), 64)


def test_colors_use_the_whole_range_and_leave_zero_to_the_background() -> None:
    colors = pncc_colors(MODEL)
    np.testing.assert_array_equal(colors.min(axis=0), [1, 1, 1])
    np.testing.assert_allclose(colors.max(axis=0), [255, 255, 255], atol=1e-4)
    points = face_points()
    picture = render_pncc(points, MODEL.triangles, colors)
    assert picture.shape == (CROP_SIZE, CROP_SIZE, 3)
    assert picture.dtype == np.uint8
    _, mask = rasterise(points, MODEL.triangles, colors)
    assert 0.2 < mask.mean() < 0.6
    assert (picture[~mask] == 0).all()
    assert (picture[mask] >= 1).all()
    face = picture[mask].astype(int)
    assert (face[:, :2].min(axis=0) <= 6).all()
    assert (face[:, :2].max(axis=0) >= 250).all()
    assert np.ptp(face[:, 2]) > 200


def test_colors_of_the_face_ahead_grow_to_the_right_and_down() -> None:
    picture = render_pncc(face_points(), MODEL.triangles, pncc_colors(MODEL)).astype(int)
    middle = CROP_SIZE // 2
    row, column = picture[middle, :, 0], picture[:, middle, 1]
    assert (np.diff(row[row > 0]) >= 0).all()
    assert (np.diff(column[column > 0]) >= 0).all()


@pytest.mark.parametrize("nearest_first", [False, True])
def test_the_nearest_surface_wins(nearest_first: bool) -> None:
    corners = np.array([[-0.8, -0.8], [0.8, -0.8], [0, 0.8]])
    near, far = (np.column_stack([corners, np.full(3, z)]) for z in (-0.5, 0.5))
    points = np.concatenate([near, far]).astype(np.float32)
    triangles = np.array([[0, 1, 2], [3, 4, 5]] if nearest_first else [[3, 4, 5], [0, 1, 2]], np.uint16)
    values = np.repeat(np.array([[10.0], [200.0]], np.float32), 3, axis=0)
    picture, mask = rasterise(points, triangles, values, 32)
    np.testing.assert_allclose(picture[mask], 10, atol=1e-4)
    assert (picture[~mask] == 0).all()
    assert 0 < mask.mean() < 1


def test_crossing_surfaces_change_where_they_cross() -> None:
    square = np.array([[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]])
    tilted = np.column_stack([square, square[:, 0]])
    level = np.column_stack([square, np.zeros(4)])
    points = np.concatenate([tilted, level]).astype(np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], np.uint16)
    values = np.repeat(np.array([[1.0], [2.0]], np.float32), 4, axis=0)
    picture, _ = rasterise(points, triangles, values, 32)
    np.testing.assert_allclose(picture[3:29, 3:16], 1, atol=1e-5)  # the tilted one is nearer on the left
    np.testing.assert_allclose(picture[3:29, 16:29], 2, atol=1e-5)


def test_neighbours_leave_no_crack() -> None:
    rng = np.random.default_rng(0)
    center = rng.uniform(-0.3, 0.3, (1, 3))
    angles = np.sort(rng.uniform(0, 2 * np.pi, 40))
    rim = np.column_stack([np.cos(angles), np.sin(angles), np.zeros(40)]) * 3
    points = np.concatenate([center, rim]).astype(np.float32)
    triangles = np.array([[0, 1 + k, 1 + (k + 1) % 40] for k in range(40)], np.uint16)
    _, mask = rasterise(points, triangles, np.ones((41, 1), np.float32), 128)
    assert mask.all()


@pytest.mark.parametrize("orientation", [[0, 1, 2], [0, 2, 1]])
def test_both_sides_of_a_surface_are_drawn(orientation: list[int]) -> None:
    points = np.array([[-1, -1, 0], [1, -1, 0], [-1, 1, 0]], np.float32)
    _, mask = rasterise(points, np.array([orientation], np.uint16), np.ones((3, 1), np.float32), 16)
    assert mask.mean() == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(
    "corners",
    [
        pytest.param([[0, 0, 0]] * 3, id="a point"),
        pytest.param([[-1, 0, 0], [0, 0, 0], [1, 0, 0]], id="a line"),
        pytest.param([[5, 5, 0], [6, 5, 0], [5, 6, 0]], id="outside"),
        pytest.param([[-6, -5, 0], [-5, -5, 0], [-5, -6, 0]], id="outside on the other side"),
        pytest.param([[np.nan, 0, 0], [1, 0, 0], [0, 1, 0]], id="no number"),
        pytest.param([[np.inf, 0, 0], [1, -np.inf, 0], [0, 1, 0]], id="endless"),
        pytest.param([[1e30, 1e30, 0], [3e30, 1e30, 0], [1e30, 3e30, 0]], id="huge and outside"),
    ],
)
def test_what_cannot_be_seen_is_not_drawn(corners: list[list[float]]) -> None:
    points = np.array(corners, np.float32)
    picture, mask = rasterise(points, ONE_TRIANGLE, np.ones((3, 1), np.float32), 32)
    assert not mask.any()
    assert not picture.any()


def test_a_triangle_larger_than_the_picture_fills_it() -> None:
    points = np.array([[-1e5, -1e5, 0], [1e5, -1e5, 0], [0, 1e5, 0]], np.float32)
    picture, mask = rasterise(points, ONE_TRIANGLE, np.full((3, 1), 7, np.float32), 32)
    assert mask.all()
    np.testing.assert_allclose(picture, 7, atol=1e-3)


def test_a_face_that_fills_and_leaves_the_picture_is_drawn() -> None:
    colors = pncc_colors(MODEL)
    for scale in (2.0, 50.0, 1e-4):
        picture = render_pncc(face_points(20, scale), MODEL.triangles, colors, 64)
        assert picture.shape == (64, 64, 3)
    assert picture.any(axis=2).sum() <= 4
