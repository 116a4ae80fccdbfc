"""The reference picture: it survives its bytes, and bytes that are no such picture are a WireError at most."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.codec.still import MEDIA_TYPE, STILL_SIZE, decode_still, encode_still
from headgan.proto.errors import WireError
from headgan.proto.reference_messages import MAX_REFERENCE_BYTES


def smooth_picture() -> NDArray[np.uint8]:
    """Soft blobs of colour, as a face out of focus."""
    coarse = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (STILL_SIZE, STILL_SIZE), interpolation=cv2.INTER_CUBIC))


PICTURE = smooth_picture()
DATA = encode_still(PICTURE)


def psnr_db(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


def with_size(width: int, height: int) -> bytes:
    """The picture with another size in its header."""
    return DATA[:26] + width.to_bytes(2, "little") + height.to_bytes(2, "little") + DATA[30:]


def test_a_picture_survives_its_bytes() -> None:
    decoded = decode_still(DATA, MEDIA_TYPE)
    assert decoded.shape == (256, 256, 3)
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous
    assert psnr_db(decoded, PICTURE) > 35


def test_red_stays_red() -> None:
    red = np.zeros((256, 256, 3), np.uint8)
    red[..., 0] = 220
    mean = decode_still(encode_still(red), MEDIA_TYPE).mean(axis=(0, 1))
    assert mean[0] > 200
    assert max(mean[1:]) < 20


def test_the_worst_picture_fits_into_the_protocol() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (256, 256, 3), np.uint8)
    assert len(encode_still(noise)) < MAX_REFERENCE_BYTES


def test_another_media_type_is_refused() -> None:
    with pytest.raises(WireError, match="'image/jpeg' is not known"):
        decode_still(DATA, "image/jpeg")


@pytest.mark.parametrize(("width", "height"), [(4000, 4000), (256, 255), (1, 1), (16383, 16383)])
def test_another_size_is_refused_before_anything_is_decoded(
    width: int, height: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(WireError, match=f"{width}x{height} pixels, need 256x256"):
        decode_still(with_size(width, height), MEDIA_TYPE)


@pytest.mark.parametrize("extension", [".png", ".jpg"])
def test_other_formats_are_refused(extension: str) -> None:
    data = cv2.imencode(extension, PICTURE)[1].tobytes()
    with pytest.raises(WireError, match="not a plain lossy WebP"):
        decode_still(data, MEDIA_TYPE)


def test_lossless_webp_is_refused() -> None:
    data = cv2.imencode(".webp", PICTURE, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
    with pytest.raises(WireError, match="not a plain lossy WebP"):
        decode_still(data, MEDIA_TYPE)


def test_every_truncation_is_refused_or_still_a_picture() -> None:
    refused = 0
    for length in [*range(40), *range(40, len(DATA), 97), len(DATA) - 1]:
        try:
            assert decode_still(DATA[:length], MEDIA_TYPE).shape == (256, 256, 3)
        except WireError:
            refused += 1
    assert refused >= 40


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(0, len(DATA)))
def test_random_bytes_are_at_most_a_wire_error(noise: bytes, place: int) -> None:
    for data in (noise, DATA[:30] + noise, DATA[:place] + noise + DATA[place + len(noise) :]):
        try:
            assert decode_still(data, MEDIA_TYPE).shape == (256, 256, 3)
        except WireError as error:
            assert str(error).startswith("reference: ")


def test_damage_says_nothing_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WireError, match="damaged"):
        decode_still(DATA[:60], MEDIA_TYPE)
    assert capfd.readouterr().err == ""


def test_a_picture_of_another_shape_cannot_be_encoded() -> None:
    with pytest.raises(ValueError, match=r"256, 255, 3"):
        encode_still(np.zeros((256, 255, 3), np.uint8))
