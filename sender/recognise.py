"""References of earlier calls and the first frames of this one in, whether it is the same person out.

Neither the shape nor the colours of a face tell enough alone. Of 18 clips of 13 people, cut in four, the two together
take 89 of 100 parts for the person of the other parts of the clip, 67 for that of another clip of the same person, and
none for somebody else.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headgan.models.fitting import FaceFitter, project
from headgan.models.morphable import MorphableModel
from headgan.models.pncc import CROP_SIZE
from headgan.models.reconstruct import ReferenceImage
from headgan.models.same_person import SamePerson, face_signature

# Stricter than within a call: whoever was seen in an earlier one may be anybody.
MIN_LIKENESS = 0.85
# The identity of before may fit the first frames so many times worse than one that was estimated from them: these
# frames are alike, so their own estimate fits them better than it fits the person.
MAX_ERROR_RATIO = 2.0


def is_same_person(
    model: MorphableModel,
    kept: Sequence[ReferenceImage],
    frames: Sequence[NDArray[np.float32]],
    fresh_identity: NDArray[np.float32],
    best_rgb: NDArray[np.uint8],
    best_points: NDArray[np.float32],
) -> bool:
    """Whether the face is that of the references.

    Args:
        model: the morphable model.
        kept: one or more, of one identity.
        frames: float32 [478, 3] of the first frames, in half crop widths.
        fresh_identity: float32 [n_id], estimated from them.
        best_rgb: uint8 [256, 256, 3], the best picture of them.
        best_points: float32 [478, 3] of the face in it.
    """
    person = SamePerson()
    for reference in kept:
        points = project(model, reference.identity, reference.params)
        person.learn(face_signature(reference.picture_rgb, _in_pixels(points)))
    if person.likeness(face_signature(best_rgb, _in_pixels(best_points))) < MIN_LIKENESS:
        return False
    limit = MAX_ERROR_RATIO * _mean_error(model, fresh_identity, frames)
    return _mean_error(model, kept[0].identity, frames) <= limit


def _mean_error(
    model: MorphableModel, identity: NDArray[np.float32], frames: Sequence[NDArray[np.float32]]
) -> float:
    fitter = FaceFitter(model, identity)
    return float(np.mean([fitter.fit(points).error for points in frames]))


def _in_pixels(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Points in half crop widths as pixels of the crop."""
    pixels = points.copy()
    pixels[:, :2] = (points[:, :2] + 1) * np.float32(CROP_SIZE / 2) - np.float32(0.5)
    return pixels
