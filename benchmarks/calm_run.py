"""A track in, its calmest second out; and pictures of it in, how much they tremble."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.benchmarks.face_error import FaceRuler
from headgan.codec.params import FaceParams
from headgan.models.morphable import MESH_VERTICES
from headgan.models.pncc import CROP_SIZE

RUN_FRAMES = 25


def calmest_run(ruler: FaceRuler, params: Sequence[FaceParams | None]) -> range:
    """The frames of the second in which the face moves least, all of them with a face; empty if there is none."""
    best: tuple[float, range] | None = None
    for start in range(0, len(params) - RUN_FRAMES + 1, RUN_FRAMES // 2):
        run = range(start, start + RUN_FRAMES)
        faces = [face for number in run if (face := params[number]) is not None]
        if len(faces) < RUN_FRAMES:
            continue
        motion = float(np.abs(np.diff(ruler.points_px(faces), axis=0)).mean())
        if best is None or motion < best[0]:
            best = motion, run
    return range(0) if best is None else best[1]


def tremble_levels(pictures: Sequence[NDArray[np.uint8]], ruler: FaceRuler, face: FaceParams) -> float:
    """Mean acceleration of the brightness on the face, in levels of 255 a frame a frame.

    Args:
        pictures: uint8 [256, 256, 3] RGB, frames in a row, at least 3.
        ruler: of the person.
        face: where it is.
    """
    points = ruler.points_px([face])[0, :MESH_VERTICES] + CROP_SIZE / 2
    mask = np.zeros((CROP_SIZE, CROP_SIZE), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points).astype(np.int32)), 1)
    grey = np.array(
        [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures], np.float32
    )  # [N, H, W]
    return float(np.abs(np.diff(grey, n=2, axis=0))[:, mask > 0].mean())
