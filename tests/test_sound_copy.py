"""Sound beside pictures: copied where MP4 holds it, coded where not, and always at its time."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.sound_copy import copy_sound
from headgan.codec.video import VideoWriter, probe_video
from headgan.proto.errors import DeviceError

av: Any = pytest.importorskip("av")
RATE = 48_000
FRAMES, RATE_FPS = 50, 25
CLICK_S = 1.2


def silent_video(path: Path, frames: int = FRAMES) -> Path:
    with VideoWriter(path, width=64, height=64, rate_fps=RATE_FPS) as writer:
        for level in range(frames):
            writer.write(np.full((64, 64, 3), level, np.uint8))
    return path


def clip_with_click(path: Path, codec: str, seconds: float = 3.0) -> Path:
    """Sound only: silence with a burst of noise at CLICK_S."""
    samples = np.zeros(round(seconds * RATE), np.float32)
    start = round(CLICK_S * RATE)
    samples[start : start + 2400] = np.random.default_rng(0).uniform(-0.9, 0.9, 2400)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, layout="mono")
        form = stream.codec_context.format.name
        for at in range(0, len(samples), 960):
            part = samples[at : at + 960]
            values = part if "flt" in form else (part * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(values[None], format=form, layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def sound_of(path: Path) -> tuple[str, NDArray[np.float32], float]:
    """Codec, samples at RATE and the time of the first, in seconds."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", RATE)
        parts, first = [], None
        for frame in container.decode(audio=0):
            first = float(frame.pts * frame.time_base) if first is None else first
            parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
        return container.streams.audio[0].codec_context.name, np.concatenate(parts), first or 0.0


def click_s(path: Path) -> float:
    _, samples, first_s = sound_of(path)
    return first_s + int(np.argmax(np.abs(samples) > 0.3)) / RATE


@pytest.mark.parametrize(
    ("name", "codec", "expected"),
    [
        ("clip.mp4", "aac", "aac"),
        ("clip.webm", "libopus", "opus"),
        ("clip.flac", "flac", "flac"),
        ("clip.wav", "pcm_s16le", "aac"),
        ("clip.mpg", "mp2", "aac"),
    ],
)
@pytest.mark.parametrize("start_ms", [0.0, 400.0])
def test_the_click_is_heard_at_its_time(
    name: str, codec: str, expected: str, start_ms: float, tmp_path: Path
) -> None:
    clip = clip_with_click(tmp_path / name, codec)
    video = silent_video(tmp_path / "out.mp4")
    # A file may count from anywhere: its own first picture is where the video starts.
    assert copy_sound(video, clip, start_ms=start_ms)
    coded, samples, first_s = sound_of(video)
    assert coded.removesuffix("float") == expected
    assert click_s(video) == pytest.approx(click_s(clip) - start_ms / 1000, abs=0.03)
    assert first_s + len(samples) / RATE == pytest.approx(FRAMES / RATE_FPS, abs=0.1)  # the pictures end it


def test_pictures_stay_as_they_were(tmp_path: Path) -> None:
    video = silent_video(tmp_path / "out.mp4")
    with av.open(str(video)) as container:
        before = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    copy_sound(video, clip_with_click(tmp_path / "clip.mp4", "aac"))
    with av.open(str(video)) as container:
        assert [bytes(packet) for packet in container.demux(video=0) if packet.size] == before
    info = probe_video(video)
    assert (info.has_sound, info.frames_estimate, info.rate_fps) == (True, FRAMES, RATE_FPS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "out.mp4"]


def test_sound_that_ends_early_leaves_the_pictures(tmp_path: Path) -> None:
    video = silent_video(tmp_path / "out.mp4")
    assert copy_sound(video, clip_with_click(tmp_path / "clip.wav", "pcm_s16le", seconds=1.3))
    assert probe_video(video).frames_estimate == FRAMES


def test_a_clip_without_sound_changes_nothing(tmp_path: Path) -> None:
    video = silent_video(tmp_path / "out.mp4")
    before = video.read_bytes()
    assert not copy_sound(video, silent_video(tmp_path / "clip.mp4", frames=2))
    assert video.read_bytes() == before


def test_what_cannot_be_read_leaves_the_video_silent(tmp_path: Path) -> None:
    video = silent_video(tmp_path / "out.mp4")
    before = video.read_bytes()
    (tmp_path / "clip.mp4").write_bytes(b"no clip")
    with pytest.raises(
        DeviceError, match=r"out.mp4: the sound of .*clip.mp4 cannot be added .* stays silent"
    ):
        copy_sound(video, tmp_path / "clip.mp4")
    assert video.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "out.mp4"]
