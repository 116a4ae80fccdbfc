"""A reference in, what geometry alone makes of its picture for any face out: no network, and a few milliseconds."""

from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.fitting import project
from headgan.models.flow_prior import FlowPrior
from headgan.models.foreground import foreground_mask
from headgan.models.morphable import MESH_VERTICES, MorphableModel
from headgan.models.pncc import to_pixels
from headgan.models.reconstruct import ReferenceImage


class WarpedReference:
    """One reference. Not thread-safe."""

    def __init__(self, model: MorphableModel, reference: ReferenceImage) -> None:
        self.reference = reference
        self._model = model

    def draw(self, params: FaceParams) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Uint8 [256, 256, 3], the drift of `params` left out; and where the face is in it, see `Prior.face`."""
        points = project(self._model, self.reference.identity, params)
        prior = self._prior.prior(params, points)
        places = to_pixels(prior.source_grid)
        drawn: NDArray[np.uint8] = cv2.remap(
            self.reference.picture_rgb, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return drawn, prior.face

    @cached_property
    def _prior(self) -> FlowPrior:
        reference = self.reference
        points = project(self._model, reference.identity, reference.params)
        person = foreground_mask(reference.picture_rgb, points[:MESH_VERTICES])
        return FlowPrior(self._model, reference.identity, reference.params, person)
