"""Two sounds in, how differently they are heard and understood out.

sound ── 16 kHz ── acoustic model of hama ── the likeliest phoneme of each 20 ms ── repeats and blanks out ── phonemes
"""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headgan.codec.libopus import RATE

log = logging.getLogger(__name__)

_MODEL_RATE = 16_000
_PIECE = RATE // 50
# Voices are compared from 100 Hz to 8 kHz, and where the reference is no quieter than this (RMS).
_BINS = slice(2, 160)
_SILENCE = 10 ** (-50 / 20)
# Spectra are compared down to so far below the loudest part of the reference.
_FLOOR_DB = 60.0
Sound = NDArray[np.float32]


class PhonemeReader:
    """Reads phonemes from sound; it is no better than its model, but the same for all."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - hama has no types
        self._model = model

    @classmethod
    def load(cls) -> "PhonemeReader | None":
        """None, and a message, if the model is not installed."""
        try:
            from hama.asr import ASRModel
        except ImportError:
            log.warning("phoneme errors are left out; for them run: pip install 'headgan[bench]'")
            return None
        return cls(ASRModel(providers=["CPUExecutionProvider"]))

    def read(self, sound: Sound) -> list[int]:
        """The phonemes; sound: float32 [N] at 48 kHz."""
        result = self._model.transcribe_waveform(to_16_khz(sound), _MODEL_RATE)
        return [int(token) for token in result.token_ids]


def to_16_khz(sound: Sound) -> Sound:
    """A third of the samples, without what is above 8 kHz."""
    whole = sound[: len(sound) // 6 * 6]
    spectrum = np.fft.rfft(whole)[: len(whole) // 6 + 1]
    return np.asarray(np.fft.irfft(spectrum, len(whole) // 3) / 3, np.float32)


def edit_distance(one: Sequence[int], other: Sequence[int]) -> int:
    """Phonemes to put in, leave out or exchange to get from one to the other (Levenshtein)."""
    row = list(range(len(other) + 1))
    for count, left in enumerate(one, 1):
        above, row = row, [count]
        for place, right in enumerate(other):
            row.append(min(above[place + 1] + 1, row[place] + 1, above[place] + (left != right)))
    return row[-1]


def spectral_distances(sound: Sound, truth: Sound) -> NDArray[np.float64]:
    """Log-spectral distance in dB of each 20 ms in which there is something in `truth`."""
    pieces = [one[: len(one) // _PIECE * _PIECE].reshape(-1, _PIECE) for one in (truth, sound)]
    is_heard = np.sqrt((pieces[0] ** 2).mean(1)) > _SILENCE
    window = np.hanning(_PIECE)
    levels = [20 * np.log10(np.abs(np.fft.rfft(one[is_heard] * window))[:, _BINS] + 1e-9) for one in pieces]
    if not levels[0].size:
        return np.zeros(0)
    floor = levels[0].max() - _FLOOR_DB
    difference = np.maximum(levels[1], floor) - np.maximum(levels[0], floor)
    return np.asarray(np.sqrt((difference**2).mean(1)))


def is_speech(sound: Sound) -> bool:
    """Whether its level is that of somebody who speaks near a microphone, with pauses or syllables."""
    parts = sound[: len(sound) // (2 * _PIECE) * 2 * _PIECE].reshape(-1, 2 * _PIECE)
    if not len(parts):
        return False
    levels_db = 20 * np.log10(np.sqrt((parts**2).mean(1)) + 1e-9)
    low, high = np.percentile(levels_db, [5, 95])
    return bool(high > -35 and high - low > 12)
