"""A clock in, questions for sound in real time out: a speaker that nobody hears.

Where there is no device, what depends on sound being played (a recording, features of speech) goes on all the same.
"""

import logging
import threading
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from headgan.codec.hgn_header import SOUND_RATE
from headgan.proto.program import monotonic_ms

log = logging.getLogger(__name__)

# Fills samples, float32 [N] at 48 kHz, with what is heard from play_ms on.
Fill = Callable[[NDArray[np.float32], float], None]

BLOCK_SAMPLES = 960
BLOCK_MS = 1000 * BLOCK_SAMPLES / SOUND_RATE
# After a stall of the machine what was missed is left out.
LATE_MS = 200.0
JOIN_S = 0.8


class SoundOutput(Protocol):
    """What plays a call."""

    is_muted: bool

    def close(self) -> None:
        """Ends within about a second; idempotent."""

    def describe(self) -> str:
        """For a log line."""

    def troubles(self) -> dict[str, int]:
        """What was not played in time, by name, for statistics."""


class FillOnce:
    """Asks `fill` for each moment at most once, one thread at a time, and in their order.

    A device and the clock that stands in for it may ask at once when the device comes or goes.
    """

    def __init__(self, fill: Fill) -> None:
        self._fill = fill
        self._turn = threading.Lock()
        self._has_failed = False
        self.until_ms = -float("inf")  # what is heard before was asked for

    def ask(self, samples: NDArray[np.float32], play_ms: float) -> bool:
        """Fills `samples`; silence, and False, where it is not its turn or fill() fails. Never waits."""
        samples.fill(0)
        length_ms = len(samples) * 1000 / SOUND_RATE
        if play_ms + length_ms / 2 < self.until_ms or not self._turn.acquire(blocking=False):
            return False
        try:
            self._fill(samples, play_ms)
            self.until_ms = play_ms + length_ms
        except Exception as error:  # the picture goes on, whatever it is
            samples.fill(0)
            if not self._has_failed:
                log.warning("the sound of the call broke; silence instead", exc_info=error)
            self._has_failed = True
            return False
        finally:
            self._turn.release()
        return True


class SilentSpeaker:
    """Asks every 20 ms for the 20 ms that would have been heard, until close(), and throws them away."""

    latency_ms = 0.0
    is_open = False

    def __init__(
        self,
        fill: Fill | FillOnce,
        *,
        clock_ms: Callable[[], float] = monotonic_ms,
        is_needed: Callable[[], bool] = lambda: True,
    ) -> None:
        """Starts asking, in a thread.

        Args:
            fill: called with samples, float32 [N] to be filled, and when the first of them would be heard.
            clock_ms: the clock of these times.
            is_needed: while this is False it is only waited.
        """
        self.is_muted = False
        self._fill = fill if isinstance(fill, FillOnce) else FillOnce(fill)
        self._clock_ms = clock_ms
        self._is_needed = is_needed
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="silent-speaker", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends within a second; idempotent."""
        self._closed.set()
        if self._thread is not threading.current_thread():
            self._thread.join(JOIN_S)

    def describe(self) -> str:
        """For a log line."""
        return "no speaker"

    def troubles(self) -> dict[str, int]:
        """Nothing can go wrong here."""
        return {}

    def _work(self) -> None:
        samples = np.zeros(BLOCK_SAMPLES, np.float32)
        next_ms = self._clock_ms()
        while not self._closed.wait(max(0.0, next_ms - self._clock_ms()) / 1000):
            now_ms = self._clock_ms()
            if next_ms < now_ms - LATE_MS:
                next_ms = now_ms
            heard_ms = next_ms - BLOCK_MS
            if self._is_needed() and heard_ms >= self._fill.until_ms - 1e-6:
                self._fill.ask(samples, heard_ms)
            next_ms += BLOCK_MS
