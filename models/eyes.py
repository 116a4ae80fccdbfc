"""A posed face in, a picture of its eyes out: what the coordinate code cannot say, where the irises are.

The code's mesh is the skin; between the eyelids it shows nothing of the eyeball. This adds one channel: black outside,
mid-grey where an eye is open, white where its iris shows.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.morphable import LEFT_IRIS, RIGHT_IRIS
from headgan.models.pncc import CROP_SIZE, to_pixels

# The eyelids' edges, from the outer corner over the upper lid and back below.
_LEFT_LIDS = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
_RIGHT_LIDS = (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249)
LIDS = _LEFT_LIDS + _RIGHT_LIDS
_WHITE, _IRIS = 128, 255
_SUBPIXEL_BITS = 4


def render_eyes(points: NDArray[np.float32], size: int = CROP_SIZE) -> NDArray[np.uint8]:
    """Uint8 [size, size]: 0 outside the eyes, 128 in an open eye, 255 on its iris.

    Args:
        points: float32 [478, 3], projected points in half crop widths.
        size: width and height in pixels.
    """
    picture = np.zeros((size, size), np.uint8)
    for lids, iris in ((_LEFT_LIDS, LEFT_IRIS), (_RIGHT_LIDS, RIGHT_IRIS)):
        places = to_pixels(points[:, :2], size)
        opening, disc = np.zeros_like(picture), np.zeros_like(picture)
        cv2.fillPoly(opening, [_fixed(places[list(lids)])], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
        ring = places[iris]
        center = ring.mean(axis=0)
        radius = float(np.linalg.norm(ring - center, axis=1).max())
        cv2.circle(
            disc, tuple(_fixed(center).tolist()), int(_fixed(radius)), 255, -1, cv2.LINE_AA, _SUBPIXEL_BITS
        )
        level = _WHITE + disc.astype(np.float32) * ((_IRIS - _WHITE) / 255)
        picture = np.maximum(picture, np.rint(level * opening / 255).astype(np.uint8))
    return picture


def _fixed(value: NDArray[np.float32] | float) -> NDArray[np.int32]:
    """Pixels as OpenCV's fixed-point numbers; a face far outside the picture stays far outside."""
    fixed: NDArray[np.int32] = np.rint(np.clip(value, -(2**13), 2**13) * 2**_SUBPIXEL_BITS).astype(np.int32)
    return fixed
