"""A frame in, its one face and its points out, or the reason why the frame is of no use."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headgan.models.crop import Crop
from headgan.models.face_detector import Detection, FaceDetector
from headgan.models.tracker import MediaPipeTracker
from headgan.models.weights import weights_path

MIN_FACE_PX = 64
# The crop and a quarter of its side around it, where a second face would be seen or come in.
_SURROUNDINGS = 1.5
# A face this much smaller than the one that is followed is somebody in the back or a picture on the wall.
_COMPARABLE = 0.5
# What the detector believes of two faces that are both real.
_MIN_SCORE = 0.6
# The detector's box, from the brows to the chin, over that of the points.
_DETECTED_SHARE = 0.9


@dataclass(frozen=True, eq=False)
class Box:
    """A face's place: centre x-y and longer side in pixels."""

    center: NDArray[np.float32]
    side: float

    def jumped(self, next_box: "Box") -> bool:
        """Whether `next_box` is not this face one frame later: too far away, or of another size."""
        moved = float(np.hypot(*(next_box.center - self.center)))
        ratio = next_box.side / max(self.side, 1.0)
        return moved > 0.35 * self.side or not 0.75 < ratio < 1.33


def box_of(points: NDArray[np.float32]) -> Box:
    """The box of points [N, 3] in pixels."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    return Box((low + high) / 2, float((high - low).max()))


class FaceFinder:
    """Follows the largest face and looks around for others. Not thread-safe."""

    def __init__(self) -> None:
        self._tracker = MediaPipeTracker()
        with zipfile.ZipFile(weights_path("face_landmarker.task")) as task:
            self._detector = FaceDetector(task.read("face_detector.tflite"))

    def reset(self) -> None:
        """Forgets the face: the next frame starts with a search."""
        self._tracker.reset()

    def points(self, frame_rgb: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Float32 [478, 3] in pixels of the frame, uint8 [H, W, 3]; None if there is no face."""
        face = self._tracker.track(frame_rgb)
        return None if face is None else face.points

    def is_alone(self, frame_rgb: NDArray[np.uint8], crop: Crop, face: Box) -> bool:
        """Whether no second face of comparable size is in or near `crop` of the frame, uint8 [H, W, 3]."""
        height, width = frame_rgb.shape[:2]
        margin = crop.size * (_SURROUNDINGS - 1) / 2
        left, top = max(0, round(crop.left - margin)), max(0, round(crop.top - margin))
        right = min(width, round(crop.left + crop.size + margin))
        bottom = min(height, round(crop.top + crop.size + margin))
        around = np.ascontiguousarray(frame_rgb[top:bottom, left:right])
        center = face.center - np.array([left, top], np.float32)
        return is_alone_among(self._detector.detect(around), Box(center, face.side))


def is_alone_among(found: Sequence[Detection], face: Box) -> bool:
    """Whether none of the faces `found` is comparable with `face`, which may be one of them."""
    real = [other for other in found if other.score >= _MIN_SCORE]
    away = [float(np.hypot(*(other.center - face.center))) > face.side / 2 for other in real]
    # The detector's boxes are smaller than those of the points, so they are compared with one another.
    own = [other.side for other, is_away in zip(real, away, strict=True) if not is_away]
    side = max(own, default=_DETECTED_SHARE * face.side)
    return all(other.side < _COMPARABLE * side for other, is_away in zip(real, away, strict=True) if is_away)
