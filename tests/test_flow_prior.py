"""The flow prior: nothing moves without a reason, the face moves with its mesh, the background stays."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.fitting import project
from headgan.models.flow_prior import FlowPrior, pixel_grid
from headgan.models.morphable import MESH_VERTICES, MorphableModel
from headgan.models.pncc import CROP_SIZE, rasterise
from headgan.models.rotation import matrix_to_quaternion, rotation_vector_to_matrix

MODEL = MorphableModel.load()
IDENTITY = np.zeros(MODEL.identity_size, np.float32)
# One pixel of the 256x256 crop in half crop widths.
PIXEL = 2 / CROP_SIZE
GRID = pixel_grid(CROP_SIZE)


def face(
    yaw_deg: float = 0,
    pitch_deg: float = 0,
    scale: float = 0.3,
    x: float = 0,
    y: float = 0,
    expression: NDArray[np.float32] | None = None,
) -> FaceParams:
    turns = [np.radians([0, yaw_deg, 0]), np.radians([pitch_deg, 0, 0])]
    rotation = np.linalg.multi_dot([rotation_vector_to_matrix(turn) for turn in turns])
    camera = np.array([*matrix_to_quaternion(rotation), scale, x, y], np.float32)
    still = np.zeros(28, np.float32)
    return FaceParams(still if expression is None else expression, camera, np.zeros(2, np.float32))


def face_mask(params: FaceParams) -> NDArray[np.uint8]:
    points = project(MODEL, IDENTITY, params)[:MESH_VERTICES]
    _, mask = rasterise(points, MODEL.triangles, np.ones((MESH_VERTICES, 1), np.float32))
    return mask.astype(np.uint8)


def inner_face(params: FaceParams, margin_px: int) -> NDArray[np.bool_]:
    """The face without the band along its edge that is blended with what is around."""
    distance = cv2.distanceTransform(face_mask(params), cv2.DIST_L2, 5)
    inner: NDArray[np.bool_] = distance > margin_px
    return inner


def shift_px(grid: NDArray[np.float32]) -> NDArray[np.float64]:
    shift: NDArray[np.float64] = np.linalg.norm((grid - GRID).astype(np.float64), axis=2) / PIXEL
    return shift


def some_expression() -> NDArray[np.float32]:
    return (MODEL.expression_std * np.random.default_rng(0).normal(size=28)).astype(np.float32)


@pytest.mark.parametrize(
    "reference",
    [
        face(),
        face(30, -10, 0.35, 0.1, 0.2),
        face(-45, 20, 0.5, -0.3, 0.1, some_expression()),
    ],
)
@pytest.mark.parametrize("with_person", [False, True])
def test_the_reference_itself_is_not_moved(reference: FaceParams, with_person: bool) -> None:
    person = face_mask(reference).astype(np.float32) if with_person else None
    grid = FlowPrior(MODEL, IDENTITY, reference, person).source_grid(reference)
    assert grid.shape == (CROP_SIZE, CROP_SIZE, 2)
    assert grid.dtype == np.float32
    np.testing.assert_allclose(grid, GRID, atol=1e-5)


def test_pixel_grid_lies_on_the_centres() -> None:
    np.testing.assert_allclose(pixel_grid(4)[0, :, 0], [-0.75, -0.25, 0.25, 0.75])
    np.testing.assert_allclose(pixel_grid(4)[:, 2, 1], [-0.75, -0.25, 0.25, 0.75])


@pytest.mark.parametrize(
    "driven", [face(30, 0, 0.25), face(-25, 15, 0.25), face(scale=0.25, expression=some_expression())]
)
def test_a_turning_head_leaves_the_far_border_alone(driven: FaceParams) -> None:
    shift = shift_px(FlowPrior(MODEL, IDENTITY, face(scale=0.25)).source_grid(driven))
    border = np.concatenate([shift[0], shift[:, 0], shift[:, -1]])
    assert border.max() < 1 < shift.max()


@pytest.mark.parametrize(("x", "y"), [(0.1, 0), (-0.07, 0.05), (0, -0.15)])
def test_a_head_that_shifts_moves_its_face_by_exactly_that(x: float, y: float) -> None:
    driven = face(x=x, y=y)
    grid = FlowPrior(MODEL, IDENTITY, face()).source_grid(driven)
    moved = (grid - GRID)[inner_face(driven, 0)]
    np.testing.assert_allclose(moved, np.tile([-x, -y], (len(moved), 1)), atol=PIXEL / 3)
    inner = (grid - GRID)[inner_face(driven, 12)]
    np.testing.assert_allclose(inner, np.tile([-x, -y], (len(inner), 1)), atol=1e-5)


def test_inside_the_face_the_grid_points_at_the_same_place_of_the_mesh() -> None:
    reference, driven = face(10), face(-20, 10, 0.33, 0.05, 0.02, some_expression())
    grid = FlowPrior(MODEL, IDENTITY, reference).source_grid(driven)
    target, source = (project(MODEL, IDENTITY, params)[:MESH_VERTICES] for params in (driven, reference))
    # Vertices on a side that is turned away are hidden: only those whose surface is in front are looked at.
    depth, _ = rasterise(target, MODEL.triangles, target[:, 2:])
    pixels = np.rint((target[:, :2] + 1) / PIXEL - 0.5).astype(int)
    seen = target[:, 2] < depth[pixels[:, 1], pixels[:, 0], 0] + 0.01
    seen &= inner_face(driven, 10)[pixels[:, 1], pixels[:, 0]]
    assert seen.sum() > 100
    places = (((target[:, :2] + 1) / PIXEL) - 0.5).astype(np.float32)[None]
    found = cv2.remap(grid, places, None, cv2.INTER_LINEAR)[0]
    gap_px = np.linalg.norm(found - source[:, :2], axis=1)[seen] / PIXEL
    assert np.median(gap_px) < 0.2
    assert np.percentile(gap_px, 90) < 1


def test_a_shoulder_follows_the_shift_only_in_part() -> None:
    grid = FlowPrior(MODEL, IDENTITY, face(scale=0.2, y=-0.5)).source_grid(face(scale=0.2, x=0.1, y=-0.5))
    shoulder = (GRID - grid)[-20:, 118:138, 0]
    assert 0 < shoulder.mean() < 0.06


def test_the_field_has_no_tears() -> None:
    driven = face(20, 10, 0.32, 0.05, -0.05, some_expression())
    moved = FlowPrior(MODEL, IDENTITY, face()).source_grid(driven) - GRID
    outside = cv2.dilate(face_mask(driven), np.ones((9, 9), np.uint8)) == 0
    for axis in (0, 1):
        step = np.abs(np.diff(moved, axis=axis)).max(axis=2) / PIXEL
        both = np.delete(outside, -1, axis=axis) & np.delete(outside, 0, axis=axis)
        assert step[both].max() < 2


def test_background_stays_exactly_where_it_is() -> None:
    reference, driven = face(), face(x=20 * PIXEL)
    head = cv2.dilate(face_mask(reference), np.ones((25, 25), np.uint8))
    person = head.astype(np.float32)
    grid = FlowPrior(MODEL, IDENTITY, reference, person).source_grid(driven)
    # The head moves by 20 pixels, so 24 pixels from it both a pixel and its source are background.
    away = cv2.dilate(head, np.ones((49, 49), np.uint8)) == 0
    assert away.mean() > 0.3
    np.testing.assert_array_equal(grid[away], GRID[away])
    free = FlowPrior(MODEL, IDENTITY, reference).source_grid(driven)
    assert shift_px(free)[away].max() > 1  # without a mask it would have moved


def test_a_head_that_moves_covers_what_was_background() -> None:
    reference, driven = face(), face(x=30 * PIXEL)
    person = cv2.dilate(face_mask(reference), np.ones((5, 5), np.uint8)).astype(np.float32)
    grid = FlowPrior(MODEL, IDENTITY, reference, person).source_grid(driven)
    covering = inner_face(driven, 10) & (person == 0)
    assert covering.sum() > 100
    moved = (grid - GRID)[covering]
    np.testing.assert_allclose(moved, np.tile([-30 * PIXEL, 0], (len(moved), 1)), atol=1e-5)


def test_the_person_moves_as_without_a_mask() -> None:
    reference, driven = face(), face(15, x=0.05)
    person = cv2.dilate(face_mask(reference), np.ones((61, 61), np.uint8)).astype(np.float32)
    masked, free = (
        FlowPrior(MODEL, IDENTITY, reference, mask).source_grid(driven) for mask in (person, None)
    )
    inside = inner_face(driven, 0)
    np.testing.assert_array_equal(masked[inside], free[inside])


def uncovered_by(driven: FaceParams, person: NDArray[np.float32] | None) -> NDArray[np.float32]:
    return (
        FlowPrior(MODEL, IDENTITY, face(), person).prior(driven, project(MODEL, IDENTITY, driven)).uncovered
    )


def test_only_what_the_head_leaves_is_uncovered() -> None:
    person = cv2.dilate(face_mask(face()), np.ones((25, 25), np.uint8)).astype(np.float32)
    np.testing.assert_array_equal(uncovered_by(face(), person), 0)
    far_right = face(x=0.9)
    np.testing.assert_array_equal(uncovered_by(far_right, None), 0)
    uncovered = uncovered_by(far_right, person)
    assert 0 <= uncovered.min() <= uncovered.max() <= 1
    assert uncovered.max() > 0.5
    np.testing.assert_array_equal(uncovered[(person == 0) | (face_mask(far_right) == 1)], 0)


@pytest.mark.parametrize("driven", [face(x=5), face(scale=3), face(scale=0.001), face(yaw_deg=180)])
def test_extreme_poses_give_a_finite_grid(driven: FaceParams) -> None:
    assert np.isfinite(FlowPrior(MODEL, IDENTITY, face()).source_grid(driven)).all()
