"""What several tests share: a voice, and sound devices that a test plugs in, drives and pulls out."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

RATE = 48_000


@pytest.fixture(scope="session")
def voice() -> NDArray[np.float32]:
    """6 s that libopus takes for a voice, with a pause from 2 to 4 s: syllables of a buzz with moving formants."""
    time_s = np.arange(6 * RATE) / RATE
    pitch_hz = 120 + 25 * np.sin(2 * np.pi * 0.7 * time_s) + 8 * np.sin(2 * np.pi * 2.3 * time_s)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE
    first_hz = 500 + 250 * np.sin(2 * np.pi * 1.9 * time_s)
    second_hz = 1500 + 600 * np.sin(2 * np.pi * 1.3 * time_s + 1)
    sound = np.zeros_like(time_s)
    for harmonic in range(1, 40):
        at_hz = harmonic * pitch_hz
        loudness = 1 / (1 + ((at_hz - first_hz) / 120) ** 2) + 0.5 / (1 + ((at_hz - second_hz) / 200) ** 2)
        sound += loudness * np.sin(harmonic * phase)
    syllables = np.clip(np.sin(2 * np.pi * 2.1 * time_s) + 0.4, 0, 1)
    sound *= syllables * ((time_s < 2) | (time_s >= 4))
    voice: NDArray[np.float32] = (0.25 * sound / np.abs(sound).max()).astype(np.float32)
    return voice


def wait_until(claim: Callable[[], Any], limit_s: float = 5.0) -> Any:
    """What `claim` gives once that is true."""
    end_s = time.monotonic() + limit_s
    while not (result := claim()):
        assert time.monotonic() < end_s, "it took too long"
        time.sleep(0.002)
    return result


class FakeStream:
    """A stream that calls only when a test says so, with a clock `lag_s` ahead of the program's."""

    lag_s = 1000.0

    def __init__(self, **how: Any) -> None:
        self.how = SimpleNamespace(**how)
        self.active = False
        self.is_closed = False
        self.name = ""
        self.time_ms = 0.0  # when the newest block was recorded or will be heard, by monotonic_ms()
        self.lock = threading.Lock()

    def start(self) -> None:
        self.active = True

    flags = 0  # of what PortAudio says: something was lost

    def abort(self, ignore_errors: bool = True) -> None:
        self.active = not ignore_errors

    def close(self, ignore_errors: bool = True) -> None:
        assert ignore_errors
        with self.lock:
            self.is_closed, self.active = True, False

    def times(self, offset_s: float) -> SimpleNamespace:
        current_s = time.perf_counter() + self.lag_s
        return SimpleNamespace(
            currentTime=current_s,
            inputBufferAdcTime=current_s - offset_s,
            outputBufferDacTime=current_s + offset_s,
        )

    def record(self, samples: NDArray[np.float32], age_s: float = 0.012) -> None:
        """The device recorded `samples`, float32 [N], the first of them `age_s` ago; all its channels have them."""
        block = np.repeat(samples[:, None], self.how.channels, axis=1).astype(np.float32)
        now = self.times(age_s)
        self.time_ms = (now.inputBufferAdcTime - self.lag_s) * 1000
        self._call(block, now)
        block.fill(7)  # the memory is the device's, and is used again

    def play(self, latency_s: float = 0.03) -> NDArray[np.float32]:
        """The device asks for its next block, float32 [N, C], which is heard in `latency_s`."""
        block = np.full((self.how.blocksize, self.how.channels), 7, np.float32)
        now = self.times(latency_s)
        self.time_ms = (now.outputBufferDacTime - self.lag_s) * 1000
        self._call(block, now)
        return block

    def _call(self, block: NDArray[np.float32], times: SimpleNamespace) -> None:
        with self.lock:
            if not self.is_closed:
                self.how.callback(block, len(block), times, self.flags)


class FakeSounddevice:
    """In place of the module sounddevice; `plugged` are the devices, seen once it starts anew."""

    class PortAudioError(Exception):
        pass

    def __init__(self) -> None:
        self.plugged: list[dict[str, Any]] = []
        self.streams: list[FakeStream] = []
        self.default = SimpleNamespace(device=(-1, -1))
        self.rates: set[int] = {48000, 44100}
        self.channels: set[int] = {1, 2}
        self.open_error: Exception | None = None
        self.restarts = 0
        self._seen: list[dict[str, Any]] = []

    def plug(self, name: str, inputs: int = 0, outputs: int = 0, rate_hz: float = 48000.0) -> None:
        self.plugged.append(
            {
                "name": name,
                "hostapi": 0,
                "max_input_channels": inputs,
                "max_output_channels": outputs,
                "default_samplerate": rate_hz,
                "default_low_input_latency": 0.008,
                "default_low_output_latency": 0.008,
            }
        )
        if self.restarts == 0 and not self.streams:
            self._seen = list(self.plugged)

    def unplug(self, name: str) -> None:
        self.plugged = [info for info in self.plugged if info["name"] != name]
        for stream in self.streams:
            if stream.name == name:
                stream.active = False

    def query_hostapis(self) -> tuple[dict[str, Any], ...]:
        return ({"name": "Fake API"},)

    def query_devices(self) -> list[dict[str, Any]]:
        return self._seen

    def check_input_settings(self, device: int, channels: int, dtype: str, samplerate: int) -> None:
        assert (dtype, device < len(self._seen)) == ("float32", True)
        if samplerate not in self.rates or channels not in self.channels:
            raise self.PortAudioError("Invalid sample rate [PaErrorCode -9997]")

    check_output_settings = check_input_settings

    def InputStream(self, **how: Any) -> FakeStream:  # noqa: N802 - sounddevice's name
        if self.open_error is not None:
            raise self.open_error
        self.check_input_settings(how["device"], how["channels"], how["dtype"], how["samplerate"])
        if self._seen[how["device"]] not in self.plugged:
            raise self.PortAudioError("Device unavailable [PaErrorCode -9985]")
        self.streams.append(FakeStream(**how))
        self.streams[-1].name = self._seen[how["device"]]["name"]
        return self.streams[-1]

    OutputStream = InputStream

    def open_stream(self) -> FakeStream:
        """The stream that is open; waits for it."""
        stream: FakeStream = wait_until(
            lambda: next((stream for stream in reversed(self.streams) if stream.active), None)
        )
        time.sleep(0.02)  # start() returns before its caller knows
        return stream

    def _exit_handler(self) -> None:
        pass

    def _terminate(self) -> None:
        assert not any(stream.active for stream in self.streams), "this would end what plays"

    def _initialize(self) -> None:
        self.restarts += 1
        self._seen = list(self.plugged)


@pytest.fixture
def sounds(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSounddevice]:
    """A machine without sound devices, to plug some in."""
    fake = FakeSounddevice()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    yield fake
    assert all(stream.is_closed for stream in fake.streams), "a device was left open"


@pytest.fixture
def until() -> Callable[..., Any]:
    """Waits until a claim is true and gives what it gave."""
    return wait_until
