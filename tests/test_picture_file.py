"""Pictures of every kind that people have, read the same way; and what is none of them."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.models.picture_file import read_picture, write_picture
from headgan.proto.errors import DeviceError, UsageError

# Left half red, right half green, a blue bar on top: its orientation and its channels show.
PICTURE = np.zeros((40, 60, 3), np.uint8)
PICTURE[:, :30, 0] = 200
PICTURE[:, 30:, 1] = 150
PICTURE[:10] = (0, 0, 250)
BGR = np.ascontiguousarray(PICTURE[..., ::-1])


def saved(path: Path, pixels: NDArray[np.generic]) -> Path:
    assert cv2.imwrite(str(path), pixels)
    return path


def turned_jpeg(path: Path) -> Path:
    """A photograph from a camera held upright: lying pixels, and a note to turn them clockwise."""
    jpeg = cv2.imencode(".jpg", cv2.rotate(BGR, cv2.ROTATE_90_COUNTERCLOCKWISE))[1].tobytes()
    entry = struct.pack("<HHHIIII", 1, 0x112, 3, 1, 6, 0, 0)[:-2]
    exif = b"Exif\0\0II*\0\x08\0\0\0" + entry
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:])
    return path


def test_a_plain_picture_comes_as_it_is(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_picture(saved(tmp_path / "a.png", BGR), "--reference"), PICTURE)


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    deep = saved(tmp_path / "a.png", BGR.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_picture(deep, "--reference"), PICTURE)


def test_grey_gets_three_channels(tmp_path: Path) -> None:
    read = read_picture(saved(tmp_path / "a.png", PICTURE[..., 0]), "--reference")
    np.testing.assert_array_equal(read, np.repeat(PICTURE[..., :1], 3, axis=2))


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_what_is_transparent_is_white(depth: type[np.generic], tmp_path: Path) -> None:
    alpha = np.full((40, 60, 1), 255, np.uint8)
    alpha[20:] = 0
    pixels = np.concatenate([BGR, alpha], axis=2)
    pixels = pixels if depth is np.uint8 else pixels.astype(np.uint16) * 257
    read = read_picture(saved(tmp_path / "a.png", pixels), "--reference")
    np.testing.assert_array_equal(read[:20], PICTURE[:20])
    assert (read[20:] == 255).all()


def test_a_camera_held_upright_is_turned_back(tmp_path: Path) -> None:
    read = read_picture(turned_jpeg(tmp_path / "a.jpg"), "--reference")
    assert read.shape == PICTURE.shape
    assert float(np.abs(read.astype(int) - PICTURE).mean()) < 10


@pytest.mark.parametrize("ending", [".gif", ".webp", ".png"])
def test_of_an_animation_the_first_picture_is_taken(ending: str, tmp_path: Path) -> None:
    if not hasattr(cv2, "Animation"):
        pytest.skip("this OpenCV writes no animations")
    animation = cv2.Animation()
    animation.frames, animation.durations = [BGR, np.zeros_like(BGR)], [100, 100]
    path = tmp_path / f"a{ending}"
    assert cv2.imwriteanimation(str(path), animation)
    assert float(np.abs(read_picture(path, "--reference").astype(int) - PICTURE).mean()) < 15


@pytest.mark.parametrize("content", [b"", b"this is no picture", cv2.imencode(".png", BGR)[1].tobytes()[:40]])
def test_what_is_no_picture_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(DeviceError, match=r"--reference .*a.jpg is no picture that can be read; give a JPEG"):
        read_picture(path, "--reference")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"photograph .*gone.png: no such file"):
        read_picture(tmp_path / "gone.png", "photograph")


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.jpg", "a.webp"])
def test_written_pictures_can_be_read(name: str, tmp_path: Path) -> None:
    write_picture(tmp_path / name, PICTURE)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    error = np.abs(read_picture(tmp_path / name, "-o").astype(int) - PICTURE)
    assert float(error.mean()) < (0.01 if name.lower().endswith("png") else 15)


def test_a_picture_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a.txt: the name ends in .png"):
        write_picture(tmp_path / "a.txt", PICTURE)
    with pytest.raises(DeviceError, match="cannot be written"):
        write_picture(tmp_path / "nowhere" / "a.png", PICTURE)
