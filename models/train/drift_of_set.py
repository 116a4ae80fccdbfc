"""A training set in, the drift of every frame out, found as a call finds it.

Drift is counted from a segment's first picture. A frame is compared with the nearest in pose of the references that
were there before it, each with the drift of its own time.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from headgan.codec.drift import DRIFT_SHAPE
from headgan.codec.params import FaceParams
from headgan.models.drift_finder import DriftFinder
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import ReferenceImage
from headgan.models.train.kept_rows import KeptRows, RowsOf
from headgan.models.train.pose_distance import pose_distance
from headgan.models.train.prepared_set import PreparedSet, Segment

# Changes when frames would get other drifts.
_FORM = "1"


def drift_rows(prepared: PreparedSet) -> KeptRows:
    """Int16 [8, 8, 2] a frame; what is not kept yet is found, some ten milliseconds a frame.

    Raises:
        DeviceError: the drifts cannot be written.
    """

    def prepare() -> RowsOf:
        return partial(segment_drift, prepared, MorphableModel.load())

    return KeptRows(prepared, "drift", _FORM, prepare, "following the training set")


def segment_drift(prepared: PreparedSet, model: MorphableModel, segment: Segment) -> NDArray[np.int16]:
    """Int16 [N, 8, 8, 2] of a segment's frames."""
    params = prepared.params(segment)
    chosen = frozenset(prepared.reference_frames(segment))
    finder, known = DriftFinder(model), dict[int, ReferenceImage]()
    drifts = np.zeros((segment.frames, *DRIFT_SHAPE), np.int16)
    for frame in range(segment.frames):
        picture, found = prepared.picture(segment, frame), FaceParams.from_array(params[frame])
        if known:
            nearest = min(known, key=lambda other: pose_distance(params[other], params[frame]))
            found = finder.see(picture, found, known[nearest])
            drifts[frame] = found.drift
        if frame in chosen:
            known[frame] = ReferenceImage(picture, segment.identity, found)
    return drifts
