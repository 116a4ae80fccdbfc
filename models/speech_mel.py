"""Sound at 16 kHz in, how loud it is in 40 bands of pitch, 100 times a second, out: what `ShortEar` is given.

sound ── frames of 25 ms, one every 10 ms ── power of the spectrum ── 40 triangles, even on the mel scale ── logarithm

A frame ends with the 10 ms that it stands for, so that nothing is missing where the sound ends.
"""

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from headgan.models.speech_low import SAMPLE_RATE

BANDS = 40
HOP, FRAME, _SPECTRUM = 160, 400, 512
_LOWEST_HZ, _HIGHEST_HZ = 60.0, 7600.0
# Quieter than this nobody hears anything, at a peak of 1.
_FLOOR = 1e-6
_MIDDLE, _SPREAD = 4.0, 4.0


def mel_power(sound: NDArray[np.floating]) -> NDArray[np.float32]:
    """Float32 [N // 160, 40]: the power in each band; before the sound [N] there is silence."""
    count = len(sound) // HOP
    if not count:
        return np.empty((0, BANDS), np.float32)
    lead = FRAME - HOP
    heard = np.concatenate([np.zeros(lead, np.float32), np.asarray(sound, np.float32)])
    frames = sliding_window_view(heard, FRAME)[::HOP][:count] * _window()  # [T, 400]
    spectrum = np.fft.rfft(frames, _SPECTRUM)  # [T, 257]
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    # By rows, as BLAS would not: a product over all of them is rounded otherwise for another number of rows.
    bands: NDArray[np.float32] = np.einsum("tf,fb->tb", power.astype(np.float32), _bands(), optimize=False)
    return bands


def mel_levels(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Float32, of the shape of `power`: its logarithm, about -3 to 3."""
    levels: NDArray[np.float32] = (np.log(power + np.float32(_FLOOR)) + np.float32(_MIDDLE)) / np.float32(
        _SPREAD
    )
    return levels


@cache
def _window() -> NDArray[np.float32]:
    """Float32 [400]: rises and falls, and adds up to 10."""
    window = np.hanning(FRAME)
    scaled: NDArray[np.float32] = (window * (10 / window.sum())).astype(np.float32)
    return scaled


@cache
def _bands() -> NDArray[np.float32]:
    """Float32 [257, 40]: triangles, each from the middle of the band below to the middle of the one above."""
    ends = np.array([_LOWEST_HZ, _HIGHEST_HZ])
    low, high = 2595 * np.log10(1 + ends / 700)
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    places = np.arange(_SPECTRUM // 2 + 1)[:, None] * SAMPLE_RATE / _SPECTRUM
    rises = (places - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falls = (edges[2:] - places) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rises, falls)).astype(np.float32)
