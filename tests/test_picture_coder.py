"""The chain of coded references: what comes out is what the sender thinks, small, and safe against any bytes."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.codec.picture_coder import PictureDecoder, PictureEncoder
from headgan.proto.errors import WireError


def portrait(shift: int = 0) -> NDArray[np.uint8]:
    """A soft pattern with a disc that moves."""
    noise = np.random.default_rng(1).integers(80, 180, (16, 16, 3)).astype(np.uint8)
    picture = cv2.resize(noise, (256, 256), interpolation=cv2.INTER_CUBIC)
    cv2.circle(picture, (128 + shift, 120), 60, (220, 170, 140), -1, cv2.LINE_AA)
    return np.ascontiguousarray(picture)


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


def test_both_ends_hold_the_same_pictures() -> None:
    encoder, decoder = PictureEncoder(), PictureDecoder()
    for shift in (0, 10, -20, 30):
        coded = encoder.encode(portrait(shift))
        np.testing.assert_array_equal(decoder.decode(coded.data), coded.picture_rgb)
        assert psnr(coded.picture_rgb, portrait(shift)) > 33


def test_a_later_picture_costs_less_than_the_first() -> None:
    encoder = PictureEncoder()
    first, later = (len(encoder.encode(portrait(shift)).data) for shift in (0, 6))
    assert later < first / 2


def test_less_quality_is_smaller() -> None:
    fine, coarse = (len(PictureEncoder(quality).encode(portrait()).data) for quality in (20, 50))
    assert coarse < fine / 2


def test_a_picture_has_one_size() -> None:
    with pytest.raises(ValueError, match="256"):
        PictureEncoder().encode(np.zeros((128, 128, 3), np.uint8))


def test_another_size_is_refused_before_it_is_decoded() -> None:
    context = av.CodecContext.create("libvpx-vp9", "w")
    context.width, context.height, context.pix_fmt = 512, 512, "yuv420p"
    context.time_base = Fraction(1, 25)
    context.options = {"lag-in-frames": "0", "deadline": "realtime"}
    frame = av.VideoFrame.from_ndarray(np.zeros((768, 512), np.uint8), format="yuv420p")
    frame.pts = 0
    data = b"".join(bytes(packet) for packet in context.encode(frame))
    with pytest.raises(WireError, match="reference"):
        PictureDecoder().decode(data)


def test_a_chain_needs_its_beginning() -> None:
    encoder = PictureEncoder()
    encoder.encode(portrait())
    with pytest.raises(WireError, match="reference"):
        PictureDecoder().decode(encoder.encode(portrait(5)).data)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_bytes_do_anything_but_raise_wire_error(data: st.DataObject) -> None:
    coded = bytearray(CODED)
    for _ in range(data.draw(st.integers(1, 20))):
        coded[data.draw(st.integers(0, len(coded) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(coded)))
    for damaged in (bytes(coded), bytes(coded[:cut]), data.draw(st.binary(max_size=200))):
        try:
            picture = PictureDecoder().decode(damaged)
        except WireError:
            continue
        assert picture.shape == (256, 256, 3) and picture.dtype == np.uint8


CODED = PictureEncoder().encode(portrait()).data
