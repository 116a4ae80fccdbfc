"""Speakers: fill is asked for what is heard when it is heard, with a device and without."""

import itertools
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.sound_stream import Patience
from headgan.proto.program import monotonic_ms
from headgan.receiver.silent_speaker import FillOnce, SilentSpeaker
from headgan.receiver.speaker import Speaker, list_speakers

QUICK = Patience(retry_s=0.05, stall_s=0.25, settle_s=0.3)


class Tone:
    """Fills with a tone that is a function of the time, and notes when it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, int, float]] = []  # play_ms, samples, when

    def __call__(self, samples: NDArray[np.float32], play_ms: float) -> None:
        assert not np.any(samples)
        self.asked.append((play_ms, len(samples), monotonic_ms()))
        samples[:] = self.at(play_ms, len(samples))

    @staticmethod
    def at(play_ms: float, count: int, rate_hz: int = 48000) -> NDArray[np.float64]:
        return np.asarray(0.5 * np.sin(2 * np.pi * 0.3 * (play_ms + np.arange(count) * 1000 / rate_hz)))

    def assert_rises(self) -> None:
        for (play_ms, count, _), (next_ms, _, _) in itertools.pairwise(self.asked):
            assert next_ms > play_ms + count / 48 - 5


@pytest.fixture
def tone() -> Tone:
    return Tone()


@pytest.fixture
def speaker(sounds: Any, tone: Tone) -> Iterator[Callable[..., Speaker]]:
    opened: list[Speaker] = []

    def open_one(device: int | str | None = None, fill: Any = tone) -> Speaker:
        opened.append(Speaker(device, fill, patience=QUICK))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()
    assert sounds is not None


def begun(stream: Any) -> Any:
    """The stream, once nothing else asks for sound any more."""
    stream.play()
    threading.Event().wait(0.05)
    return stream


@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_heard_is_what_is_asked_for(
    channels: int, sounds: Any, speaker: Callable[..., Speaker], tone: Tone
) -> None:
    sounds.plug("Speakers", outputs=2)
    if channels == 1:
        sounds.channels = {1}
    one = speaker()
    stream = begun(sounds.open_stream())
    assert (stream.how.samplerate, stream.how.channels, stream.how.blocksize) == (48000, channels, 480)
    off_ms: list[float] = []
    for _ in range(20):
        block = stream.play(latency_s=0.04)
        play_ms, count, _ = tone.asked[-1]
        off_ms.append(play_ms - stream.time_ms)
        assert count == 480
        for channel in block.T:
            np.testing.assert_allclose(channel, tone.at(play_ms, 480), atol=1e-6)
        threading.Event().wait(0.01)
    assert -1e-3 < off_ms[-1] < 2
    assert one.latency_ms == pytest.approx(40, abs=5)
    assert one.is_open
    assert one.describe() == "speaker Speakers, 48 kHz"
    assert one.troubles() == {"underflows": 0}
    stream.flags = 4
    stream.play()
    assert one.troubles() == {"underflows": 1}
    tone.assert_rises()


def test_mute_is_silent_and_goes_on_asking(sounds: Any, speaker: Callable[..., Speaker], tone: Tone) -> None:
    sounds.plug("Speakers", outputs=2)
    one = speaker()
    stream = begun(sounds.open_stream())
    assert np.any(stream.play())
    one.is_muted = True
    count = len(tone.asked)
    threading.Event().wait(0.02)
    assert not np.any(stream.play())
    assert len(tone.asked) > count
    one.is_muted = False
    threading.Event().wait(0.02)
    assert np.any(stream.play())


def test_a_device_of_another_rate_hears_the_same(
    sounds: Any, speaker: Callable[..., Speaker], tone: Tone
) -> None:
    sounds.plug("Old card", outputs=2, rate_hz=44100.0)
    sounds.rates = {44100}
    speaker()
    stream = begun(sounds.open_stream())
    assert stream.how.samplerate == 44100
    for _ in range(20):  # until the clocks are known to a few microseconds
        stream.play(latency_s=0.02)
        threading.Event().wait(0.01)
    # A device that is exactly on time: its blocks follow each other without a gap.
    start_s = stream.times(0.05).outputBufferDacTime
    for k in range(30):
        now = stream.times(0.0)
        now.outputBufferDacTime = start_s + 0.01 * k
        stream.times = lambda _latency_s, now=now: now
        block = stream.play()
        del stream.times
        play_ms = (start_s - stream.lag_s) * 1000 + 10 * k
        if k > 1:
            np.testing.assert_allclose(block[:, 0], tone.at(play_ms, 441, 44100), atol=0.03)
            np.testing.assert_array_equal(block[:, 0], block[:, 1])
    tone.assert_rises()


def test_without_a_device_fill_is_asked_in_real_time(
    sounds: Any, speaker: Callable[..., Speaker], tone: Tone, caplog: pytest.LogCaptureFixture, until: Any
) -> None:
    one = speaker()
    until(lambda: len(tone.asked) > 20)
    one.close()
    count = len(tone.asked)
    for (play_ms, samples, _), (next_ms, _, _) in itertools.pairwise(tone.asked):
        assert next_ms == pytest.approx(play_ms + 20)
        assert samples == 960
    for play_ms, _, asked_ms in tone.asked:
        assert 0 <= asked_ms - play_ms < 100
    threading.Event().wait(0.05)
    assert len(tone.asked) == count
    assert (one.latency_ms, one.is_open) == (0.0, False)
    (text,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert text.startswith("there is no speaker")
    assert sounds.streams == []


def test_a_speaker_may_go_and_come_back(
    sounds: Any, speaker: Callable[..., Speaker], tone: Tone, caplog: pytest.LogCaptureFixture, until: Any
) -> None:
    sounds.plug("Headset", outputs=2)
    one = speaker("head")
    first = begun(sounds.open_stream())
    for _ in range(5):
        first.play()
        threading.Event().wait(0.01)
    sounds.unplug("Headset")
    until(lambda: first.is_closed)
    count = len(tone.asked)
    until(lambda: len(tone.asked) > count + 15)
    assert not one.is_open
    sounds.plug("Headset", outputs=2)
    again = sounds.open_stream()
    threading.Event().wait(0.03)
    heard = [again.play(latency_s=0.05) for _ in range(3)]
    assert any(np.any(block) for block in heard)
    tone.assert_rises()
    texts = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert texts == [
        "speaker Headset, 48 kHz stopped: was it unplugged? The call goes on in silence until it is back; "
        "list the speakers with headgan-recv --list"
    ]


def test_an_error_of_fill_is_silence_and_said_once(
    sounds: Any, speaker: Callable[..., Speaker], caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(samples: NDArray[np.float32], _play_ms: float) -> None:
        samples[:] = 1
        raise RuntimeError("no sound today")

    sounds.plug("Speakers", outputs=2)
    speaker(None, breaks)
    stream = sounds.open_stream()
    for _ in range(3):
        assert not np.any(stream.play())
    assert stream.active
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "the sound of the call broke; silence instead"
    ]


def test_no_moment_is_asked_for_twice_or_by_two_at_once() -> None:
    asked: list[float] = []
    entered, leave = threading.Event(), threading.Event()

    def fill(_samples: NDArray[np.float32], play_ms: float) -> None:
        asked.append(play_ms)
        entered.set()
        leave.wait(5)

    once = FillOnce(fill)
    samples = np.zeros(480, np.float32)
    thread = threading.Thread(target=once.ask, args=(samples.copy(), 100.0))
    thread.start()
    entered.wait(5)
    assert not once.ask(samples, 110.0)  # the other one is not done
    leave.set()
    thread.join()
    assert not once.ask(samples, 95.0)  # the past
    assert once.ask(samples, 109.5)  # trembling of the clock
    assert asked == [100.0, 109.5]


def test_the_silent_speaker_leaves_out_what_a_stall_took(until: Any) -> None:
    jump_ms = 0.0
    tone = Tone()
    one = SilentSpeaker(tone, clock_ms=lambda: monotonic_ms() + jump_ms)
    until(lambda: len(tone.asked) > 3)
    jump_ms = 3000.0
    count = len(tone.asked)
    until(lambda: len(tone.asked) > count + 5)
    one.close()
    one.close()
    gaps = [b[0] - a[0] for a, b in itertools.pairwise(tone.asked)]
    assert sum(gap > 30 for gap in gaps) == 1
    assert max(gaps) > 2900
    assert one.describe() == "no speaker"


def test_speakers_are_listed(sounds: Any) -> None:
    sounds.plug("Webcam", inputs=1)
    sounds.plug("Speakers", outputs=2)
    sounds.default.device = (0, 1)
    assert [(device.index, device.name, device.is_default) for device in list_speakers()] == [
        (1, "Speakers", True)
    ]


def test_without_the_library_fill_is_asked_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tone: Tone, caplog: pytest.LogCaptureFixture, until: Any
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    one = Speaker(None, tone, patience=QUICK)
    until(lambda: len(tone.asked) > 5)
    one.close()
    texts = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert texts == [
        "the package sounddevice is missing: pip install sounddevice; the call goes on without a speaker"
    ]
