"""Fitting: what was projected is found again, from clean and from noisy points, never anything endless."""

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models import fit_system
from headgan.models.fit_system import FitSystem
from headgan.models.fitting import FaceFitter, project
from headgan.models.identity import estimate_identity, fit_face
from headgan.models.morphable import MESH_VERTICES, VERTICES, MorphableModel
from headgan.models.rotation import matrix_to_quaternion, quaternion_to_matrix, rotation_vector_to_matrix

MODEL = MorphableModel.load()
# Half crop widths to pixels of the 256x256 crop.
TO_PIXELS = 128
REST = np.zeros(28, np.float32)
AHEAD = np.zeros(2, np.float32)


def camera(
    yaw_deg: float = 0,
    pitch_deg: float = 0,
    roll_deg: float = 0,
    scale: float = 0.35,
    x: float = 0,
    y: float = 0,
) -> NDArray[np.float32]:
    yaw, pitch, roll = np.radians([yaw_deg, pitch_deg, roll_deg])
    turns = [np.array([0, 0, roll]), np.array([0, yaw, 0]), np.array([pitch, 0, 0])]
    rotation = np.linalg.multi_dot([rotation_vector_to_matrix(turn) for turn in turns])
    return np.array([*matrix_to_quaternion(rotation), scale, x, y], np.float32)


def random_identity(rng: np.random.Generator) -> NDArray[np.float32]:
    return (MODEL.identity_std * rng.normal(size=MODEL.identity_size)).astype(np.float32)


def random_params(rng: np.random.Generator) -> FaceParams:
    yaw, pitch, roll = rng.uniform((-45, -20, -20), (45, 20, 20))
    scale, (x, y) = rng.uniform(0.2, 0.6), rng.uniform(-0.3, 0.3, 2)
    expression = (MODEL.expression_std * rng.normal(size=28)).astype(np.float32)
    gaze = rng.uniform(-0.3, 0.3, 2).astype(np.float32)
    return FaceParams(expression, camera(yaw, pitch, roll, scale, x, y), gaze)


def noise(rng: np.random.Generator, std_px: float) -> NDArray[np.float32]:
    return rng.normal(0, std_px / TO_PIXELS, (VERTICES, 3)).astype(np.float32)


def assert_finite(params: FaceParams) -> None:
    FaceParams.parse(params.to_bytes())


def test_project_applies_the_camera_by_its_definition() -> None:
    rng = np.random.default_rng(0)
    identity, params = random_identity(rng), random_params(rng)
    shape = MODEL.shape(identity, params.expression)[:MESH_VERTICES]
    w, *axis = params.quaternion.astype(np.float64)
    # v' = v + 2 w (u x v) + 2 u x (u x v): the quaternion's own formula, without a matrix.
    once = np.cross(axis, shape)
    turned = shape + 2 * w * once + 2 * np.cross(axis, once)
    expected = turned * params.scale + np.append(params.translation, 0)
    np.testing.assert_allclose(project(MODEL, identity, params)[:MESH_VERTICES], expected, atol=1e-5)


def test_yaw_turns_the_nose_to_the_side_and_translation_moves_down_right() -> None:
    identity = np.zeros(MODEL.identity_size)
    still, turned, moved = (
        project(MODEL, identity, FaceParams(REST, pose, AHEAD))
        for pose in (camera(), camera(yaw_deg=30), camera(x=0.1, y=0.2))
    )
    assert abs(turned[1, 0] - still[1, 0]) > 0.05
    np.testing.assert_allclose(moved - still, np.tile([0.1, 0.2, 0], (VERTICES, 1)), atol=1e-6)


def test_gaze_moves_the_irises_only() -> None:
    identity = np.zeros(MODEL.identity_size)
    ahead = project(MODEL, identity, FaceParams(REST, camera(), AHEAD))
    right = project(MODEL, identity, FaceParams(REST, camera(), np.array([0.4, 0], np.float32)))
    np.testing.assert_array_equal(right[:MESH_VERTICES], ahead[:MESH_VERTICES])
    shift = 0.4 * MODEL.eye_half_width * 0.35
    np.testing.assert_allclose((right - ahead)[MESH_VERTICES:, 0], shift, atol=1e-6)


def test_pose_and_gaze_of_a_face_at_rest_are_found_exactly() -> None:
    rng = np.random.default_rng(1)
    for _ in range(5):
        identity, params = random_identity(rng), random_params(rng)
        params = FaceParams(REST, params.camera, params.gaze)
        fit = FaceFitter(MODEL, identity).fit(project(MODEL, identity, params))
        assert fit.error * TO_PIXELS < 0.05
        np.testing.assert_allclose(fit.params.to_array(), params.to_array(), atol=1e-4)


def test_without_its_prior_the_fit_inverts_the_projection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_system, "POINT_STD", 1e-4)
    rng = np.random.default_rng(2)
    for _ in range(5):
        identity, params = random_identity(rng), random_params(rng)
        fit = FaceFitter(MODEL, identity).fit(project(MODEL, identity, params))
        assert fit.error * TO_PIXELS < 0.05
        distance = (fit.params.expression - params.expression) / MODEL.expression_std
        assert np.abs(distance).max() < 0.01
        np.testing.assert_allclose(fit.params.camera, params.camera, atol=1e-4)
        np.testing.assert_allclose(fit.params.gaze, params.gaze, atol=1e-3)


def test_the_prior_costs_a_fraction_of_a_pixel() -> None:
    rng = np.random.default_rng(3)
    errors = []
    for _ in range(5):
        identity, params = random_identity(rng), random_params(rng)
        fit = FaceFitter(MODEL, identity).fit(project(MODEL, identity, params))
        errors.append(fit.error * TO_PIXELS)
        np.testing.assert_allclose(fit.params.camera, params.camera, atol=0.01)
        np.testing.assert_allclose(fit.params.gaze, params.gaze, atol=0.02)
        # The strongest expressions are found, the weakest the prior may doubt.
        distance = (fit.params.expression - params.expression) / MODEL.expression_std
        assert np.abs(distance[:4]).max() < 0.4
    assert max(errors) < 0.4


def test_the_reported_error_is_the_distance_in_the_image() -> None:
    rng = np.random.default_rng(4)
    identity, params = random_identity(rng), random_params(rng)
    points = project(MODEL, identity, params) + noise(rng, 1)
    fit = FaceFitter(MODEL, identity).fit(points)
    again = project(MODEL, identity, fit.params)
    gap = (again - points)[:MESH_VERTICES, :2]
    assert fit.error == pytest.approx(np.linalg.norm(gap, axis=1).mean(), rel=1e-3)


def test_noise_is_averaged_away() -> None:
    rng = np.random.default_rng(5)
    for _ in range(5):
        identity, params = random_identity(rng), random_params(rng)
        clean = project(MODEL, identity, params)
        fit = FaceFitter(MODEL, identity).fit(clean + noise(rng, 2))
        gap = (project(MODEL, identity, fit.params) - clean)[:MESH_VERTICES, :2]
        # Two pixels of noise in x and in y put a point 2.5 pixels off on average.
        assert np.linalg.norm(gap, axis=1).mean() * TO_PIXELS < 1.0
        assert_finite(fit.params)


def test_a_moving_face_is_followed_from_frame_to_frame() -> None:
    rng = np.random.default_rng(6)
    identity, expression = random_identity(rng), random_params(rng).expression
    fitter = FaceFitter(MODEL, identity)
    for step in range(15):  # half a second of a quick turn of the head
        phase = np.sin(step / 30 * 2 * np.pi)
        pose = camera(40 * phase, 10 * phase, -15 * phase, 0.35 + 0.05 * phase, 0.2 * phase, -0.1 * phase)
        params = FaceParams(expression * np.float32(phase), pose, AHEAD)
        fit = fitter.fit(project(MODEL, identity, params))
        assert fit.error * TO_PIXELS < 0.6


def test_after_a_reset_the_same_points_give_the_same_fit() -> None:
    rng = np.random.default_rng(7)
    identity = random_identity(rng)
    first, second = (project(MODEL, identity, random_params(rng)) + noise(rng, 1) for _ in range(2))
    fitter = FaceFitter(MODEL, identity)
    fresh = fitter.fit(first).params.to_array()
    fitter.fit(second)
    assert not np.array_equal(fitter.fit(first).params.to_array(), fresh)
    for forget in (fitter.reset, lambda: fitter.hold_identity(identity)):
        forget()
        np.testing.assert_array_equal(fitter.fit(first).params.to_array(), fresh)


def test_identity_from_ten_noisy_frames_beats_the_mean_face() -> None:
    rng = np.random.default_rng(0)
    identity = random_identity(rng)
    frames = [project(MODEL, identity, random_params(rng)) + noise(rng, 1) for _ in range(10)]
    estimated = estimate_identity(MODEL, frames)
    assert estimated.shape == (MODEL.identity_size,)
    found = np.linalg.norm(MODEL.identity_shape(estimated) - MODEL.identity_shape(identity))
    guessed = np.linalg.norm(MODEL.mean - MODEL.identity_shape(identity))
    assert found < 0.6 * guessed
    assert np.linalg.norm(estimated - identity) < 0.6 * np.linalg.norm(identity)


def test_the_right_identity_fits_better_than_the_mean_face() -> None:
    rng = np.random.default_rng(8)
    identity = random_identity(rng)
    frames = [project(MODEL, identity, random_params(rng)) for _ in range(4)]
    known = FaceFitter(MODEL, estimate_identity(MODEL, frames[:3]))
    unknown = FaceFitter(MODEL)
    assert known.fit(frames[3]).error < unknown.fit(frames[3]).error


def test_a_photograph_is_fitted_by_itself() -> None:
    rng = np.random.default_rng(9)
    points = project(MODEL, random_identity(rng), random_params(rng))
    identity, fit = fit_face(MODEL, points)
    assert fit.error * TO_PIXELS < 0.5
    np.testing.assert_array_equal(identity, estimate_identity(MODEL, [points]))


def test_identity_needs_a_frame() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        estimate_identity(MODEL, [])


@pytest.mark.parametrize(
    "points",
    [
        pytest.param(np.zeros((VERTICES, 3)), id="all at the centre"),
        pytest.param(np.full((VERTICES, 3), 0.3), id="all in one place"),
        pytest.param(np.linspace(0, 0.5, VERTICES)[:, None] * [[1, 2, 3]], id="on a line"),
        pytest.param(np.random.default_rng(0).normal(size=(VERTICES, 3)), id="at random"),
        pytest.param(np.random.default_rng(0).normal(size=(VERTICES, 3)) * (1, 1, 0), id="flat"),
    ],
)
def test_points_of_no_face_give_finite_parameters(points: NDArray[np.float64]) -> None:
    fitter = FaceFitter(MODEL)
    for _ in range(12):  # however long it goes on
        fit = fitter.fit(points)
    assert np.isfinite(fit.error)
    assert_finite(fit.params)
    assert np.isfinite(estimate_identity(MODEL, [points])).all()


def test_a_real_face_is_found_again_after_points_of_none() -> None:
    rng = np.random.default_rng(10)
    identity, params = random_identity(rng), random_params(rng)
    fitter = FaceFitter(MODEL, identity)
    fitter.fit(np.zeros((VERTICES, 3)))
    fitter.reset()
    assert fitter.fit(project(MODEL, identity, params)).error * TO_PIXELS < 0.4


def test_rotations_and_quaternions_are_inverse() -> None:
    rng = np.random.default_rng(11)
    for vector in [np.zeros(3), np.array([np.pi, 0, 0]), *rng.uniform(-2, 2, (20, 3))]:
        matrix = rotation_vector_to_matrix(vector)
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
        quaternion = matrix_to_quaternion(matrix)
        assert quaternion[0] >= 0
        assert np.linalg.norm(quaternion) == pytest.approx(1)
        np.testing.assert_allclose(quaternion_to_matrix(quaternion), matrix, atol=1e-9)


def test_the_fast_normal_equations_are_those_of_the_explicit_system() -> None:
    model = MorphableModel.load()
    system = FitSystem(model)
    rng = np.random.default_rng(3)
    expression = (rng.normal(size=28) * model.expression_std).astype(np.float32)
    camera = np.array([0.9, 0.1, -0.4, 0.14, 0.35, 0.1, -0.2], np.float32)
    camera[:4] /= np.linalg.norm(camera[:4])
    face = FaceParams(expression, camera, np.zeros(2, np.float32))
    target = project(model, np.zeros(model.identity_size), face)[:468].astype(np.float64)
    state = system.cold_start(target)
    jacobian, residual = system.system(state, target)
    normal, right = system.normal(state, target)
    np.testing.assert_allclose(normal, jacobian.T @ jacobian, atol=2e-3)
    np.testing.assert_allclose(right, jacobian.T @ residual, atol=1e-4)
