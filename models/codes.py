"""A projected face in, the picture of it that the networks are given out: x of the paper, and its alternatives.

pncc        the normalised coordinate code of the mesh, section 4.1
landmarks   a sketch of 68 facial landmarks, the ablation of section 4.3
eyes        one more channel behind either: where eyes are open and their irises are
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.eyes import render_eyes
from headgan.models.morphable import MESH_VERTICES, MorphableModel
from headgan.models.pncc import CROP_SIZE, pncc_colors, render_pncc, to_pixels

# The lines of a 68-point sketch on this mesh: jaw, brows, bridge and base of the nose, eyes, lips.
_JAW = (127, 234, 93, 132, 58, 172, 136, 150, 176, 148, 152, 377, 400, 379, 365, 397, 288, 361, 323, 454, 356)
_LINES = (
    (_JAW, False, (255, 255, 255)),
    ((70, 63, 105, 66, 107), False, (255, 160, 0)),
    ((336, 296, 334, 293, 300), False, (255, 160, 0)),
    ((168, 197, 195, 4), False, (0, 255, 255)),
    ((98, 97, 2, 326, 327), False, (0, 255, 255)),
    ((33, 160, 158, 133, 153, 144), True, (0, 255, 0)),
    ((362, 385, 387, 263, 373, 380), True, (0, 255, 0)),
    ((61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91), True, (255, 0, 0)),
    ((78, 81, 13, 311, 308, 402, 14, 178), True, (255, 0, 255)),
)
_SUBPIXEL_BITS = 4


class CodeRenderer:
    """Draws the code of projected faces."""

    def __init__(self, model: MorphableModel, *, code: str = "pncc", gaze: bool = True) -> None:
        """Args: code: `pncc` or `landmarks`; gaze: whether the eyes follow as one more channel."""
        self.model = model
        self._colors = pncc_colors(model)
        self._code = code
        self._gaze = gaze

    def draw(self, points: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Uint8 [256, 256, 3 or 4] of points, float32 [478, 3], in half crop widths."""
        if self._code == "landmarks":
            picture = render_landmarks(points)
        else:
            picture = render_pncc(points[:MESH_VERTICES], self.model.triangles, self._colors)
        return np.dstack([picture, render_eyes(points)]) if self._gaze else picture


def render_landmarks(points: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Uint8 [256, 256, 3]: the sketch of points, float32 [478, 3], in half crop widths."""
    picture = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)
    places = np.clip(to_pixels(points[:, :2]), -(2**13), 2**13)
    fixed = np.rint(places * 2**_SUBPIXEL_BITS).astype(np.int32)
    for line, is_closed, color in _LINES:
        cv2.polylines(picture, [fixed[list(line)]], is_closed, color, 1, cv2.LINE_AA, _SUBPIXEL_BITS)
    return picture
