"""Edits: zero changes nothing, each name changes what it says, and no value leaves its limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgan.codec.params import FaceParams
from headgan.models.blendshape_map import BlendshapeMap
from headgan.models.blendshapes import BLENDSHAPE_NAMES
from headgan.models.face_edit import SCALAR_NAMES, SHORTCUTS, FaceEdit, apply_edit, beyond_reach
from headgan.models.morphable import MorphableModel
from headgan.models.pose_edit import head_pose
from headgan.proto.errors import UsageError

MODEL = MorphableModel.load()
SHAPES = BlendshapeMap.load(MODEL)
FACE = FaceParams(
    (0.3 * MODEL.expression_std).astype(np.float32),
    np.array([0.99875, 0.02, 0.04, -0.02, 0.35, 0.1, -0.1], np.float32),
    np.array([0.1, -0.2], np.float32),
)


def test_an_edit_of_zeros_changes_nothing() -> None:
    np.testing.assert_array_equal(apply_edit(MODEL, FACE, FaceEdit()).to_array(), FACE.to_array())


def test_angles_are_added_to_the_pose() -> None:
    before = head_pose(FACE)
    after = head_pose(apply_edit(MODEL, FACE, FaceEdit(yaw=20, pitch=-5, roll=3)))
    assert after.yaw_deg - before.yaw_deg == pytest.approx(20, abs=1e-3)
    assert after.pitch_deg - before.pitch_deg == pytest.approx(-5, abs=1e-3)
    assert after.roll_deg - before.roll_deg == pytest.approx(3, abs=1e-3)


def test_components_are_in_standard_deviations() -> None:
    change = apply_edit(MODEL, FACE, FaceEdit(expression={0: 2, 27: -1})).expression - FACE.expression
    assert change[0] == pytest.approx(2 * MODEL.expression_std[0], rel=1e-4)
    assert change[27] == pytest.approx(-MODEL.expression_std[27], rel=1e-3)
    assert not change[1:27].any()


def test_gaze_goes_to_the_right_and_up_and_stays_in_the_eye() -> None:
    gaze = apply_edit(MODEL, FACE, FaceEdit(gaze_x=0.3, gaze_y=0.4)).gaze
    np.testing.assert_allclose(gaze, [0.4, -0.6], atol=1e-6)  # the parameter points down
    np.testing.assert_allclose(apply_edit(MODEL, FACE, FaceEdit(gaze_x=2)).gaze, [2, -0.2])


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_a_shortcut_moves_its_blendshapes_together(shortcut: str) -> None:
    by_name = FaceEdit(blendshapes=dict.fromkeys(SHORTCUTS[shortcut], 0.4))
    np.testing.assert_allclose(
        apply_edit(MODEL, FACE, FaceEdit().with_value(shortcut, 0.4)).expression,
        apply_edit(MODEL, FACE, by_name).expression,
        atol=1e-6,
    )
    assert set(SHORTCUTS[shortcut]) <= set(SHAPES.names)


def test_a_shortcut_and_a_blendshape_add_up() -> None:
    both = FaceEdit(smile=0.3, blendshapes={"mouthSmileLeft": 0.2})
    expected = FACE.expression + SHAPES.offset({"mouthSmileLeft": 0.5, "mouthSmileRight": 0.3})
    np.testing.assert_allclose(apply_edit(MODEL, FACE, both).expression, expected, atol=1e-6)


def test_what_is_a_guess_is_known() -> None:
    edits = [
        FaceEdit(jaw_open=0.5),
        FaceEdit(jaw_open=-0.9, smile=0.9),
        FaceEdit(blendshapes={"mouthLeft": 0.5}),
    ]
    assert beyond_reach(MODEL, edits) == pytest.approx({"jawOpen": 0.62, "mouthLeft": 0.19}, abs=0.01)
    assert beyond_reach(MODEL, [FaceEdit(yaw=90)]) == {}


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("yaw", FaceEdit(yaw=0.5)),
        ("jaw-open", FaceEdit(jaw_open=0.5)),
        ("gaze_y", FaceEdit(gaze_y=0.5)),
        ("expression12", FaceEdit(expression={12: 0.5})),
        ("mouthLeft", FaceEdit(blendshapes={"mouthLeft": 0.5})),
    ],
)
def test_one_value_is_changed_by_its_name(name: str, same: FaceEdit) -> None:
    assert FaceEdit().with_value(name, 0.5) == same
    assert FaceEdit(roll=3).with_value(name, 0.5).roll == 3


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"yaw": 91.0}, "--yaw 91: give -90 to 90"),
        ({"smile": float("nan")}, "--smile nan: give -1 to 1"),
        ({"jaw_open": 1.5}, "--jaw-open 1.5: give -1 to 1"),
        ({"gaze_x": -3.0}, "--gaze-x -3: give -2 to 2"),
        ({"expression": {28: 1.0}}, "components are 0 to 27"),
        ({"expression": {-1: 1.0}}, "components are 0 to 27"),
        ({"expression": {3: 6.0}}, "--expression 3 6: give -5 to 5"),
        ({"blendshapes": {"jawOpen": 2.0}}, "--blendshape jawOpen 2: give -1 to 1"),
    ],
)
def test_values_that_no_face_reaches_are_refused(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        FaceEdit(**change)  # type: ignore[arg-type]


def test_an_unknown_blendshape_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no blendshape yww"):
        apply_edit(MODEL, FACE, FaceEdit().with_value("yww", 0.5))


@given(st.dictionaries(st.sampled_from([*SCALAR_NAMES, *SHAPES.names, "expression4"]), st.floats(-1, 1)))
def test_any_edit_within_the_limits_is_a_face(changes: dict[str, float]) -> None:
    edit = FaceEdit()
    for name, value in changes.items():
        edit = edit.with_value(name, value)
    assert apply_edit(MODEL, FACE, edit).fault() is None


def test_the_names_are_those_of_the_network() -> None:
    assert set(SHAPES.names) <= set(BLENDSHAPE_NAMES)
