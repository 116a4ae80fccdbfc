"""From a picture to a portrait: whose face, which part of the picture, and where the face is in it."""

import logging
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.models.morphable import MorphableModel
from headgan.models.picture_file import read_picture
from headgan.models.portrait import Portrait, _starts, find_portrait, read_portrait
from headgan.proto.errors import FaceError, UsageError

FACE_FILE = Path(__file__).parent.parent / "docs" / "face.jpg"
FACE = read_picture(FACE_FILE, "the test's")


def resized(side: int) -> NDArray[np.uint8]:
    scaled: NDArray[np.uint8] = cv2.resize(FACE, (side, side), interpolation=cv2.INTER_AREA)
    return scaled


def pasted(height: int, width: int, *places: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A grey wall with the face at each left, top and side."""
    picture = np.full((height, width, 3), 110, np.uint8)
    for left, top, side in places:
        picture[top : top + side, left : left + side] = resized(side)
    return picture


def likeness(one: Portrait, other: Portrait) -> float:
    """Mean distance of their points in pixels of 256."""
    return float(np.linalg.norm(one.points[:, :2] - other.points[:, :2], axis=1).mean()) * 128


def seen_part(portrait: Portrait) -> NDArray[np.uint8]:
    """The box around the face's points, at a size for comparing."""
    points = (portrait.points[:, :2] + 1) * 128
    left, top = points.min(axis=0).astype(int)
    right, bottom = points.max(axis=0).astype(int)
    part: NDArray[np.uint8] = cv2.resize(portrait.picture_rgb[top:bottom, left:right], (32, 32))
    return part


@pytest.fixture(scope="module")
def plain() -> Portrait:
    return read_portrait(FACE_FILE)


def test_the_points_are_on_the_face(plain: Portrait) -> None:
    assert plain.picture_rgb.shape == (256, 256, 3)
    pixels = ((plain.points[:, :2] + 1) * 128).astype(int)
    # Between the lips she shows her teeth, the iris is dark.
    teeth = plain.picture_rgb[pixels[13, 1] : pixels[14, 1], pixels[13, 0]].mean()
    iris = plain.picture_rgb[pixels[468, 1], pixels[468, 0]].mean()
    assert teeth > 150
    assert iris < 110


def test_a_face_that_is_small_in_a_large_picture_is_found(plain: Portrait) -> None:
    found = find_portrait(pasted(1500, 2400, (1700, 900, 200)))
    difference = np.abs(seen_part(found).astype(int) - seen_part(plain))
    assert float(difference.mean()) < 12


def test_a_huge_face_is_seen_as_well_as_a_plain_one(plain: Portrait) -> None:
    huge = cv2.resize(FACE, (4500, 4500), interpolation=cv2.INTER_LINEAR)
    assert likeness(find_portrait(huge), plain) < 1.5


def test_two_faces_of_like_size_are_refused() -> None:
    with pytest.raises(FaceError, match=r"the picture shows 2 faces of like size; .*, or crop it"):
        find_portrait(pasted(300, 600, (0, 0, 272), (300, 0, 272)))


def test_the_error_names_the_option_that_helps(tmp_path: Path) -> None:
    path = tmp_path / "us.png"
    cv2.imwrite(str(path), pasted(300, 600, (0, 0, 272), (300, 0, 272)))
    with pytest.raises(FaceError, match=r"--reference .*us.png shows 2 .*choose one with --crop x,y,size"):
        read_portrait(path, crop_option="--crop")
    assert read_portrait(path, crop="300,0,272", crop_option="--crop").points.shape == (478, 3)


def test_a_face_that_dominates_is_taken(plain: Portrait, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        found = find_portrait(pasted(300, 410, (0, 0, 272), (275, 60, 130)))
    assert float(np.abs(seen_part(found).astype(int) - seen_part(plain)).mean()) < 12
    assert "the largest is taken" in caplog.text


def test_a_small_face_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        find_portrait(resized(100))
    assert "pixels only" in caplog.text


@pytest.mark.parametrize(
    ("picture", "complaint"),
    [
        (np.zeros((300, 300, 3), np.uint8), "shows no face"),
        (np.zeros((1, 1, 3), np.uint8), "shows no face"),
        (np.zeros((2, 5000, 3), np.uint8), "shows no face"),
        (resized(45), r"a face of \d+ pixels"),
    ],
)
def test_pictures_without_a_usable_face_are_refused(picture: NDArray[np.uint8], complaint: str) -> None:
    with pytest.raises(FaceError, match=complaint):
        find_portrait(picture)


def test_a_square_that_was_asked_for_is_cut_as_it_is() -> None:
    portrait = find_portrait(FACE, crop="8,4,256")
    np.testing.assert_array_equal(portrait.picture_rgb, FACE[4:260, 8:264])


def test_none_takes_the_largest_square() -> None:
    portrait = find_portrait(pasted(300, 400, (60, 10, 272)), crop="none")
    wall = portrait.picture_rgb[:, :8]
    assert float(np.abs(wall.astype(int) - 110).max()) <= 1


@pytest.mark.parametrize("crop", ["200,0,200", "1,2", "here"])
def test_crops_that_cannot_be_are_refused(crop: str) -> None:
    with pytest.raises(UsageError, match="--crop"):
        find_portrait(FACE, crop=crop)


def test_points_that_make_no_face_are_warned_of(plain: Portrait, caplog: pytest.LogCaptureFixture) -> None:
    model = MorphableModel.load()
    with caplog.at_level(logging.WARNING):
        reference = plain.as_reference(model)
        assert caplog.text == ""
        # A tracker that believes in a face upside down sees its parts in each other's place.
        no_face = (plain.points * np.array([1, -1, 1])).astype(np.float32)
        Portrait(plain.picture_rgb, no_face).as_reference(model)
    assert "upright" in caplog.text
    assert reference.picture_rgb is plain.picture_rgb


@pytest.mark.parametrize(("length", "size"), [(1000, 250), (1001, 250), (300, 250), (250, 250), (100, 250)])
def test_tiles_reach_from_edge_to_edge_and_overlap_by_half(length: int, size: int) -> None:
    starts = _starts(length, size)
    assert starts[0] == 0
    assert starts[-1] == max(0, length - size)
    assert all(later - earlier <= size / 2 for earlier, later in pairwise(starts))
