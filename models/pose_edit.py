"""Face parameters and angles in, the same face turned out.

    yaw     positive turns the face to the viewer's right
    pitch   positive lifts the chin: the face looks up
    roll    positive tilts the head clockwise, as the viewer sees it

All in degrees, zero for a face that looks into the camera, applied to the head in the order roll, pitch, yaw: a head
turns about its upright neck, nods about its ears, and tilts about its own nose.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.rotation import matrix_to_quaternion, quaternion_to_matrix, rotation_vector_to_matrix

# Heads turn about the top of their neck, not about the middle of their face: the point, in model units of the head's
# frame, about which the heads of 219 people moved least.
PIVOT = np.array([0.0, 0.6, 1.55])


@dataclass(frozen=True)
class HeadPose:
    """How a head is turned, in degrees; see the module for the directions. Zero looks into the camera."""

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0


def head_pose(params: FaceParams) -> HeadPose:
    """The pose in `params`: yaw and roll within -180 to 180, pitch within -90 to 90 degrees.

    A head that looks straight up or down has no yaw of its own; all its turn is then called roll or yaw alike.
    """
    rotation = quaternion_to_matrix(params.quaternion)
    # The model's y points down and its z away, so yaw and pitch count against its axes.
    pitch = math.asin(float(np.clip(rotation[1, 2], -1, 1)))
    yaw = -math.atan2(float(rotation[0, 2]), float(rotation[2, 2]))
    roll = math.atan2(float(rotation[1, 0]), float(rotation[1, 1]))
    return HeadPose(*(math.degrees(angle) for angle in (yaw, pitch, roll)))


def pose_rotation(pose: HeadPose) -> NDArray[np.float64]:
    """Float64 [3, 3]: turns the model's frame as `pose` says; the inverse of `head_pose`."""
    turns = ((0, -pose.yaw_deg, 0), (-pose.pitch_deg, 0, 0), (0, 0, pose.roll_deg))
    yaw, pitch, roll = (rotation_vector_to_matrix(np.radians(turn)) for turn in turns)
    rotation: NDArray[np.float64] = yaw @ pitch @ roll
    return rotation


def turned(params: FaceParams, *, yaw_deg: float, pitch_deg: float, roll_deg: float) -> FaceParams:
    """`params` with these angles added to the pose; the top of the neck stays where it is."""
    pose = head_pose(params)
    goal = HeadPose(pose.yaw_deg + yaw_deg, pose.pitch_deg + pitch_deg, pose.roll_deg + roll_deg)
    return with_neck_at(params, pose_rotation(goal), params.scale, neck_of(params))


def facing_front(params: FaceParams) -> FaceParams:
    """`params` looking into the camera; the top of the neck stays where it is, expression, gaze and size as well."""
    return with_neck_at(params, np.eye(3), params.scale, neck_of(params))


def neck_of(params: FaceParams) -> NDArray[np.float64]:
    """Float64 [2]: where the top of the neck is, in half crop widths; a head turns about it."""
    rotation = quaternion_to_matrix(params.quaternion)
    place: NDArray[np.float64] = params.translation + params.scale * (rotation @ PIVOT)[:2]
    return place


def with_neck_at(
    params: FaceParams, rotation: NDArray[np.float64], scale: float, neck: NDArray[np.float64]
) -> FaceParams:
    """`params` turned by `rotation` [3, 3], of size `scale`, with the top of the neck at `neck` [2]."""
    translation = neck - scale * (rotation @ PIVOT)[:2]
    camera = np.concatenate([matrix_to_quaternion(rotation), [scale], translation])
    return replace(params, camera=camera.astype(np.float32))
