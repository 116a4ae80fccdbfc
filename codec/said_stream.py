"""The features of each 40 ms and how loud they were in, records to send out: next to nothing while nobody speaks.

A pause is 320 ms, which is what features tell of, that are quiet beside the last seconds, or quiet at all. Of one, a
record is sent at its beginning and each second; an empty one after it says that all stays as it is.
"""

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from headgan.codec.said_code import SaidCode
from headgan.codec.said_record import SaidRecord, encode_said, steps_of

# Peaks below this share of the loudest one of four seconds are quiet, and those below -40 dB.
_QUIET_SHARE, _QUIET_PEAK = 0.05, 0.01
_TOLD_OF, _LEVELLED_BY = 8, 100
# In a pause one of so many 40 ms is told.
REFRESH_EVERY = 25


class Pauses:
    """Tells pauses from speech by the peaks of each 40 ms."""

    def __init__(self) -> None:
        self._peaks: deque[float] = deque(maxlen=_LEVELLED_BY)

    def is_pause(self, samples: NDArray[np.floating]) -> bool:
        """Whether nobody speaks in the 320 ms that end with these 40 ms, [N], -1 to 1."""
        self._peaks.append(float(np.abs(samples).max(initial=0.0)))
        recent = list(self._peaks)[-_TOLD_OF:]
        return max(recent) <= max(_QUIET_SHARE * max(self._peaks), _QUIET_PEAK)


class SaidStream:
    """Numbers the 40 ms of a call and codes those that are to be told. Not thread-safe."""

    def __init__(self, code: SaidCode) -> None:
        self._code = code
        self._number = -1
        self._told = 0  # the number of the last record that was not empty
        self._is_pause = False

    def next(
        self, start_ms: float, features: Callable[[], NDArray[np.floating]], *, is_pause: bool
    ) -> SaidRecord | None:
        """The record of the next 40 ms; None where nothing is to be sent.

        Args:
            start_ms: when they began, by the clock of the capture times.
            features: gives the features at their end, float [300]; only asked if they are to be told.
            is_pause: what `Pauses` says of them.

        Raises:
            ValueError: the features are not finite.
        """
        self._number += 1
        was_pause, self._is_pause = self._is_pause, is_pause
        since = self._number - self._told
        if is_pause and was_pause and since < REFRESH_EVERY:
            return SaidRecord(self._number, start_ms, b"") if since == 1 else None
        self._told = self._number
        return SaidRecord(self._number, start_ms, encode_said(self._code, steps_of(self._code, features())))

    def skip(self, count: int) -> None:
        """Passes over so many 40 ms of which nothing is known."""
        self._number += count
        self._is_pause = False
