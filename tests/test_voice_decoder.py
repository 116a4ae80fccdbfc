"""Sound for each number, whatever came: frames, copies, FEC, pauses, outages, and bytes that are no frames."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.codec.libopus import RATE, OpusDecoder, OpusEncoder
from headgan.codec.voice import FRAME_SAMPLES, VoiceEncoder, VoiceFrame
from headgan.codec.voice_decoder import VoiceCounts, VoiceDecoder
from headgan.proto.errors import WireError

Sound = NDArray[np.float32]


def frames_of(voice: Sound, loss: float = 0.0, kbps: float = 16) -> list[VoiceFrame]:
    encoder = VoiceEncoder(kbps)
    encoder.expect_loss(loss)
    return encoder.encode(voice, 0.0)


def decode_all(decoder: VoiceDecoder, frames: list[VoiceFrame], count: int) -> Sound:
    """As in a call: what follows a number by one is there when it is wanted."""
    waiting = sorted(frames, key=lambda frame: frame.number + frame.is_copy)
    pieces = []
    for number in range(count):
        while waiting and waiting[0].number + waiting[0].is_copy <= number + 1:
            decoder.push(waiting.pop(0))
        pieces.append(decoder.decode(number))
    return np.concatenate(pieces)


def error(sound: Sound, truth: Sound) -> float:
    """How differently two sounds are heard, in dB of their spectra."""
    spectra = [np.abs(np.fft.rfft(one.reshape(-1, 960) * np.hanning(960), axis=1)) for one in (sound, truth)]
    return float(np.mean(np.abs(20 * np.log10((spectra[0] + 0.1) / (spectra[1] + 0.1)))))


def loudness(sound: Sound) -> float:
    return float(np.sqrt(np.mean(sound**2)))


def test_all_frames_give_what_opus_gives(voice: Sound) -> None:
    frames = frames_of(voice[: 2 * RATE])
    plain = OpusDecoder()
    truth = np.concatenate([plain.decode(frame.data) for frame in frames])
    decoder = VoiceDecoder()
    sound = decode_all(decoder, frames, 50)
    assert len(sound) == 50 * FRAME_SAMPLES
    np.testing.assert_array_equal(sound[240:], truth[240:])
    assert decoder.counts == VoiceCounts(decoded=50)


def test_order_duplicates_and_latecomers_change_nothing(voice: Sound) -> None:
    frames = frames_of(voice[: 2 * RATE], loss=0.1)
    expected = decode_all(VoiceDecoder(), frames, 50)
    decoder, chance = VoiceDecoder(), random.Random(4)
    for frame in chance.sample(frames * 2, 2 * len(frames)):
        decoder.push(frame)
    pieces = []
    for number in range(50):
        pieces.append(decoder.decode(number))
        for frame in frames:
            if frame.number <= number:
                decoder.push(frame)
    np.testing.assert_array_equal(np.concatenate(pieces), expected)
    assert decoder.counts == VoiceCounts(decoded=50)


def test_copies_are_nearer_to_the_truth_than_guesses(voice: Sound) -> None:
    frames = frames_of(voice[: 2 * RATE], loss=0.3, kbps=24)
    truth = decode_all(VoiceDecoder(), [frame for frame in frames if not frame.is_copy], 50)
    errors = {True: 0.0, False: 0.0}
    copied = sorted(frame.number for frame in frames if frame.is_copy)
    for number in copied[4::4]:
        place = slice(number * FRAME_SAMPLES, (number + 1) * FRAME_SAMPLES)
        for keeps_copy in errors:
            left = [frame for frame in frames if frame.number != number or (frame.is_copy and keeps_copy)]
            decoder = VoiceDecoder()
            errors[keeps_copy] += error(decode_all(decoder, left, 50)[place], truth[place])
            assert decoder.counts.recovered == keeps_copy and decoder.counts.concealed == (not keeps_copy)
    assert errors[True] < 0.6 * errors[False]


def test_fec_of_the_next_frame_is_used(voice: Sound) -> None:
    encoder = OpusEncoder(24)
    encoder.set_bandwidth("wide")
    encoder.set_expected_loss(20)
    talking = voice[: 2 * RATE].reshape(-1, FRAME_SAMPLES)
    frames = [VoiceFrame(number, 40.0 * number, encoder.encode(part)) for number, part in enumerate(talking)]
    decoder = VoiceDecoder()
    decode_all(decoder, [frame for frame in frames if frame.number % 5 != 3], 50)
    assert decoder.counts.recovered + decoder.counts.concealed == 10
    assert decoder.counts.recovered >= 5


def test_an_outage_fades_to_silence_and_ends_without_a_click(voice: Sound) -> None:
    frames = [frame for frame in frames_of(voice[: 2 * RATE]) if not 4 <= frame.number < 30]
    decoder = VoiceDecoder()
    sound = decode_all(decoder, frames, 50)
    parts = sound.reshape(50, -1)
    assert decoder.counts == VoiceCounts(decoded=24, concealed=3, silent=23)
    assert loudness(parts[4]) > 0.3 * loudness(parts[3])
    assert not parts[7:30].any()
    largest = np.abs(np.diff(parts[:4].ravel())).max()
    assert np.abs(np.diff(parts[3:8].ravel())).max() < 1.2 * largest
    assert np.abs(np.diff(parts[29:32].ravel())).max() < 1.2 * largest
    truth = decode_all(VoiceDecoder(), frames_of(voice[: 2 * RATE]), 50).reshape(50, -1)
    assert error(parts[33:].ravel(), truth[33:].ravel()) < 1.0


def test_a_pause_is_noise_and_no_loss(voice: Sound) -> None:
    room = np.random.default_rng(1).normal(0, 1e-3, len(voice)).astype(np.float32)
    frames = frames_of(voice + room)
    decoder = VoiceDecoder()
    parts = decode_all(decoder, frames, 150).reshape(150, -1)
    assert decoder.counts.concealed == decoder.counts.recovered == 0
    assert decoder.counts.decoded + decoder.counts.silent == 150
    assert decoder.counts.silent > 20
    quiet = [loudness(part) for part in parts[68:98]]
    assert 1e-4 < min(quiet) <= max(quiet) < 3e-3


def test_before_the_first_frame_there_is_silence(voice: Sound) -> None:
    decoder = VoiceDecoder()
    assert not decoder.decode(0).any()
    assert decoder.counts == VoiceCounts(silent=1)
    frames = frames_of(voice[:RATE])
    for frame in frames[5:]:
        decoder.push(frame)
    sound = np.concatenate([decoder.decode(number) for number in range(1, 25)])
    assert decoder.counts == VoiceCounts(decoded=20, silent=5)
    assert loudness(sound) > 0.01


def test_numbers_may_jump(voice: Sound) -> None:
    decoder = VoiceDecoder()
    frames = frames_of(voice[:RATE])
    for shift in (0, 1000, 10**9):
        for frame in frames:
            decoder.push(VoiceFrame(frame.number + shift, frame.start_ms, frame.data))
            assert len(decoder.decode(frame.number + shift)) == FRAME_SAMPLES
    assert decoder.counts == VoiceCounts(decoded=3 * len(frames))
    decoder.decode(3)
    assert decoder.counts.silent == 1


def test_memory_is_bounded(voice: Sound) -> None:
    frame = frames_of(voice[:RATE])[3]
    decoder = VoiceDecoder()
    for number in range(1000):
        decoder.push(VoiceFrame(number, 0.0, frame.data, is_copy=number % 2 == 0))
    held = [number for number in range(1000) if decoder.decode(number).any()]
    assert min(held) >= 1000 - 130


@pytest.mark.parametrize("size", [480, 960, 2880])
def test_frames_of_another_length_are_refused(size: int) -> None:
    data = OpusEncoder(12).encode(np.zeros(size, np.float32))
    with pytest.raises(WireError, match=rf"voice frame 7 holds {size / 48:g} ms of sound, not 40"):
        VoiceDecoder().push(VoiceFrame(7, 0.0, data))


@given(
    items=st.lists(
        st.tuples(
            st.integers(0, 12),
            st.sampled_from([b"\x50", b"\xf9", b"\x10", b""]),
            st.binary(max_size=90),
            st.booleans(),
        ),
        max_size=15,
    )
)
def test_whatever_comes_there_is_sound(items: list[tuple[int, bytes, bytes, bool]]) -> None:
    decoder = VoiceDecoder()
    for number, head, rest, is_copy in items:
        try:
            decoder.push(VoiceFrame(number, 0.0, head + rest, is_copy))
        except WireError:
            continue
    for number in range(14):
        sound = decoder.decode(number)
        assert sound.shape == (FRAME_SAMPLES,)
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() <= 1
    counts = decoder.counts
    assert counts.decoded + counts.recovered + counts.concealed + counts.silent == 14
