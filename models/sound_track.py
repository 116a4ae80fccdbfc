"""Blocks of sound with their times in, at 16 kHz any stretch of it out: what was heard before a moment.

Sound at 48 kHz becomes one at 16 kHz by a filter of 2 ms, sample by sample the same however it was cut into blocks.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from headgan.models.speech_low import SAMPLE_RATE
from headgan.proto.errors import UsageError

# Samples at 48 kHz before and after a sample of 16 kHz that it is made of; 1 ms.
_REACH = 48
_TAPS = 2 * _REACH + 1
_CUTOFF_HZ = 7600
RATES = (SAMPLE_RATE, 3 * SAMPLE_RATE)
# A block that comes so much too late or too early, by its time, is a wandering clock; beyond, something is missing.
_MAX_DRIFT_MS = 20.0


class SoundTrack:
    """The newest sound, or all of it. Not thread-safe."""

    def __init__(self, rate: int, keep_ms: float | None = None) -> None:
        """Begins with nothing.

        Args:
            rate: samples a second of what is pushed, 16000 or 48000.
            keep_ms: how much is remembered at least; all if left out.

        Raises:
            UsageError: another rate.
        """
        if rate not in RATES:
            raise UsageError(f"sound at {rate} Hz: convert it to 16000 or 48000 Hz first")
        self._rate = rate
        self._keep = None if keep_ms is None else round(keep_ms * SAMPLE_RATE / 1000)
        self._thinner = _Thinner() if rate != SAMPLE_RATE else None
        self._samples = np.empty(0, np.float32)  # 16 kHz
        self._forgotten = 0  # samples at 16 kHz before those
        self._pushed = 0  # samples at `rate`
        self._origin_ms = 0.0  # time of the very first sample, by the newest block

    @property
    def until_ms(self) -> float:
        """The time at which what was pushed ends; 0 if that is nothing."""
        return self._origin_ms + 1000 * self._pushed / self._rate

    @property
    def reach_ms(self) -> float:
        """So much later sound a sample depends on."""
        return 1000 * _REACH / self._rate if self._thinner else 0.0

    def push(self, samples: NDArray[np.floating], start_ms: float) -> None:
        """Appends a block; what is missing before it becomes silence, what is there already is left out.

        Args:
            samples: [N], -1 to 1, mono.
            start_ms: time of its first sample.
        """
        samples = np.asarray(samples, np.float32)
        late_ms = start_ms - self.until_ms
        if self._pushed and late_ms > _MAX_DRIFT_MS:
            self._append_silence(round(late_ms * self._rate / 1000))
        elif self._pushed and late_ms < -_MAX_DRIFT_MS:
            known = round(-late_ms * self._rate / 1000)
            samples, start_ms = samples[known:], start_ms + 1000 * known / self._rate
        if not len(samples):
            return
        # A thousandth: a sum of many blocks' lengths is not exact.
        self._origin_ms = round(start_ms - 1000 * self._pushed / self._rate, 3)
        self._append(samples)

    def before(self, time_ms: float, count: int) -> NDArray[np.float32]:
        """Float32 [count]: the sound at 16 kHz up to `time_ms`, silence where there was none or none is known yet."""
        end = round((time_ms - self._origin_ms) * SAMPLE_RATE / 1000) - self._forgotten
        known = self._samples
        if self._thinner and end > len(known):
            known = np.concatenate([known, self._thinner.rest()])
        found = np.zeros(count, np.float32)
        first, last = max(end - count, 0), min(end, len(known))
        if first < last:
            at = first - (end - count)
            found[at : at + last - first] = known[first:last]
        return found

    def _append_silence(self, count: int) -> None:
        """Appends so many samples at `rate`; of those that would be forgotten at once nothing is computed."""
        if self._keep is not None:
            ratio = self._rate // SAMPLE_RATE
            skipped = max(0, count // ratio - self._keep - SAMPLE_RATE)
            self._pushed += ratio * skipped
            self._forgotten += skipped
            count -= ratio * skipped
        for begin in range(0, count, self._rate):
            self._append(np.zeros(min(self._rate, count - begin), np.float32))

    def _append(self, samples: NDArray[np.float32]) -> None:
        self._pushed += len(samples)
        added = self._thinner.push(samples) if self._thinner else samples
        self._samples = np.concatenate([self._samples, added])
        if self._keep is not None and len(self._samples) > self._keep + SAMPLE_RATE:
            self._forgotten += len(self._samples) - self._keep
            self._samples = self._samples[-self._keep :].copy()


class _Thinner:
    """Takes every third sample of a filtered sound; `rest` are those for which the filter has not heard enough yet."""

    def __init__(self) -> None:
        # The filter begins in silence.
        self._heard = np.zeros(_REACH, np.float32)
        places = np.arange(-_REACH, _REACH + 1)
        cutoff = 2 * _CUTOFF_HZ / RATES[1]
        taps = np.sinc(cutoff * places) * np.kaiser(_TAPS, 6.0)
        self._taps = (taps / taps.sum()).astype(np.float32)

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Float32 [M], all that can be told."""
        heard = np.concatenate([self._heard, samples])
        count = max(0, (len(heard) - _TAPS) // 3 + 1)
        self._heard = heard[3 * count :]
        return self._filtered(heard, count)

    def rest(self) -> NDArray[np.float32]:
        """Float32 [M], as if silence followed; what is pushed later counts as before."""
        count = max(0, -(-(len(self._heard) - _REACH) // 3))
        return self._filtered(np.concatenate([self._heard, np.zeros(_TAPS, np.float32)]), count)

    def _filtered(self, heard: NDArray[np.float32], count: int) -> NDArray[np.float32]:
        if count <= 0:
            return np.empty(0, np.float32)
        # Tap after tap, not as a product of matrices: that would round otherwise for blocks of another length. A column
        # more, because a single one is added up in another order.
        enough = np.concatenate([heard[: 3 * count + _TAPS - 3], np.zeros(3, np.float32)])
        parts = sliding_window_view(enough, _TAPS)[::3].T  # [97, M + 1]
        found: NDArray[np.float32] = np.add.reduce(np.multiply(self._taps[:, None], parts, order="C"), axis=0)
        return found[:count]
