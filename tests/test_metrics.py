"""The metrics follow their definitions: against slow formulas, and where the answer is known beforehand."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.blendshapes import BLENDSHAPE_NAMES
from headgan.models.metrics.action_units import ACTION_UNITS, active_units, hamming_distance
from headgan.models.metrics.clip_frames import SeenFrame
from headgan.models.metrics.face_area import face_area, face_psnr
from headgan.models.metrics.files import metrics_path
from headgan.models.metrics.frechet import frechet_distance
from headgan.models.metrics.limits import flow_known
from headgan.models.metrics.mouth_error import OUTER_LIPS, mouth_box, mouth_error
from headgan.models.metrics.pictures import MAX_PSNR, flicker, l1, psnr
from headgan.models.metrics.pose import euler_degrees, rotation_distance, rotation_error
from headgan.models.metrics.ssim import ssim
from headgan.models.rotation import matrix_to_quaternion
from headgan.proto.errors import ModelError

Picture = NDArray[np.uint8]


def noise(seed: int, size: int = 32) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)


def flat(level: int) -> Picture:
    return np.full((32, 32, 3), level, np.uint8)


def slow_ssim(one: Picture, other: Picture) -> float:
    """The definition: weighted moments of every 11x11 window on its own."""
    axis = np.arange(-5, 6)
    row = np.exp(-(axis**2) / (2 * 1.5**2))
    weights = (np.outer(row, row) / np.outer(row, row).sum())[..., None]
    values = []
    for y in range(len(one) - 10):
        for x in range(one.shape[1] - 10):
            a, b = (picture[y : y + 11, x : x + 11].astype(float) for picture in (one, other))
            mean_a, mean_b = (weights * a).sum((0, 1)), (weights * b).sum((0, 1))
            spread_a, spread_b = (
                (weights * (a - mean_a) ** 2).sum((0, 1)),
                (weights * (b - mean_b) ** 2).sum((0, 1)),
            )
            shared = (weights * (a - mean_a) * (b - mean_b)).sum((0, 1))
            light = (2 * mean_a * mean_b + 6.5025) / (mean_a**2 + mean_b**2 + 6.5025)
            values.append(light * (2 * shared + 58.5225) / (spread_a + spread_b + 58.5225))
    return float(np.mean(values))


def test_l1_and_psnr_of_flat_pictures() -> None:
    assert l1(flat(10), flat(250)) == 240
    assert psnr(flat(100), flat(110)) == pytest.approx(10 * np.log10(255**2 / 100))
    assert psnr(flat(100), flat(100)) == 60


def test_ssim_is_that_of_the_slow_formula() -> None:
    one = noise(0, 20)
    other = (0.7 * one + 0.3 * noise(1, 20) + 5).astype(np.uint8)
    assert ssim(one, other) == pytest.approx(slow_ssim(one, other), abs=1e-4)
    assert ssim(one, one) == pytest.approx(1)
    assert ssim(one, 255 - one) < 0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 1000))
def test_distances_do_not_know_which_picture_is_real(one: int, other: int) -> None:
    for metric in (l1, psnr, ssim):
        assert metric(noise(one), noise(other)) == pytest.approx(metric(noise(other), noise(one)), rel=1e-4)


def test_a_steady_error_does_not_flicker_and_a_pop_does() -> None:
    real_before, real = flat(100), flat(120)
    assert flicker(real, real_before, flat(130), flat(110)) == 0
    assert flicker(real, real_before, flat(120), flat(110)) == 10
    still = flat(90)
    assert flicker(real, real_before, still, still) == 20


def test_the_mouth_is_looked_at_and_nothing_else() -> None:
    points = np.zeros((478, 3), np.float32)
    points[OUTER_LIPS, :2] = (20, 16)
    points[OUTER_LIPS[0], :2] = (10, 12)
    rows, columns = mouth_box(points, 32, 32)
    assert (rows, columns) == (slice(10, 19), slice(7, 24))
    real, drawn = flat(100), flat(100)
    drawn[rows, columns] = 150
    assert mouth_error(real, drawn, points) == 50
    drawn = flat(200)
    drawn[rows, columns] = 100
    assert mouth_error(real, drawn, points) == 0


def test_a_known_flow_finds_where_a_picture_went() -> None:
    texture = cv2.resize(noise(5, 16), (256, 256), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    shifted = np.roll(texture, (5, -7), axis=(0, 1))
    points = np.zeros((478, 3), np.float32)
    params = FaceParams.from_array(np.zeros(37, np.float32))
    frame = SeenFrame(shifted, points, params)
    inside = np.s_[24:-24, 24:-24]
    before = np.abs(texture.astype(int) - shifted)[inside].mean()
    after = np.abs(flow_known(texture, frame).astype(int) - shifted)[inside].mean()
    assert after < 0.1 * before


def test_the_error_is_told_apart_on_the_face_and_beyond() -> None:
    real = flat(100)
    points = np.full((478, 3), 8, np.float32)
    points[:3, :2] = (23, 8), (8, 23), (23, 23)
    assert face_area(points, 32, 32).sum() == 16 * 16
    drawn = real.copy()
    drawn[8:24, 8:24] += 10
    drawn[:, :4] += 20
    values = face_psnr(real, drawn, points)
    assert values["psnr_face"] == pytest.approx(20 * np.log10(25.5))
    assert values["outside"] == pytest.approx(4 * 32 * 4 / (4 * 32 * 4 + 16 * 16))
    # Nothing to tell apart; and a face that left the picture.
    assert face_psnr(real, real, points) == {"psnr_face": MAX_PSNR}
    assert face_psnr(real, drawn, points + 100) == {"outside": 1.0}


@settings(max_examples=50, deadline=None)
@given(st.floats(-300, 300), st.floats(-300, 300))
def test_a_mouth_outside_the_picture_still_has_a_box(x: float, y: float) -> None:
    points = np.zeros((478, 3), np.float32)
    points[OUTER_LIPS, :2] = (x, y)
    rows, columns = mouth_box(points, 24, 32)
    assert flat(0)[:24][rows, columns].size > 0
    assert rows.start >= 0 <= columns.start
    assert rows.stop <= 24
    assert columns.stop <= 32


@settings(max_examples=50, deadline=None)
@given(st.floats(-170, 170), st.floats(-85, 85), st.floats(-170, 170))
def test_euler_angles_are_found_again(pitch: float, yaw: float, roll: float) -> None:
    x, y, z = np.radians([pitch, yaw, roll])
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    angles = euler_degrees(matrix_to_quaternion(about_z @ about_y @ about_x))
    assert angles == pytest.approx([pitch, yaw, roll], abs=1e-4)


def test_rotations_are_compared_the_short_way_round() -> None:
    assert rotation_distance(np.array([179.0, 0, 0]), np.array([-179.0, 0, 3])) == pytest.approx(5 / 3)
    assert rotation_error(np.array([[-3.0, 0, 0], [0, 6, 0]])) == pytest.approx(1.5)


def test_an_action_unit_follows_its_stronger_blendshape() -> None:
    names = [name for unit in ACTION_UNITS for name in unit.blendshapes]
    assert len(names) == len(set(names))
    assert set(names) <= set(BLENDSHAPE_NAMES)
    scores = np.zeros(52, np.float32)
    assert not active_units(scores).any()
    scores[BLENDSHAPE_NAMES.index("eyeBlinkRight")] = 0.9
    active = active_units(scores)
    assert [unit.number for unit, is_on in zip(ACTION_UNITS, active, strict=True) if is_on] == [45]
    assert hamming_distance(active, active_units(np.zeros(52, np.float32))) == pytest.approx(1 / 12)


def test_the_frechet_distance_of_gaussians_is_known() -> None:
    random = np.random.default_rng(0)
    spread = np.array([1.0, 2, 3])
    one = random.standard_normal((40_000, 3)) * spread
    other = random.standard_normal((40_000, 3)) * (spread + 1) + 2
    # Of axis-aligned Gaussians: squared distances of the means and of the deviations.
    assert frechet_distance(one, other) == pytest.approx(3 * 4 + 3 * 1, rel=0.05)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(1, 8))
def test_the_frechet_distance_is_that_of_its_formula(one: int, other: int, size: int) -> None:
    random = np.random.default_rng(one * 100 + other)
    first, second = random.standard_normal((one, size)), random.standard_normal((other, size)) + 1
    covariances = [np.cov(item, rowvar=False).reshape(size, size) for item in (first, second)]
    roots = np.sqrt(np.clip(np.linalg.eigvals(covariances[0] @ covariances[1]).real, 0, None))
    apart = ((first.mean(0) - second.mean(0)) ** 2).sum()
    expected = apart + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * roots.sum()
    assert frechet_distance(first, second) == pytest.approx(expected, abs=1e-4)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-9)


def test_one_picture_has_no_frechet_distance() -> None:
    assert np.isnan(frechet_distance(np.zeros((1, 4)), np.zeros((5, 4))))


def test_a_network_that_was_not_fetched_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("headgan.models.metrics.files.FOLDER", str(tmp_path))
    with pytest.raises(ModelError, match=r"faceres\.onnx is missing .* run \./scripts/setup --train"):
        metrics_path("faceres.onnx")
    (tmp_path / "faceres.onnx").touch()
    assert metrics_path("faceres.onnx") == tmp_path / "faceres.onnx"
