"""Sound that comes in blocks: any stretch of it, the same however it was cut, at the right time."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.models.sound_track import SoundTrack
from headgan.proto.errors import UsageError


def noise(count: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-1, 1, count).astype(np.float32)


def pushed(rate: int, samples: NDArray[np.float32], sizes: list[int], start_ms: float = 0.0) -> SoundTrack:
    track, at = SoundTrack(rate), 0
    while at < len(samples):
        size = sizes.pop(0) if sizes else len(samples)
        track.push(samples[at : at + size], start_ms + 1000 * at / rate)
        at += size
    return track


@given(
    st.sampled_from([16_000, 48_000]),
    st.integers(0, 3000),
    st.lists(st.integers(0, 700), max_size=12),
    st.floats(-20, 120),
)
def test_blocks_do_not_matter(rate: int, count: int, sizes: list[int], time_ms: float) -> None:
    samples = noise(count)
    whole, cut = pushed(rate, samples, []), pushed(rate, samples, sizes)
    np.testing.assert_array_equal(whole.before(time_ms, 900), cut.before(time_ms, 900))
    assert whole.until_ms == pytest.approx(cut.until_ms)


def test_sound_at_16_khz_is_given_back() -> None:
    samples = noise(1600)
    track = pushed(16_000, samples, [7, 500], start_ms=1000.0)
    np.testing.assert_array_equal(track.before(1050.0, 800), samples[:800])
    np.testing.assert_array_equal(track.before(1025.0, 800), [0.0] * 400 + samples[:400].tolist())
    np.testing.assert_array_equal(track.before(1110.0, 800), samples[960:].tolist() + [0.0] * 160)
    assert (track.until_ms, track.reach_ms) == (1100.0, 0.0)
    assert not track.before(500.0, 10).any()
    assert not track.before(5000.0, 10).any()


@pytest.mark.parametrize("hz", [100, 1000, 5000, 6800])
def test_a_tone_keeps_its_place(hz: int) -> None:
    tone = np.sin(2 * np.pi * hz * np.arange(9600) / 48_000).astype(np.float32)
    expected = np.sin(2 * np.pi * hz * np.arange(3200) / 16_000)
    found = pushed(48_000, tone, [1920] * 5).before(200.0, 3200)
    assert np.abs(found - expected)[100:-100].max() < 0.02


def test_what_16_khz_cannot_hold_is_gone() -> None:
    tone = np.sin(2 * np.pi * 9500 * np.arange(9600) / 48_000).astype(np.float32)
    assert np.abs(pushed(48_000, tone, []).before(200.0, 3200)[100:-100]).max() < 0.02


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_missing_blocks_are_silence(rate: int) -> None:
    track = SoundTrack(rate)
    block = np.full(rate // 25, 0.5, np.float32)
    track.push(block, 0.0)
    track.push(block, 120.0)
    found = track.before(160.0, 2560).reshape(4, 640)[:, 100:-100]
    np.testing.assert_allclose(found.mean(axis=1), [0.5, 0, 0, 0.5], atol=1e-3)


def test_what_is_there_is_not_pushed_again() -> None:
    samples = noise(1600)
    track = SoundTrack(16_000)
    track.push(samples[:1280], 0.0)
    track.push(samples[640:1280], 40.0)  # all of it
    track.push(samples[640:], 40.0)  # its first half
    np.testing.assert_array_equal(track.before(100.0, 1600), samples)


def test_a_wandering_clock_is_followed() -> None:
    track = SoundTrack(16_000)
    samples = noise(640 * 1500)
    for block in range(1500):
        track.push(samples[640 * block : 640 * (block + 1)], 40.01 * block)
    # A minute later, the sound is 15 ms late, and nothing was left out of it.
    assert track.until_ms == pytest.approx(1499 * 40.01 + 40)
    np.testing.assert_array_equal(track.before(track.until_ms, 64_000), samples[-64_000:])


def test_old_sound_is_forgotten() -> None:
    track = SoundTrack(16_000, keep_ms=1000)
    samples = noise(16_000 * 5)
    for at in range(0, len(samples), 640):
        track.push(samples[at : at + 640], at / 16)
    np.testing.assert_array_equal(track.before(5000.0, 16_000), samples[-16_000:])
    assert not track.before(2000.0, 16_000).any()


def test_other_rates_are_refused() -> None:
    with pytest.raises(UsageError, match="44100 Hz: convert it to 16000 or 48000"):
        SoundTrack(44_100)


@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize("missing_ms", [100.0, 2500.0, 3_600_000.0])
def test_a_long_silence_is_not_computed_and_sounds_as_if_it_were(rate: int, missing_ms: float) -> None:
    rng = np.random.default_rng(0)
    blocks = rng.uniform(-1, 1, (2, rate // 25)).astype(np.float32)
    track, whole = SoundTrack(rate, keep_ms=1000), SoundTrack(rate)
    track.push(blocks[0], 0.0)
    began_s = time.process_time()
    track.push(blocks[1], 40.0 + missing_ms)
    assert time.process_time() - began_s < 2.0
    end_ms = 80.0 + missing_ms
    assert track.until_ms == pytest.approx(end_ms)
    if missing_ms < 60_000:
        whole.push(blocks[0], 0.0)
        whole.push(blocks[1], 40.0 + missing_ms)
        np.testing.assert_array_equal(track.before(end_ms, 16_000), whole.before(end_ms, 16_000))
    heard = track.before(end_ms, 16_000)
    assert not heard[: -640 - 64].any() or missing_ms < 1000
    assert np.abs(heard[-600:]).max() > 0.5
