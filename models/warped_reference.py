"""A reference in, what geometry alone makes of its picture for any face out: no network, and little more than 1 ms.

Where each pixel comes from is found at half the size; the picture is fetched at the whole, so that it stays as sharp as
the one that it is compared with.
"""

from functools import cache, cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.fitting import project
from headgan.models.flow_prior import FlowPrior, pixel_grid
from headgan.models.foreground import QUICK, foreground_mask
from headgan.models.morphable import MESH_VERTICES, MorphableModel
from headgan.models.pncc import CROP_SIZE, to_pixels
from headgan.models.reconstruct import ReferenceImage

_HALF = CROP_SIZE // 2


class WarpedReference:
    """One reference. Not thread-safe."""

    def __init__(self, model: MorphableModel, reference: ReferenceImage) -> None:
        self.reference = reference
        self._model = model

    def draw(self, params: FaceParams) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Uint8 [256, 256, 3], the drift of `params` left out; and float32 [128, 128], where its face is."""
        points = project(self._model, self.reference.identity, params)
        prior = self._prior.prior(params, points)
        grid = cv2.resize(prior.source_grid, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_LINEAR)
        grid += _border()
        places = to_pixels(grid)
        drawn: NDArray[np.uint8] = cv2.remap(
            self.reference.picture_rgb, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return drawn, prior.face

    @cached_property
    def _prior(self) -> FlowPrior:
        reference = self.reference
        points = project(self._model, reference.identity, reference.params)
        # Nobody sees what is drawn from it, and drifts are found for nodes that are 32 pixels apart.
        person = foreground_mask(reference.picture_rgb, points[:MESH_VERTICES], QUICK)
        return FlowPrior(self._model, reference.identity, reference.params, person, size=_HALF)


@cache
def _border() -> NDArray[np.float32]:
    """Float32 [256, 256, 2]: what an enlarged grid lacks at its border, where it repeats instead of going on."""
    large = cv2.resize(pixel_grid(_HALF), (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_LINEAR)
    lost: NDArray[np.float32] = pixel_grid(CROP_SIZE) - large
    return lost
