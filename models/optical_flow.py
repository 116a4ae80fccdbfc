"""A drawn picture and the true one in, where in the drawn one each true pixel is out: classical optical flow.

DIS, Kroeger et al., ECCV 2016.
"""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

FAST, MEDIUM = cv2.DISOPTICAL_FLOW_PRESET_FAST, cv2.DISOPTICAL_FLOW_PRESET_MEDIUM


def places_in(drawn_rgb: NDArray[np.uint8], truth_rgb: NDArray[np.uint8], preset: int) -> NDArray[np.float32]:
    """Float32 [H, W, 2]: for each pixel of the truth its x-y in what was drawn, in pixels.

    Args:
        drawn_rgb: uint8 [H, W, 3].
        truth_rgb: uint8 [H, W, 3].
        preset: `FAST` or `MEDIUM`, how carefully to look.
    """
    truth, drawn = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (truth_rgb, drawn_rgb))
    rows, columns = np.mgrid[: truth.shape[0], : truth.shape[1]].astype(np.float32)
    places: NDArray[np.float32] = np.stack([columns, rows], axis=-1) + _finder(preset).calc(
        truth, drawn, None
    )
    return places


@cache
def _finder(preset: int) -> cv2.DISOpticalFlow:
    return cv2.DISOpticalFlow.create(preset)
