"""Sound at 16 kHz in, the 84 low-level numbers of a video frame out: what pyAudioAnalysis measures, without it.

320 ms of sound ── 121 short frames of 20 ms, one every 2.5 ms ── 21 values each ─┬───────── 42 ── mean, deviation ── 84
                                                                                └─ deltas ─┘

The 21 values (paper sec. 3, "low-level features") are zero crossings, energy, entropy of the energy, centroid, spread
and entropy of the spectrum, its flux and roll-off, and 13 cepstral coefficients: pyAudioAnalysis 0.3.14 without chroma,
with short frames of half a picture and steps of a sixteenth at 25 pictures a second, over eight pictures. Numbers are
equal to its own (tests/test_speech_low.py) but for the level: it brings a whole clip to a peak of 1 first, which
a call cannot; `speech` says what is done instead.
"""

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
# Samples: a short frame, a step between two of them, and the eight pictures at 25 a second that are looked at.
SHORT, STEP, WINDOW = 320, 40, 5120
# The delta of the first short frame's flux reaches two steps back.
LEAD = 2 * STEP
VALUES = 21
LOW_SIZE = 4 * VALUES
# What is heard of the spectrum, bins of 50 Hz; 20 ms have so many.
_BINS = SHORT // 2
_BLOCKS = 10  # of an entropy
_ROLL_OFF = 0.9
_CEPSTRA = 13
_EPS = np.finfo(np.float64).eps


def low_level(sound: NDArray[np.floating]) -> NDArray[np.float64]:
    """Float64 [84] of the last 320 ms: means of the 21 values and of their deltas, then deviations of the same.

    Args:
        sound: [LEAD + WINDOW]; what is before the window is what its first deltas are measured from.
    """
    return statistics(short_term(sound)[LEAD // STEP :])


def statistics(short: NDArray[np.float64]) -> NDArray[np.float64]:
    """Float64 [84] of short frames [S, 42]."""
    return np.concatenate([short.mean(axis=0), short.std(axis=0)])


def short_term(sound: NDArray[np.floating]) -> NDArray[np.float64]:
    """Float64 [S, 42]: the 21 values of each short frame of `sound` [N], and what they rose by since the one before.

    The first frame has none before it: its flux and its deltas are zero.
    """
    exact: NDArray[np.float64] = np.asarray(sound, np.float64)
    frames = sliding_window_view(exact, SHORT)[::STEP]  # [S, 320]
    spectrum = np.abs(np.fft.rfft(frames))[:, :_BINS] / _BINS  # [S, 160]
    squares, power = frames**2, spectrum**2
    values = np.column_stack(
        [
            _zero_crossings(exact),
            squares.sum(axis=1) / SHORT,
            _entropy(squares),
            *_centroid_and_spread(spectrum),
            _entropy(power),
            _flux(spectrum),
            _roll_off(power),
            np.log10(_filtered(spectrum) + _EPS) @ _cosines(),
        ]
    )  # [S, 21]
    return np.hstack([values, np.diff(values, axis=0, prepend=values[:1])])


def _zero_crossings(sound: NDArray[np.float64]) -> NDArray[np.float64]:
    """[S]: the share of a short frame's samples before which the sign changes; to or from zero counts half."""
    changes = np.cumsum(np.abs(np.diff(np.sign(sound), prepend=0.0)))  # up to each sample
    ends = np.arange(SHORT - 1, len(sound), STEP)
    crossed: NDArray[np.float64] = (changes[ends] - changes[ends - SHORT + 1]) / 2 / (SHORT - 1)
    return crossed


def _entropy(squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of how the energy of each row [S, n] is spread over ten blocks of it, bits."""
    energy = squares.reshape(len(squares), _BLOCKS, -1).sum(axis=2)  # [S, 10]
    shares = energy / (energy.sum(axis=1, keepdims=True) + _EPS)
    bits: NDArray[np.float64] = -(shares * np.log2(shares + _EPS)).sum(axis=1)
    return bits


def _centroid_and_spread(
    spectrum: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """[S] each, shares of half the sample rate."""
    places = np.arange(1, _BINS + 1) / _BINS
    peak = spectrum.max(axis=1, keepdims=True)
    weights = spectrum / np.where(peak == 0, 1.0, peak)
    total = weights.sum(axis=1) + _EPS
    centroid = weights @ places / total
    return centroid, np.sqrt(((places - centroid[:, None]) ** 2 * weights).sum(axis=1) / total)


def _flux(spectrum: NDArray[np.float64]) -> NDArray[np.float64]:
    shares = spectrum / (spectrum + _EPS).sum(axis=1, keepdims=True)
    changed: NDArray[np.float64] = (np.diff(shares, axis=0, prepend=shares[:1]) ** 2).sum(axis=1)
    return changed


def _roll_off(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """[S]: the share of the spectrum's bins that holds 90 % of its energy."""
    below = np.cumsum(power, axis=1)
    is_above = below + _EPS > _ROLL_OFF * below[:, -1:]
    share: NDArray[np.float64] = is_above.argmax(axis=1) / _BINS
    return share


def _filtered(spectrum: NDArray[np.float64]) -> NDArray[np.float64]:
    """[S, 40]: what passes each filter; above the last one nothing does."""
    filters = _filters()
    used = int(np.flatnonzero(filters.sum(axis=0))[-1]) + 1
    # By halves: OpenBLAS would spread a product of this size over threads, and wait for them longer than it takes.
    halves = np.array_split(spectrum[:, :used], 2)
    return np.concatenate([half @ filters[:, :used].T for half in halves])


@cache
def _filters() -> NDArray[np.float64]:
    """Float64 [40, 160]: triangles, 13 of equal width and 27 that widen, over the spectrum's bins.

    Bins count for twice their frequency here, as in pyAudioAnalysis, so that the filters end at 3.4 kHz: its numbers
    are wanted, not better ones.
    """
    linear = 133.33 + np.arange(13) * (200 / 3)
    edges = np.concatenate([linear, linear[-1] * 1.0711703 ** np.arange(1, 30)])  # [42]
    places = np.arange(_BINS) * (SAMPLE_RATE / _BINS)
    ends = np.floor(edges * _BINS / SAMPLE_RATE).astype(int)
    filters = np.zeros((40, _BINS))
    for row in range(40):
        low, middle, high = edges[row : row + 3]
        height = 2 / (high - low)
        rises, falls = slice(ends[row] + 1, ends[row + 1] + 1), slice(ends[row + 1] + 1, ends[row + 2] + 1)
        filters[row, rises] = height / (middle - low) * (places[rises] - low)
        filters[row, falls] = height / (high - middle) * (high - places[falls])
    return filters


@cache
def _cosines() -> NDArray[np.float64]:
    """Float64 [40, 13]: the orthonormal cosine transform, its first coefficients."""
    angles = np.pi / 40 * (np.arange(40)[:, None] + 0.5) * np.arange(_CEPSTRA)
    scale = np.where(np.arange(_CEPSTRA) == 0, np.sqrt(1 / 40), np.sqrt(2 / 40))
    table: NDArray[np.float64] = np.cos(angles) * scale
    return table
