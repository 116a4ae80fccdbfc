"""The sound of a file is heard with its pictures, over the seam of a loop too, and never before its time."""

import itertools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.proto.errors import DeviceError
from headgan.proto.program import monotonic_ms
from headgan.sender.camera import Camera, FileSource
from headgan.sender.file_sound import LATE_MS, FileSound
from headgan.sender.sound_source import BLOCK_MS, BLOCK_SAMPLES, SoundBlock
from headgan.sender.voice_thread import VoiceThread

RATE = 48000


def write_clip(
    path: Path,
    *,
    frames: int = 10,
    fps: int = 25,
    first_ms: int = 0,
    sound_ms: tuple[int, int] | None = (0, 400),
) -> Path:
    """A clip whose sound is a ramp: the sample heard at t ms of the file is t / 10000, from and to `sound_ms`."""
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("mpeg4", rate=1000)
        pictures.width = pictures.height = 64
        pictures.pix_fmt = "yuv420p"
        sound = container.add_stream("pcm_f32le", rate=RATE, layout="mono") if sound_ms else None
        for k in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 20 * k % 250, np.uint8), format="rgb24")
            frame.pts, frame.time_base = first_ms + k * 1000 // fps, Fraction(1, 1000)
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode(None))
        if sound is not None and sound_ms is not None:
            for at_ms in range(*sound_ms, 20):
                frame = av.AudioFrame.from_ndarray(ramp(at_ms, 960)[None], format="flt", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = RATE, at_ms * 48, Fraction(1, RATE)
                container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
    return path


def ramp(at_ms: float, count: int) -> NDArray[np.float32]:
    return ((at_ms + np.arange(count) / 48) / 10000).astype(np.float32)


class Played:
    """A clip whose frames are read at once, and whose first frame was due at `start_ms`."""

    def __init__(self, path: Path, *, loop: bool = False, passes: int = 1) -> None:
        self.source = FileSource(path, loop=loop)
        self.shift_ms: list[float] = []
        for _ in range(passes * 10 + (1 if loop else 0)):
            frame = self.source.read()
            assert frame is not None
            self.shift_ms.append(frame.pts_ms)
        if not loop:
            assert self.source.read() is None
        self.start_ms = monotonic_ms()
        self.sound = FileSound(self.source, lambda: self.start_ms)

    def blocks(self, count: int | None = None) -> list[SoundBlock]:
        found: list[SoundBlock] = []
        while len(found) != count and (block := self.sound.read()) is not None:
            assert monotonic_ms() >= block.capture_ms + BLOCK_MS - 0.1
            found.append(block)
        return found


def joined(blocks: Sequence[SoundBlock]) -> NDArray[np.float32]:
    """All samples, once it is certain that they follow each other."""
    for a, b in itertools.pairwise(blocks):
        assert b.capture_ms == pytest.approx(a.capture_ms + len(a.samples) / 48, abs=1e-6)
    return np.concatenate([block.samples for block in blocks])


@pytest.mark.parametrize("first_ms", [0, 80])
def test_sound_has_the_time_of_the_picture_it_belongs_to(first_ms: int, tmp_path: Path) -> None:
    played = Played(write_clip(tmp_path / "clip.mkv", first_ms=first_ms, sound_ms=(0, 800)))
    assert (played.source.first_ms, played.source.pass_ms) == (first_ms, 400)
    blocks = played.blocks()
    assert blocks[0].capture_ms == played.start_ms
    samples = joined(blocks)
    assert len(samples) == 400 * 48  # the track is longer than the pictures and is cut
    np.testing.assert_allclose(samples, ramp(first_ms, 400 * 48), atol=1e-4)


def test_where_the_track_is_shorter_there_is_silence(tmp_path: Path) -> None:
    played = Played(write_clip(tmp_path / "clip.mkv", sound_ms=(100, 220)))
    samples = joined(played.blocks())
    assert len(samples) == 400 * 48
    assert not np.any(samples[: 100 * 48]) and not np.any(samples[220 * 48 :])
    np.testing.assert_allclose(samples[100 * 48 : 220 * 48], ramp(100, 120 * 48), atol=1e-4)


@pytest.mark.parametrize("fps", [25, 30])
def test_a_loop_keeps_sound_and_pictures_together(fps: int, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", fps=fps, sound_ms=(0, 200))
    played = Played(path, loop=True, passes=3)
    blocks = played.blocks(55)
    samples = joined(blocks)
    for k, shift_ms in enumerate(played.shift_ms[::10]):
        at = round((shift_ms - played.shift_ms[0]) * 48)
        if at + 4800 < len(samples):
            np.testing.assert_allclose(samples[at : at + 4800], ramp(0, 4800), atol=1e-4)
            assert not np.any(samples[at + 201 * 48 : at + 300 * 48]), k
    played.sound.close()
    assert played.sound.read() is None


def test_a_camera_and_its_sound_are_in_step(tmp_path: Path) -> None:
    source = FileSource(write_clip(tmp_path / "clip.mkv", first_ms=120, sound_ms=(0, 800)))
    with Camera(source, clock_ms=monotonic_ms) as camera:
        sound = FileSound(source, lambda: camera.started_ms)
        first = camera.newest(5.0)
        assert first is not None
        found = []
        while (block := sound.read()) is not None:
            found.append(block)
        started_ms = camera.started_ms
    assert found[0].capture_ms == started_ms
    # A machine that was too slow for the first slots shows the frame under the time of a later one.
    slots = (first.capture_ms - found[0].capture_ms) / 40
    assert 0 <= slots == pytest.approx(round(slots), abs=1e-6)
    np.testing.assert_allclose(joined(found), ramp(120, 400 * 48), atol=1e-4)


def test_until_the_end_of_the_pictures_is_known_sound_goes_on(tmp_path: Path) -> None:
    source = FileSource(write_clip(tmp_path / "clip.mkv", sound_ms=(0, 200)), loop=True)
    source.read()  # the decoder of the pictures is slow
    start_ms = monotonic_ms()
    sound = FileSound(source, lambda: start_ms)
    blocks = [sound.read() for _ in range(50)]  # more than the clip has
    for _ in range(10):
        source.read()
    blocks += [sound.read() for _ in range(40)]
    samples = joined([block for block in blocks if block is not None])
    assert not np.any(samples[200 * 48 : 500 * 48])
    # What was missed of the second pass is left out; the rest of it, and the third, are at their time.
    np.testing.assert_allclose(samples[500 * 48 : 600 * 48], ramp(100, 100 * 48), atol=1e-4)
    np.testing.assert_allclose(samples[801 * 48 : 880 * 48], ramp(1, 79 * 48), atol=1e-4)


def test_sound_that_is_too_late_is_left_out(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", frames=100, sound_ms=(0, 4000))
    source = FileSource(path)
    source.read()
    start_ms, jump_ms = monotonic_ms(), 0.0
    sound = FileSound(source, lambda: start_ms, clock_ms=lambda: monotonic_ms() + jump_ms)
    blocks = [sound.read() for _ in range(3)]
    jump_ms = 2000.0
    blocks += [sound.read() for _ in range(3)]
    found = [block for block in blocks if block is not None]
    assert len(found) == 6
    for block in found:
        np.testing.assert_allclose(block.samples, ramp(block.capture_ms - start_ms, BLOCK_SAMPLES), atol=1e-4)
    assert found[3].capture_ms - start_ms == pytest.approx(2060 - LATE_MS, abs=40)
    assert sound.skipped == pytest.approx((2000 - LATE_MS) * 48, abs=960 * 2)


def test_a_file_without_sound_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    source = FileSource(write_clip(tmp_path / "clip.mkv", sound_ms=None))
    sound = FileSound(source, monotonic_ms)
    assert sound.read() is None
    assert [record.getMessage() for record in caplog.records] == ["clip.mkv has no sound: the call is silent"]
    assert sound.describe() == "sound of clip.mkv"


def test_close_ends_a_read_that_waits_for_the_pictures(tmp_path: Path) -> None:
    sound = FileSound(FileSource(write_clip(tmp_path / "clip.mkv")), lambda: None)
    threading.Timer(0.05, sound.close).start()
    start_s = time.monotonic()
    assert sound.read() is None
    assert time.monotonic() - start_s < 1


class Script:
    """A source of `count` blocks, then the end, an error, or a wait until close()."""

    def __init__(self, count: int, error: Exception | None = None, *, waits: bool = False) -> None:
        self.left, self.error, self.waits = count, error, waits
        self.closed = threading.Event()

    def read(self) -> SoundBlock | None:
        self.left -= 1
        if self.left >= 0:
            return SoundBlock(np.full(960, self.left, np.float32), 1000.0 - 20 * self.left)
        if self.waits:
            self.closed.wait()
        if self.error is not None:
            raise self.error
        return None

    def close(self) -> None:
        self.closed.set()

    def describe(self) -> str:
        return "script"

    def troubles(self) -> dict[str, int]:
        return {}


def as_texts(samples: NDArray[np.float32], capture_ms: float) -> list[str]:
    """Two frames of every second block."""
    return [f"{capture_ms:g}", f"{samples[0]:g}"] if samples[0] % 2 else []


def test_a_voice_thread_hands_on_what_is_encoded(until: Callable[..., Any]) -> None:
    frames: list[str] = []
    source = Script(4)
    with VoiceThread(source, as_texts, frames.append) as voice:
        until(lambda: voice.is_ended)
        assert frames == ["940", "3", "980", "1"]
        assert source.closed.is_set()
    voice.close()


def test_of_a_muted_voice_thread_nothing_is_heard(until: Callable[..., Any]) -> None:
    heard: list[float] = []
    voice = VoiceThread(Script(4), lambda samples, _: [float(np.abs(samples).max())], heard.append)
    voice.is_muted = True
    with voice:
        until(lambda: voice.is_ended)
    assert heard == [0, 0, 0, 0]


@pytest.mark.parametrize("place", ["read", "encode", "deliver"])
def test_an_error_ends_the_sound_and_is_told(
    place: str, caplog: pytest.LogCaptureFixture, until: Callable[..., Any]
) -> None:
    def breaks(*_: Any) -> list[str]:
        raise ValueError("it broke")

    source = Script(4, DeviceError("clip.mp4: the sound cannot be read") if place == "read" else None)
    encode = breaks if place == "encode" else as_texts
    deliver: Callable[[str], Any] = breaks if place == "deliver" else lambda _: None
    with VoiceThread(source, encode, deliver) as voice:
        until(lambda: voice.is_ended)
    assert source.closed.is_set()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    begin = "clip.mp4: the sound cannot be read" if place == "read" else "script broke"
    assert record.getMessage() == f"{begin}; the call goes on in silence"


def test_a_voice_thread_that_waits_for_sound_ends_at_once() -> None:
    source = Script(1, waits=True)
    start_s = time.monotonic()
    with VoiceThread(source, as_texts, lambda _: None):
        pass
    assert time.monotonic() - start_s < 1
    unused = VoiceThread(Script(1), as_texts, lambda _: None)
    unused.close()
