"""Placed motion keeps the driving face's expression and pose, and the other's place.

Relative motion: nothing moves at the start, and what moves after it moves the same way.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgan.codec.params import MAX_SCALE, FaceParams
from headgan.models.morphable import MorphableModel
from headgan.models.motion_transfer import PlacedMotion, RelativeMotion, calmest
from headgan.models.pose_edit import HeadPose, head_pose, neck_of, pose_rotation
from headgan.models.rotation import matrix_to_quaternion, quaternion_to_matrix

STD = MorphableModel.load().expression_std


def face(
    pose: HeadPose | None = None,
    *,
    strength: float = 0.0,
    scale: float = 0.4,
    place: tuple[float, float] = (0.0, 0.0),
    gaze: tuple[float, float] = (0.0, 0.0),
) -> FaceParams:
    quaternion = matrix_to_quaternion(pose_rotation(pose or HeadPose()))
    camera = np.array([*quaternion, scale, *place], np.float32)
    return FaceParams((strength * STD).astype(np.float32), camera, np.array(gaze, np.float32))


START = face(HeadPose(5, -8, 2), strength=0.5, scale=0.3, place=(0.2, -0.1), gaze=(0.1, 0.1))
OWN = face(HeadPose(-12, 4, 0), strength=-0.4, scale=0.45, place=(-0.1, 0.05), gaze=(-0.2, 0.0))
MOTION = RelativeMotion(START, OWN)


def test_a_placed_face_is_posed_as_the_driving_one() -> None:
    driving = [face(HeadPose(yaw), strength=0.3, scale=0.3, place=(0.2, -0.1)) for yaw in (-30, 0, 20)]
    motion = PlacedMotion(driving, OWN)
    for params in driving:
        moved = motion(params)
        np.testing.assert_allclose(moved.expression, params.expression)
        np.testing.assert_allclose(moved.quaternion, params.quaternion, atol=1e-6)
        np.testing.assert_allclose(moved.gaze, params.gaze)
        assert moved.scale == pytest.approx(OWN.scale)


@given(x=st.floats(-0.3, 0.3), y=st.floats(-0.3, 0.3), scale=st.floats(0.2, 0.6), steps=st.floats(-0.5, 0.5))
def test_a_placed_face_moves_about_its_own_neck(x: float, y: float, scale: float, steps: float) -> None:
    driving = [face(scale=scale, place=(x + step * scale, y)) for step in (-steps, 0, steps)]
    motion = PlacedMotion(driving, OWN)
    necks = [neck_of(motion(params)) for params in driving]
    np.testing.assert_allclose(necks[1], neck_of(OWN), atol=1e-5)
    # In units of its size it goes as far as the driving one.
    np.testing.assert_allclose(necks[2] - necks[1], [steps * OWN.scale, 0], atol=1e-5)


def test_at_the_start_the_face_is_as_in_its_picture() -> None:
    np.testing.assert_allclose(MOTION(START).to_array(), OWN.to_array(), atol=1e-5)


@given(yaw=st.floats(-40, 40), pitch=st.floats(-30, 30), strength=st.floats(-2, 2), scale=st.floats(0.2, 0.6))
def test_changes_carry_over(yaw: float, pitch: float, strength: float, scale: float) -> None:
    driving = face(HeadPose(yaw, pitch), strength=strength, scale=scale, place=(0.3, 0.2), gaze=(0.4, 0.3))
    moved = MOTION(driving)
    assert moved.fault() is None
    np.testing.assert_allclose(
        moved.expression - OWN.expression, driving.expression - START.expression, atol=1e-5
    )
    np.testing.assert_allclose(moved.gaze - OWN.gaze, driving.gaze - START.gaze, atol=1e-5)
    assert moved.scale / OWN.scale == pytest.approx(driving.scale / START.scale, rel=1e-4)
    # In units of its own size, each face goes as far.
    np.testing.assert_allclose(
        (moved.translation - OWN.translation) / OWN.scale,
        (driving.translation - START.translation) / START.scale,
        atol=1e-4,
    )
    turns = [
        quaternion_to_matrix(after.quaternion) @ quaternion_to_matrix(before.quaternion).T
        for before, after in ((START, driving), (OWN, moved))
    ]
    np.testing.assert_allclose(turns[0], turns[1], atol=1e-5)


def test_a_scale_stays_possible() -> None:
    tiny = face(scale=0.02)
    huge = RelativeMotion(tiny, OWN)(face(scale=9.0))
    assert huge.scale == MAX_SCALE
    assert huge.fault() is None


def test_the_calmest_frame_is_at_rest_and_looks_into_the_camera() -> None:
    laughing = face(strength=2.0)
    turned = face(HeadPose(30), strength=0.1)
    calm = face(HeadPose(6), strength=0.4)
    assert calmest([laughing, turned, calm], STD) is calm
    assert calmest([laughing], STD) is laughing
    assert head_pose(calm).yaw_deg == pytest.approx(6, abs=1e-3)
