"""A piece of sound in, the same with one pitch period less or more out, so that play-out can run faster or slower.

shorten    ...ab AAAA BBBB cd...  ->  ...ab A→B cd...
lengthen   ...ab AAAA BBBB cd...  ->  ...ab AAAA B→A BBBB cd...

A and B are neighbours of one length that sound most alike: two periods of a voice, or two pieces of a pause. → goes
from one to the other over their whole length, so both ends meet what was there before. Where nothing is alike, such as
in a plosive, nothing is changed; ask again a little later.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

# Periods of voices at 48 kHz: 2.5 to 15 ms, 400 to 67 Hz.
MIN_PERIOD: Final = 120
MAX_PERIOD: Final = 720
# As much sound is looked at, at least, if a voice of any pitch is to be found in it.
ENOUGH_SAMPLES: Final = 2 * MAX_PERIOD
# Of 1: A and B are the same. Below, the change is heard.
ALIKE: Final = 0.7
# Nobody hears a change in what is quieter (root of the mean square).
_SILENCE = 1e-3
# Longer periods are taken if they are nearly as alike: more is gained by one change.
_NEARLY = 0.01
# The first search looks at every fourth sample.
_COARSE = 4
_TINY = 1e-12


@dataclass(frozen=True)
class Stretched:
    """Changed sound.

    Attributes:
        sound: float32 [N + added].
        added: samples; negative: taken out; 0: nothing was changed.
    """

    sound: NDArray[np.float32]
    added: int


@dataclass(frozen=True)
class _Pair:
    start: int
    period: int


def shorten(sound: NDArray[np.float32], alike: float = ALIKE, most: int = MAX_PERIOD) -> Stretched:
    """Takes out a period.

    Args:
        sound: float32 [N] at 48 kHz; ENOUGH_SAMPLES or more.
        alike: how alike two periods have to be, -1 to 1; -1: whatever comes nearest.
        most: do not take out more samples than this.
    """
    pair = _most_alike(sound, alike, most)
    if pair is None:
        return Stretched(sound, 0)
    first, second, rest = _parts(sound, pair)
    return Stretched(np.concatenate([sound[: pair.start], _blend(first, second), rest]), -pair.period)


def lengthen(sound: NDArray[np.float32], alike: float = ALIKE, most: int = MAX_PERIOD) -> Stretched:
    """Puts a period in; arguments as for `shorten`."""
    pair = _most_alike(sound, alike, most)
    if pair is None:
        return Stretched(sound, 0)
    first, second, _ = _parts(sound, pair)
    middle = pair.start + pair.period
    return Stretched(np.concatenate([sound[:middle], _blend(second, first), sound[middle:]]), pair.period)


def _parts(sound: NDArray[np.float32], pair: _Pair) -> tuple[NDArray[np.float32], ...]:
    middle = pair.start + pair.period
    return sound[pair.start : middle], sound[middle : middle + pair.period], sound[middle + pair.period :]


def _blend(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """From one to the other; both ends are where their neighbours expect them."""
    weight = ((np.arange(len(one)) + 0.5) / len(one)).astype(np.float32)
    return one + weight * (other - one)


def _most_alike(sound: NDArray[np.float32], alike: float, most: int) -> _Pair | None:
    """The best place and period; None if there is none."""
    longest = min(MAX_PERIOD, most, len(sound) // 2)
    if longest < MIN_PERIOD:
        return None
    coarse = sound[: len(sound) // _COARSE * _COARSE].reshape(-1, _COARSE).mean(1, dtype=np.float64)
    found: list[tuple[float, int, int]] = []
    for period in range(MIN_PERIOD // _COARSE, min(longest, len(coarse) * _COARSE // 2) // _COARSE + 1):
        scores = _likeness(coarse, period)
        # Of a pause the middle.
        starts = np.flatnonzero(scores == scores.max())
        start = int(starts[len(starts) // 2])
        found.append((float(scores[start]), start, period))
    best = max(score for score, _, _ in found)
    long = max(period for score, _, period in found if score >= best - _NEARLY)
    # The peak whose slope that is.
    _, start, period = max((one for one in found if 0.9 * long <= one[2] <= long), key=lambda one: one[::2])
    pair = _refine(sound, start * _COARSE, period * _COARSE, longest)
    return pair if _score(sound, pair) >= alike else None


def _likeness(sound: NDArray[np.float64], period: int) -> NDArray[np.float64]:
    """For each place, how alike the `period` samples from there and those after them are; more than 1 if silent."""

    def sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
        total = np.concatenate([[0.0], np.cumsum(values)])
        return np.asarray(total[period:] - total[:-period])

    energy = sums(sound**2)
    both = np.maximum(energy[:-period] + energy[period:], 0.0)
    common = sums(sound[:-period] * sound[period:])
    is_silent = both <= 2 * period * _SILENCE**2
    return np.where(is_silent, 1 + _NEARLY, 2 * common / (both + _TINY))


def _refine(sound: NDArray[np.float32], start: int, period: int, longest: int) -> _Pair:
    """The best period to the sample."""
    periods = range(max(MIN_PERIOD, period - _COARSE), min(longest, period + _COARSE) + 1)
    pairs = [_Pair(min(start, len(sound) - 2 * one), one) for one in periods]
    return max(pairs, key=lambda pair: _score(sound, pair))


def _score(sound: NDArray[np.float32], pair: _Pair) -> float:
    piece = sound[pair.start : pair.start + 2 * pair.period].astype(np.float64)
    return float(_likeness(piece, pair.period)[0])
