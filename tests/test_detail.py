"""Frames of 512 pixels: no detail is lost where nothing moves, none added where no reference shows it; and who asks."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.models.detail import LARGE_SIZE, Unknown, add_detail, check_size, enlarged, shrunk
from headgan.models.drawn_frame import DrawnFrame
from headgan.models.flow_prior import pixel_grid
from headgan.models.pncc import CROP_SIZE
from headgan.proto.errors import UsageError, WireError
from headgan.proto.hello import Hello, Role

NOWHERE = Unknown(*(np.zeros((CROP_SIZE, CROP_SIZE), np.float32),) * 2)
WHOLE = (np.ones((64, 64), np.float32),)


def reference(seed: int = 0) -> NDArray[np.uint8]:
    """A picture with much that 256 pixels do not hold."""
    noise = np.random.default_rng(seed).integers(90, 166, (LARGE_SIZE, LARGE_SIZE, 3), np.uint8)
    coarse = np.random.default_rng(seed + 1).integers(0, 90, (16, 16, 3), np.uint8)
    picture: NDArray[np.uint8] = noise + cv2.resize(coarse, (LARGE_SIZE, LARGE_SIZE)) - np.uint8(45)
    return picture


def unmoved(picture: NDArray[np.uint8]) -> DrawnFrame:
    return DrawnFrame(picture, (pixel_grid(CROP_SIZE),), WHOLE)


def apart(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(float) - other).mean())


def test_what_does_not_move_and_is_drawn_as_it_is_keeps_all_detail() -> None:
    large = reference()
    shown = add_detail(unmoved(shrunk(large)), [large], NOWHERE)
    assert apart(shown, large) < 1
    assert apart(enlarged(shrunk(large)), large) > 10


def test_shrunk_again_it_is_what_the_networks_drew() -> None:
    large = reference()
    drawn = np.clip(shrunk(large).astype(int) + 12, 0, 255).astype(np.uint8)
    shown = add_detail(unmoved(drawn), [large], NOWHERE)
    assert apart(shrunk(shown), drawn) < 1.5


def test_where_something_else_is_drawn_nothing_of_the_reference_is_left() -> None:
    large = reference()
    drawn = shrunk(large)
    drawn[64:192, 64:192] = (200, 30, 30)
    shown = add_detail(unmoved(drawn), [large], NOWHERE)
    assert apart(shown[160:352, 160:352], np.full((192, 192, 3), (200, 30, 30), np.uint8)) < 1
    assert apart(shown[:96], large[:96]) < 1


@pytest.mark.parametrize("name", ["uncovered", "mouth"])
def test_where_no_reference_shows_it_the_drawing_is_enlarged(name: str) -> None:
    large = reference()
    drawn = shrunk(large)
    place = np.zeros((CROP_SIZE, CROP_SIZE), np.float32)
    place[100:150, 100:150] = 1
    shown = add_detail(unmoved(drawn), [large], replace(NOWHERE, **{name: place}))
    inside = slice(208, 292)
    assert apart(shown[inside, inside], enlarged(drawn)[inside, inside]) < 1


def test_the_flow_moves_the_detail() -> None:
    large = reference()
    moved = np.roll(large, (20, -32), axis=(0, 1))
    shift = np.array([32, -20], np.float32) * np.float32(2 / LARGE_SIZE)
    shown = add_detail(DrawnFrame(shrunk(moved), (pixel_grid(CROP_SIZE) + shift,), WHOLE), [large], NOWHERE)
    assert apart(shown[40:-40, 40:-40], moved[40:-40, 40:-40]) < 1


def test_a_reference_has_the_part_that_it_has_in_the_drawing() -> None:
    one, other = reference(), reference(5)
    left = np.tile(np.linspace(1, 0, 64, dtype=np.float32).round(), (64, 1))
    small = np.hstack([shrunk(one)[:, :128], shrunk(other)[:, 128:]])
    grids = (pixel_grid(CROP_SIZE),) * 2
    shown = add_detail(DrawnFrame(small, grids, (left, 1 - left)), [one, other], NOWHERE)
    assert apart(shown[:, :224], one[:, :224]) < 1
    assert apart(shown[:, 288:], other[:, 288:]) < 1


def test_a_graph_that_tells_of_one_reference_takes_the_first() -> None:
    large = reference()
    shown = add_detail(unmoved(shrunk(large)), [large, reference(5)], NOWHERE)
    assert apart(shown, large) < 1


def test_shrinking_rounds_means_the_same_everywhere() -> None:
    large = np.zeros((LARGE_SIZE, LARGE_SIZE, 3), np.uint8)
    large[0, :4] = ((255,) * 3, (254,) * 3, (1,) * 3, (0,) * 3)
    large[1, :4] = ((255,) * 3, (255,) * 3, (1,) * 3, (0,) * 3)
    assert shrunk(large)[0, :2, 0].tolist() == [255, 1]


def test_other_sizes_are_no_sizes() -> None:
    check_size(CROP_SIZE)
    check_size(LARGE_SIZE)
    with pytest.raises(UsageError, match="--size 384: give 256, or 512"):
        check_size(384)


def hello(picture_px: int, role: Role = Role.RECEIVER) -> Hello:
    return Hello(role, "test", 25.0, bytes(8), picture_px=picture_px)


def test_a_hello_says_how_large_references_may_be_and_an_old_one_nothing() -> None:
    assert Hello.parse(hello(LARGE_SIZE).to_bytes()).picture_px == LARGE_SIZE
    plain = hello(CROP_SIZE).to_bytes()
    assert b"picture_px" not in plain
    assert Hello.parse(plain).picture_px == CROP_SIZE


@pytest.mark.parametrize("picture_px", [0, 255, 4097])
def test_sizes_beyond_the_limits_are_refused(picture_px: int) -> None:
    with pytest.raises(WireError, match="picture_px"):
        hello(picture_px)
