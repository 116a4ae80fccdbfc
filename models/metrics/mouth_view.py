"""Face parameters frame by frame in, where a judge of lips looks out, and pictures in, the mouths that it sees out.

The view of lips and chin is taken from the person's face at rest: it moves, turns and grows with the head and not
with the mouth, so that what moves in it is the mouth. It does not depend on the picture: a drawn mouth is looked at
where the real one is. The rotation is the one in the plane of the picture.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.morphable import MorphableModel
from headgan.models.mouth import OUTER_LIPS
from headgan.models.pncc import to_pixels
from headgan.models.rotation import quaternion_to_matrix

# What a judge sees, pixels. Training cuts out of a larger view.
MOUTH_HEIGHT, MOUTH_WIDTH = 48, 64
# Half the width of that, in units of the morphable model: a mouth at rest is about half as wide as the view.
_HALF_WIDTH = 0.95
# The view's middle lies so much below that of the lips, so that an open jaw stays in it.
_BELOW = 0.08
# Deviation of the smoothing over time, in frames of 25 a second: the fit trembles, and a head does not.
_CALM_FRAMES = 1.5


def mouth_views(
    model: MorphableModel, identity: NDArray[np.floating], params: Sequence[FaceParams]
) -> NDArray[np.float64]:
    """Float64 [T, 4] of frames that follow each other: x and y of the middle, and the vector to the right edge.

    In half widths of the 256x256 crop, smoothed over time.

    Args:
        model: the morphable model.
        identity: [n_id] of the person.
        params: of each frame.
    """
    lips = model.identity_shape(identity)[list(OUTER_LIPS)].mean(axis=0) + np.array(
        [0, _BELOW, 0], np.float32
    )
    views = np.empty((len(params), 4))
    for view, face in zip(views, params, strict=True):
        rotation = quaternion_to_matrix(face.quaternion)
        across = rotation[:2, 0] / max(float(np.linalg.norm(rotation[:2, 0])), 1e-6)
        view[:2] = (rotation @ lips)[:2] * face.scale + face.translation
        view[2:] = across * face.scale * _HALF_WIDTH
    return _calmed(views)


def cut_mouth(
    picture_rgb: NDArray[np.uint8], view: NDArray[np.float64], margin: float = 1.0
) -> NDArray[np.uint8]:
    """Uint8 [48 m, 64 m], grey: the mouth, upright.

    Args:
        picture_rgb: uint8 [256, 256, 3].
        view: float64 [4], of `mouth_views`.
        margin: m, how much larger a piece is cut, at the same scale.
    """
    height, width = round(MOUTH_HEIGHT * margin), round(MOUTH_WIDTH * margin)
    middle = to_pixels(view[:2].astype(np.float32))
    step_x, step_y = view[2:] * (picture_rgb.shape[1] / 2) / (MOUTH_WIDTH / 2)
    turn = np.array([[step_x, -step_y], [step_y, step_x]])  # a step in the view as one in the picture
    start = middle - turn @ np.array([(width - 1) / 2, (height - 1) / 2])
    grey = cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2GRAY)
    cut: NDArray[np.uint8] = cv2.warpAffine(
        grey,
        np.column_stack([turn, start]),
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return cut


def _calmed(views: NDArray[np.float64]) -> NDArray[np.float64]:
    reach = round(3 * _CALM_FRAMES)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / _CALM_FRAMES) ** 2)
    padded = np.pad(views, ((reach, reach), (0, 0)), mode="edge")
    calm = np.stack([np.convolve(column, weights / weights.sum(), "valid") for column in padded.T], axis=1)
    return np.asarray(calm, np.float64)
