"""Sound at one rate in, the same at another out, with the time that it belongs to."""

from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray


class SoundRate:
    """Converts mono sound from one rate to another, a block at a time; keeps its times. Not thread-safe."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._from_hz, self._to_hz = from_hz, to_hz
        self._resampler = av.AudioResampler("flt", "mono", to_hz)
        self._taken = self._given = 0

    @property
    def held_ms(self) -> float:
        """How much sound was taken and not given yet."""
        return self._taken * 1000 / self._from_hz - self._given * 1000 / self._to_hz

    def convert(self, samples: NDArray[np.float32], first_ms: float) -> tuple[NDArray[np.float32], float]:
        """What is ready by now, and the time of its first sample; a filter holds the last millisecond back.

        Args:
            samples: float32 [N] at the first rate.
            first_ms: the time of the first of them, by any clock.
        """
        if self._from_hz == self._to_hz:
            return samples, first_ms
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="flt", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = self._from_hz, Fraction(1, self._from_hz), self._taken
        frames = self._resampler.resample(frame)
        given_ms = first_ms - self._taken * 1000 / self._from_hz
        self._taken += len(samples)
        if not frames:
            return np.empty(0, np.float32), first_ms
        converted = np.concatenate([part.to_ndarray()[0] for part in frames])
        self._given += len(converted)
        start_ms = given_ms + float(1000 * frames[0].pts * frames[0].time_base)
        return converted.astype(np.float32, copy=False), start_ms
