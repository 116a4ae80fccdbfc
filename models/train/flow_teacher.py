"""A reference, where the flow prior fetches from, and the true picture in; what F should have added out.

Pictures teach a flow slowly: where hair or a shoulder is a few pixels off, neither L1 nor a perceptual distance says in
which direction it went. Classical optical flow (DIS, Kroeger et al., ECCV 2016) between what the prior draws and the
truth does, where it can be believed.
"""

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.optical_flow import FAST, places_in
from headgan.models.pncc import to_pixels

Kind = TypeVar("Kind", bound=np.generic)
TEACHER_SIZE = 64
# Levels of 255: where the found flow leaves more than this, it is not believed at all.
_WORST_MATCH = 40.0


def teach_flow(
    reference_rgb: NDArray[np.uint8],
    truth_rgb: NDArray[np.uint8],
    grid: NDArray[np.float32],
    uncovered: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Float32 [64, 64, 3]: x-y to add to the grid, in half picture widths, and its weight, 0 to 1.

    Args:
        reference_rgb: uint8 [256, 256, 3].
        truth_rgb: uint8 [256, 256, 3].
        grid: float32 [256, 256, 2], each pixel's place in the reference, -1 to 1.
        uncovered: float32 [256, 256], 1 where the reference has nothing to show.
    """
    drawn = _fetched(reference_rgb, to_pixels(grid))
    pixels = places_in(drawn, truth_rgb, FAST)
    residual = _fetched(grid, pixels) - grid
    match = np.abs(_fetched(drawn, pixels).astype(np.float32) - truth_rgb).mean(axis=2)
    weight = np.clip(1 - match / _WORST_MATCH, 0, 1) * (1 - uncovered)
    lesson = np.dstack([residual * weight[..., None], weight]).astype(np.float32)
    small: NDArray[np.float32] = cv2.resize(
        lesson, (TEACHER_SIZE, TEACHER_SIZE), interpolation=cv2.INTER_AREA
    )
    small[..., :2] /= np.maximum(small[..., 2:], 1e-3)
    return small


def _fetched(picture: NDArray[Kind], pixels: NDArray[np.float32]) -> NDArray[Kind]:
    fetched: NDArray[Kind] = cv2.remap(
        picture, pixels, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return fetched
