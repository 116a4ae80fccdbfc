"""Face parameters: 149 bytes that never change their meaning, and nothing else is taken for them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.codec.params import (
    CAMERA_SIZE,
    EXPRESSION_SIZE,
    FORMAT_FLOAT32,
    GAZE_SIZE,
    PARAMS_SIZE,
    PAYLOAD_BYTES,
    FaceParams,
    identity_to_bytes,
    parse_identity,
)
from headgan.proto.errors import WireError

QUATERNION, SCALE = EXPRESSION_SIZE, EXPRESSION_SIZE + 4
ZERO, ONE = "00000000", "0000803f"
GOLDEN = bytes.fromhex(
    "01"
    + ONE + ZERO * 26 + "000000c0"  # expression 1, 0 26 times, -2
    + ONE + ZERO * 3 + "0000003f" + "000080be" + "0000003e"  # no turn, scale 0.5, translation -0.25 0.125
    + "0000803e" + "000000bf"  # gaze 0.25 -0.5
)  # fmt: skip


def golden_params() -> FaceParams:
    expression = np.zeros(EXPRESSION_SIZE, np.float32)
    expression[0], expression[-1] = 1, -2
    camera = np.array([1, 0, 0, 0, 0.5, -0.25, 0.125], np.float32)
    return FaceParams(expression, camera, np.array([0.25, -0.5], np.float32))


def payload_with(position: int, value: float) -> bytes:
    values = golden_params().to_array()
    values[position] = value
    return bytes([FORMAT_FLOAT32]) + values.astype("<f4").tobytes()


def floats(limit: float, count: int) -> st.SearchStrategy[NDArray[np.float32]]:
    values = st.floats(-limit, limit, width=32)
    return st.lists(values, min_size=count, max_size=count).map(lambda items: np.array(items, np.float32))


def test_sizes_are_those_of_the_paper() -> None:
    assert (EXPRESSION_SIZE, CAMERA_SIZE, GAZE_SIZE, PARAMS_SIZE) == (28, 7, 2, 37)
    assert len(GOLDEN) == PAYLOAD_BYTES == 149


def test_golden_bytes() -> None:
    assert golden_params().to_bytes() == GOLDEN
    np.testing.assert_array_equal(FaceParams.parse(GOLDEN).to_array(), golden_params().to_array())


def test_parts_have_names() -> None:
    params = FaceParams.parse(GOLDEN)
    np.testing.assert_array_equal(params.quaternion, [1, 0, 0, 0])
    np.testing.assert_array_equal(params.translation, [-0.25, 0.125])
    np.testing.assert_array_equal(params.gaze, [0.25, -0.5])
    assert params.scale == 0.5


@given(
    expression=floats(1000, EXPRESSION_SIZE),
    quaternion=floats(1, 4).filter(lambda value: float(np.linalg.norm(value)) > 0.1),
    scale=st.floats(0.015625, 10, width=32),
    rest=floats(1000, 2 + GAZE_SIZE),
)
def test_round_trip_is_exact(
    expression: NDArray[np.float32], quaternion: NDArray[np.float32], scale: float, rest: NDArray[np.float32]
) -> None:
    unit = quaternion / np.linalg.norm(quaternion)
    params = FaceParams.from_array(np.concatenate([expression, unit, [scale], rest]).astype(np.float32))
    data = params.to_bytes()
    again = FaceParams.parse(data)
    np.testing.assert_array_equal(again.to_array(), params.to_array())
    assert again.to_array().dtype == np.float32
    assert again.to_bytes() == data


def test_every_other_length_is_refused() -> None:
    for size in range(PAYLOAD_BYTES):
        with pytest.raises(WireError, match=f"{size} bytes, need 149"):
            FaceParams.parse(GOLDEN[:size])
    for extra in (1, 4, 149):
        with pytest.raises(WireError, match="need 149"):
            FaceParams.parse(GOLDEN + bytes(extra))


@pytest.mark.parametrize("kind", [0, 2, 255])
def test_unknown_format_is_refused(kind: int) -> None:
    with pytest.raises(WireError, match=f"format {kind}"):
        FaceParams.parse(bytes([kind]) + GOLDEN[1:])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1001.0, -1001.0])
def test_impossible_value_is_refused_wherever_it_is(value: float) -> None:
    for position in range(PARAMS_SIZE):
        with pytest.raises(WireError, match="not a number or out of range"):
            FaceParams.parse(payload_with(position, value))


@pytest.mark.parametrize("first", [0.0, 0.98, 1.02, 2.0])
def test_rotation_that_is_none_is_refused(first: float) -> None:
    with pytest.raises(WireError, match="quaternion"):
        FaceParams.parse(payload_with(QUATERNION, first))


@pytest.mark.parametrize("scale", [0.0, -0.0, -0.5, 0.0099, 10.5])
def test_face_without_a_size_is_refused(scale: float) -> None:
    with pytest.raises(WireError, match="scale"):
        FaceParams.parse(payload_with(SCALE, scale))


@given(
    data=st.binary(max_size=2 * PAYLOAD_BYTES) | st.binary(min_size=148, max_size=148).map(b"\x01".__add__)
)
def test_random_bytes_raise_nothing_but_wire_error(data: bytes) -> None:
    try:
        params = FaceParams.parse(data)
    except WireError:
        return
    assert np.isfinite(params.to_array()).all()


@pytest.mark.parametrize("shape", [(36,), (38,), (1, 37), ()])
def test_array_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="need \\(37,\\)"):
        FaceParams.from_array(np.zeros(shape, np.float32))


@given(identity=floats(1000, 60))
def test_identity_round_trip(identity: NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(parse_identity(identity_to_bytes(identity), 60), identity)


def test_identity_that_does_not_fit_is_refused() -> None:
    data = identity_to_bytes(np.ones(3, np.float32))
    assert data.hex() == ONE * 3
    for wrong in (data[:-1], data + b"\0", b""):
        with pytest.raises(WireError, match="need 12 for 3"):
            parse_identity(wrong, 3)
    for value in (np.nan, np.inf, 1001):
        with pytest.raises(WireError, match="not a number or out of range"):
            parse_identity(identity_to_bytes(np.array([0, value, 0], np.float32)), 3)


@pytest.mark.parametrize("part", ["expression", "camera", "gaze", "drift"])
def test_faces_are_the_same_if_all_their_numbers_are(part: str) -> None:
    one = FaceParams.from_array(np.linspace(-1, 1, PARAMS_SIZE, dtype=np.float32))
    changed = getattr(one, part).copy()
    assert one.is_same(replace(one, **{part: changed}))
    changed.flat[-1] += 1
    assert not one.is_same(replace(one, **{part: changed}))
