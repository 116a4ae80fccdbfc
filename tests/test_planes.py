"""Patches, fetched features and changes: the same as NumPy says, slowly."""

import numpy as np
import pytest

from headgan.models.planes import Changer, add_share, fetched, patches

RANDOM = np.random.default_rng(5)


@pytest.mark.parametrize(("side", "channels"), [(2, 3), (4, 3), (4, 1), (2, 1), (3, 3)])
def test_patches_are_squares_row_by_row(side: int, channels: int) -> None:
    picture = RANDOM.integers(0, 256, (4 * side, 8 * side, channels), np.uint8)
    made = patches(picture, side)
    assert made.shape == (1, 4, 8, side * side * channels)
    for y, x in ((0, 0), (3, 7), (1, 4)):
        square = picture[side * y : side * (y + 1), side * x : side * (x + 1)]
        assert np.array_equal(made[0, y, x], square.ravel())


def test_patches_of_a_picture_that_lies_otherwise() -> None:
    picture = RANDOM.integers(0, 256, (8, 8, 3), np.uint8)
    assert np.array_equal(patches(picture[:, ::-1], 4), patches(picture[:, ::-1].copy(), 4))


def test_features_are_fetched_bilinearly_and_repeat_at_the_border() -> None:
    features = RANDOM.normal(size=(5, 6, 3)).astype(np.float32)
    padded = np.pad(features, ((0, 1), (0, 1), (0, 0)), mode="edge")
    grid = RANDOM.uniform(-1.3, 1.3, (5, 6, 2)).astype(np.float32)
    x = np.clip((grid[..., 0] + 1) * 3 - 0.5, 0, 5)
    y = np.clip((grid[..., 1] + 1) * 2.5 - 0.5, 0, 4)
    left, top = x.astype(int), y.astype(int)
    across, down = (x - left)[..., None], (y - top)[..., None]
    upper = padded[top, left] * (1 - across) + padded[top, left + 1] * across
    lower = padded[top + 1, left] * (1 - across) + padded[top + 1, left + 1] * across
    expected = upper * (1 - down) + lower * down
    assert fetched(features.reshape(30, 3), grid)[0] == pytest.approx(expected, abs=1e-5)


def test_shares_add_up() -> None:
    total = np.zeros((4, 4, 3), np.float32)
    parts = [RANDOM.integers(0, 256, (4, 4, 3), np.uint8) for _ in range(2)]
    share = RANDOM.random((4, 4)).astype(np.float32)
    add_share(total, parts[0], share)
    add_share(total, parts[1], 1 - share)
    expected = parts[0] * share[..., None] + parts[1] * (1 - share[..., None])
    assert total == pytest.approx(expected, abs=1e-3)


def test_changes_take_away_and_add() -> None:
    warped = RANDOM.integers(0, 256, (8, 8, 3), np.uint8)
    said = RANDOM.integers(0, 256, (4, 4, 16), np.uint8)
    scales = RANDOM.uniform(0.002, 0.05, 16).astype(np.float32)
    values = (said.astype(np.float64) - 128) * scales  # [4, 4, 16], four places for each of four planes
    planes = values.reshape(4, 4, 4, 2, 2).transpose(0, 3, 1, 4, 2).reshape(8, 8, 4)
    kept = 1 - 1 / (1 + np.exp(4.0 - planes[..., 3:]))
    exact = (warped / 127.5 - 1) * kept + planes[..., :3]
    expected = np.clip((exact + 1) * 127.5, 0, 255)
    changed = Changer(128, scales, 4.0).changed(warped, said)
    assert np.abs(changed - expected).max() < 0.51
