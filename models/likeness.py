"""A frame and what was drawn for it in, how alike they are out: cheap enough to be asked a few times a second.

Two things are told apart, because they call for different answers. That the local contrast has another *shape*, which
other light does not change, means that something is drawn which is not there: a mouth where a hand is. That the
*colour* is another means that the references are stale.

Measured on six clips of people of the training set with references as in a call, and the same clips with a hand drawn
before the mouth and with another lamp on: at the mouth 0.02 to 0.15 (95 of 100 frames below 0.34) as they are, 0.04 to
0.19 with the lamp, 0.52 to 1.12 with the hand; the colour 2 to 8 levels (95 of 100 below 13), 13 to 32, and 7 to 19.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.eyes import LIDS
from headgan.models.morphable import MESH_VERTICES
from headgan.models.mouth import INNER_LIPS

_SIZE = 64
# Of the local contrast, in pixels of 64.
_FINE, _COARSE = 0.8, 8.0
# Added before the logarithm, which makes a lamp's factor a summand: below it is noise.
_DARK = 16.0
# How far the regions reach around lips and lids, in widths of the face: x, above, below.
_AROUND_LIPS, _AROUND_LIDS = (0.12, 0.16, 0.16), (0.05, 0.18, 0.10)


@dataclass(frozen=True)
class Likeness:
    """What is not alike.

    Attributes:
        mouth: 1 minus the correlation of shape at the mouth: 0 is the same, 1 has nothing in common, at most 2.
        eyes: the same at eyes and brows.
        color: mean absolute difference of the face's colours, coarsely, in levels.
    """

    mouth: float
    eyes: float
    color: float


def compare_likeness(
    real_rgb: NDArray[np.uint8], drawn_rgb: NDArray[np.uint8], points: NDArray[np.float32]
) -> Likeness:
    """How alike a frame and a picture of it are.

    Args:
        real_rgb: uint8 [256, 256, 3].
        drawn_rgb: uint8 [256, 256, 3].
        points: float32 [478, 3] of the face in half crop widths.
    """
    real, drawn = (
        cv2.resize(picture, (_SIZE, _SIZE), interpolation=cv2.INTER_AREA) for picture in (real_rgb, drawn_rgb)
    )
    places = (points[:, :2] + 1) * np.float32(_SIZE / 2)
    face = np.zeros((_SIZE, _SIZE), np.uint8)
    hull = cv2.convexHull(places[:MESH_VERTICES]).round().astype(np.int32)
    cv2.fillConvexPoly(face, hull, 1)
    if not face.any():
        return Likeness(0.0, 0.0, 0.0)
    width = float(np.ptp(places[:MESH_VERTICES, 0]))
    shapes = _shape(real), _shape(drawn)
    difference = cv2.absdiff(cv2.blur(real, (3, 3)), cv2.blur(drawn, (3, 3)))
    return Likeness(
        _unlike(*shapes, _around(places[list(INNER_LIPS)], width, _AROUND_LIPS, face)),
        _unlike(*shapes, _around(places[list(LIDS)], width, _AROUND_LIDS, face)),
        float(difference[face > 0].mean()),
    )


def _shape(picture_rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Float32 [64, 64]: local contrast, which another lamp leaves nearly as it is."""
    light = np.log(cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) + _DARK)
    shape: NDArray[np.float32] = cv2.GaussianBlur(light, (0, 0), _FINE) - cv2.GaussianBlur(
        light, (0, 0), _COARSE
    )
    return shape


def _around(
    places: NDArray[np.float32], width: float, reach: tuple[float, float, float], face: NDArray[np.uint8]
) -> NDArray[np.bool_]:
    """Bool [64, 64]: the box around `places` that is on the face."""
    (left, top), (right, bottom) = places.min(axis=0), places.max(axis=0)
    x, above, below = (share * width for share in reach)
    box = np.zeros(face.shape, bool)
    rows = slice(max(0, int(top - above)), max(0, int(bottom + below) + 1))
    box[rows, max(0, int(left - x)) : max(0, int(right + x) + 1)] = True
    return box & (face > 0)


def _unlike(one: NDArray[np.float32], other: NDArray[np.float32], region: NDArray[np.bool_]) -> float:
    """1 minus the correlation of the two in `region`; 0 where there is nothing to see."""
    if region.sum() < 4:
        return 0.0
    a, b = one[region] - one[region].mean(), other[region] - other[region].mean()
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return 1 - float(a @ b) / lengths if lengths > 1e-6 else 0.0
