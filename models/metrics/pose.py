"""Rotations of heads in, distances in degrees out: the paper's ARD and ARE (section 4).

Both are taken from the morphable model fitted to a picture, so they hold the tracker's own error of a degree or two.
The paper does not say in which order it takes the Euler angles; here the head first nods, then turns, then tilts.
"""

import numpy as np
from numpy.typing import NDArray

from headgan.models.rotation import quaternion_to_matrix


def euler_degrees(quaternion: NDArray[np.floating]) -> NDArray[np.float64]:
    """Float64 [3]: pitch, yaw and roll of the rotation R_z(roll) R_y(yaw) R_x(pitch), in degrees.

    Args:
        quaternion: [4], w x y z, as in `FaceParams`: zero angles look into the camera.
    """
    matrix = quaternion_to_matrix(quaternion)
    pitch = np.arctan2(matrix[2, 1], matrix[2, 2])
    yaw = np.arcsin(np.clip(-matrix[2, 0], -1, 1))
    roll = np.arctan2(matrix[1, 0], matrix[0, 0])
    return np.degrees([pitch, yaw, roll])


def rotation_distance(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Mean absolute difference of Euler angles in degrees, 0 to 180; both are [3] or [N, 3]."""
    difference = np.asarray(one) - np.asarray(other)
    wrapped = (difference + 180) % 360 - 180
    return float(np.abs(wrapped).mean())


def rotation_error(angles: NDArray[np.floating]) -> float:
    """How far from looking straight ahead: mean absolute Euler angle in degrees, 0 to 180; angles: [3] or [N, 3]."""
    return rotation_distance(angles, np.zeros(3))
