"""What a generator drew and the true frame in, what it would have drawn had it known more out: how much can be gained.

flow_known   each pixel fetched from where optical flow finds it in what was drawn: no warp could do much better, and
             thousands of numbers a frame would have to say so
face_known   the true face in the picture that was drawn: what is left is beyond the face
"""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.metrics.clip_frames import SeenFrame
from headgan.models.metrics.face_area import face_area

Picture = NDArray[np.uint8]


def flow_known(drawn: Picture, frame: SeenFrame) -> Picture:
    """Uint8 [H, W, 3]: `drawn` moved onto the picture of `frame` by DIS (Kroeger et al., ECCV 2016)."""
    truth = frame.picture_rgb
    found = _optical_flow().calc(
        cv2.cvtColor(truth, cv2.COLOR_RGB2GRAY), cv2.cvtColor(drawn, cv2.COLOR_RGB2GRAY), None
    )
    rows, columns = np.mgrid[: truth.shape[0], : truth.shape[1]].astype(np.float32)
    pixels = np.stack([columns, rows], axis=-1) + found
    moved: Picture = cv2.remap(drawn, pixels, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return moved


def face_known(drawn: Picture, frame: SeenFrame) -> Picture:
    """Uint8 [H, W, 3]: `drawn`, with the face of the picture of `frame` where that has it."""
    truth = frame.picture_rgb
    area = face_area(frame.points, *truth.shape[:2])
    return np.where(area[..., None], truth, drawn)


LIMITS = {"flow_known": flow_known, "face_known": face_known}


@cache
def _optical_flow() -> cv2.DISOpticalFlow:
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
