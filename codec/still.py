"""A reference picture in, its bytes for the wire out, and back: lossy WebP of exactly 256x256 pixels."""

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.proto.errors import WireError

STILL_SIZE = 256
MEDIA_TYPE = "image/webp"
QUALITY = 92
# RIFF, size, WEBP, then the chunk of a plain lossy picture: tag, size, 3 bytes of frame tag, start code, 2 x 14 bits.
_HEADER_BYTES = 30
_START_CODE = b"\x9d\x01\x2a"


def encode_still(picture_rgb: NDArray[np.uint8]) -> bytes:
    """WebP bytes of `picture_rgb`, uint8 [256, 256, 3]; about 15 kB."""
    if picture_rgb.shape != (STILL_SIZE, STILL_SIZE, 3):
        raise ValueError(f"reference: the picture is {picture_rgb.shape}, need {(STILL_SIZE, STILL_SIZE, 3)}")
    _, data = cv2.imencode(".webp", picture_rgb[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    return data.tobytes()


def decode_still(data: bytes, media_type: str) -> NDArray[np.uint8]:
    """Uint8 [256, 256, 3] RGB from the network; the size is checked before anything is decoded.

    Raises:
        WireError: it is not a lossy WebP picture of 256x256 pixels.
    """
    if media_type != MEDIA_TYPE:
        raise WireError(f"reference: {media_type!r} is not known, need {MEDIA_TYPE}")
    if (
        len(data) < _HEADER_BYTES
        or data[:4] != b"RIFF"
        or data[8:16] != b"WEBPVP8 "
        or data[23:26] != _START_CODE
    ):
        raise WireError("reference: not a plain lossy WebP picture")
    width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    if (width, height) != (STILL_SIZE, STILL_SIZE):
        raise WireError(f"reference: {width}x{height} pixels, need {STILL_SIZE}x{STILL_SIZE}")
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as exc:
        raise WireError("reference: a damaged picture") from exc
    if picture is None or picture.shape != (STILL_SIZE, STILL_SIZE, 3):
        raise WireError("reference: a damaged picture")
    return np.ascontiguousarray(picture[..., ::-1])
