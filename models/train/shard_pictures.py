"""Pictures of 256x256 in, their bytes in a shard out, and back."""

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.pncc import CROP_SIZE

_QUALITY = 95


def encode_picture(picture_rgb: NDArray[np.uint8]) -> bytes:
    """JPEG bytes of `picture_rgb`, uint8 [256, 256, 3]; colour is not thinned, or lips and eyes would bleed."""
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    _, data = cv2.imencode(".jpg", picture_rgb[..., ::-1], options)
    return data.tobytes()


def decode_picture(data: bytes | NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Uint8 [256, 256, 3] RGB; None if the bytes are damaged."""
    picture = _decode(data, cv2.IMREAD_COLOR)
    return None if picture is None else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def encode_mask(mask: NDArray[np.float32]) -> bytes:
    """PNG bytes of `mask`, float32 [256, 256], 0 to 1, in 256 steps."""
    _, data = cv2.imencode(".png", np.rint(mask * 255).astype(np.uint8))
    return data.tobytes()


def decode_mask(data: bytes | NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """Float32 [256, 256], 0 to 1; None if the bytes are damaged."""
    grey = _decode(data, cv2.IMREAD_GRAYSCALE)
    return None if grey is None else grey.astype(np.float32) * np.float32(1 / 255)


def _decode(data: bytes | NDArray[np.uint8], mode: int) -> NDArray[np.uint8] | None:
    encoded = np.frombuffer(data, np.uint8)
    picture = cv2.imdecode(encoded, mode) if encoded.size else None
    if picture is None or picture.shape[:2] != (CROP_SIZE, CROP_SIZE):
        return None
    decoded: NDArray[np.uint8] = picture
    return decoded
