"""The flow teacher finds a shift that the prior did not know, and does not teach what it cannot see."""

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.flow_prior import pixel_grid
from headgan.models.train.flow_teacher import TEACHER_SIZE, teach_flow

GRID = pixel_grid(256)
NOWHERE = np.zeros((256, 256), np.float32)
MIDDLE = slice(12, -12)


def texture() -> NDArray[np.uint8]:
    noise = np.random.default_rng(0).random((256, 256, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 4)
    stretched = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    levels: NDArray[np.uint8] = np.rint(stretched * 255).astype(np.uint8)
    return levels


def test_what_has_not_moved_needs_no_residual() -> None:
    lesson = teach_flow(texture(), texture(), GRID, NOWHERE)
    assert lesson.shape == (TEACHER_SIZE, TEACHER_SIZE, 3)
    assert np.abs(lesson[..., :2]).max() * 128 < 0.1
    assert lesson[..., 2].min() > 0.95


def test_a_shift_is_found_in_the_direction_of_fetching() -> None:
    reference = texture()
    truth = np.roll(reference, (3, -5), axis=(0, 1))
    lesson = teach_flow(reference, truth, GRID, NOWHERE)
    # What is now 5 pixels further left and 3 lower has to be fetched from the right and from above.
    found = np.median(lesson[MIDDLE, MIDDLE, :2], axis=(0, 1)) * 128
    assert np.abs(found - [5, -3]).max() < 0.3


def test_it_starts_from_where_the_prior_fetches() -> None:
    reference = texture()
    truth = np.roll(reference, (0, -8), axis=(0, 1))
    knowing = GRID + np.array([6 / 128, 0], np.float32)
    found = np.median(teach_flow(reference, truth, knowing, NOWHERE)[MIDDLE, MIDDLE, :2], axis=(0, 1)) * 128
    assert np.abs(found - [2, 0]).max() < 0.3


def test_what_the_reference_does_not_show_is_not_taught() -> None:
    left = NOWHERE.copy()
    left[:, :128] = 1
    lesson = teach_flow(texture(), texture(), GRID, left)
    assert not lesson[:, : TEACHER_SIZE // 2, 2].any()
    # Noise that is nowhere in the reference is not believed either.
    stranger = np.random.default_rng(1).integers(0, 256, (256, 256, 3)).astype(np.uint8)
    assert teach_flow(texture(), stranger, GRID, NOWHERE)[..., 2].mean() < 0.3
