"""Frames and the reference that each is drawn from in, their parameters with the drift out."""

import threading
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.drift_watch import BIT_WORTH, DriftWatch
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import ReferenceImage
from headgan.models.warped_reference import WarpedReference

_MOST_PREPARED = 16


class DriftFinder:
    """Of one call or clip; frames in the order of their times, on one thread; references are prepared on any."""

    def __init__(self, model: MorphableModel, bit_worth: float = BIT_WORTH) -> None:
        """Args: bit_worth: see `DriftWatch`."""
        self._model = model
        self._watch = DriftWatch(bit_worth)
        self._lock = threading.Lock()
        # What was used last is last.
        self._warped: dict[ReferenceImage, WarpedReference] = {}

    def prepare(self, reference: ReferenceImage) -> None:
        """Does now what takes 30 ms for each reference, and a third of a second for the first."""
        warped = WarpedReference(self._model, reference)
        warped.draw(reference.params)
        self._keep(warped)

    def see(
        self, picture_rgb: NDArray[np.uint8], params: FaceParams, reference: ReferenceImage
    ) -> FaceParams:
        """The parameters of a frame with its drift.

        Args:
            picture_rgb: uint8 [256, 256, 3], the frame.
            params: the face in it.
            reference: that it is drawn from, with the drift of its own frame.
        """
        drawn_rgb, face = self._warped_of(reference).draw(params)
        drift = self._watch.see(drawn_rgb, face, reference.params.drift, picture_rgb)
        return replace(params, drift=drift)

    def _warped_of(self, reference: ReferenceImage) -> WarpedReference:
        with self._lock:
            warped = self._warped.get(reference)
        warped = warped or WarpedReference(self._model, reference)
        self._keep(warped)
        return warped

    def _keep(self, warped: WarpedReference) -> None:
        """Makes it the one that was used last."""
        with self._lock:
            self._warped.pop(warped.reference, None)
            self._warped[warped.reference] = warped
            while len(self._warped) > _MOST_PREPARED:
                del self._warped[next(iter(self._warped))]
