"""What a generator drew and the true frame in, what it would have drawn had it known more out: how much can be gained.

flow_known   each pixel fetched from where optical flow finds it in what was drawn: no warp could do much better, and
             thousands of numbers a frame would have to say so
face_known   the true face in the picture that was drawn: what is left is beyond the face
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.metrics.clip_frames import SeenFrame
from headgan.models.metrics.face_area import face_area
from headgan.models.optical_flow import MEDIUM, places_in

Picture = NDArray[np.uint8]


def flow_known(drawn: Picture, frame: SeenFrame) -> Picture:
    """Uint8 [H, W, 3]: `drawn` moved onto the picture of `frame` by optical flow."""
    pixels = places_in(drawn, frame.picture_rgb, MEDIUM)
    moved: Picture = cv2.remap(drawn, pixels, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return moved


def face_known(drawn: Picture, frame: SeenFrame) -> Picture:
    """Uint8 [H, W, 3]: `drawn`, with the face of the picture of `frame` where that has it."""
    truth = frame.picture_rgb
    area = face_area(frame.points, *truth.shape[:2])
    return np.where(area[..., None], truth, drawn)


LIMITS = {"flow_known": flow_known, "face_known": face_known}
