"""Two poses of one face in, where the new one opens a mouth that the reference shows closed out.

No warp can show what the reference does not: between lips that were closed it draws their seam out to stripes. This
mask tells the generator where that would happen.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.pncc import CROP_SIZE, to_pixels

# The inner edge of the lips, clockwise from the image-left corner; the upper and lower middle.
INNER_LIPS = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
OUTER_LIPS = (61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91)
_CORNERS, _MIDDLES = (78, 308), (13, 14)
# RGB; the mean of the inside of open mouths over 66 people, lips and teeth included.
MOUTH_COLOR = (105.0, 62.0, 56.0)
# Opening over width: from this much more than the reference's on the mask fades in, this much later it is full.
_FROM, _OVER = 0.04, 0.1
_SUBPIXEL_BITS = 4


def mouth_mask(points: NDArray[np.float32], reference: NDArray[np.float32]) -> NDArray[np.float32]:
    """Float32 [256, 256], 0 to 1: how much of each pixel is an open mouth that the reference does not show.

    Args:
        points: float32 [V, 3] of the new pose in half crop widths.
        reference: float32 [V, 3] of the reference.
    """
    mask = np.zeros((CROP_SIZE, CROP_SIZE), np.uint8)
    strength = (mouth_opening(points) - mouth_opening(reference) - _FROM) / _OVER
    if strength <= 0:
        return mask.astype(np.float32)
    lips = to_pixels(points[list(INNER_LIPS), :2])
    fixed_point = np.rint(lips * 2**_SUBPIXEL_BITS).astype(np.int32)
    cv2.fillPoly(mask, [fixed_point], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), 1.0)
    opened: NDArray[np.float32] = soft * np.float32(min(strength, 1.0))
    return opened


def mouth_opening(points: NDArray[np.float32]) -> float:
    """Height of the mouth's opening over its width; points: float32 [V, 2 or 3], V at least 325."""
    height = np.linalg.norm(points[_MIDDLES[0]] - points[_MIDDLES[1]])
    width = np.linalg.norm(points[_CORNERS[0]] - points[_CORNERS[1]])
    return float(height / max(float(width), 1e-6))
