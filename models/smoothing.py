"""Noisy points in, calm points out: the One-Euro filter (Casiez, Roussel, Vogel, CHI 2012).

A low-pass filter whose cut-off rises with speed: a still face does not tremble, a fast one does not lag.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headgan.proto.errors import UsageError

_SPEED_CUTOFF_HZ = 1.0


@dataclass(frozen=True)
class OneEuroSettings:
    """How much to smooth.

    Attributes:
        min_cutoff_hz: cut-off of a point at rest; lower is calmer.
        beta: how fast the cut-off rises, in Hz for each half crop width a second; higher lags less.
    """

    min_cutoff_hz: float = 4.0
    beta: float = 40.0


def smoothing_settings(strength: float) -> OneEuroSettings | None:
    """Settings for `--smoothing`: 0 is none, 1 is strong.

    Raises:
        UsageError: `strength` is not within 0 to 1.
    """
    if not 0 <= strength <= 1:
        raise UsageError(f"--smoothing {strength:g}: give 0 (none) to 1 (strong)")
    if strength == 0:
        return None
    # 0.5 is the default of the class; each 0.25 halves or doubles the cut-off.
    factor = 2.0 ** ((0.5 - strength) * 4)
    standard = OneEuroSettings()
    return OneEuroSettings(standard.min_cutoff_hz * factor, standard.beta * factor)


class OneEuroFilter:
    """Smooths an array of coordinates over time, each on its own."""

    def __init__(self, settings: OneEuroSettings) -> None:
        self._settings = settings
        self.reset()

    def reset(self) -> None:
        """Forgets the past: the next values pass as they are."""
        self._values: NDArray[np.float64] | None = None
        self._speed: NDArray[np.float64] | None = None
        self._time_ms = 0.0

    def smooth(self, values: NDArray[np.floating], time_ms: float) -> NDArray[np.float32]:
        """Smoothed `values` (any shape, always the same) measured at `time_ms`, which must rise."""
        elapsed_s = (time_ms - self._time_ms) / 1000
        if self._values is None or self._speed is None or elapsed_s <= 0:
            self._values = values.astype(np.float64)
            self._speed = np.zeros_like(self._values)
        else:
            speed = (values - self._values) / elapsed_s
            self._speed += _share(_SPEED_CUTOFF_HZ, elapsed_s) * (speed - self._speed)
            cutoff = self._settings.min_cutoff_hz + self._settings.beta * np.abs(self._speed)
            self._values = self._values + _share(cutoff, elapsed_s) * (values - self._values)
        self._time_ms = time_ms
        return self._values.astype(np.float32)


def _share(cutoff_hz: NDArray[np.float64] | float, elapsed_s: float) -> NDArray[np.float64]:
    """Share of the new value that a first-order low-pass with this cut-off takes up."""
    rate = 2 * math.pi * np.asarray(cutoff_hz) * elapsed_s
    share: NDArray[np.float64] = rate / (1 + rate)
    return share
