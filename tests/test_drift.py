"""How what is no face moves: coded to the bit, found where it is worth its bits, and followed by what is drawn."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.codec.drift import DRIFT_NODES, DRIFT_SHAPE, MAX_DRIFT, no_drift
from headgan.codec.drift_coder import decode_drift, encode_drift, moved_nodes
from headgan.codec.param_decoder import ParamDecoder
from headgan.codec.param_encoder import Face, ParamEncoder
from headgan.codec.params import FaceParams
from headgan.codec.range_coder import RangeDecoder, RangeEncoder
from headgan.codec.reference_params import code_reference_params, parse_reference_params
from headgan.models.drift_field import field_of, moved_prior
from headgan.models.drift_watch import DriftWatch
from headgan.models.flow_prior import Prior, pixel_grid
from headgan.proto.errors import UsageError, WireError

STILL = (0,) * (2 * DRIFT_NODES)
NO_FACE = np.zeros((256, 256), np.float32)
changes = st.lists(
    st.tuples(st.booleans(), st.integers(-254, 254), st.integers(-254, 254)),
    min_size=DRIFT_NODES,
    max_size=DRIFT_NODES,
).map(lambda nodes: tuple(value for moves, x, y in nodes for value in ((x, y) if moves else (0, 0))))
flags = st.lists(st.booleans(), min_size=DRIFT_NODES, max_size=DRIFT_NODES)


def face(drift: NDArray[np.int16] | None = None) -> FaceParams:
    values = np.zeros(37, np.float32)
    values[28], values[32] = 1, 0.5
    params = FaceParams.from_array(values)
    if drift is None:
        return params
    return FaceParams(params.expression, params.camera, params.gaze, drift)


def shifted(x: int, y: int) -> NDArray[np.int16]:
    return np.tile(np.array([x, y], np.int16), (8, 8, 1))


def texture() -> NDArray[np.uint8]:
    small = np.random.default_rng(3).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    picture: NDArray[np.uint8] = cv2.resize(small, (256, 256), interpolation=cv2.INTER_CUBIC)
    return picture


@given(changes, flags)
@settings(max_examples=60)
def test_a_change_comes_out_as_it_went_in(change: tuple[int, ...], before: list[bool]) -> None:
    coder = RangeEncoder()
    encode_drift(coder, change, before)
    reader = RangeDecoder(coder.finish())
    assert decode_drift(reader, before) == change
    reader.check_end()


def test_nothing_costs_next_to_nothing() -> None:
    coder = RangeEncoder()
    for _ in range(16):
        encode_drift(coder, STILL, [False] * DRIFT_NODES)
    assert len(coder.finish()) <= 2
    one = RangeEncoder()
    encode_drift(one, (1, 0, *STILL[2:]), [False] * DRIFT_NODES)
    assert len(one.finish()) <= 3


def test_golden_bytes() -> None:
    """They may change only with a new name in Hello, and with the version of files."""
    coder = RangeEncoder()
    change = list(STILL)
    change[0:2], change[18:22], change[127] = (1, -1), (0, 3, -20, 0), 254
    encode_drift(coder, change, [place % 5 == 0 for place in range(DRIFT_NODES)])
    assert coder.finish().hex() == GOLDEN


@given(st.binary(max_size=60), flags)
@settings(max_examples=200)
def test_any_bytes_are_read_or_refused(data: bytes, before: list[bool]) -> None:
    try:
        change = decode_drift(RangeDecoder(data), before)
    except WireError:
        return
    assert len(change) == 2 * DRIFT_NODES and len(moved_nodes(change)) == DRIFT_NODES


def test_frames_bring_their_drift() -> None:
    encoder, decoder = ParamEncoder(has_drift=True), ParamDecoder(has_drift=True)
    drifts = [no_drift(), shifted(3, -2), shifted(3, -2), shifted(-127, 127), no_drift()]
    sizes = []
    for number, drift in enumerate(drifts):
        data = encoder.encode(number, [Face(face(drift))])
        sizes.append(len(data))
        (read,) = decoder.decode(number, [True], data)
        assert np.array_equal(read.params.drift, drift)
    assert sizes[2] < sizes[1] / 4


def test_without_the_other_sides_word_there_is_none() -> None:
    plain, drifting = ParamEncoder(), ParamEncoder()
    assert plain.encode(0, [Face(face())]) == drifting.encode(0, [Face(face(shifted(5, 5)))])


def test_a_drift_that_cannot_be_sent() -> None:
    with pytest.raises(UsageError, match="drift beyond 127"):
        ParamEncoder(has_drift=True).encode(0, [Face(face(shifted(MAX_DRIFT + 1, 0)))])


def test_the_face_of_a_reference_travels_in_either_form() -> None:
    data, read = code_reference_params(face(shifted(4, 0)))
    assert len(data) < 120 and np.array_equal(read.drift, shifted(4, 0))
    assert np.array_equal(parse_reference_params(data).to_array(), read.to_array())
    assert np.array_equal(parse_reference_params(face().to_bytes()).to_array(), face().to_array())
    for wrong in (b"", b"\x03abc", b"\x02" + bytes(90), data + b"\1" * 8):
        with pytest.raises(WireError):
            parse_reference_params(wrong)


def test_what_moved_is_found_and_drawn() -> None:
    picture = texture()
    moved = np.roll(picture, (-4, 6), axis=(0, 1))
    watch = DriftWatch()
    found = watch.see(picture, NO_FACE, no_drift(), moved)
    found = watch.see(picture, NO_FACE, no_drift(), moved)
    inside = found[1:-1, 1:-1]
    assert np.abs(inside - np.array([-6, 4])).max() <= 1
    # Against a reference that was itself captured there, nothing is left to do.
    assert np.array_equal(watch.see(moved, NO_FACE, found, moved), found)
    prior = moved_prior(Prior(pixel_grid(256), NO_FACE, NO_FACE), found)
    places = ((prior.source_grid + 1) * 128 - 0.5).astype(np.float32)
    drawn = cv2.remap(picture, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    middle = np.s_[48:-48, 48:-48]
    error = np.abs(drawn.astype(int) - moved)[middle].mean()
    assert error < 0.25 * np.abs(picture.astype(int) - moved)[middle].mean()


def test_noise_and_a_plain_wall_move_nothing() -> None:
    wall = np.full((256, 256, 3), 128, np.uint8)
    chance = np.random.default_rng(1)
    watch = DriftWatch()
    for _ in range(5):
        noise = chance.normal(0, 3, wall.shape)
        assert not watch.see(wall, NO_FACE, no_drift(), np.clip(wall + noise, 0, 255).astype(np.uint8)).any()


def test_the_face_stays_where_it_is() -> None:
    is_face = np.zeros((256, 256), np.float32)
    is_face[64:192, 64:192] = 1
    prior = moved_prior(Prior(pixel_grid(256), NO_FACE, is_face), shifted(8, 0))
    moved = (prior.source_grid - pixel_grid(256))[..., 0] * 128
    assert np.abs(moved[68:188, 68:188]).max() < 1e-4
    assert moved[20, 20] == pytest.approx(8, abs=1e-3)


def test_a_field_is_smooth_and_as_large_as_its_picture() -> None:
    drift = np.zeros(DRIFT_SHAPE, np.int16)
    drift[3, 4] = 10, -20
    field = field_of(drift, 256)
    assert field.shape == (256, 256, 2) and np.abs(np.diff(field, axis=1)).max() <= 20 / 32 + 1e-4
    assert np.allclose(field_of(drift, 128).max(axis=(0, 1)), [5, 0], atol=0.5)


GOLDEN = "d4791da456bcfa7424cf"
