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
from headgan.models.crop import RISE
from headgan.models.fitting import project
from headgan.models.morphable import MorphableModel
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
    before, after = quaternion_to_matrix(params.quaternion), pose_rotation(goal)
    shift = params.scale * (before @ PIVOT - after @ PIVOT)[:2]
    return _with_camera(params, after, params.translation + shift)


def facing_front(model: MorphableModel, identity: NDArray[np.floating], params: FaceParams) -> FaceParams:
    """`params` looking into the camera, the face in the place that a crop made around it would give it.

    Args:
        model: the morphable model.
        identity: [n_id] of the person.
        params: the face to turn; expression, gaze and size stay.
    """
    front = _with_camera(params, np.eye(3), np.zeros(2))
    points = project(model, identity, front)[:, :2]
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    return _with_camera(front, np.eye(3), np.array([0, -2 * RISE]) - middle)


def _with_camera(
    params: FaceParams, rotation: NDArray[np.float64], translation: NDArray[np.floating]
) -> FaceParams:
    camera = np.concatenate([matrix_to_quaternion(rotation), [params.scale], translation])
    return replace(params, camera=camera.astype(np.float32))
