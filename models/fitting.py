"""Tracked points of one person in, face parameters out; and back, parameters to points.

Each frame solves for expression, rotation, scale and translation together by Gauss-Newton (`fit_system`), warm-started
from the frame before; the identity is held (`identity` estimates it).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.fit_system import FitSystem, FrameState
from headgan.models.morphable import (
    LEFT_EYE,
    LEFT_IRIS,
    MESH_VERTICES,
    RIGHT_EYE,
    RIGHT_IRIS,
    MorphableModel,
)
from headgan.models.rotation import matrix_to_quaternion, quaternion_to_matrix

FRAME_ITERATIONS = 2
# Radians. Gauss-Newton squares the distance to the solution: after a turn this small 0.1 degrees are left.
SMALL_TURN = 0.04
COLD_START_ITERATIONS = 8
# Beyond this mean error of the fit, in half crop widths (4 px of 256), the points are no face.
MAX_FIT_ERROR = 4 / 128
_EYE_CORNERS = [*LEFT_EYE, *RIGHT_EYE]


@dataclass(frozen=True, eq=False)
class FaceFit:
    """Result of fitting one frame.

    Attributes:
        params: the face parameters.
        error: mean distance in the image between fitted and tracked mesh points, in half crop widths (x 128
            for pixels of the 256x256 crop).
    """

    params: FaceParams
    error: float


class FaceFitter:
    """Fits one person's frames; the identity is held, the last frame starts the next."""

    def __init__(self, model: MorphableModel, identity: NDArray[np.floating] | None = None) -> None:
        """Args: identity: [n_id] of the person, the mean face if left out."""
        self.model = model
        self._system = FitSystem(model)
        self.hold_identity(np.zeros(model.identity_size) if identity is None else identity)

    def hold_identity(self, identity: NDArray[np.floating]) -> None:
        """From now on fits with the identity [n_id]."""
        self.identity = identity.astype(np.float32)
        self._system.hold(self.identity)
        self._iris_rest = _iris_offset(self._system.rest)
        self._last: FrameState | None = None

    def reset(self) -> None:
        """Forgets the last frame: the next one starts cold."""
        self._last = None

    def fit(self, points: NDArray[np.floating]) -> FaceFit:
        """Fits one frame.

        Args:
            points: [478, 3], the tracker's points in half crop widths from the crop's centre.
        """
        target = np.asarray(points, dtype=np.float64)[:MESH_VERTICES]
        iterations = FRAME_ITERATIONS
        state = self._last
        if state is None:
            state = self._system.cold_start(target)
            iterations = COLD_START_ITERATIONS
        for _ in range(iterations):
            state, turned = self._system.step(state, target)
            if turned < SMALL_TURN and self._last is not None:
                break
        self._last = state
        missed = self._system.predicted(state) - target
        error = float(np.linalg.norm(missed[:, :2], axis=1).mean())
        return FaceFit(self._params(state, points), error)

    def _params(self, state: FrameState, points: NDArray[np.floating]) -> FaceParams:
        camera = np.concatenate([matrix_to_quaternion(state.rotation), [state.scale], state.shift[:2]])
        still = FaceParams(
            state.expression.astype(np.float32), camera.astype(np.float32), np.zeros(2, dtype=np.float32)
        )
        return replace(still, gaze=self._gaze(state, points))

    def _gaze(self, state: FrameState, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """Where the irises are, against the middle of their eyes' corners, in the head's frame."""
        moved = state.rotation.T @ _iris_offset(points) / state.scale
        gaze = (moved - self._iris_rest)[:2] / self.model.eye_half_width
        return np.clip(gaze, -2, 2).astype(np.float32)


def _iris_offset(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Float64 [3]: how far the irises of `points` [478, 3] are from the middle of their eyes, both eyes' mean."""
    irises = np.asarray(points[LEFT_IRIS.start : RIGHT_IRIS.stop], dtype=np.float64).sum(axis=0) / 10
    corners = np.asarray(points[_EYE_CORNERS], dtype=np.float64).sum(axis=0) / 4
    offset: NDArray[np.float64] = irises - corners
    return offset


def project(model: MorphableModel, identity: NDArray[np.floating], params: FaceParams) -> NDArray[np.float32]:
    """Float32 [478, 3]: the face of Eq. 1 under camera c in half crop widths, irises moved by the gaze."""
    shape = model.shape(identity, params.expression)
    shape[MESH_VERTICES:, :2] += params.gaze * np.float32(model.eye_half_width)
    rotation = quaternion_to_matrix(params.quaternion).astype(np.float32)
    points = (shape @ rotation.T) * np.float32(params.scale)
    points[:, :2] += params.translation
    return points
