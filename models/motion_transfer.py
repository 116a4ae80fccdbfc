"""One person's motion in, another's out.

as it is    the driving face's own parameters: expression, pose, size and place
placed      expression and pose as they are; size and place changed so that, on average, they are those of the other
            face in its picture. What the paper's published code calls adapted: a head far from its body tears the neck
relative    what changed since the driving face was calm, added to how the other face is in its picture
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import MAX_SCALE, MIN_SCALE, FaceParams
from headgan.models.pose_edit import neck_of, with_neck_at
from headgan.models.rotation import matrix_to_quaternion, quaternion_to_matrix

# A turn of so many degrees disturbs as much as a typical expression does.
_TYPICAL_TURN_DEG = 15.0


def calmest(frames: Sequence[FaceParams], expression_std: NDArray[np.float32]) -> FaceParams:
    """The frame nearest to a face at rest that looks into the camera.

    Args:
        frames: one or more.
        expression_std: float32 [28], of the morphable model.
    """
    return min(frames, key=lambda params: _unrest(params, expression_std))


def _unrest(params: FaceParams, expression_std: NDArray[np.float32]) -> float:
    expression = float(np.mean((params.expression / expression_std) ** 2))
    facing = quaternion_to_matrix(params.quaternion)[2, 2]
    turn_deg = float(np.degrees(np.arccos(np.clip(facing, -1, 1))))
    return expression + (turn_deg / _TYPICAL_TURN_DEG) ** 2


class PlacedMotion:
    """Takes a driving face's expression and pose, and moves it to where another face is."""

    def __init__(self, driving: Sequence[FaceParams], own: FaceParams) -> None:
        """Args: driving: frames of the driving face, one or more; own: the other face as its picture has it."""
        self._zoom = own.scale / float(np.median([params.scale for params in driving]))
        self._driving_neck = np.median([neck_of(params) for params in driving], axis=0)
        self._own_neck = neck_of(own)

    def __call__(self, driving: FaceParams) -> FaceParams:
        """The other face with the expression and the pose of `driving`, moving about its own place as that does."""
        scale = float(np.clip(driving.scale * self._zoom, MIN_SCALE, MAX_SCALE))
        neck = self._own_neck + (neck_of(driving) - self._driving_neck) * self._zoom
        return with_neck_at(driving, quaternion_to_matrix(driving.quaternion), scale, neck)


class RelativeMotion:
    """Adds a driving face's changes to another face."""

    def __init__(self, start: FaceParams, own: FaceParams) -> None:
        """Args: start: the driving face where nothing has changed yet; own: the other face as its picture has it."""
        self._start = start
        self._own = own
        self._back = quaternion_to_matrix(start.quaternion).T
        self._own_rotation = quaternion_to_matrix(own.quaternion)

    def __call__(self, driving: FaceParams) -> FaceParams:
        """The other face with what changed from the start to `driving`."""
        start, own = self._start, self._own
        turn = quaternion_to_matrix(driving.quaternion) @ self._back
        scale = float(np.clip(own.scale * driving.scale / start.scale, MIN_SCALE, MAX_SCALE))
        # A larger face in its picture also moves further.
        shift = (driving.translation - start.translation) * (own.scale / start.scale)
        camera = np.concatenate(
            [matrix_to_quaternion(turn @ self._own_rotation), [scale], own.translation + shift]
        )
        return FaceParams(
            own.expression + driving.expression - start.expression,
            camera.astype(np.float32),
            own.gaze + driving.gaze - start.gaze,
        )
