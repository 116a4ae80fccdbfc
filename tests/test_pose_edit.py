"""Angles: which way they count, that they add up, and what stays where it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.fitting import project
from headgan.models.morphable import MorphableModel
from headgan.models.pose_edit import PIVOT, HeadPose, facing_front, head_pose, neck_of, pose_rotation, turned
from headgan.models.rotation import matrix_to_quaternion, quaternion_to_matrix

MODEL = MorphableModel.load()
NOBODY = np.zeros(MODEL.identity_size)
NOSE, CHIN, BROW = 4, 152, 151
ANGLES = st.floats(-80, 80)


def face_at(pose: HeadPose, scale: float = 0.4, x: float = 0.1, y: float = -0.05) -> FaceParams:
    camera = np.array([*matrix_to_quaternion(pose_rotation(pose)), scale, x, y], np.float32)
    return FaceParams(np.full(28, 0.01, np.float32), camera, np.array([0.1, 0.2], np.float32))


def points_of(params: FaceParams) -> NDArray[np.float32]:
    return project(MODEL, NOBODY, params)


def nose_beside_face(params: FaceParams) -> NDArray[np.float32]:
    """X-y of the nose's tip against the middle of the face, in half crop widths."""
    points = points_of(params)
    offset: NDArray[np.float32] = points[NOSE, :2] - points[:468, :2].mean(axis=0)
    return offset


def test_yaw_turns_to_the_viewers_right_and_pitch_up() -> None:
    still = face_at(HeadPose())
    right = turned(still, yaw_deg=20, pitch_deg=0, roll_deg=0)
    up = turned(still, yaw_deg=0, pitch_deg=20, roll_deg=0)
    assert nose_beside_face(right)[0] > nose_beside_face(still)[0] + 0.05
    assert nose_beside_face(up)[1] < nose_beside_face(still)[1] - 0.05
    # A head that turns also goes that way, because it turns about its neck.
    assert right.translation[0] > still.translation[0]
    assert up.translation[1] < still.translation[1]


def test_roll_is_clockwise() -> None:
    points = points_of(turned(face_at(HeadPose()), yaw_deg=0, pitch_deg=0, roll_deg=30))
    down = points[CHIN, :2] - points[BROW, :2]
    assert np.degrees(np.arctan2(-down[0], down[1])) == pytest.approx(30, abs=1)


@given(yaw=ANGLES, pitch=ANGLES, roll=ANGLES)
def test_the_pose_is_read_back(yaw: float, pitch: float, roll: float) -> None:
    pose = head_pose(face_at(HeadPose(yaw, pitch, roll)))
    assert (pose.yaw_deg, pose.pitch_deg, pose.roll_deg) == pytest.approx((yaw, pitch, roll), abs=1e-3)


@given(yaw=ANGLES, pitch=ANGLES, roll=ANGLES)
def test_turning_adds_to_the_angles_and_keeps_the_neck(yaw: float, pitch: float, roll: float) -> None:
    start = face_at(HeadPose(10, -5, 8))
    new = turned(start, yaw_deg=yaw / 2, pitch_deg=pitch / 2, roll_deg=roll / 2)
    pose = head_pose(new)
    expected = (10 + yaw / 2, -5 + pitch / 2, 8 + roll / 2)
    assert (pose.yaw_deg, pose.pitch_deg, pose.roll_deg) == pytest.approx(expected, abs=1e-3)
    necks = [
        params.scale * (quaternion_to_matrix(params.quaternion) @ PIVOT)[:2] + params.translation
        for params in (start, new)
    ]
    np.testing.assert_allclose(necks[0], necks[1], atol=1e-5)
    assert new.fault() is None
    assert new.scale == start.scale
    np.testing.assert_array_equal(new.expression, start.expression)
    np.testing.assert_array_equal(new.gaze, start.gaze)


@given(yaw=ANGLES, pitch=ANGLES, roll=ANGLES)
def test_the_front_is_looked_at_with_the_neck_in_its_place(yaw: float, pitch: float, roll: float) -> None:
    start = face_at(HeadPose(yaw, pitch, roll), x=0.3, y=0.4)
    front = facing_front(start)
    pose = head_pose(front)
    assert (pose.yaw_deg, pose.pitch_deg, pose.roll_deg) == pytest.approx((0, 0, 0), abs=1e-3)
    np.testing.assert_allclose(neck_of(front), neck_of(start), atol=1e-6)
    assert front.scale == start.scale
    np.testing.assert_array_equal(front.expression, start.expression)
