"""Points of a face in, how good a reference its picture would make out.

A reference lends its pixels to the whole call: closed eyes in it stay closed, and the side that is turned away is
missing.
"""

import numpy as np
from numpy.typing import NDArray

from headgan.models.morphable import MESH_VERTICES, MorphableModel
from headgan.models.rotation import align_similarity

# Upper and lower lid, and the corners, of the image-left and the image-right eye.
_EYES = ((159, 145, 33, 133), (386, 374, 362, 263))
# Height of an open eye over its width; a blink is below 0.1, a calm look above 0.2.
_OPEN_EYE = 0.18
_MAX_TURN_COSINE = float(np.cos(np.radians(25)))


def eye_opening(points: NDArray[np.floating]) -> float:
    """Height over width of the more closed eye; points: [478, 3] in any unit."""
    openings = []
    for upper, lower, outer, inner in _EYES:
        height = np.linalg.norm(points[upper] - points[lower])
        width = np.linalg.norm(points[outer] - points[inner])
        openings.append(float(height / max(float(width), 1e-6)))
    return min(openings)


def reference_quality(model: MorphableModel, points: NDArray[np.floating]) -> float:
    """1 for open eyes seen from the front, less the further from that; points: [478, 3] in any unit."""
    mesh = np.asarray(points[:MESH_VERTICES], dtype=np.float64)
    _, rotation, _ = align_similarity(model.mean[:MESH_VERTICES], mesh, np.ones(MESH_VERTICES))
    facing = min(1.0, float(rotation[2, 2]) / _MAX_TURN_COSINE)
    eyes = min(1.0, eye_opening(points) / _OPEN_EYE)
    return max(0.0, facing) * eyes
