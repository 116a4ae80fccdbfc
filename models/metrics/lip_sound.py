"""The sound of a clip in, what a judge of lips is told of it out, picture by picture at 25 a second.

whole clip ── hama's network ── 27 classes, two outputs a picture ── shares: what should be told from the lips
                                                                 └── levels [54] ─┐
           └─ spectrum, 24 bands, four short frames a picture ────── [96] ────────┴── heard [150]

The network hears the whole clip, before and after each picture: a judge need not keep up with a call.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from headgan.models.speech import levelled
from headgan.models.speech_classes import CLASSES, REST
from headgan.models.speech_low import SAMPLE_RATE
from headgan.models.speech_phonemes import HOP, SpeechNet, as_levels

RATE_FPS = 25.0
FRAME_SAMPLES = round(SAMPLE_RATE / RATE_FPS)
BANDS = 24
_HOPS = FRAME_SAMPLES // HOP
_SHORT, _STEP = 400, 160  # samples
_STEPS = FRAME_SAMPLES // _STEP
HEARD_SIZE = _HOPS * CLASSES + _STEPS * BANDS
_LOWEST_HZ, _HIGHEST_HZ = 80.0, 7600.0
# Natural logarithms; the bands of speech deviate by so much.
_DEVIATION = 3.0
_FLOOR = 1e-6
# What the network hears at once, and what beside it on both sides; samples.
_PIECE, _AROUND = 16 * SAMPLE_RATE, 2 * SAMPLE_RATE
# There is a sound where the network gives sounds so large a share; its outputs are short peaks.
SOUND = 0.3


@dataclass(frozen=True, eq=False)
class LipSound:
    """What is heard at each picture.

    Attributes:
        shares: float32 [T, 27], of the classes of sounds, adding up to 1.
        heard: float32 [T, 150], what the judge is given.
    """

    shares: NDArray[np.float32]
    heard: NDArray[np.float32]

    @property
    def speaks(self) -> float:
        """Share of the pictures at which there is a sound of speech."""
        return float((1 - self.shares[:, REST] >= SOUND).mean())


def listen(samples: NDArray[np.int16], net: SpeechNet) -> LipSound:
    """What is heard at pictures of 40 ms each.

    Args:
        samples: int16 [640 T] at 16 kHz, the first of them at the time of the first picture.
        net: tells the sounds of speech.
    """
    count = len(samples) // FRAME_SAMPLES
    sound = levelled((samples[: count * FRAME_SAMPLES] / np.float32(32768)).astype(np.float32))
    each = _shares(sound, net).reshape(count, _HOPS, CLASSES)
    levels = as_levels(each).reshape(count, -1)
    bands = _bands(sound).reshape(count, -1)
    return LipSound(each.mean(axis=1), np.concatenate([levels, bands], axis=1))


def nearest(pts_ms: NDArray[np.float64], times_ms: NDArray[np.float64]) -> NDArray[np.intp]:
    """Which of the rising `pts_ms` is the nearest to each of `times_ms`."""
    after = np.clip(np.searchsorted(pts_ms, times_ms), 1, len(pts_ms) - 1)
    is_before = times_ms - pts_ms[after - 1] <= pts_ms[after] - times_ms
    return np.asarray(after - is_before, np.intp)


def _shares(sound: NDArray[np.float32], net: SpeechNet) -> NDArray[np.float32]:
    """Float32 [N // 320, 27], of any length: the network gives up after 30 s, so it hears pieces that overlap."""
    pieces = []
    for start in range(0, len(sound), _PIECE):
        first = max(start - _AROUND, 0)
        told = net.shares(sound[first : start + _PIECE + _AROUND])[(start - first) // HOP :]
        pieces.append(told[: _PIECE // HOP])
    return np.concatenate(pieces)


def _bands(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Float32 [N // 160, 24]: logarithms of the energy, less the clip's mean of each band."""
    frames = sliding_window_view(np.pad(sound, (_SHORT - _STEP, 0)), _SHORT)[::_STEP]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(_SHORT))) ** 2
    energy = np.log(spectrum @ _triangles().T + _FLOOR)
    found: NDArray[np.float32] = ((energy - energy.mean(axis=0)) / _DEVIATION).astype(np.float32)
    return found


@cache
def _triangles() -> NDArray[np.float64]:
    """Float64 [24, 201]: bands of equal width in mel."""
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (_LOWEST_HZ, _HIGHEST_HZ))
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(_SHORT, 1 / SAMPLE_RATE)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    table: NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling))
    return table
