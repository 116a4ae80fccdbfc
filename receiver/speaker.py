"""What is heard in, asked for when it is heard; a speaker out.

callback of the device ── when is this heard? ──▶ fill(samples, play_ms) ── mute ──▶ every channel
                     no device: SilentSpeaker ──▶ fill(samples, play_ms)
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from headgan.codec.hgn_header import SOUND_RATE
from headgan.codec.sound_devices import SoundDevice, Wanted, list_devices
from headgan.codec.sound_rate import SoundRate
from headgan.codec.sound_stream import PATIENCE, Patience, SoundStream
from headgan.proto.program import monotonic_ms
from headgan.receiver.silent_speaker import Fill, FillOnce, SilentSpeaker

# Of how late the device is: one callback in so many counts.
SMOOTHING = 0.1


class Speaker:
    """Plays what `fill` gives; while there is no device, fill is asked in real time all the same."""

    def __init__(
        self,
        device: Wanted,
        fill: Fill,
        *,
        clock_ms: Callable[[], float] = monotonic_ms,
        patience: Patience = PATIENCE,
    ) -> None:
        """Never fails: what is wrong with the device is logged.

        Args:
            device: its number, a part of its name, or None for the system's default.
            fill: called with samples, float32 [N] of silence at 48 kHz to be filled, and when the first of them will
                be heard, by clock_ms. That rises, with gaps where a device came or went. In a thread of the device:
                it must not wait for anything.
            clock_ms: the clock of these times.
            patience: how long a device is waited for.
        """
        self.is_muted = False
        self._clock_ms = clock_ms
        self._fill = FillOnce(fill)
        self._latency_ms: float | None = None
        self._converted = _Converted(self._fill, SOUND_RATE)
        self._stream = SoundStream("output", device, self._play, clock_ms=clock_ms, patience=patience)
        self._silent = SilentSpeaker(
            self._fill, clock_ms=clock_ms, is_needed=lambda: not self._stream.is_calling
        )
        self._stream.start()

    @property
    def is_open(self) -> bool:
        """Whether there is a device at present."""
        return self._stream.is_open

    @property
    def latency_ms(self) -> float:
        """How long before it is heard sound is asked for; 0 while there is no device."""
        latency_ms = self._latency_ms
        return latency_ms if latency_ms is not None and self._stream.is_calling else 0.0

    @property
    def underflows(self) -> int:
        """Blocks for which the device had to wait: the machine is too slow."""
        return self._stream.troubles

    def troubles(self) -> dict[str, int]:
        """What was not played in time: see `underflows`."""
        return {"underflows": self.underflows}

    def close(self) -> None:
        """Frees the device; fill is not called any more; within about a second, idempotent."""
        self._stream.close()
        self._silent.close()

    def describe(self) -> str:
        """Such as `speaker USB Headset, 48 kHz`."""
        return self._stream.describe()

    def _play(self, block: NDArray[np.float32], play_ms: float, rate_hz: int) -> None:
        """Fills a block of the device, float32 [N, C], in its thread."""
        ahead_ms = play_ms - self._clock_ms()
        before_ms = self._latency_ms
        self._latency_ms = ahead_ms if before_ms is None else before_ms + SMOOTHING * (ahead_ms - before_ms)
        if rate_hz != self._converted.rate_hz:
            self._converted = _Converted(self._fill, rate_hz)
        samples = self._converted.take(len(block), play_ms)
        block[:] = 0 if self.is_muted else samples[:, None]


class _Converted:
    """What fill() gives, at the rate of a device."""

    def __init__(self, fill: FillOnce, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._fill = fill
        self._rate = SoundRate(SOUND_RATE, rate_hz)
        self._ready = np.empty(0, np.float32)

    def take(self, count: int, play_ms: float) -> NDArray[np.float32]:
        """The next samples, float32 [count], of which the first is heard at play_ms."""
        if self.rate_hz == SOUND_RATE:
            samples = np.empty(count, np.float32)
            self._fill.ask(samples, play_ms)
            return samples
        while len(self._ready) < count:
            asked = np.empty(SOUND_RATE // 100, np.float32)
            asked_ms = play_ms + len(self._ready) * 1000 / self.rate_hz + self._rate.held_ms
            self._fill.ask(asked, asked_ms)
            self._ready = np.concatenate([self._ready, self._rate.convert(asked, asked_ms)[0]])
        taken, self._ready = self._ready[:count], self._ready[count:]
        return taken


def list_speakers() -> list[SoundDevice]:
    """The speakers of this machine, by their numbers.

    Raises:
        DeviceError: sounddevice or PortAudio is missing, or does not answer.
    """
    return list_devices("output")
