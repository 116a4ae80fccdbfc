"""The binding of libopus: sound there and back, FEC, concealment, and bytes that are no packets."""

import ctypes.util
import gc
import importlib.util
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.codec import libopus
from headgan.codec.libopus import OpusDecoder, OpusEncoder, has_fec, packet_samples
from headgan.proto.errors import DeviceError, UsageError, WireError

Sound = NDArray[np.float32]
FRAME = 1920


@pytest.fixture
def fresh_library() -> Iterator[None]:
    libopus.opus_library.cache_clear()
    yield
    libopus.opus_library.cache_clear()


def packets_of(voice: Sound, encoder: OpusEncoder, size: int = FRAME) -> list[bytes]:
    return [encoder.encode(voice[at : at + size]) for at in range(0, len(voice) - size + 1, size)]


def alike(one: Sound, other: Sound) -> float:
    """Correlation of two pieces of sound, at the best shift of up to 2 ms."""
    shifts = range(-96, 97)
    middle = one[100:-100]
    return max(float(np.corrcoef(middle, np.roll(other, shift)[100:-100])[0, 1]) for shift in shifts)


def fec_encoder() -> OpusEncoder:
    encoder = OpusEncoder(24)
    encoder.set_bandwidth("wide")
    encoder.set_expected_loss(20)
    return encoder


@pytest.mark.parametrize("size", [480, 960, 1920, 2880])
def test_sound_comes_back_later_by_the_lookahead(voice: Sound, size: int) -> None:
    encoder, decoder = OpusEncoder(24, dtx=False), OpusDecoder()
    packets = packets_of(voice, encoder, size)
    assert {packet_samples(packet) for packet in packets} == {size}
    decoded = np.concatenate([decoder.decode(packet) for packet in packets])
    assert encoder.lookahead == 312
    products = [decoded[shift : shift + 60_000] @ voice[:60_000] for shift in range(200, 450)]
    assert abs(int(np.argmax(products)) + 200 - encoder.lookahead) < 48
    assert alike(decoded[312:60_000], voice[: 60_000 - 312]) > 0.9


def test_the_rate_is_followed(voice: Sound) -> None:
    talking = voice[: 2 * libopus.RATE]
    rates = []
    for kbps in (8, 16, 32):
        rates.append(sum(map(len, packets_of(talking, OpusEncoder(kbps)))) * 8 / 2000)
        assert 0.5 * kbps < rates[-1] < 1.2 * kbps
    encoder = OpusEncoder(32)
    encoder.set_kbps(8)
    assert sum(map(len, packets_of(talking, encoder))) * 8 / 2000 == pytest.approx(rates[0], rel=0.1)


def test_a_pause_needs_next_to_nothing(voice: Sound) -> None:
    assert sum(len(packet) <= 2 for packet in packets_of(voice, OpusEncoder(12))) > 30
    assert all(len(packet) > 2 for packet in packets_of(voice, OpusEncoder(12, dtx=False)))


@pytest.mark.parametrize("band", ["narrow", "medium", "wide"])
def test_the_band_is_followed(voice: Sound, band: libopus.Bandwidth) -> None:
    encoder = OpusEncoder(12)
    encoder.set_bandwidth(band)
    # RFC 6716, table 2: 4 lengths of frames for each of SILK's bands, of which 40 ms is the third.
    assert {packet[0] >> 3 for packet in packets_of(voice, encoder)} == {
        {"narrow": 2, "medium": 6, "wide": 10}[band]
    }


def test_a_lost_packet_is_recovered_from_the_next(voice: Sound) -> None:
    packets = packets_of(voice, fec_encoder())
    with_fec, concealing, whole = OpusDecoder(), OpusDecoder(), OpusDecoder()
    recovered, concealed = [], []
    for at, packet in enumerate(packets[:40]):
        truth = whole.decode(packet)
        if at % 5 == 3 and has_fec(packets[at + 1]):
            recovered.append(alike(with_fec.decode_fec(packets[at + 1], FRAME), truth))
            concealed.append(alike(concealing.conceal(FRAME), truth))
        else:
            with_fec.decode(packet)
            concealing.decode(packet)
    assert len(recovered) >= 5
    assert np.median(recovered) > 0.8 > np.median(concealed)


def test_fec_is_seen_where_it_is(voice: Sound) -> None:
    talking = voice[FRAME : 2 * libopus.RATE]
    assert np.mean([has_fec(packet) for packet in packets_of(talking, fec_encoder())]) > 0.6
    assert not any(has_fec(packet) for packet in packets_of(voice, OpusEncoder(24)))
    assert not any(map(has_fec, (b"", b"\x50", b"\xf8\xff\xfe", b"\x53\xff")))


def test_without_a_packet_the_sound_goes_on(voice: Sound) -> None:
    decoder = OpusDecoder()
    for packet in packets_of(voice, OpusEncoder(24))[:5]:
        sound = decoder.decode(packet)
    assert np.abs(sound).max() > 0.02
    assert np.abs(decoder.conceal(FRAME)).max() > 0.2 * np.abs(sound).max()
    for _ in range(20):
        sound = decoder.conceal(FRAME)
    assert np.abs(sound).max() < 0.01


def test_a_decoder_that_is_reset_is_a_new_one(voice: Sound) -> None:
    packets = packets_of(voice, OpusEncoder(12))
    decoder = OpusDecoder()
    for packet in packets[:10]:
        decoder.decode(packet)
    decoder.reset()
    np.testing.assert_array_equal(decoder.decode(packets[0]), OpusDecoder().decode(packets[0]))


def test_what_libopus_refuses_is_told() -> None:
    with pytest.raises(UsageError, match="1000 samples are no Opus packet"):
        OpusEncoder(12).encode(np.zeros(1000, np.float32))
    with pytest.raises(UsageError, match="libopus refuses 101 % loss"):
        OpusEncoder(12).set_expected_loss(101)
    with pytest.raises(UsageError, match="complexity"):
        OpusEncoder(12, complexity=11)


@pytest.mark.parametrize("data", [b"", b"\xff", b"\x53", b"\x53\x00", b"\x01" * 4000, b"\x01\x02"])
def test_no_packet_is_a_wire_error(data: bytes) -> None:
    decoder = OpusDecoder()
    with pytest.raises(WireError, match="Opus packet of"):
        decoder.decode(data)
    assert np.isfinite(decoder.conceal(FRAME)).all()


@given(
    data=st.lists(st.binary(max_size=200), max_size=5), head=st.sampled_from([b"", b"\x50", b"\xf9", b"\x53"])
)
def test_whatever_comes_the_decoder_goes_on(data: list[bytes], head: bytes) -> None:
    decoder = OpusDecoder()
    for one in data:
        for decode in (decoder.decode, lambda packet: decoder.decode_fec(packet, FRAME)):
            try:
                sound = decode(head + one)
            except WireError:
                continue
            assert np.isfinite(sound).all()
            assert 0 < len(sound) <= libopus.MAX_SAMPLES
        has_fec(head + one)
    assert len(decoder.conceal(FRAME)) == FRAME


def test_memory_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    freed: list[object] = []
    lib = libopus.opus_library()
    destroy = lib.opus_decoder_destroy

    def count_and_destroy(state: object) -> None:
        freed.append(state)
        destroy(state)

    monkeypatch.setattr(lib, "opus_decoder_destroy", count_and_destroy)
    decoder = OpusDecoder()
    gone = weakref.ref(decoder)
    del decoder
    gc.collect()
    assert gone() is None
    assert len(freed) == 1


@pytest.mark.usefixtures("fresh_library")
def test_without_libopus_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(ctypes.util, "find_library", lambda _: None)
    with pytest.raises(DeviceError, match=r"no libopus was found.*pip install"):
        OpusDecoder()
    # Something else of that name is not taken for it.
    monkeypatch.setattr(ctypes.util, "find_library", lambda _: ctypes.util.__file__)
    with pytest.raises(DeviceError, match="no libopus"):
        OpusDecoder()
