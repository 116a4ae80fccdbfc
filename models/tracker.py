"""A frame in, 478 points of the tracked face out.

    frame -> [FaceDetector, only when no face is held] -> region -> landmark network -> points -> next region

The networks are MediaPipe's face landmarker (detector 128x128, landmarks 256x256), run directly.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.face_detector import Detection, FaceDetector
from headgan.models.landmarker_file import read_networks
from headgan.models.litert import LiteRtModel

POINTS = 478
# Outer corners of the image-left and image-right eye: they give the roll of the next region.
LEFT_EYE_CORNER, RIGHT_EYE_CORNER = 33, 263
_LANDMARK_INPUT = 256
# The network was trained on a square 1.5 times the face's box.
_REGION_SCALE = 1.5
_MIN_PRESENCE = 0.5


@dataclass(frozen=True)
class TrackedFace:
    """One face in one frame.

    Attributes:
        points: float32 [478, 3], x right and y down in pixels of the frame, z into the scene in the same
            unit, zero near the head's centre; 468 of the mesh and 5 for each iris.
        presence: the network's belief that this is a face, 0 to 1.
    """

    points: NDArray[np.float32]
    presence: float


class FaceTracker(Protocol):
    """What the pipeline needs of a tracker, so that another one can take its place."""

    def track(
        self, frame_rgb: NDArray[np.uint8], is_wanted: Callable[[TrackedFace], bool] | None = None
    ) -> TrackedFace | None:
        """The face in the next frame, uint8 [H, W, 3] RGB, or None if there is none.

        Args:
            frame_rgb: the frame.
            is_wanted: asked about each face that a search finds, never about one that was followed; a face it
                refuses is passed over.
        """
        ...

    def reset(self) -> None:
        """Forgets the face: the next frame starts with a search."""
        ...


@dataclass(frozen=True)
class _Region:
    """A rotated square of the frame: centre x-y, side in pixels, angle in radians."""

    center: NDArray[np.float32]
    side: float
    angle: float

    def to_frame(self) -> NDArray[np.float32]:
        """Float32 [2, 3]: maps pixels of the network's input to pixels of the frame."""
        scale = self.side / _LANDMARK_INPUT
        cosine, sine = math.cos(self.angle) * scale, math.sin(self.angle) * scale
        linear = np.array([[cosine, -sine], [sine, cosine]], dtype=np.float32)
        shift = self.center - linear @ np.full(2, _LANDMARK_INPUT / 2, dtype=np.float32)
        return np.column_stack([linear, shift]).astype(np.float32)


class MediaPipeTracker:
    """Follows one face; searches only at the start and when the face is lost.

    With several faces the largest is taken first and kept: each frame looks where the face was in the last.
    After a loss the faces nearest to that place are tried first. Not thread-safe.
    """

    def __init__(self, model: Path | None = None) -> None:
        """Args: model: a `face_landmarker.task` file; the one that ships if left out.

        Raises:
            ModelError: the file is missing or damaged.
        """
        detector, landmarks = read_networks(model, "face_detector.tflite", "face_landmarks_detector.tflite")
        self._detector, self._landmarks = FaceDetector(detector), LiteRtModel(landmarks)
        self._region: _Region | None = None
        self._last_seen: _Region | None = None

    def reset(self) -> None:
        """Forgets the face and where it was."""
        self._region = None
        self._last_seen = None

    def track(
        self, frame_rgb: NDArray[np.uint8], is_wanted: Callable[[TrackedFace], bool] | None = None
    ) -> TrackedFace | None:
        """The face in the next frame, uint8 [H, W, 3] RGB, or None; see `FaceTracker`."""
        face = self._look_at(frame_rgb, self._region) if self._region is not None else None
        if face is None:
            face = self._search(frame_rgb, is_wanted)
        self._region = None if face is None else _region_of_points(face.points)
        if self._region is not None:
            self._last_seen = self._region
        return face

    def count_faces(self, frame_rgb: NDArray[np.uint8]) -> int:
        """How many faces the detector sees in `frame_rgb`, uint8 [H, W, 3]."""
        return len(self._detector.detect(frame_rgb))

    def _search(
        self, frame_rgb: NDArray[np.uint8], is_wanted: Callable[[TrackedFace], bool] | None
    ) -> TrackedFace | None:
        for detection in self._by_distance(self._detector.detect(frame_rgb)):
            rough = self._look_at(frame_rgb, _region_of_detection(detection))
            if rough is None:
                continue
            # The detector's square is a poor fit; a second look from the points themselves halves the error.
            face = self._look_at(frame_rgb, _region_of_points(rough.points))
            if face is not None and (is_wanted is None or is_wanted(face)):
                return face
        return None

    def _by_distance(self, detections: list[Detection]) -> list[Detection]:
        """Nearest to where the face was lost first, or as they are, largest first."""
        lost = self._last_seen
        if lost is None:
            return detections
        return sorted(detections, key=lambda found: float(np.hypot(*(found.center - lost.center))))

    def _look_at(self, frame_rgb: NDArray[np.uint8], region: _Region) -> TrackedFace | None:
        to_frame = region.to_frame()
        patch = cv2.warpAffine(
            frame_rgb,
            to_frame,
            (_LANDMARK_INPUT, _LANDMARK_INPUT),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
        )
        outputs = self._landmarks.run(patch[None].astype(np.float32) * np.float32(1 / 255))
        presence = 1 / (1 + math.exp(-float(np.clip(outputs["Identity_1"].item(), -80, 80))))
        if presence < _MIN_PRESENCE:
            return None
        local = outputs["Identity"].reshape(POINTS, 3)
        points = np.empty((POINTS, 3), dtype=np.float32)
        points[:, :2] = local[:, :2] @ to_frame[:, :2].T + to_frame[:, 2]
        points[:, 2] = local[:, 2] * (region.side / _LANDMARK_INPUT)
        return TrackedFace(points, presence)


def _region_of_detection(detection: Detection) -> _Region:
    across = detection.eyes[1] - detection.eyes[0]
    angle = math.atan2(float(across[1]), float(across[0]))
    return _Region(detection.center, detection.side * _REGION_SCALE, angle)


def _region_of_points(points: NDArray[np.float32]) -> _Region:
    across = points[RIGHT_EYE_CORNER, :2] - points[LEFT_EYE_CORNER, :2]
    angle = math.atan2(float(across[1]), float(across[0]))
    cosine, sine = math.cos(angle), math.sin(angle)
    rotation = np.array([[cosine, -sine], [sine, cosine]], dtype=np.float32)
    upright = points[:, :2] @ rotation
    low, high = upright.min(axis=0), upright.max(axis=0)
    center = rotation @ ((low + high) / 2)
    return _Region(center.astype(np.float32), float((high - low).max()) * _REGION_SCALE, angle)
