"""A real and a drawn picture in, how far apart they are around the mouth out."""

import numpy as np
from numpy.typing import NDArray

from headgan.models.metrics.pictures import l1

# The outer edge of the lips.
OUTER_LIPS = [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185]
MARGIN = 0.3


def mouth_box(points: NDArray[np.float32], height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of the box around the lips, 30 % of its size larger on each side, inside the picture.

    Args:
        points: float32 [478, 3] of the face in pixels of the picture.
        height: of the picture.
        width: of the picture.
    """
    lips = points[OUTER_LIPS, :2]
    low, high = lips.min(axis=0), lips.max(axis=0)
    margin = MARGIN * (high - low)
    left, top = np.clip(np.floor(low - margin), 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(np.ceil(high + margin) + 1, (left + 1, top + 1), (width, height)).astype(int)
    return slice(top, bottom), slice(left, right)


def mouth_error(real: NDArray[np.uint8], drawn: NDArray[np.uint8], points: NDArray[np.float32]) -> float:
    """Mean absolute difference in the box around the real mouth, in levels, 0 to 255.

    Args:
        real: uint8 [H, W, 3].
        drawn: uint8 [H, W, 3].
        points: float32 [478, 3] of the real face in pixels.
    """
    rows, columns = mouth_box(points, *real.shape[:2])
    return l1(real[rows, columns], drawn[rows, columns])
