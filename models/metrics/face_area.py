"""A real and a drawn picture in, how much of the difference is on the face, which the parameters describe, out."""

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.metrics.pictures import psnr


def face_area(points: NDArray[np.float32], height: int, width: int) -> NDArray[np.bool_]:
    """Bool [height, width]: the convex hull of the face's points, float32 [478, 3] in pixels."""
    area = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(area, cv2.convexHull(np.rint(points[:, :2]).astype(np.int32)), 1)
    return area.astype(bool)


def face_psnr(
    real: NDArray[np.uint8], drawn: NDArray[np.uint8], points: NDArray[np.float32]
) -> dict[str, float]:
    """`psnr_face`, the PSNR on the real face in dB, and `outside`, the share of the squared error beyond it.

    Without a face in the picture, or an error, that one has no value.

    Args:
        real: uint8 [H, W, 3].
        drawn: uint8 [H, W, 3].
        points: float32 [478, 3] of the real face in pixels.
    """
    area = face_area(points, *real.shape[:2])
    squared = ((real.astype(np.float32) - drawn.astype(np.float32)) ** 2).sum(axis=2)
    values = {}
    if area.any():
        values["psnr_face"] = psnr(real[area], drawn[area])
    total = squared.sum()
    if total > 0:
        values["outside"] = float(squared[~area].sum() / total)
    return values
