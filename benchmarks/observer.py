"""Pictures that were drawn in, what a tracker makes of them out: is the face where, and how, it was asked to be?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.blendshapes import BLENDSHAPE_NAMES, BlendshapeNet
from headgan.models.crop import whole_frame
from headgan.models.fitting import FaceFitter
from headgan.models.metrics.pose import euler_degrees, rotation_distance
from headgan.models.morphable import MorphableModel
from headgan.models.tracker import MediaPipeTracker


@dataclass(frozen=True, eq=False)
class Seen:
    """What a tracker makes of a picture.

    Attributes:
        angles: float64 [3], pitch, yaw and roll in degrees.
        scores: how strong each blendshape is, 0 to 1, by name.
    """

    angles: NDArray[np.float64]
    scores: dict[str, float]

    def pose_error(self, asked: FaceParams) -> float:
        """Mean absolute difference of the angles to those of `asked`, in degrees."""
        return rotation_distance(self.angles, euler_degrees(asked.quaternion))


class Observer:
    """Looks at pictures of people, each on its own. Not thread-safe."""

    def __init__(self, model: MorphableModel) -> None:
        self._tracker = MediaPipeTracker()
        self._fitter = FaceFitter(model)
        self._blendshapes = BlendshapeNet()

    def see(self, picture_rgb: NDArray[np.uint8], identity: NDArray[np.float32]) -> Seen | None:
        """The face in uint8 [256, 256, 3] of the person with `identity` [n_id]; None if there is none."""
        self._tracker.reset()
        face = self._tracker.track(picture_rgb)
        if face is None:
            return None
        height, width = picture_rgb.shape[:2]
        self._fitter.hold_identity(identity)
        self._fitter.reset()
        fit = self._fitter.fit(whole_frame(width, height).normalise(face.points))
        scores = self._blendshapes.scores(face.points)
        return Seen(
            euler_degrees(fit.params.quaternion),
            {name: float(score) for name, score in zip(BLENDSHAPE_NAMES, scores, strict=True)},
        )
