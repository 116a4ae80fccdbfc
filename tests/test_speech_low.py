"""The low-level features of sound: equal to pyAudioAnalysis's own, and finite for whatever is heard."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.models.speech_low import (
    LEAD,
    LOW_SIZE,
    SAMPLE_RATE,
    SHORT,
    STEP,
    VALUES,
    WINDOW,
    low_level,
    short_term,
    statistics,
)

# The places of its features among those of pyAudioAnalysis, which has 13 of chroma after them, and deltas of all.
KEPT = [*range(VALUES), *range(34, 34 + VALUES)]


def their_module() -> Any:
    with warnings.catch_warnings():
        # It imports from a place of scipy that is to go away.
        warnings.filterwarnings("ignore", "Please import `dct`", DeprecationWarning)
        return pytest.importorskip(
            "pyAudioAnalysis.ShortTermFeatures", reason="the dev extra brings pyAudioAnalysis"
        )


def theirs(samples: NDArray[np.int16]) -> NDArray[np.float64]:
    """[S, 42], by pyAudioAnalysis."""
    module = their_module()
    found, names = module.feature_extraction(samples, SAMPLE_RATE, SHORT, STEP)
    assert [names[place] for place in (0, 8, 20, 34, 54)] == [
        "zcr",
        "mfcc_1",
        "mfcc_13",
        "delta zcr",
        "delta mfcc_13",
    ]
    return np.asarray(found)[KEPT].T


def as_they_scale(samples: NDArray[np.int16]) -> NDArray[np.float64]:
    scaled: NDArray[np.float64] = samples / 2.0**15
    scaled -= scaled.mean()
    scaled /= np.abs(scaled).max() + 1e-10
    return scaled


def voice(seconds: float, seed: int = 0) -> NDArray[np.int16]:
    """Buzzes that change their pitch and loudness, noise and silence."""
    random = np.random.default_rng(seed)
    count = round(seconds * SAMPLE_RATE)
    pitch = np.cumsum(120 + 60 * np.sin(np.arange(count) / 4000)) / SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * k * pitch) / k for k in range(1, 30))
    loud = np.clip(np.sin(np.arange(count) / 2500), 0, None)
    hiss = random.normal(0, 0.05, count) * (np.arange(count) % 9000 < 3000)
    return np.rint(6000 * (buzz * loud + hiss)).astype(np.int16)


def test_short_frames_are_those_of_pyaudioanalysis() -> None:
    samples = voice(1.5)
    np.testing.assert_allclose(short_term(as_they_scale(samples)), theirs(samples), rtol=1e-9, atol=1e-11)


def test_silence_and_noise_are_those_of_pyaudioanalysis() -> None:
    samples = np.random.default_rng(3).integers(-2000, 2000, 8000).astype(np.int16)
    samples[2000:5000] = 0
    # Silence that is not taken to its mean, as no part of a clip is zero after that.
    samples[5000:] -= round(samples.mean() * len(samples) / 3000)
    np.testing.assert_allclose(short_term(as_they_scale(samples)), theirs(samples), rtol=1e-7, atol=1e-9)


def test_a_frame_has_the_statistics_that_pyaudioanalysis_has_of_eight_pictures() -> None:
    samples = voice(1.0)
    short = theirs(samples)
    ratio = round((WINDOW - (SHORT - STEP)) / STEP)  # its mid-term window
    first = 16
    part = short[first : first + ratio]
    expected = np.concatenate([part.mean(axis=0), part.std(axis=0)])
    sound = as_they_scale(samples)[first * STEP - LEAD : first * STEP + WINDOW]
    found = low_level(sound)
    assert found.shape == (LOW_SIZE,)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-11)


def test_a_tone_is_found_where_it_is() -> None:
    tone = 0.5 * np.sin(2 * np.pi * 2000 * np.arange(LEAD + WINDOW) / SAMPLE_RATE)
    found = low_level(tone)
    assert found[0] == pytest.approx(2 * 2000 / SAMPLE_RATE, abs=0.01)
    assert found[1] == pytest.approx(0.125, rel=0.01)
    assert found[3] == pytest.approx(2000 / 8000, abs=0.02)
    assert found[7] == pytest.approx(2000 / 8000, abs=0.02)
    louder = low_level(2 * tone)
    np.testing.assert_allclose(louder[1], 4 * found[1])
    np.testing.assert_allclose(np.delete(louder[:8], 1), np.delete(found[:8], 1), atol=1e-9)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1e-30, 1e-5, 1.0]), st.integers(0, WINDOW))
def test_everything_is_finite(seed: int, loud: float, silent: int) -> None:
    sound = np.random.default_rng(seed).uniform(-loud, loud, LEAD + WINDOW)
    sound[:silent] = 0
    short = short_term(sound)
    assert short.shape == (2 + (WINDOW - SHORT) // STEP + 1, 2 * VALUES)
    assert np.isfinite(statistics(short)).all()
    np.testing.assert_array_equal(low_level(sound), statistics(short[2:]))
