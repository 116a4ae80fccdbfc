"""The reference picture: it survives its bytes, and bytes that are no such picture are a WireError at most."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.codec.still import (
    AV1_MEDIA_TYPE,
    BUDGET_BYTES,
    STILL_SIZE,
    WEBP_MEDIA_TYPE,
    decode_still,
    encode_still,
)
from headgan.proto.errors import WireError
from headgan.proto.reference_messages import MAX_REFERENCE_BYTES


def smooth_picture() -> NDArray[np.uint8]:
    """Soft blobs of colour, as a face out of focus."""
    coarse = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (STILL_SIZE, STILL_SIZE), interpolation=cv2.INTER_CUBIC))


PICTURE = smooth_picture()
DATA = cv2.imencode(".webp", PICTURE[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 90])[1].tobytes()
MEDIA_TYPE = WEBP_MEDIA_TYPE
STILL = encode_still(PICTURE)
KINDS = [(DATA, MEDIA_TYPE), (STILL.data, STILL.media_type)]


def psnr_db(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


def with_size(width: int, height: int) -> bytes:
    """The picture with another size in its header."""
    return DATA[:26] + width.to_bytes(2, "little") + height.to_bytes(2, "little") + DATA[30:]


@pytest.mark.parametrize(("data", "media_type"), KINDS)
def test_a_picture_survives_its_bytes(data: bytes, media_type: str) -> None:
    decoded = decode_still(data, media_type)
    assert decoded.shape == (256, 256, 3)
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous
    assert psnr_db(decoded, PICTURE) > 35


def test_av1_is_what_this_opencv_writes() -> None:
    """Where this fails, OpenCV writes no AVIF, and pictures are WebP."""
    assert STILL.media_type == AV1_MEDIA_TYPE


def test_without_avif_it_is_webp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "haveImageWriter", lambda _name: False)
    still = encode_still(PICTURE)
    assert still.media_type == WEBP_MEDIA_TYPE
    assert psnr_db(decode_still(still.data, still.media_type), PICTURE) > 35


def test_a_budget_is_kept_and_used() -> None:
    texture = np.random.default_rng(2).normal(0, 12, (64, 64, 3))
    detailed = np.clip(PICTURE + cv2.resize(texture, (256, 256)), 0, 255).astype(np.uint8)
    stills = [encode_still(detailed, budget) for budget in (3000, BUDGET_BYTES, 12000)]
    for still, budget in zip(stills, (3000, BUDGET_BYTES, 12000), strict=True):
        assert 0.75 * budget < len(still.data) <= budget
    quality = [psnr_db(decode_still(still.data, still.media_type), detailed) for still in stills]
    assert quality == sorted(quality)


@pytest.mark.parametrize("color", [(220, 0, 0), (0, 200, 0), (20, 30, 210), (255, 255, 255), (0, 0, 0)])
def test_colors_stay_as_they_are(color: tuple[int, int, int]) -> None:
    still = encode_still(np.full((256, 256, 3), color, np.uint8))
    mean = decode_still(still.data, still.media_type).mean(axis=(0, 1))
    np.testing.assert_allclose(mean, color, atol=4)


def test_the_worst_picture_fits_into_the_protocol() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (256, 256, 3), np.uint8)
    assert len(encode_still(noise).data) < MAX_REFERENCE_BYTES


def test_a_larger_av1_picture_is_refused_and_gets_no_memory() -> None:
    large = cv2.imencode(".avif", np.zeros((2048, 2048, 3), np.uint8), [cv2.IMWRITE_AVIF_SPEED, 9])[
        1
    ].tobytes()
    with pytest.raises(WireError, match="not an AV1 picture of the size"):
        decode_still(large[large.index(b"mdat") + 4 :], AV1_MEDIA_TYPE)
    small = cv2.imencode(".avif", np.zeros((64, 64, 3), np.uint8))[1].tobytes()
    with pytest.raises(WireError, match="64x64 pixels"):
        decode_still(small[small.index(b"mdat") + 4 :], AV1_MEDIA_TYPE)


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


@pytest.mark.parametrize(("whole", "media_type"), KINDS)
def test_every_truncation_is_refused_or_still_a_picture(whole: bytes, media_type: str) -> None:
    refused = 0
    for length in [*range(10), *range(10, len(whole), 97), len(whole) - 1]:
        try:
            assert decode_still(whole[:length], media_type).shape == (256, 256, 3)
        except WireError:
            refused += 1
    assert refused >= 10


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 10**6))
def test_random_bytes_are_at_most_a_wire_error(noise: bytes, at: int) -> None:
    for whole, media_type in KINDS:
        place = at % len(whole)
        for data in (noise, whole[:30] + noise, whole[:place] + noise + whole[place + len(noise) :]):
            try:
                assert decode_still(data, media_type).shape == (256, 256, 3)
            except WireError as error:
                assert str(error).startswith("reference: ")


@pytest.mark.parametrize(("whole", "media_type"), KINDS)
def test_damage_says_nothing_on_stderr(
    whole: bytes, media_type: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(WireError, match=r"damaged|not an AV1"):
        decode_still(whole[:60], media_type)
    assert capfd.readouterr().err == ""


def test_a_picture_of_another_shape_cannot_be_encoded() -> None:
    with pytest.raises(ValueError, match=r"256, 255, 3"):
        encode_still(np.zeros((256, 255, 3), np.uint8))
