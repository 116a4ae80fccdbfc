"""Sound of a file: at its time, whatever the clip's times are, and beside the pictures of an MP4."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.hgn_header import SOUND_RATE
from headgan.codec.hgn_sound import SoundEncoder, add_sound, check_sound_kbps, read_sound
from headgan.codec.video import VideoWriter
from headgan.proto.errors import DeviceError, UsageError

av: Any = pytest.importorskip("av")
CLICKS_S = (0.3, 1.2, 1.7)


def sound_clip(path: Path, rate: int = 44_100, gap_s: float = 0.0, layout: str = "stereo") -> Path:
    """Silence with short beeps at CLICKS_S; the first `gap_s` of it are not in the file."""
    samples = np.zeros(2 * rate, np.float32)
    for at_s in CLICKS_S:
        start = round(at_s * rate)
        samples[start : start + rate // 20] = 0.8 * np.sin(2 * np.pi * 800 * np.arange(rate // 20) / rate)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=rate, layout=layout)
        for at in range(round(gap_s * rate), len(samples), 1000):
            part = (samples[at : at + 1000] * 32767).astype(np.int16)
            interleaved = np.repeat(part, 2) if layout == "stereo" else part
            frame = av.AudioFrame.from_ndarray(interleaved[None], format="s16", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def packets_of(clip: Path, start_ms: float = 0.0, packet_ms: int = 60) -> tuple[list[bytes], SoundEncoder]:
    encoder = SoundEncoder(packet_ms=packet_ms)
    packets = [packet for samples in read_sound(clip, start_ms) for packet in encoder.encode(samples)]
    return packets + encoder.finish(), encoder


def silent_video(path: Path) -> Path:
    with VideoWriter(path, width=64, height=64, rate_fps=25) as writer:
        for level in range(50):
            writer.write(np.full((64, 64, 3), level, np.uint8))
    return path


def clicks_s(samples: NDArray[np.float32]) -> list[float]:
    """Where beeps begin, in seconds."""
    loud = np.flatnonzero(np.abs(samples) > 0.2)
    starts = loud[np.diff(loud, prepend=-SOUND_RATE) > SOUND_RATE // 10]
    return [float(start / SOUND_RATE) for start in starts]


def sound_of(path: Path) -> NDArray[np.float32]:
    """What a player plays, from the time of the first picture on."""
    return np.concatenate(list(read_sound(path, 0.0)))


@pytest.mark.parametrize(
    ("name", "start_ms", "gap_s"),
    [
        ("clip.wav", 0.0, 0.0),
        ("clip.wav", -400.0, 0.0),
        ("clip.mkv", 200.0, 0.0),
        # The sound begins after the pictures.
        ("clip.mkv", 0.0, 0.25),
    ],
)
@pytest.mark.parametrize("packet_ms", [20, 60])
def test_beeps_are_heard_at_their_times(
    name: str, start_ms: float, gap_s: float, packet_ms: int, tmp_path: Path
) -> None:
    clip = sound_clip(tmp_path / name, gap_s=gap_s)
    packets, encoder = packets_of(clip, start_ms, packet_ms)
    video = silent_video(tmp_path / "out.mp4")
    add_sound(video, enumerate(packets), packet_ms=packet_ms, pre_skip=encoder.pre_skip, start_s=Fraction(0))
    heard = [at_s for at_s in (one - start_ms / 1000 for one in CLICKS_S) if at_s < 1.95]
    assert clicks_s(sound_of(video)) == pytest.approx(heard, abs=0.01)
    assert not (tmp_path / "out.mp4.part").exists()


@pytest.mark.parametrize("start", [0, 7, 26])
def test_a_part_begins_at_its_time(start: int, tmp_path: Path) -> None:
    packets, encoder = packets_of(sound_clip(tmp_path / "clip.wav"))
    video = silent_video(tmp_path / "out.mp4")
    numbered = [(number, packet) for number, packet in enumerate(packets) if (number + 1) * 60 > 40 * start]
    add_sound(video, numbered, packet_ms=60, pre_skip=encoder.pre_skip, start_s=Fraction(start, 25))
    expected = [at_s - start / 25 for at_s in CLICKS_S if at_s >= start / 25]
    assert clicks_s(sound_of(video)) == pytest.approx(expected, abs=0.01)


def test_the_rate_is_about_what_is_asked_for() -> None:
    noise = np.random.default_rng(0)
    encoder = SoundEncoder(12.0)
    packets = []
    for _ in range(100):
        packets += encoder.encode(noise.normal(0, 0.1, SOUND_RATE // 10).astype(np.float32))
    kbps = sum(map(len, packets)) * 8 / (len(packets) * 60)
    assert len(packets) == 166 and 8 < kbps < 14


def test_a_clip_without_sound_has_none(tmp_path: Path) -> None:
    assert list(read_sound(silent_video(tmp_path / "clip.mp4"), 0.0)) == []


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no clip")
    with pytest.raises(DeviceError, match=r"the sound cannot be read .* leave it out: --no-sound"):
        list(read_sound(tmp_path / "clip.mp4", 0.0))


def test_sound_that_is_lost_leaves_the_rest_where_it_is(tmp_path: Path) -> None:
    packets, encoder = packets_of(sound_clip(tmp_path / "clip.wav"))
    video = silent_video(tmp_path / "out.mp4")

    def most() -> Iterator[tuple[int, bytes]]:
        yield from ((number, packet) for number, packet in enumerate(packets) if not 8 <= number < 15)

    add_sound(video, most(), packet_ms=60, pre_skip=encoder.pre_skip, start_s=Fraction(0))
    assert clicks_s(sound_of(video)) == pytest.approx(CLICKS_S, abs=0.01)


@pytest.mark.parametrize("kbps", [0.0, 5.0, 500.0, float("nan")])
def test_rates_that_opus_does_not_have_are_refused(kbps: float) -> None:
    with pytest.raises(UsageError, match="--sound-kbps"):
        check_sound_kbps(kbps)
