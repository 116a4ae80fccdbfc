"""The voice of a call in frames: their times, pauses, gaps and copies."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.codec.capture_clock import GAP_MS, CaptureClock
from headgan.codec.libopus import RATE, OpusDecoder, packet_samples
from headgan.codec.voice import (
    FRAME_MS,
    FRAME_SAMPLES,
    MAX_FILL_MS,
    VoiceEncoder,
    VoiceFrame,
    check_voice_kbps,
)
from headgan.proto.errors import UsageError
from headgan.proto.voice import MAX_SILENT_BYTES

Sound = NDArray[np.float32]
BLOCK = 480


def encode(
    voice: Sound, encoder: VoiceEncoder, *, start_ms: float = 0.0, block: int = BLOCK
) -> list[VoiceFrame]:
    blocks = range(0, len(voice), block)
    return [
        frame
        for at in blocks
        for frame in encoder.encode(voice[at : at + block], start_ms + 1000 * at / RATE)
    ]


def kbps_of(frames: list[VoiceFrame], seconds: float) -> float:
    return sum(len(frame.data) for frame in frames) * 8 / 1000 / seconds


@pytest.mark.parametrize("kbps", [5.9, 32.1, -1, float("nan")])
def test_only_rates_that_work_are_taken(kbps: float) -> None:
    with pytest.raises(UsageError, match=r"--voice-kbps .*: give 6 to 32"):
        check_voice_kbps(kbps)
    with pytest.raises(UsageError):
        VoiceEncoder(kbps)


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 30_000), max_size=12))
def test_the_length_of_blocks_does_not_matter(cuts: list[int]) -> None:
    sound = np.sin(np.arange(30_000) / 20).astype(np.float32) * np.float32(0.3)
    expected = encode(sound, VoiceEncoder(12), block=30_000)
    encoder = VoiceEncoder(12)
    places = [0, *sorted(cuts), 30_000]
    frames = [
        frame
        for start, end in itertools.pairwise(places)
        for frame in encoder.encode(sound[start:end], 1000 * start / RATE)
    ]
    assert [(frame.number, frame.data) for frame in frames] == [
        (frame.number, frame.data) for frame in expected
    ]
    assert len(frames) == 15
    np.testing.assert_allclose(
        [frame.start_ms for frame in frames], [frame.start_ms for frame in expected], atol=1e-6
    )


@pytest.mark.parametrize("kbps", [6, 8, 12, 16, 24, 32])
def test_frames_are_one_packet_at_about_the_rate(voice: Sound, kbps: float) -> None:
    frames = encode(voice[: 2 * RATE], VoiceEncoder(kbps))
    assert [frame.number for frame in frames] == list(range(50))
    assert {packet_samples(frame.data) for frame in frames} == {FRAME_SAMPLES}
    assert 0.5 * kbps < kbps_of(frames, 2) < 1.2 * kbps


@pytest.mark.parametrize("kbps", [6, 12, 24])
def test_start_is_when_the_decoded_sound_was_captured(kbps: float) -> None:
    start_ms, at_s = 5000.0, 0.51
    sound = np.zeros(RATE, np.float32)
    place = round(at_s * RATE)
    tone = np.sin(2 * np.pi * 800 * np.arange(2400) / RATE) * np.hanning(2400)
    sound[place : place + 2400] = 0.6 * tone
    frames = encode(sound, VoiceEncoder(kbps), start_ms=start_ms)
    decoder = OpusDecoder()
    pieces = {frame.number: (frame.start_ms, decoder.decode(frame.data)) for frame in frames}
    number = max(pieces, key=lambda one: float(np.abs(pieces[one][1]).max()))
    heard = np.concatenate([pieces[one][1] for one in (number - 1, number, number + 1)])
    loudest = np.argmax(np.convolve(heard**2, np.ones(480), "same"))
    heard_ms = pieces[number - 1][0] + 1000 * loudest / RATE
    assert heard_ms == pytest.approx(start_ms + 1000 * at_s + 25, abs=2.5)


def test_a_pause_is_told_once_and_then_refreshed(voice: Sound) -> None:
    noise = np.random.default_rng(1).normal(0, 3e-4, len(voice)).astype(np.float32)
    frames = encode(voice + noise, VoiceEncoder(12))
    in_pause = [frame for frame in frames if 2300 < frame.start_ms < 3950]
    assert 4 <= len(in_pause) < 20
    assert any(frame.is_silence for frame in in_pause)
    # How the room sounds is told again about every 400 ms.
    refreshes = [frame.start_ms for frame in in_pause if not frame.is_silence]
    assert all(gap <= 480 for gap in np.diff(refreshes))
    for one, other in itertools.pairwise(frames):
        assert not (one.is_silence and other.is_silence)
        assert other.number > one.number
        assert one.is_silence or other.number == one.number + 1
    numbers, starts = zip(*((frame.number, frame.start_ms) for frame in frames), strict=True)
    np.testing.assert_allclose(np.diff(starts), FRAME_MS * np.diff(numbers), atol=1e-6)
    assert len([frame for frame in frames if frame.start_ms > 3990]) == 50


@pytest.mark.parametrize("drift", [-2e-4, 0.0, 2e-4])
def test_times_follow_the_clock_and_not_its_jitter(drift: float) -> None:
    chance = np.random.default_rng(2)
    encoder = VoiceEncoder(12)
    sound = np.zeros(BLOCK, np.float32)
    sound[::7] = 0.1
    errors, starts = [], []
    for block in range(6000):  # a minute
        true_ms = 10 * block * (1 + drift)
        for frame in encoder.encode(sound, true_ms + chance.uniform(-8, 8)):
            meant_ms = frame.number * FRAME_MS * (1 + drift) - 6.5
            errors.append(frame.start_ms - meant_ms)
            starts.append(frame.start_ms)
    assert np.abs(errors[25:]).max() < 2.5
    assert abs(np.mean(errors[25:])) < 1.0
    assert np.abs(np.diff(starts) - FRAME_MS)[25:].max() < 0.3


@pytest.mark.parametrize("gap_ms", [120.0, 400.0, 990.0])
def test_a_gap_is_filled_with_silence(voice: Sound, gap_ms: float) -> None:
    encoder = VoiceEncoder(12)
    before, after = voice[:RATE], voice[4 * RATE : 5 * RATE]
    frames = encode(before, encoder) + encode(after, encoder, start_ms=1000 + gap_ms)
    numbers = [frame.number for frame in frames]
    assert all(np.diff(numbers) > 0)
    starts = np.array([frame.start_ms for frame in frames])
    np.testing.assert_allclose(starts, np.array(numbers) * FRAME_MS - 6.5, atol=0.5)
    assert numbers[-1] == (2000 + gap_ms) // FRAME_MS - 1


def test_after_a_long_gap_numbers_go_on_as_time_does(voice: Sound) -> None:
    encoder = VoiceEncoder(12)
    gap_ms = MAX_FILL_MS + 5010
    frames = encode(voice[: RATE - 700], encoder)
    later = encode(voice[:RATE], encoder, start_ms=1000 * (RATE - 700) / RATE + gap_ms)
    # What waited was sent, filled up.
    assert [frame.number for frame in frames] == list(range(24))
    assert later[0].number == 24
    assert later[1].start_ms == pytest.approx(1000 * (RATE - 700) / RATE + gap_ms - 6.5)
    shift_ms = later[1].start_ms - later[1].number * FRAME_MS + 6.5
    assert abs(shift_ms) <= FRAME_MS / 2
    assert [frame.number for frame in later[1:]] == list(range(later[1].number, later[1].number + 25))


def test_what_is_told_twice_is_taken_once(voice: Sound) -> None:
    encoder = VoiceEncoder(12)
    frames = encode(voice[:RATE], encoder) + encode(voice[RATE // 2 : RATE * 3 // 2], encoder, start_ms=500)
    assert [frame.number for frame in frames] == list(range(37))
    np.testing.assert_allclose(np.diff([frame.start_ms for frame in frames]), FRAME_MS, atol=0.5)


def test_a_clock_that_was_put_back_starts_anew(voice: Sound) -> None:
    encoder = VoiceEncoder(12)
    first = encode(voice[:RATE], encoder, start_ms=1e6)
    later = encode(voice[:RATE], encoder, start_ms=50.0)
    assert [frame.number for frame in first + later] == list(range(50))
    assert later[0].start_ms == pytest.approx(43.5)


def test_without_loss_nothing_is_spent_on_it(voice: Sound) -> None:
    plain = encode(voice, VoiceEncoder(12))
    encoder = VoiceEncoder(12)
    encoder.expect_loss(0.2)
    encoder.expect_loss(0.0)
    assert encode(voice, encoder) == plain
    assert not any(frame.is_copy for frame in plain)


@pytest.mark.parametrize("delay", [1, 3])
def test_copies_come_later_and_frames_stay_as_good(voice: Sound, delay: int) -> None:
    talking = np.tile(voice[: 2 * RATE], 4)
    plain = kbps_of(encode(talking, VoiceEncoder(12)), 8)
    encoder = VoiceEncoder(12, copy_delay=delay)
    encoder.expect_loss(0.05)
    frames = encode(talking, encoder)
    copies = [frame for frame in frames if frame.is_copy]
    assert (
        len(copies) == len([frame for frame in frames if not frame.is_copy and not frame.is_silence]) - delay
    )
    assert kbps_of([frame for frame in frames if not frame.is_copy], 8) == pytest.approx(plain, rel=0.05)
    assert 4 < kbps_of(copies, 8) < 9.5
    starts = {frame.number: frame.start_ms for frame in frames if not frame.is_copy}
    newest = -1
    for frame in frames:
        if frame.is_copy:
            assert frame.number == newest + 1 - delay
            assert frame.start_ms == starts[frame.number]
        else:
            newest = frame.number


def test_copies_begin_above_one_loss_and_end_below_another(voice: Sound) -> None:
    encoder = VoiceEncoder(12)
    second = voice[:RATE]
    has_copies = []
    for number, loss in enumerate((0.0, 0.015, 0.03, 0.015, 0.005)):
        encoder.expect_loss(loss)
        frames = encode(second, encoder, start_ms=number * 1000.0)
        has_copies.append(sum(frame.is_copy for frame in frames) > 5)
    assert has_copies == [False, False, True, True, False]


def test_of_small_frames_a_copy_is_the_frame_itself(voice: Sound) -> None:
    encoder = VoiceEncoder(8)
    encoder.expect_loss(0.3)
    frames = encode(voice, encoder)
    data = {frame.number: frame.data for frame in frames if not frame.is_copy}
    copies = [frame for frame in frames if frame.is_copy]
    assert len(copies) > 50 and all(copy.data == data[copy.number] for copy in copies)


def test_the_clock_tells_gaps_from_chance() -> None:
    clock = CaptureClock(RATE)
    assert clock.late_ms(123.0) == 0
    clock.advance(480, 123.0)
    assert clock.next_ms == 133.0
    assert clock.late_ms(133 + GAP_MS - 1) == 0
    assert clock.late_ms(133 + GAP_MS) == GAP_MS
    assert clock.late_ms(133 - GAP_MS) == -GAP_MS


def test_silence_is_known_by_its_length() -> None:
    assert VoiceFrame(0, 0.0, bytes(MAX_SILENT_BYTES)).is_silence
    assert not VoiceFrame(0, 0.0, bytes(MAX_SILENT_BYTES + 1)).is_silence
