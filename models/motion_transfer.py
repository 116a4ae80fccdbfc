"""One person's motion in, another's out.

absolute    the parameters as they are, as in the paper: expression, pose, scale and place of the driving face
relative    what changed since the driving face was calm, added to how the other face is in its picture
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import MAX_SCALE, MIN_SCALE, FaceParams
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
