"""A frame in, face boxes out: the short-range detector of MediaPipe's face landmarker on LiteRT.

The network sees the frame letterboxed to 128x128 and answers for 896 anchors: 2 on each cell of a 16x16 grid,
6 on each cell of an 8x8 grid. Anchors have no size of their own, so a box is an offset from its cell's
centre.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.litert import LiteRtModel

INPUT_SIZE = 128
MIN_SCORE = 0.5
# Boxes that overlap more than this are the same face; they are averaged, weighted by score.
SAME_FACE_IOU = 0.3
_GRIDS = ((16, 2), (8, 6))


@dataclass(frozen=True)
class Detection:
    """One face.

    Attributes:
        box: float32 [4], left, top, right, bottom in pixels of the frame.
        eyes: float32 [2, 2], the image-left and the image-right eye, x-y in pixels of the frame.
        score: 0 to 1.
    """

    box: NDArray[np.float32]
    eyes: NDArray[np.float32]
    score: float

    @property
    def center(self) -> NDArray[np.float32]:
        """Middle of the box, x-y in pixels."""
        middle: NDArray[np.float32] = (self.box[:2] + self.box[2:]) / np.float32(2)
        return middle

    @property
    def side(self) -> float:
        """Longer side of the box in pixels."""
        return float(np.max(self.box[2:] - self.box[:2]))


class FaceDetector:
    """Finds the faces of a frame; about a millisecond on one core."""

    def __init__(self, model: bytes) -> None:
        """Args: model: the contents of `face_detector.tflite`."""
        self._model = LiteRtModel(model)
        self._anchors = _anchor_centers()

    def detect(self, frame_rgb: NDArray[np.uint8]) -> list[Detection]:
        """Faces in `frame_rgb`, uint8 [H, W, 3], largest first; an empty list if there are none."""
        height, width = frame_rgb.shape[:2]
        scale = INPUT_SIZE / max(height, width)
        left = (INPUT_SIZE - width * scale) / 2
        top = (INPUT_SIZE - height * scale) / 2
        small = cv2.resize(
            frame_rgb,
            (max(1, round(width * scale)), max(1, round(height * scale))),
            interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
        )
        pad_x, pad_y = INPUT_SIZE - small.shape[1], INPUT_SIZE - small.shape[0]
        canvas = cv2.copyMakeBorder(
            small, pad_y // 2, pad_y - pad_y // 2, pad_x // 2, pad_x - pad_x // 2, cv2.BORDER_CONSTANT
        )
        outputs = self._model.run(canvas[None].astype(np.float32) / 127.5 - 1)
        regressors, logits = outputs["regressors"][0], outputs["classificators"][0, :, 0]
        scores = 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
        keep = scores >= MIN_SCORE
        if not keep.any():
            return []
        values = regressors[keep].reshape(-1, 8, 2)  # [faces, center size 6 keypoints, x y]
        center = values[:, 0] + self._anchors[keep] * INPUT_SIZE
        half = values[:, 1] / 2
        eyes = values[:, 2:4] + self._anchors[keep, None] * INPUT_SIZE
        points = np.concatenate([(center - half)[:, None], (center + half)[:, None], eyes], axis=1)
        points = (points - (left, top)) / scale  # [faces, 4, 2]
        merged = _merge_overlaps(points.astype(np.float32), scores[keep].astype(np.float32))
        return sorted(merged, key=lambda face: face.side, reverse=True)


def _anchor_centers() -> NDArray[np.float32]:
    """Float32 [896, 2]: the centre of each anchor's cell, 0 to 1."""
    centers = []
    for cells, anchors_per_cell in _GRIDS:
        axis = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        centers.append(np.repeat(grid, anchors_per_cell, axis=0))
    return np.concatenate(centers)


def _merge_overlaps(points: NDArray[np.float32], scores: NDArray[np.float32]) -> list[Detection]:
    """Averages the boxes of one face; points: float32 [faces, 4, 2] of two corners and two eyes."""
    remaining = np.argsort(-scores)
    found = []
    while remaining.size:
        best = remaining[0]
        same = _iou(points[best], points[remaining]) > SAME_FACE_IOU
        same[0] = True
        group = remaining[same]
        weights = scores[group] / scores[group].sum()
        mean = np.einsum("n,nij->ij", weights, points[group]).astype(np.float32)
        found.append(Detection(mean[:2].reshape(4), mean[2:4], float(scores[best])))
        remaining = remaining[~same]
    return found


def _iou(one: NDArray[np.float32], many: NDArray[np.float32]) -> NDArray[np.float32]:
    low = np.maximum(one[0], many[:, 0])
    high = np.minimum(one[1], many[:, 1])
    overlap = np.prod(np.maximum(high - low, 0), axis=1)
    area = np.prod(one[1] - one[0])
    areas = np.prod(many[:, 1] - many[:, 0], axis=1)
    result: NDArray[np.float32] = overlap / np.maximum(area + areas - overlap, 1e-6)
    return result
