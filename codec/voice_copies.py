"""Frames of a voice in, coarse copies of those that a receiver could conceal worst out.

samples ── a second OpusEncoder ──────────────────────────────────── data of the copy
data of the frame ── OpusDecoder ── its sound ────┐                        │
      the decoder as it was before ── concealed ──┴── by how much ── is it worth its bytes?
"""

import math

import numpy as np
from numpy.typing import NDArray

from headgan.codec.libopus import OpusDecoder, OpusEncoder

# Below, the frames need all there is.
COPY_MIN_KBPS = 10.0
_MIN_COPY_KBPS, _MAX_COPY_KBPS = 6.0, 10.0
# Frames that are worth a copy are loud ones, which need more than the mean.
_LOUDER = 1.1
_MIN_LOSS = 0.02
# What is left to the frames, at least.
_MIN_FRAMES_KBPS = 6.5
# By how much one frame moves the bar, as a factor's logarithm; after some seconds it is where it has to be.
_STEP = 0.1
# Voices are compared from 100 Hz to 8 kHz, in pieces of 20 ms.
_PIECE = 960
_BINS = slice(2, 160)
_WINDOW = np.hanning(_PIECE).astype(np.float32)


def copy_kbps(kbps: float) -> float:
    """The rate of the second encoder beside one of `kbps`."""
    return min(max(kbps / 2, _MIN_COPY_KBPS), _MAX_COPY_KBPS)


def copy_share(loss: float, kbps: float) -> float:
    """What share of frames to copy where the share `loss` of packets is lost; at 12 kbit/s none, or 24 to 83 %."""
    if loss < _MIN_LOSS or kbps < COPY_MIN_KBPS:
        return 0.0
    wanted = (0.2 + 2 * loss) * kbps / 12
    return min(wanted, 1.0, (kbps - _MIN_FRAMES_KBPS) / (_LOUDER * copy_kbps(kbps)))


class CopyMaker:
    """Chooses and makes copies for one encoder of a voice. Not thread-safe.

    Attributes:
        cost_kbps: what it would cost to copy each frame.
    """

    def __init__(self, kbps: float) -> None:
        """Args: kbps: the rate of copies, if all frames had one."""
        self.cost_kbps = _LOUDER * kbps
        self._encoder = OpusEncoder(kbps, fec=False, dtx=False)
        self._encoder.set_bandwidth("wide")
        self._decoder = OpusDecoder()
        self._share = 0.0
        self._log_bar = -math.inf

    def set_share(self, share: float) -> None:
        """What share of the frames to copy, 0 to 1."""
        if share > 0 and self._share <= 0:
            self._encoder.reset()
            self._decoder.reset()
            self._log_bar = -math.inf
        self._share = share

    def copy(self, samples: NDArray[np.float32], data: bytes, *, is_silence: bool) -> bytes | None:
        """The copy of the next frame, or None if it is not worth it.

        Args:
            samples: float32 [1920], its sound.
            data: what was coded of it.
            is_silence: whether a decoder will take it for silence.
        """
        if self._share <= 0:
            return None
        coarse = self._encoder.encode(samples)
        concealed = self._decoder.fork().conceal(len(samples))
        decoded = self._decoder.decode(data)
        return coarse if not is_silence and self._passes(_difference(decoded, concealed)) else None

    def _passes(self, difference: float) -> bool:
        """Whether the difference is among the largest `share`; a bar rises with each that is, and sinks otherwise."""
        log = math.log(max(difference, 1e-6))
        if self._log_bar == -math.inf:
            self._log_bar = log
        passes = log >= self._log_bar
        self._log_bar += _STEP * (1 - self._share) if passes else -_STEP * self._share
        return passes


def _difference(sound: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """How differently two pieces of sound are heard, whatever their phases."""
    spectra = [
        np.abs(np.fft.rfft(one[: len(one) // _PIECE * _PIECE].reshape(-1, _PIECE) * _WINDOW, axis=1))[
            :, _BINS
        ]
        for one in (sound, other)
    ]
    return float(np.linalg.norm(spectra[0] - spectra[1]))
