"""A pitch period less or more: exact lengths, no clicks, tones stay tones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from headgan.codec.time_stretch import ENOUGH_SAMPLES, MAX_PERIOD, MIN_PERIOD, Stretched, lengthen, shorten

Sound = NDArray[np.float32]
RATE = 48_000
BOTH = pytest.mark.parametrize("stretch", [shorten, lengthen])


def tone(hz: float, samples: int, phase: float = 0.0) -> Sound:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(samples) / RATE + phase)).astype(np.float32)


def check(sound: Sound, result: Stretched) -> None:
    """What holds for any sound."""
    assert len(result.sound) == len(sound) + result.added
    assert result.sound.dtype == np.float32
    assert result.added == 0 or MIN_PERIOD <= abs(result.added) <= MAX_PERIOD
    if not len(sound):
        return
    assert np.abs(result.sound).max() <= np.abs(sound).max() * (1 + 1e-6)
    # What a cross-fade over the shortest period adds.
    slack = float(np.ptp(sound)) / MIN_PERIOD + 1e-6
    assert abs(result.sound[0] - sound[0]) <= slack
    assert abs(result.sound[-1] - sound[-1]) <= slack
    own_step = np.abs(np.diff(sound)).max(initial=0)
    assert np.abs(np.diff(result.sound)).max(initial=0) <= own_step + slack


@BOTH
@given(
    sound=st.one_of(
        arrays(np.float32, st.integers(0, 3000), elements=st.floats(-1, 1, width=32)),
        st.builds(
            lambda hz, samples, phase: tone(hz, samples, phase),
            st.floats(30, 3000),
            st.integers(0, 5000),
            st.floats(0, 6),
        ),
    ),
    alike=st.sampled_from([-1.0, 0.7]),
    most=st.integers(0, 1000),
)
def test_any_sound(stretch: object, sound: Sound, alike: float, most: int) -> None:
    assert callable(stretch)
    before = sound.copy()
    result = stretch(sound, alike, most)
    check(sound, result)
    assert abs(result.added) <= most
    np.testing.assert_array_equal(sound, before)
    if alike == -1 and most >= MIN_PERIOD and len(sound) >= 2 * MIN_PERIOD:
        assert result.added != 0


@pytest.mark.parametrize("hz", [100, 117.3, 163, 220, 261.6, 300])
@pytest.mark.parametrize("samples", [ENOUGH_SAMPLES, 1920, 5000])
def test_a_tone_stays_a_tone(hz: float, samples: int) -> None:
    sound = tone(hz, samples, 1.0)
    for result in (shorten(sound), lengthen(sound)):
        check(sound, result)
        # Whole periods, to the sample that a period is not.
        periods = result.added * hz / RATE
        assert abs(periods) >= 0.99
        assert abs(periods - round(periods)) < hz / RATE
        # The best tone of that pitch leaves next to nothing.
        time_s = np.arange(len(result.sound)) / RATE
        waves = np.stack([np.sin(2 * np.pi * hz * time_s), np.cos(2 * np.pi * hz * time_s)], 1)
        weights, *_ = np.linalg.lstsq(waves, result.sound, rcond=None)
        left = result.sound - waves @ weights
        assert np.sqrt(np.mean(left**2)) < 0.02


def test_signs_are_as_said() -> None:
    sound = tone(150, 1920)
    assert shorten(sound).added < 0 < lengthen(sound).added


def test_a_pause_is_changed_before_the_voice(voice: Sound) -> None:
    talking = voice[RATE // 10 : RATE // 10 + 1200]
    for sound in (
        np.concatenate([talking, np.zeros(ENOUGH_SAMPLES, np.float32)]),
        np.concatenate([np.zeros(ENOUGH_SAMPLES, np.float32), talking]),
    ):
        shorter = shorten(sound)
        assert shorter.added <= -0.9 * MAX_PERIOD
        kept = shorter.sound[: len(talking)] if sound[0] else shorter.sound[-len(talking) :]
        np.testing.assert_allclose(kept, talking, atol=2e-3)


def test_a_steady_voice_is_changed_and_a_bang_is_not(voice: Sound) -> None:
    steady = voice[RATE // 10 : RATE // 10 + 2400]
    assert shorten(steady).added < 0
    chance = np.random.default_rng(5)
    bang = (chance.normal(0, 1, 2400) * np.exp(-np.arange(2400) / 150)).astype(np.float32)
    bang = bang[:400]
    for stretch in (shorten, lengthen):
        result = stretch(bang)
        assert result.added == 0
        assert result.sound is bang


def test_play_out_can_run_faster_and_slower(voice: Sound) -> None:
    for stretch, sign in ((shorten, -1), (lengthen, 1)):
        pieces = [stretch(part) for part in voice[: 2 * RATE].reshape(-1, 2400)]
        changed = [piece.added for piece in pieces if piece.added]
        assert len(changed) > 0.7 * len(pieces)
        assert all(sign * added > 0 for added in changed)
        sound = np.concatenate([piece.sound for piece in pieces])
        assert np.abs(np.diff(sound)).max() < 1.3 * np.abs(np.diff(voice)).max()
