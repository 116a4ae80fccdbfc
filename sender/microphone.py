"""A microphone in, blocks of sound with the time of their recording out.

    callback of the device ── queue of half a second, drops the oldest ── read() ── 48 kHz ── SoundBlock

While there is no microphone, because it is missing, went away or stalls, read() gives silence at its time.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headgan.codec.hgn_header import SOUND_RATE
from headgan.codec.sound_devices import SoundDevice, Wanted, list_devices
from headgan.codec.sound_rate import SoundRate
from headgan.codec.sound_stream import PATIENCE, Patience, SoundStream
from headgan.proto.program import monotonic_ms
from headgan.sender.sound_source import BLOCK_MS, BLOCK_SAMPLES, SoundBlock

QUEUE_BLOCKS = 50
# A device is late now and then; only what is missing for longer is silence.
SILENCE_AFTER_MS = 200.0
WAIT_S = 0.02


@dataclass(frozen=True, eq=False)
class _Recorded:
    """What one callback brought: float32 [N], the time of the first, and their rate."""

    samples: NDArray[np.float32]
    capture_ms: float
    rate_hz: int


class Microphone:
    """A `SoundSource` that a device may leave and come back to; opened from the beginning, in a thread."""

    def __init__(
        self,
        device: Wanted = None,
        *,
        clock_ms: Callable[[], float] = monotonic_ms,
        patience: Patience = PATIENCE,
    ) -> None:
        """Never fails: what is wrong with the device is logged.

        Args:
            device: its number, a part of its name, or None for the system's default.
            clock_ms: what capture_ms is read from.
            patience: how long a device is waited for.
        """
        self._clock_ms = clock_ms
        self._queue: deque[_Recorded] = deque(maxlen=QUEUE_BLOCKS)
        self._has_news = threading.Event()
        self._closed = threading.Event()
        self._dropped = 0
        self._rate: tuple[int, SoundRate] = (SOUND_RATE, SoundRate(SOUND_RATE, SOUND_RATE))
        self._next_ms = clock_ms()
        self._was_silent = False
        self._stream = SoundStream("input", device, self._take, clock_ms=clock_ms, patience=patience)
        self._stream.start()

    @property
    def dropped(self) -> int:
        """Blocks that were recorded but not read in time: the machine is too slow."""
        return self._dropped

    @property
    def overflows(self) -> int:
        """Blocks before which the device itself lost something."""
        return self._stream.troubles

    def read(self) -> SoundBlock | None:
        """The next block, of 10 to 20 ms; None after close(), or where nothing can ever be recorded."""
        while not self._closed.is_set():
            self._has_news.clear()
            block = self._next()
            if block is not None:
                self._next_ms = block.capture_ms + len(block.samples) * 1000 / SOUND_RATE
                return block
            if self._stream.is_given_up:
                return None
            self._has_news.wait(WAIT_S)
        return None

    def close(self) -> None:
        """Frees the device within a second."""
        self._closed.set()
        self._has_news.set()
        self._stream.close()

    def describe(self) -> str:
        """Such as `microphone USB Headset, 48 kHz`."""
        return self._stream.describe()

    def troubles(self) -> dict[str, int]:
        """What was lost: see `dropped` and `overflows`."""
        return {"dropped": self.dropped, "overflows": self.overflows}

    def _take(self, block: NDArray[np.float32], capture_ms: float, rate_hz: int) -> None:
        """Keeps a block, in the thread of the device, which must not wait."""
        self._dropped += len(self._queue) == QUEUE_BLOCKS
        self._queue.append(_Recorded(block.mean(axis=1, dtype=np.float32), capture_ms, rate_hz))
        self._has_news.set()

    def _next(self) -> SoundBlock | None:
        """A block if one is due by now."""
        if self._queue:
            return self._at_48_khz(self._queue.popleft())
        # A device that calls may still bring what is missing, however late it is.
        if self._stream.is_calling or self._clock_ms() - self._next_ms < SILENCE_AFTER_MS + BLOCK_MS:
            return None
        self._was_silent = True
        return SoundBlock(np.zeros(BLOCK_SAMPLES, np.float32), self._next_ms)

    def _at_48_khz(self, recorded: _Recorded) -> SoundBlock | None:
        if recorded.rate_hz != self._rate[0]:
            self._rate = recorded.rate_hz, SoundRate(recorded.rate_hz, SOUND_RATE)
        samples, capture_ms = self._rate[1].convert(recorded.samples, recorded.capture_ms)
        if self._was_silent:
            # Silence was given for some of its time already.
            told = max(0, round((self._next_ms - capture_ms) * SOUND_RATE / 1000))
            samples, capture_ms = samples[told:], capture_ms + told * 1000 / SOUND_RATE
            self._was_silent = len(samples) == 0
        return SoundBlock(samples, capture_ms) if len(samples) else None


def list_microphones() -> list[SoundDevice]:
    """The microphones of this machine, by their numbers.

    Raises:
        DeviceError: sounddevice or PortAudio is missing, or does not answer.
    """
    return list_devices("input")
