"""Microphones: the right device, the right times, and a call that goes on whatever happens to it."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from headgan.codec.sound_devices import NoSoundLibraryError, find_device, parse_device
from headgan.codec.sound_rate import SoundRate
from headgan.codec.sound_stream import PATIENCE, Patience
from headgan.codec.stream_clock import StreamClock
from headgan.proto.errors import DeviceError
from headgan.proto.program import monotonic_ms
from headgan.sender.microphone import QUEUE_BLOCKS, Microphone, list_microphones
from headgan.sender.sound_source import SoundBlock

BLOCK = np.linspace(-0.5, 0.5, 480, dtype=np.float32)
QUICK = Patience(retry_s=0.05, stall_s=0.25, settle_s=0.3)


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.WARNING)
    return lambda: [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.fixture
def microphone(sounds: Any) -> Iterator[Callable[..., Microphone]]:
    opened: list[Microphone] = []

    def open_one(device: int | str | None = None, **more: Any) -> Microphone:
        opened.append(Microphone(device, **{"patience": QUICK, **more}))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()
    assert sounds is not None


def read_loud(microphone: Microphone) -> SoundBlock:
    """The next block that is no silence."""
    end_s = time.monotonic() + 5
    while True:
        block = microphone.read()
        assert block is not None and time.monotonic() < end_s
        if np.any(block.samples):
            return block


def test_a_block_has_the_time_of_its_recording(sounds: Any, microphone: Callable[..., Microphone]) -> None:
    sounds.plug("Webcam", inputs=1)
    one = microphone()
    stream = sounds.open_stream()
    how = stream.how
    assert (how.samplerate, how.channels, how.blocksize, how.latency) == (48000, 1, 480, 0.02)
    late_ms = []
    for _ in range(20):
        stream.record(BLOCK, age_s=0.035)
        block = read_loud(one)
        np.testing.assert_array_equal(block.samples, BLOCK)
        late_ms.append(block.capture_ms - stream.time_ms)
    # Never early, and late only by the least that a callback ever was.
    assert min(late_ms) > -1e-3
    assert late_ms[-1] < 2
    assert one.describe() == "microphone Webcam, 48 kHz"
    assert one.dropped == 0


def test_a_device_that_gives_everything_late_is_heard(
    sounds: Any, microphone: Callable[..., Microphone]
) -> None:
    sounds.plug("Wireless", inputs=1)
    one = microphone()
    stream = sounds.open_stream()
    for _ in range(30):
        stream.record(BLOCK, age_s=0.5)
        time.sleep(0.01)
    blocks = [read_loud(one) for _ in range(20)]
    assert monotonic_ms() - blocks[-1].capture_ms > 400
    for _ in range(5):
        stream.record(BLOCK, age_s=0.5)
        block = one.read()
        assert block is not None and np.any(block.samples)


def test_times_do_not_follow_a_callback_that_is_late() -> None:
    clock = StreamClock()
    for late_ms in (3.0, 0.0, 40.0, 7.0, 15.0):
        clock.to_ms(99.99, 100.0, 5000.0 + late_ms, 0.0)
    assert clock.to_ms(100.49, 100.5, 5500.0 + 25, 0.0) == pytest.approx(5490.0)
    assert clock.to_ms(0.0, 100.5, 5500.0, -1.0) == -1.0  # drivers without times give zero
    assert clock.to_ms(3.0, 100.5, 5500.0, -1.0) == -1.0  # or nonsense


@pytest.mark.parametrize("from_hz", [8000, 16000, 44100, 96000])
def test_another_rate_keeps_tone_and_time(from_hz: int) -> None:
    rate = SoundRate(from_hz, 48000)
    tone = np.sin(2 * np.pi * 440 * np.arange(from_hz) / from_hz).astype(np.float32)
    count = from_hz // 100
    for k in range(100):
        samples, first_ms = rate.convert(tone[k * count : (k + 1) * count], 1000.0 + 10 * k)
        at_s = (first_ms - 1000.0) / 1000 + np.arange(len(samples)) / 48000
        if k > 1:
            np.testing.assert_allclose(samples, np.sin(2 * np.pi * 440 * at_s), atol=1e-3)
            assert len(samples) == 480


def test_a_device_of_another_rate_and_only_stereo_is_converted(
    sounds: Any, microphone: Callable[..., Microphone]
) -> None:
    sounds.plug("Old card", inputs=2, rate_hz=44100.0)
    sounds.rates, sounds.channels = {44100}, {2}
    one = microphone()
    stream = sounds.open_stream()
    assert (stream.how.samplerate, stream.how.channels, stream.how.blocksize) == (44100, 2, 441)
    tone = np.sin(2 * np.pi * 300 * np.arange(4410) / 44100).astype(np.float32)
    for part in tone.reshape(10, 441):
        stream.record(part)
    blocks = [read_loud(one) for _ in range(10)]
    samples = np.concatenate([block.samples for block in blocks])
    expected = np.sin(2 * np.pi * 300 * np.arange(len(samples)) / 48000)
    np.testing.assert_allclose(samples[100:], expected[100:], atol=0.01)


def test_a_device_is_found_by_number_and_by_part_of_its_name(sounds: Any) -> None:
    sounds.plug("Speakers", outputs=2)
    sounds.plug("USB Headset Pro", inputs=1, outputs=2)
    sounds.plug("USB headset", inputs=1)
    sounds.default.device = (2, 0)
    assert [(device.index, device.name) for device in list_microphones()] == [
        (1, "USB Headset Pro"),
        (2, "USB headset"),
    ]
    assert find_device("input", None).index == 2
    assert find_device("input", 1).name == "USB Headset Pro"
    assert find_device("input", "pro").index == 1
    assert find_device("input", "USB Headset").index == 2  # exactly its name, but for capitals
    assert find_device("input", "usb").index == 1
    assert find_device("output", "headset").index == 1
    with pytest.raises(
        DeviceError, match="there is no microphone 'Mars'; there are: 1 USB Headset Pro, 2 USB h"
    ):
        find_device("input", "Mars")
    with pytest.raises(DeviceError, match="there is no microphone 0; there are"):
        find_device("input", 0)
    assert (parse_device("2"), parse_device("2i2"), parse_device("٣")) == (2, "2i2", "٣")


def silence(microphone: Microphone, blocks: int) -> list[SoundBlock]:
    """The next blocks, which are silent, follow each other, and come after their time."""
    found: list[SoundBlock] = []
    for _ in range(blocks):
        block = microphone.read()
        assert block is not None
        assert not np.any(block.samples)
        assert monotonic_ms() >= block.capture_ms + 20
        if found:
            assert block.capture_ms == pytest.approx(found[-1].capture_ms + 20)
        found.append(block)
    return found


def test_a_name_that_is_not_there_is_said_once_and_waited_for(
    sounds: Any, microphone: Callable[..., Microphone], heard: Callable[[], list[str]]
) -> None:
    sounds.plug("Webcam", inputs=1)
    one = microphone("Headset")
    silence(one, 10)
    assert heard() == [
        "there is no microphone 'Headset'; there are: 0 Webcam; the call goes on in silence until it is there"
    ]
    assert sounds.restarts > 1
    sounds.plug("My Headset", inputs=1)
    sounds.open_stream().record(BLOCK)
    np.testing.assert_array_equal(read_loud(one).samples, BLOCK)
    assert one.describe() == "microphone My Headset, 48 kHz"
    assert len(heard()) == 1


def test_no_microphone_at_all(
    sounds: Any, microphone: Callable[..., Microphone], heard: Callable[[], list[str]]
) -> None:
    silence(microphone(), 5)
    (text,) = heard()
    assert text.startswith("there is no microphone")
    assert text.endswith("; the call goes on in silence until it is there")
    assert sounds.streams == []


@pytest.mark.parametrize("is_error", [False, True])
def test_an_unplugged_microphone_comes_back(
    is_error: bool,
    sounds: Any,
    microphone: Callable[..., Microphone],
    heard: Callable[[], list[str]],
    until: Callable[..., Any],
) -> None:
    sounds.plug("Webcam", inputs=1)
    sounds.plug("Headset", inputs=1)
    one = microphone(1)
    first = sounds.open_stream()
    assert first.how.device == 1
    first.record(BLOCK)
    before = read_loud(one)
    if is_error:
        sounds.unplug("Headset")  # else it only stops calling, as many drivers have it
    until(lambda: first.is_closed)
    sounds.unplug("Headset")
    quiet = silence(one, 20)
    assert quiet[0].capture_ms == pytest.approx(before.capture_ms + 10)
    assert heard() == [
        "microphone Headset, 48 kHz stopped: was it unplugged? The call goes on in silence until it is back; "
        "list the microphones with headgan-send --list"
    ]
    sounds.unplug("Webcam")
    sounds.plug("Other", inputs=1)
    sounds.plug("Headset", inputs=1)
    again = sounds.open_stream()
    assert again is not first
    again.record(BLOCK)
    after = read_loud(one)
    assert after.capture_ms > quiet[-1].capture_ms
    sounds.unplug("Headset")
    until(lambda: len(heard()) == 2)  # it was back in between, so it is said again


def test_a_device_that_does_not_open_is_said_once(
    sounds: Any,
    microphone: Callable[..., Microphone],
    heard: Callable[[], list[str]],
    until: Callable[..., Any],
) -> None:
    sounds.plug("Webcam", inputs=1)
    sounds.open_error = sounds.PortAudioError("Device unavailable")
    microphone()
    until(lambda: sounds.restarts > 3)
    assert heard() == [
        "microphone Webcam did not open (Device unavailable); is another program using it? list the microphones "
        "with headgan-send --list; the call goes on in silence until it is there"
    ]
    sounds.open_error = None
    sounds.open_stream()


@pytest.mark.parametrize("cause", ["sounddevice", "PortAudio"])
def test_without_the_library_there_is_no_sound(
    cause: str,
    monkeypatch: pytest.MonkeyPatch,
    microphone: Callable[..., Microphone],
    heard: Callable[[], list[str]],
) -> None:
    if cause == "sounddevice":
        monkeypatch.setitem(sys.modules, "sounddevice", None)
    else:
        monkeypatch.delitem(sys.modules, "sounddevice")

        class Finder:
            def find_spec(self, name: str, *_: Any) -> None:
                if name == "sounddevice":
                    raise OSError("PortAudio library not found")

        monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(NoSoundLibraryError, match=f"{cause} is missing"):
        list_microphones()
    one = microphone()
    while one.read() is not None:
        pass
    (text,) = heard()
    assert f"{cause} is missing" in text
    assert "install" in text
    assert text.endswith("the call goes on without a microphone")


def test_the_callback_never_waits_and_the_oldest_is_dropped(
    sounds: Any, microphone: Callable[..., Microphone]
) -> None:
    sounds.plug("Webcam", inputs=1)
    one = microphone()
    stream = sounds.open_stream()
    for level in range(QUEUE_BLOCKS + 7):
        stream.record(np.full(480, 1 + level, np.float32))
    assert one.dropped == 7
    assert one.troubles() == {"dropped": 7, "overflows": 0}
    assert read_loud(one).samples[0] == 8


def test_close_frees_the_device_and_ends_a_read_that_waits(
    sounds: Any, microphone: Callable[..., Microphone]
) -> None:
    sounds.plug("Webcam", inputs=1)
    one = microphone(patience=PATIENCE)
    stream = sounds.open_stream()
    start_s = time.monotonic()
    one.close()
    one.close()
    assert time.monotonic() - start_s < 1
    assert stream.is_closed
    assert one.read() is None


def test_a_device_that_hangs_is_left_behind(
    sounds: Any,
    microphone: Callable[..., Microphone],
    heard: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    until: Callable[..., Any],
) -> None:
    forgotten: list[Any] = []
    monkeypatch.setattr("atexit.unregister", forgotten.append)
    sounds.plug("Webcam", inputs=1)
    one = microphone()
    stream = sounds.open_stream()
    with stream.lock:  # close() of the stream waits for it
        start_s = time.monotonic()
        one.close()
        assert time.monotonic() - start_s < 1.5
        assert heard() == ["the default microphone does not answer and was left behind"]
        assert forgotten == [sounds._exit_handler]
    until(lambda: stream.is_closed)
