"""A drift in, where each pixel is to be fetched from out.

What a reference's picture has to be shifted by is the difference of two drifts, smooth between the nodes. The face
stays where its parameters say that it is.
"""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.flow_prior import Prior, pixel_grid
from headgan.models.pncc import CROP_SIZE

# [8, 8, 2], in pixels of the crop; a scene that training turns has fractions of them.
Drift = NDArray[np.integer] | NDArray[np.floating]


def field_of(drift: Drift, size: int) -> NDArray[np.float32]:
    """Float32 [size, size, 2], in pixels of a picture of that size; drift: [8, 8, 2], in pixels of the crop."""
    small = drift.astype(np.float32) * np.float32(size / CROP_SIZE)
    field: NDArray[np.float32] = cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)
    return field


def moved_picture(picture: NDArray[np.uint8], face: NDArray[np.float32], drift: Drift) -> NDArray[np.uint8]:
    """A picture, [size, size], of which each pixel that is no face is fetched from where the drift has it.

    Args:
        picture: uint8 [size, size].
        face: float32 [size, size], see `Prior.face`.
        drift: [8, 8, 2], the picture's less that of the reference that it was drawn from.
    """
    places = _pixels(len(picture)) + field_of(drift, len(picture)) * (1 - face[..., None])
    moved: NDArray[np.uint8] = cv2.remap(
        picture, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return moved


def moved_prior(prior: Prior, drift: Drift) -> Prior:
    """What geometry says, shifted; drift: the frame's less the reference's.

    Beyond the face all of it is smooth, so that half the size will do.
    """
    if not drift.any():
        return prior
    half = CROP_SIZE // 2
    face = cv2.resize(prior.face, (half, half), interpolation=cv2.INTER_AREA)
    field = field_of(drift, half) * (1 - face[..., None])
    places = _pixels(half) + field
    # The displacement is fetched, not the place, which would stand still beyond the picture's border.
    displacement = cv2.resize(
        prior.source_grid - pixel_grid(CROP_SIZE), (half, half), interpolation=cv2.INTER_AREA
    )
    fetched = cv2.remap(displacement, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    change = cv2.resize(fetched - displacement + field * np.float32(2 / half), (CROP_SIZE, CROP_SIZE))
    uncovered = prior.uncovered
    if uncovered.any():
        small = cv2.resize(uncovered, (half, half), interpolation=cv2.INTER_AREA)
        small = cv2.remap(small, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        uncovered = cv2.resize(small, (CROP_SIZE, CROP_SIZE))
    return Prior(prior.source_grid + change, uncovered, prior.face)


@cache
def _pixels(size: int) -> NDArray[np.float32]:
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    pixels: NDArray[np.float32] = np.stack([columns, rows], axis=-1)
    pixels.flags.writeable = False
    return pixels
