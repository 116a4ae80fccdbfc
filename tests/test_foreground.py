"""The person's mask: it covers the person, leaves the background alone, and is the same each time."""

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.fitting import project
from headgan.models.flow_prior import pixel_grid
from headgan.models.foreground import QUICK, foreground_mask
from headgan.models.morphable import MESH_VERTICES, MorphableModel
from headgan.models.pncc import CROP_SIZE

MODEL = MorphableModel.load()
DISTANCE = np.linalg.norm(pixel_grid(CROP_SIZE), axis=2)
RADIUS = 0.5


def face_points(scale: float = 0.3, x: float = 0) -> NDArray[np.float32]:
    camera = np.array([1, 0, 0, 0, scale, x, 0], np.float32)
    params = FaceParams(np.zeros(28, np.float32), camera, np.zeros(2, np.float32))
    return project(MODEL, np.zeros(MODEL.identity_size), params)[:MESH_VERTICES]


def disc_picture(noise: float = 0) -> NDArray[np.uint8]:
    """A head like a disc before a flat wall."""
    picture = np.where((DISTANCE < RADIUS)[..., None], (200.0, 150.0, 120.0), (60.0, 120.0, 90.0))
    picture += np.random.default_rng(0).normal(0, noise, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def mask() -> NDArray[np.float32]:
    return foreground_mask(disc_picture(), face_points())


def test_it_is_a_soft_mask(mask: NDArray[np.float32]) -> None:
    assert mask.shape == (CROP_SIZE, CROP_SIZE)
    assert mask.dtype == np.float32
    assert mask.min() == 0
    assert mask.max() == pytest.approx(1, abs=1e-5)
    assert ((mask > 0.1) & (mask < 0.9)).any()


def test_it_covers_the_head(mask: NDArray[np.float32]) -> None:
    assert mask[DISTANCE < RADIUS].min() > 0.99


def test_it_leaves_the_background_alone(mask: NDArray[np.float32]) -> None:
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    np.testing.assert_array_equal(border, 0)
    # The margin of 7 pixels, its second pass and the blur reach no farther than 26 pixels.
    np.testing.assert_array_equal(mask[DISTANCE > RADIUS + 0.2], 0)


def test_it_is_the_same_each_time_and_leaves_the_picture_alone(mask: NDArray[np.float32]) -> None:
    picture = disc_picture()
    np.testing.assert_array_equal(foreground_mask(picture, face_points()), mask)
    np.testing.assert_array_equal(picture, disc_picture())


def test_noise_of_a_camera_changes_little(mask: NDArray[np.float32]) -> None:
    noisy = foreground_mask(disc_picture(noise=6), face_points())
    assert np.abs(noisy - mask).mean() < 0.01


def test_the_face_is_the_person_even_when_it_looks_like_the_wall() -> None:
    flat = np.full((CROP_SIZE, CROP_SIZE, 3), 100, np.uint8)
    points = face_points()
    found = foreground_mask(flat, points)
    pixels = np.rint((points[:, :2] + 1) * CROP_SIZE / 2 - 0.5).astype(int)
    assert found[pixels[:, 1], pixels[:, 0]].min() > 0.9


def test_a_face_that_fills_the_picture_or_is_outside_it_is_no_trouble() -> None:
    assert foreground_mask(disc_picture(), face_points(scale=5)).min() == 1
    outside = foreground_mask(disc_picture(), face_points(x=20))
    assert outside.shape == (CROP_SIZE, CROP_SIZE)
    assert outside.max() == 0


def test_a_speck_of_the_same_color_is_not_the_person() -> None:
    picture = disc_picture()
    picture[118:138, 236:246] = (200, 150, 120)
    assert foreground_mask(picture, face_points())[118:138, 236:246].max() == 0


def test_a_quick_look_sees_nearly_the_same(mask: NDArray[np.float32]) -> None:
    quick = foreground_mask(disc_picture(), face_points(), QUICK)
    assert quick.shape == mask.shape and quick.dtype == np.float32
    assert 0 < np.abs(quick - mask).mean() < 0.04
