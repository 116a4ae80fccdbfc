"""A clip's frames and references in, the same with their drift out, as a call would have found it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.drift_watch import DriftWatch
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import ReferenceImage
from headgan.models.warped_reference import WarpedReference


class DriftFinder:
    """Finds the drift of frames in the order of their times; references are given theirs as they come to be."""

    def __init__(self, model: MorphableModel, references: Sequence[ReferenceImage]) -> None:
        """Args: references: in the order in which they were sent; the first is what drift is counted from."""
        self._model = model
        self._references = list(references)
        self._warped: dict[int, WarpedReference] = {}
        self._watch = DriftWatch()

    @property
    def references(self) -> tuple[ReferenceImage, ...]:
        """With the drift of those that have been captured by now."""
        return tuple(self._references)

    def see(self, picture_rgb: NDArray[np.uint8], params: FaceParams, best: int) -> FaceParams:
        """The parameters of a frame with its drift; best: the reference that it is drawn from."""
        reference = self._references[best]
        if best not in self._warped:
            self._warped[best] = WarpedReference(self._model, reference)
        drawn = self._warped[best].draw(params)
        return replace(params, drift=self._watch.see(drawn, reference.params.drift, picture_rgb))

    def captured(self, number: int, params: FaceParams) -> None:
        """A later reference is a frame whose drift has just been found."""
        if number:
            self._references[number] = replace(self._references[number], params=params)
