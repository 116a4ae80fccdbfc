"""The moments of a clip and a call's references in, the same with their drift out; nothing of the future is used."""

from collections.abc import Sequence
from dataclasses import replace

from headgan.codec.params import FaceParams
from headgan.models.drift_finder import DriftFinder
from headgan.models.metrics.clip_memory import Moment
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import ReferenceImage


def with_drift(
    model: MorphableModel,
    moments: Sequence[Moment],
    used: Sequence[tuple[int, ...]],
    references: Sequence[ReferenceImage],
    originals: Sequence[Moment],
) -> tuple[list[FaceParams], tuple[ReferenceImage, ...]]:
    """The parameters of each moment, and the references, with how what is no face moved.

    Args:
        model: the morphable model.
        moments: in the order of their times.
        used: for each of them, places in `references` of those that it is drawn from, the best one first.
        references: the first is what drift is counted from.
        originals: the moments that they are of, as far as they are among `moments`.
    """
    finder, known, params = DriftFinder(model), list(references), []
    for moment, (best, *_) in zip(moments, used, strict=True):
        found = finder.see(moment.picture_rgb, moment.params, known[best])
        params.append(found)
        # A reference is drawn from only after its own moment.
        for number, original in enumerate(originals[1:], 1):
            if original is moment:
                known[number] = replace(known[number], params=found)
    return params, tuple(known)
