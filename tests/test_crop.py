"""The crop: points move as pixels do, it stays inside the frame, and bad words for it are refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.models.crop import MIN_INSIDE, Crop, crop_around, parse_crop, whole_frame
from headgan.models.pncc import CROP_SIZE
from headgan.proto.errors import UsageError


def frame_with_dot(x: int, y: int, width: int = 640, height: int = 480) -> NDArray[np.uint8]:
    frame = np.zeros((height, width, 3), np.uint8)
    frame[y - 4 : y + 5, x - 4 : x + 5] = 255
    return frame


def middle_of_light(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """X-y in half crop widths."""
    light = picture[..., 0].astype(np.float64)
    places = (2 * np.arange(CROP_SIZE) + 1) / CROP_SIZE - 1
    sums = [light.sum(axis=0) @ places, light.sum(axis=1) @ places]
    middle: NDArray[np.float64] = np.array(sums) / light.sum()
    return middle


def face_like(left: float, top: float, width: float, height: float) -> NDArray[np.float32]:
    """Points spread evenly over a box."""
    x, y = np.meshgrid(np.linspace(left, left + width, 20), np.linspace(top, top + height, 20))
    return np.column_stack([x.ravel(), y.ravel(), np.zeros(400)]).astype(np.float32)


@pytest.mark.parametrize(
    "crop",
    [
        Crop(100, 50, 400),
        Crop(200, 100, 256),
        Crop(250, 180, 120),
        Crop(0, 0, 480),
        Crop(180, 80, 333),
        Crop(-60, -40, 500),
    ],
)
def test_a_dot_appears_where_normalise_says(crop: Crop) -> None:
    for x, y in ((300, 230), (320, 250), (280, 260)):
        picture = crop.cut(frame_with_dot(x, y))
        assert picture.shape == (CROP_SIZE, CROP_SIZE, 3)
        assert picture.dtype == np.uint8
        expected = crop.normalise(np.array([[x, y, 0]], np.float32))[0, :2]
        # A fifth of a pixel of the crop.
        assert np.abs(middle_of_light(picture) - expected).max() < 0.2 * 2 / CROP_SIZE


def test_a_crop_of_its_own_size_is_cut_without_change() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    picture = Crop(200, 100, CROP_SIZE).cut(frame)
    np.testing.assert_array_equal(picture, frame[100 : 100 + CROP_SIZE, 200 : 200 + CROP_SIZE])


def test_normalise_knows_corners_and_scales_depth_alike() -> None:
    crop = Crop(100, 50, 200)
    corners = np.array([[99.5, 49.5, 0], [299.5, 249.5, 50], [199.5, 149.5, -100]], np.float32)
    given_points = corners.copy()
    expected = np.array([[-1, -1, 0], [1, 1, 0.5], [0, 0, -1]])
    np.testing.assert_allclose(crop.normalise(corners), expected, atol=1e-6)
    np.testing.assert_array_equal(corners, given_points)


def test_what_lies_outside_the_frame_repeats_its_edge() -> None:
    frame = np.zeros((100, 100, 3), np.uint8)
    frame[:, 0], frame[:, -1] = (10, 20, 30), (200, 100, 50)
    picture = Crop(-100, -100, 300).cut(frame)
    np.testing.assert_array_equal(picture[:, 0], np.tile([10, 20, 30], (CROP_SIZE, 1)))
    np.testing.assert_array_equal(picture[:, -1], np.tile([200, 100, 50], (CROP_SIZE, 1)))


def test_a_crop_beside_the_frame_says_so() -> None:
    for crop in (Crop(640, 0, 100), Crop(0, 480, 100), Crop(5000, 5000, 256)):
        with pytest.raises(UsageError, match=r"outside the picture of 640x480 pixels; .* --crop"):
            crop.cut(frame_with_dot(100, 100))


@given(
    left=st.floats(-200, 2000),
    top=st.floats(-200, 1200),
    face_width=st.floats(20, 1500),
    face_height=st.floats(20, 1500),
    width=st.integers(64, 1920),
    height=st.integers(64, 1080),
)
def test_crop_around_any_face_is_a_square_inside_the_frame(
    left: float, top: float, face_width: float, face_height: float, width: int, height: int
) -> None:
    crop = crop_around(face_like(left, top, face_width, face_height), width, height)
    assert crop.left >= 0
    assert crop.top >= 0
    assert crop.left + crop.size <= width
    assert crop.top + crop.size <= height
    assert crop.size >= 32
    assert crop == Crop(round(crop.left), round(crop.top), round(crop.size))


def test_crop_around_a_face_in_the_middle_leaves_room_for_hair_and_shoulders() -> None:
    points = face_like(900, 400, 160, 200)
    crop = crop_around(points, 1920, 1080)
    assert crop.size == 400
    local = crop.normalise(points)
    assert abs(local[:, 0].mean()) < 0.01
    assert -0.15 < local[:, 1].mean() < 0  # the face is a little above the middle
    assert crop.holds(points)


def test_holds_tells_a_face_that_leaves() -> None:
    crop = Crop(0, 0, 200)
    for inside, expected in (
        (1.0, True),
        (MIN_INSIDE + 0.06, True),
        (MIN_INSIDE - 0.06, False),
        (0.0, False),
    ):
        outside_x = 100 * (1 - inside)  # so much of a face 100 wide is beyond the right edge
        points = face_like(100 + outside_x, 50, 99, 100)
        assert crop.holds(points) is expected


def test_whole_frame_is_the_largest_square_in_the_middle() -> None:
    assert whole_frame(640, 480) == Crop(80, 0, 480)
    assert whole_frame(480, 640) == Crop(0, 80, 480)
    assert whole_frame(101, 100) == Crop(0, 0, 100)


@pytest.mark.parametrize(
    ("text", "crop"),
    [
        ("auto", None),
        ("10,20,300", Crop(10, 20, 300)),
        (" 0, 0, 32", Crop(0, 0, 32)),
        ("10.4,19.6,300.2", Crop(10, 20, 300)),
    ],
)
def test_parse_crop(text: str, crop: Crop | None) -> None:
    assert parse_crop(text) == crop


@pytest.mark.parametrize(
    "text",
    [
        *("", "none", "1,2", "1,2,3,4", "1,2,", "1;2;3", "a,b,c"),
        *("-1,0,100", "0,-1,100", "0,0,31", "0,0,-5", "nan,0,100", "0,0,nan", "inf,0,100", "0,0,inf"),
    ],
)
def test_parse_crop_refuses_anything_else(text: str) -> None:
    with pytest.raises(UsageError, match=f"--crop {text}: "):
        parse_crop(text)
