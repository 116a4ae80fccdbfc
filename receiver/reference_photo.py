"""A photograph with one face in, the reference of the call out.

One picture cannot tell a laughing person from one with a broad mouth, so the caller's identity, which many frames tell,
is used for the photograph too if it fits: then a laugh in the photograph counts as one, and is not laughed again on
top. A photograph of somebody else keeps its own.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headgan.models.fitting import FaceFitter
from headgan.models.identity import fit_face
from headgan.models.morphable import MorphableModel
from headgan.models.portrait import read_portrait
from headgan.models.reconstruct import ReferenceImage

# The caller's identity may fit a photograph of the caller so many times worse than one made to measure. Over clips of
# 13 people 99 of 100 pictures of one person are within it, and half of those of two people are not.
_SAME_PERSON_RATIO = 2.5


@dataclass(frozen=True, eq=False)
class ReferencePhoto:
    """A photograph that is ready for a call.

    Attributes:
        picture_rgb: uint8 [256, 256, 3], head and shoulders.
        points: float32 [478, 3] of the face in half crop widths.
        large_rgb: uint8 [512, 512, 3], the same at twice the size.
    """

    picture_rgb: NDArray[np.uint8]
    points: NDArray[np.float32]
    large_rgb: NDArray[np.uint8] | None = None

    def as_reference(self, model: MorphableModel, caller: NDArray[np.float32]) -> ReferenceImage:
        """The reference for a call from somebody with the identity `caller`, float32 [n_id]."""
        identity, fit = fit_face(model, self.points)
        with_caller = FaceFitter(model, caller).fit(self.points)
        if with_caller.error <= _SAME_PERSON_RATIO * fit.error:
            identity, fit = caller, with_caller
        return ReferenceImage(self.picture_rgb, identity, fit.params, self.large_rgb)


def read_reference(path: Path) -> ReferencePhoto:
    """Finds and crops the face of a photograph (any format and size that OpenCV reads, EXIF turned upright).

    Raises:
        DeviceError: the file is missing or no picture.
        FaceError: there is no face, or several and none dominates.
    """
    portrait = read_portrait(path)
    return ReferencePhoto(portrait.picture_rgb, portrait.points, portrait.large_rgb)
