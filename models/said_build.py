"""Features of speech in, what both ends of a call know of them beforehand out: codec/said_code.npz.

features ── axes: what varies together ── whole steps ── spreads by place and neighbours, frequencies by spread
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from headgan.codec.range_coder import TOTAL
from headgan.codec.said_code import (
    CONTEXTS,
    FEATURES,
    MOST_STEPS,
    SPREADS,
    SPREADS_AN_OCTAVE,
    SYMBOLS,
    SaidCode,
)
from headgan.codec.said_record import NEIGHBOURS, context_of, steps_of
from headgan.models.speech import speech_form
from headgan.models.speech_low import LOW_SIZE

# Axes and length of a step, of the 84 and of the 216: `headgan-bench said` shows what others would cost and bring.
LOW_AXES, LOW_STEP = 56, 2.2
HEARD_AXES, HEARD_STEP = 64, 0.5
# The mean size of a coordinate, in steps, at the smallest spread.
_SMALLEST = 2.0**-8
# A place with its context is worth so many coordinates of the place before the first was counted; a spread's
# frequencies are worth so many of an exponential one.
_PRIOR_PLACE, _PRIOR_SPREAD = 20.0, 200.0
_SIZES = np.abs(np.arange(SYMBOLS) - MOST_STEPS)


def build_said_code(features: NDArray[np.float32]) -> SaidCode:
    """Learns a code from features [N, 300] of the speech of many people."""
    low, heard = features[:, :LOW_SIZE], features[:, LOW_SIZE:]
    axes = np.zeros((LOW_AXES + HEARD_AXES, FEATURES), np.float32)
    axes[:LOW_AXES, :LOW_SIZE] = _axes(low, LOW_AXES)
    axes[LOW_AXES:, LOW_SIZE:] = _axes(heard, HEARD_AXES)
    # As they are kept.
    axes = axes.astype(np.float16).astype(np.float32)
    steps = np.repeat(np.array([LOW_STEP, HEARD_STEP], np.float32), [LOW_AXES, HEARD_AXES])
    spreads = np.zeros((len(steps), CONTEXTS), np.uint8)
    even = np.full((SPREADS, SYMBOLS), 1, np.int64)
    even[:, MOST_STEPS] += TOTAL - SYMBOLS
    form = np.array(speech_form())
    code = SaidCode(form, features.mean(axis=0), axes, steps, spreads, even)
    coded = steps_of(code, features)
    contexts = _contexts(coded)
    spreads = _spreads(coded, contexts)
    return SaidCode(form, code.mean, axes, steps, spreads, _frequencies(coded, contexts, spreads))


def bits_of(code: SaidCode, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Float64 [K]: the bits of each axis in a record, by the frequencies, on average over features [N, 300]."""
    coded = steps_of(code, features)
    spreads = code.spreads[np.arange(coded.shape[1]), _contexts(coded)]
    bits: NDArray[np.float64] = -np.log2(code.frequencies[spreads, coded + MOST_STEPS] / TOTAL).mean(axis=0)
    return bits


def _axes(values: NDArray[np.float32], count: int) -> NDArray[np.float64]:
    """Float64 [count, n]: the principal axes of values [N, n], the largest first."""
    variance = np.cov(values.astype(np.float64).T)
    axes: NDArray[np.float64] = np.linalg.eigh(variance)[1].T[::-1][:count]
    # Either direction would do; the same one on every machine.
    axes *= np.sign(axes[np.arange(count), np.abs(axes).argmax(axis=1)])[:, None]
    return axes


def _contexts(coded: NDArray[np.int64]) -> NDArray[np.int64]:
    """Int64 [N, K]: the context of each coordinate."""
    sizes = np.pad(np.abs(coded), ((0, 0), (NEIGHBOURS, 0)))
    sums = sliding_window_view(sizes, NEIGHBOURS, axis=1)[:, :-1].sum(axis=-1)
    of_sum = np.array([context_of([total]) for total in range(int(sums.max()) + 1)])
    contexts: NDArray[np.int64] = of_sum[sums]
    return contexts


def _spreads(coded: NDArray[np.int64], contexts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Uint8 [K, CONTEXTS]: the spread that is as wide as the coordinates were on average."""
    places = np.broadcast_to(np.arange(coded.shape[1]), coded.shape)
    counts, sums = np.zeros((2, coded.shape[1], CONTEXTS))
    np.add.at(counts, (places, contexts), 1)
    np.add.at(sums, (places, contexts), np.abs(coded))
    usual = np.abs(coded).mean(axis=0)[:, None]
    means = (sums + _PRIOR_PLACE * usual) / (counts + _PRIOR_PLACE)
    found = np.rint(SPREADS_AN_OCTAVE * np.log2(np.maximum(means, _SMALLEST) / _SMALLEST))
    spreads: NDArray[np.uint8] = np.clip(found, 0, SPREADS - 1).astype(np.uint8)
    return spreads


def _frequencies(
    coded: NDArray[np.int64], contexts: NDArray[np.int64], spreads: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """Int64 [SPREADS, SYMBOLS], of TOTAL: what was counted at each spread, over an exponential one of its mean."""
    counts = np.zeros((SPREADS, SYMBOLS))
    np.add.at(counts, (spreads[np.arange(coded.shape[1]), contexts], coded + MOST_STEPS), 1)
    counts = (counts + counts[:, ::-1]) / 2
    means = _SMALLEST * 2.0 ** (np.arange(SPREADS) / SPREADS_AN_OCTAVE)
    # Of a two-sided geometric distribution with that mean size.
    ratio = (np.sqrt(1 + means**2) - 1) / means
    prior = ratio[:, None] ** _SIZES
    share = counts + _PRIOR_SPREAD * prior / prior.sum(axis=1, keepdims=True)
    share /= share.sum(axis=1, keepdims=True)
    whole: NDArray[np.int64] = 1 + np.floor(share * (TOTAL - SYMBOLS)).astype(np.int64)
    whole[:, MOST_STEPS] += TOTAL - whole.sum(axis=1)
    return whole
