"""A face in a frame in, whether it is the person of the call out.

The signature of a face is the colour at each of its mesh's vertices, blurred, with the mean taken off: pose
and expression move the vertices along, so two pictures of one person correlate. It is no face recognition; it
keeps somebody who leans into the picture after the face was lost from driving the caller's portrait. On clips
of 66 people a correlation of 0.75 tells single frames of others apart in 97 of 100 cases.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.morphable import MESH_VERTICES

MIN_CORRELATION = 0.75
# Signatures of the caller in other poses and light; the oldest but the first gives way.
GALLERY_SIZE = 8
_PATCH = 96
_BLUR = 2.0


def face_signature(frame_rgb: NDArray[np.uint8], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Float32 [468 * 3] of length one.

    Args:
        frame_rgb: uint8 [H, W, 3].
        points: float32 [478, 3] of the face in pixels of the frame.
    """
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    scale = _PATCH / max(1.2 * float((high - low).max()), 1.0)
    shift = _PATCH / 2 - scale * (low + high) / 2
    to_patch = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], dtype=np.float32)
    patch = cv2.warpAffine(frame_rgb, to_patch, (_PATCH, _PATCH), flags=cv2.INTER_AREA)
    patch = cv2.GaussianBlur(patch, (0, 0), _BLUR).astype(np.float32)
    places = (points[:MESH_VERTICES, :2] * scale + shift).astype(np.float32)
    colors = cv2.remap(patch, places[None, :, 0], places[None, :, 1], cv2.INTER_LINEAR)[0]
    centered = (colors - colors.mean(axis=0)).reshape(-1)
    signature: NDArray[np.float32] = centered / max(float(np.linalg.norm(centered)), 1e-6)
    return signature


class SamePerson:
    """Remembers the caller's face and compares others with it."""

    def __init__(self) -> None:
        self._gallery: list[NDArray[np.float32]] = []

    def learn(self, signature: NDArray[np.float32]) -> None:
        """Adds a signature of the caller if it shows something new."""
        if self._gallery and self.likeness(signature) > 0.97:
            return
        if len(self._gallery) == GALLERY_SIZE:
            del self._gallery[1]
        self._gallery.append(signature)

    def matches(self, signature: NDArray[np.float32]) -> bool:
        """Whether the face with this signature is the caller's; True while nothing was learned."""
        return not self._gallery or self.likeness(signature) >= MIN_CORRELATION

    def likeness(self, signature: NDArray[np.float32]) -> float:
        """Correlation with the most similar signature of the caller, -1 to 1; at least one was learned."""
        return max(float(known @ signature) for known in self._gallery)
