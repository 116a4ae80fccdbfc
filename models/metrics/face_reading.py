"""A picture of a person in, how the head is turned and which action units are active out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from headgan.models.blendshapes import BlendshapeNet
from headgan.models.crop import whole_frame
from headgan.models.fitting import FaceFitter
from headgan.models.metrics.action_units import active_units
from headgan.models.metrics.pose import euler_degrees
from headgan.models.morphable import MorphableModel
from headgan.models.tracker import FaceTracker


@dataclass(frozen=True, eq=False)
class FaceReading:
    """What a picture shows.

    Attributes:
        angles: float64 [3], pitch, yaw and roll in degrees.
        units: bool [12], active action units.
    """

    angles: NDArray[np.float64]
    units: NDArray[np.bool_]


class Reader(Protocol):
    """Reads faces off pictures."""

    def read(self, picture_rgb: NDArray[np.uint8], identity: NDArray[np.float32]) -> FaceReading | None:
        """The face in a square picture, uint8 [H, H, 3], of the person with `identity` [n_id]; None without one."""
        ...


class FaceReader:
    """Reads each picture on its own, so that two pictures of one face read alike. Not thread-safe."""

    def __init__(
        self,
        model: MorphableModel,
        tracker: FaceTracker,
        scores: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None,
    ) -> None:
        """Args: scores: points to blendshape scores; those of `BlendshapeNet` if left out."""
        self._tracker = tracker
        self._fitter = FaceFitter(model)
        self._scores = scores or BlendshapeNet().scores

    def read(self, picture_rgb: NDArray[np.uint8], identity: NDArray[np.float32]) -> FaceReading | None:
        """See `Reader`."""
        self._tracker.reset()
        face = self._tracker.track(picture_rgb)
        if face is None:
            return None
        if not np.array_equal(identity, self._fitter.identity):
            self._fitter.hold_identity(identity)
        self._fitter.reset()
        height, width = picture_rgb.shape[:2]
        fit = self._fitter.fit(whole_frame(width, height).normalise(face.points))
        return FaceReading(euler_degrees(fit.params.quaternion), active_units(self._scores(face.points)))
