"""A picture file of any kind in, upright RGB pixels out; and back, pixels to a file."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.proto.errors import DeviceError, UsageError

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def read_picture(path: Path, option: str) -> NDArray[np.uint8]:
    """Uint8 [H, W, 3] RGB, turned upright as EXIF asks; grey, 16-bit and transparent pictures become that.

    Of an animation the first picture is taken.

    Args:
        path: any format that OpenCV reads.
        option: how the user named the file, for the error.

    Raises:
        DeviceError: the file is missing or no picture.
    """
    if not path.is_file():
        raise DeviceError(f"{option} {path}: no such file")
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as exc:
        raise DeviceError(f"{option} {path} cannot be read ({exc.strerror})") from exc
    picture = _decode(data) if data.size else None
    if picture is None:
        raise DeviceError(f"{option} {path} is no picture that can be read; give a JPEG, PNG or WebP file")
    return np.ascontiguousarray(picture[..., ::-1])


def _decode(data: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Uint8 [H, W, 3] BGR, or None if these bytes are no picture."""
    try:
        raw = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        if raw is not None and raw.ndim == 3 and raw.shape[2] == 4:
            return _on_paper(raw)
        picture: NDArray[np.uint8] | None = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error:  # damaged, or too large for OpenCV
        return None
    return picture


def _on_paper(raw: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Uint8 [H, W, 3]: the picture [H, W, 4] of 8 or 16 bit, its transparent parts white."""
    full = 65535 if raw.dtype == np.uint16 else 255
    values = raw.astype(np.float32) * np.float32(1 / full)
    alpha = values[..., 3:]
    on_paper: NDArray[np.uint8] = np.rint((values[..., :3] * alpha + (1 - alpha)) * 255).astype(np.uint8)
    return on_paper


def write_picture(path: Path, picture_rgb: NDArray[np.uint8]) -> None:
    """Writes `picture_rgb`, uint8 [H, W, 3], in the format of the name's ending; all of it or nothing.

    Raises:
        UsageError: the ending is none of `PICTURE_SUFFIXES`.
        DeviceError: the file cannot be written.
    """
    check_picture_name(path, "-o")
    _, data = cv2.imencode(path.suffix.lower(), np.ascontiguousarray(picture_rgb[..., ::-1]))
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(data.tobytes())
        part.replace(path)
    except OSError as exc:
        raise DeviceError(f"{path}: the picture cannot be written ({exc.strerror})") from exc


def check_picture_name(path: Path, option: str) -> None:
    """Raises UsageError unless the name ends as a picture's does."""
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise UsageError(f"{option} {path}: the name ends in {', '.join(PICTURE_SUFFIXES)}")
