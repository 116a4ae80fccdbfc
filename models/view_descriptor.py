"""A face and its picture in, one vector out: two are as far apart as one frame is drawn badly from the other.

Measured on 20 clips of people of the training set, with references at least half a second old and the networks that
ship: the first frame as the only reference gives 22.0 dB, of 24 references the nearest by the face's points alone 25.3,
by a small picture alone 26.1, by this vector 26.0, the best that could be chosen 26.8. What the small picture cannot
see is the mouth, where this vector's choice is off by 8.0 levels, the picture's by 8.4.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.eyes import LIDS
from headgan.models.fitting import project
from headgan.models.morphable import MESH_VERTICES, MorphableModel
from headgan.models.mouth import INNER_LIPS, OUTER_LIPS
from headgan.models.pncc import CROP_SIZE
from headgan.models.reconstruct import ReferenceImage

_LIPS = INNER_LIPS + OUTER_LIPS
# The mesh's vertices lie close together.
_EVERY = 6
_THUMBNAIL = 16
# Weights of a pixel's distance of the whole face, of lips and lids within it, of a level of the thumbnail, and of the
# expression's coefficients.
_FACE, _MOUTH, _EYES, _PICTURE, _EXPRESSION = 0.5, 3.0, 1.0, 1.5, 15.0


def describe_view(
    points: NDArray[np.float32], params: FaceParams, picture_rgb: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Float32 [D], in pixels and levels.

    Args:
        points: float32 [478, 3] of the fitted face in half crop widths.
        params: the fitted face.
        picture_rgb: uint8 [256, 256, 3].
    """
    pixels = points[:, :2] * np.float32(CROP_SIZE / 2)
    inside = pixels - pixels[:MESH_VERTICES].mean(axis=0)
    thumbnail = cv2.resize(picture_rgb, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA)
    parts = [
        _root_mean(pixels[:MESH_VERTICES:_EVERY], _FACE),
        _root_mean(inside[list(_LIPS)], _MOUTH),
        _root_mean(inside[list(LIDS)], _EYES),
        params.expression * np.float32(_EXPRESSION),
        thumbnail.ravel() * np.float32(_PICTURE / np.sqrt(thumbnail.size)),
    ]
    return np.concatenate(parts).astype(np.float32)


def describe_reference(model: MorphableModel, reference: ReferenceImage) -> NDArray[np.float32]:
    """The vector of a reference, float32 [D]."""
    points = project(model, reference.identity, reference.params)
    return describe_view(points, reference.params, reference.picture_rgb)


def _root_mean(points: NDArray[np.float32], weight: float) -> NDArray[np.float32]:
    """Points [N, 2] as a vector whose difference has the length of `weight` root mean squares of their distances."""
    scaled: NDArray[np.float32] = points.ravel() * np.float32(weight / np.sqrt(len(points)))
    return scaled
