"""Video files: every picture is there, in time and upright, and a killed writer leaves a playable file."""

import signal
import struct
import subprocess
import sys
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from headgan.codec.video import DecodedFrame, VideoWriter, probe_video, read_video
from headgan.proto.errors import DeviceError

WIDTH, HEIGHT = 64, 48

# tkhd's matrix for a picture that has to be turned by a quarter clockwise before it is shown.
QUARTER_CLOCKWISE = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
IDENTITY = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)

ENDLESS_WRITER = """
import sys
from pathlib import Path
import numpy as np
from headgan.codec.video import VideoWriter
has_sound = sys.argv[3] == "sound"
writer = VideoWriter(Path(sys.argv[1]), width=64, height=48, rate_fps=25, has_sound=has_sound)
for k in range(int(sys.argv[2])):
    writer.write(np.full((48, 64, 3), k, np.uint8))
    if has_sound:
        writer.write_sound(np.full(1920, 0.25, np.float32))
print("written", flush=True)
sys.stdin.read()
"""

LIMITED_WRITER = """
import resource, sys
from pathlib import Path
import numpy as np
from headgan.codec.video import VideoWriter
from headgan.proto.errors import DeviceError
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
writer = VideoWriter(Path(sys.argv[1]), width=64, height=48, rate_fps=5)
noise = np.random.default_rng(0)
try:
    for k in range(1000):
        writer.write(noise.integers(0, 255, (48, 64, 3), np.uint8))
except DeviceError as error:
    print(k, error)
writer.close()
writer.close()
"""


def gray(level: int) -> npt.NDArray[np.uint8]:
    return np.full((HEIGHT, WIDTH, 3), level, np.uint8)


def write_levels(path: Path, levels: list[int], rate_fps: float = 25) -> None:
    with VideoWriter(path, width=WIDTH, height=HEIGHT, rate_fps=rate_fps) as writer:
        for level in levels:
            writer.write(gray(level))


def read_levels(path: Path) -> list[float]:
    return [float(frame.frame_rgb.mean()) for frame in read_video(path)]


@pytest.mark.parametrize("count", [0, 1, 25, 60])
def test_every_frame_is_there_after_close(tmp_path: Path, count: int) -> None:
    path = tmp_path / "call 12:30.mp4"
    levels = [20 + 3 * k for k in range(count)]
    write_levels(path, levels)
    if count:
        assert read_levels(path) == pytest.approx(levels, abs=3)
        assert probe_video(path).frames_estimate == count
    else:
        with pytest.raises(DeviceError, match="no picture"):
            next(read_video(path))


@pytest.mark.parametrize("rate_fps", [25, 30, 29.97, 30000 / 1001, 12.5, 0.5])
def test_frame_k_is_shown_at_k_over_rate(tmp_path: Path, rate_fps: float) -> None:
    path = tmp_path / "v.mp4"
    write_levels(path, [128] * 7, rate_fps)
    assert [f.pts_ms for f in read_video(path)] == pytest.approx([1000 * k / rate_fps for k in range(7)])
    info = probe_video(path)
    assert info.rate_fps == pytest.approx(rate_fps)
    assert info.duration_s == pytest.approx(7 / rate_fps)
    assert (info.width, info.height, info.has_sound) == (WIDTH, HEIGHT, False)


def test_colours_survive(tmp_path: Path) -> None:
    frame_rgb = gray(0)
    frame_rgb[:, :32] = (200, 30, 60)
    frame_rgb[:, 32:] = (20, 180, 220)
    with VideoWriter(tmp_path / "v.mp4", width=WIDTH, height=HEIGHT, rate_fps=25) as writer:
        writer.write(frame_rgb)
        frame_rgb[:] = 0  # the writer took a copy
    (decoded,) = read_video(tmp_path / "v.mp4")
    assert decoded.frame_rgb.dtype == np.uint8
    np.testing.assert_allclose(decoded.frame_rgb[24, 8], (200, 30, 60), atol=4)
    np.testing.assert_allclose(decoded.frame_rgb[24, 56], (20, 180, 220), atol=4)


def test_colours_of_another_matrix_survive(tmp_path: Path) -> None:
    # Phones write BT.709; read as BT.601 this red would be 15 levels off.
    path = tmp_path / "709.mp4"
    frame = av.VideoFrame.from_ndarray(gray(0) + np.array((200, 30, 60), np.uint8), format="rgb24")
    frame = frame.reformat(format="yuv420p", dst_colorspace="itu709")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.colorspace = 1
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (decoded,) = read_video(path)
    np.testing.assert_allclose(decoded.frame_rgb[24, 32], (200, 30, 60), atol=4)


def test_rotation_of_phone_videos_is_applied(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    frame_rgb = gray(0)
    frame_rgb[:, :16] = 250  # the left edge, which a quarter clockwise makes the top edge
    with VideoWriter(path, width=WIDTH, height=HEIGHT, rate_fps=25) as writer:
        writer.write(frame_rgb)
    data = path.read_bytes()
    at = data.index(IDENTITY, data.index(b"tkhd"))
    path.write_bytes(data[:at] + QUARTER_CLOCKWISE + data[at + len(IDENTITY) :])

    (decoded,) = read_video(path)
    assert decoded.frame_rgb.shape == (WIDTH, HEIGHT, 3)
    assert decoded.frame_rgb[:14].mean() > 240
    assert decoded.frame_rgb[18:].mean() < 10
    info = probe_video(path)
    assert (info.width, info.height) == (HEIGHT, WIDTH)


def test_variable_frame_rate_and_sound(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    times_ms = [0, 40, 200, 210, 500]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        sound = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        for time_ms in times_ms:
            frame = av.VideoFrame.from_ndarray(gray(100), format="rgb24")
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        silence.sample_rate, silence.pts = 8000, 0
        container.mux(sound.encode(silence))
    assert [f.pts_ms for f in read_video(path)] == pytest.approx(times_ms)
    assert probe_video(path).has_sound


@pytest.mark.parametrize("sound", ["silent", "sound"])
def test_killed_writer_leaves_a_playable_file(tmp_path: Path, sound: str) -> None:
    path = tmp_path / "v.mp4"
    count, lost_at_most = 120, 25 + 9 + 1  # a fragment, the queue, the picture in the encoder
    command = [sys.executable, "-c", ENDLESS_WRITER, str(path), str(count), sound]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"written\n"
        child.kill()
    if sys.platform != "win32":
        assert child.returncode == -signal.SIGKILL
    levels = read_levels(path)
    assert count - lost_at_most <= len(levels) <= count
    assert levels == pytest.approx(range(len(levels)), abs=3)
    assert probe_video(path).frames_estimate == len(levels)
    assert probe_video(path).has_sound is (sound == "sound")
    if sound == "sound":
        with av.open(str(path)) as container:
            samples = sum(frame.samples for frame in container.decode(container.streams.audio[0]))
        assert samples / 48_000 == pytest.approx(len(levels) / 25, abs=0.2)


def test_a_file_cut_anywhere_gives_its_first_pictures(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, cut_path = tmp_path / "v.mp4", tmp_path / "cut.mp4"
    rng = np.random.default_rng(0)
    with VideoWriter(path, width=WIDTH, height=HEIGHT, rate_fps=5) as writer:
        for _ in range(15):
            writer.write(rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8))
    data = path.read_bytes()
    whole = [f.frame_rgb for f in read_video(path)]
    counts = []
    for share in (0.5, 0.6, 0.7, 0.8):
        cut_path.write_bytes(data[: int(share * len(data))])
        cut: list[DecodedFrame] = list(read_video(cut_path))
        counts.append(len(cut))
        for k, frame in enumerate(cut[:5]):  # the first second is complete
            np.testing.assert_array_equal(frame.frame_rgb, whole[k])
    assert counts == sorted(counts)
    assert 5 <= counts[0] < counts[-1] < 15
    assert "damaged" in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_worker_errors_reach_the_caller_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIMITED_WRITER, str(tmp_path / "v.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "v.mp4: writing the video failed" in done.stdout
    assert "free space" in done.stdout


def test_close_twice_and_write_after_close(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "v.mp4", width=WIDTH, height=HEIGHT, rate_fps=25)
    writer.write(gray(9))
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.write(gray(9))
    assert len(read_levels(tmp_path / "v.mp4")) == 1


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    for width, height in ((63, 48), (64, 47), (0, 48), (64, -2)):
        with pytest.raises(ValueError, match="even"):
            VideoWriter(tmp_path / "v.mp4", width=width, height=height, rate_fps=25)
    for rate_fps in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="rate"):
            VideoWriter(tmp_path / "v.mp4", width=WIDTH, height=HEIGHT, rate_fps=rate_fps)
    with VideoWriter(tmp_path / "v.mp4", width=WIDTH, height=HEIGHT, rate_fps=25) as writer:
        with pytest.raises(ValueError, match="need uint8"):
            writer.write(np.zeros((HEIGHT, WIDTH + 2, 3), np.uint8))
        with pytest.raises(ValueError, match="need uint8"):
            writer.write(np.zeros((HEIGHT, WIDTH, 3), np.float32))


def test_unwritable_path_is_told_at_once(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "v.mp4"):
        with pytest.raises(DeviceError, match=r"cannot be written \(.+\); choose a folder"):
            VideoWriter(path, width=WIDTH, height=HEIGHT, rate_fps=25)


def test_unreadable_files_are_explained(tmp_path: Path) -> None:
    text, empty, sound = tmp_path / "text.mp4", tmp_path / "empty.mp4", tmp_path / "sound.wav"
    text.write_text("not a video\n" * 100)
    empty.write_bytes(b"")
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    for path, words in (
        (tmp_path / "missing.mp4", "no such file"),
        (tmp_path, "directory"),
        (text, "invalid data"),
        (empty, "invalid data"),
        (sound, "no video in the file"),
    ):
        with pytest.raises(DeviceError, match=words):
            probe_video(path)
        with pytest.raises(DeviceError, match=words):
            next(read_video(path))
