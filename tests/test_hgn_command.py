"""`headgan encode`, `decode` and `info`: a made-up face moves and beeps in a clip, and does so in what is decoded."""

import json
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.hgn_chunks import PARAMETERS, SOUND
from headgan.codec.hgn_reader import HgnReader
from headgan.codec.hgn_sound import read_sound
from headgan.codec.params import FaceParams
from headgan.codec.sound_copy import copy_sound
from headgan.codec.video import VideoWriter, probe_video, read_video
from headgan.models import face_stream
from headgan.models.cli import main
from headgan.models.decode_command import DecodeOptions, decode_file
from headgan.models.encode_command import EncodeOptions, encode_file
from headgan.models.fitting import project
from headgan.models.generator import PRIOR_GENERATOR
from headgan.models.morphable import MorphableModel
from headgan.models.pose_edit import HeadPose, pose_rotation
from headgan.models.rotation import matrix_to_quaternion
from headgan.models.tracker import TrackedFace
from headgan.models.weights import weights_path
from headgan.proto.errors import DeviceError, FaceError, HeadganError, ModelError, UsageError, WireError

av: Any = pytest.importorskip("av")
MODEL = MorphableModel.load()
FRAMES, RATE_FPS = 75, 25
# The frame in which the head turns and the beep begins.
TURN = 40
WITHOUT_FACE = range(20, 26)
SOUND_RATE = 44_100
# A tile of the picture says which frame it is.
TILE, LEVELS_A_FRAME = 32, 3


def picture(number: int) -> NDArray[np.uint8]:
    """A patterned wall, so that a face on it has a look of its own, and the number of the frame."""
    y, x = np.mgrid[0:240, 0:320]
    waves = 128 + 50 * np.sin(x / 9) * np.cos(y / 13)
    frame_rgb = np.stack([waves, 255 - waves, (x + y) * 255 / 560], axis=-1).astype(np.uint8)
    frame_rgb[:TILE, :TILE] = number * LEVELS_A_FRAME
    return frame_rgb


class FakeTracker:
    """Sees the mean face look ahead, turn to the right at TURN, and be away for a while."""

    def track(self, frame_rgb: NDArray[np.uint8], _is_wanted: object = None) -> TrackedFace | None:
        number = round(float(frame_rgb[4 : TILE - 4, 4 : TILE - 4].mean()) / LEVELS_A_FRAME)
        if number in WITHOUT_FACE:
            return None
        pose = HeadPose(yaw_deg=18.0 if number >= TURN else 0.0)
        camera = np.array([*matrix_to_quaternion(pose_rotation(pose)), 0.5, 0, 0], np.float32)
        params = FaceParams(np.zeros(28, np.float32), camera, np.zeros(2, np.float32))
        points = project(MODEL, np.zeros(MODEL.identity_size), params)
        return TrackedFace((points * 100 + (170, 125, 0)).astype(np.float32), 1.0)

    def reset(self) -> None:
        pass


class Blind:
    """Sees nobody."""

    def track(self, *_: object) -> None:
        return None


def beep(path: Path) -> Path:
    samples = np.zeros(round(FRAMES / RATE_FPS * SOUND_RATE), np.int16)
    start = round(TURN / RATE_FPS * SOUND_RATE)
    samples[start : start + 4000] = 25_000 * np.sin(np.arange(4000) / 8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=SOUND_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, 0, Fraction(1, SOUND_RATE)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    path = folder / "clip.mp4"
    with VideoWriter(path, width=320, height=240, rate_fps=RATE_FPS) as writer:
        for number in range(FRAMES):
            writer.write(picture(number))
    assert copy_sound(path, beep(folder / "beep.wav"))
    return path


@pytest.fixture
def tracker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_stream, "MediaPipeTracker", FakeTracker)


@pytest.fixture(scope="module")
def encoded_once(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(face_stream, "MediaPipeTracker", FakeTracker)
        options = EncodeOptions(clip, folder / "clip.hgn", save_crop=folder / "crop.mp4")
        assert encode_file(options) == 0
    return folder


@pytest.fixture
def encoded(encoded_once: Path, tmp_path: Path) -> Path:
    """A file, and crop.mp4 beside it."""
    for path in encoded_once.iterdir():
        shutil.copy(path, tmp_path)
    return tmp_path / "clip.hgn"


def decode(path: Path, output: Path, **changes: Any) -> list[NDArray[np.int64]]:
    options = DecodeOptions(path, output, generator=weights_path(PRIOR_GENERATOR), provider="cpu")
    assert decode_file(replace(options, **changes)) == 0
    return [frame.frame_rgb.astype(int) for frame in read_video(output)]


def off(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    return float(np.abs(one - other).mean())


def test_a_clip_comes_back(encoded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with encoded.open("rb") as file:
        reader = HgnReader(file)
        assert reader.frames == FRAMES and float(reader.header.rate_fps) == RATE_FPS
        lost = [frame.number for frame in reader.play() if frame.params is None]
        assert lost == list(WITHOUT_FACE)
    capsys.readouterr()
    output = tmp_path / "out.mp4"
    pictures = decode(encoded, output)
    said = capsys.readouterr().out
    assert said == f"{output}: {FRAMES} frames, {len(WITHOUT_FACE)} without a face, with sound\n"
    crops = [frame.frame_rgb.astype(int) for frame in read_video(tmp_path / "crop.mp4")]
    assert len(pictures) == len(crops) == FRAMES
    assert off(pictures[0], crops[0]) < 8
    # While there is no face the last picture stays.
    assert all(off(pictures[number], pictures[WITHOUT_FACE[0] - 1]) < 1 for number in WITHOUT_FACE)


def test_sound_and_pictures_are_together(encoded: Path, tmp_path: Path) -> None:
    for start_s in (0.0, 0.48, 1.0):
        output = tmp_path / "out.mp4"
        pictures = decode(encoded, output, start=start_s)
        changes = [off(one, other) for one, other in zip(pictures[1:], pictures[:-1], strict=True)]
        turned_s = (1 + int(np.argmax(np.array(changes) > 2))) / RATE_FPS
        sound = np.concatenate(list(read_sound(output, 0.0)))
        heard_s = int(np.argmax(np.abs(sound) > 0.2)) / 48_000
        assert turned_s == pytest.approx(TURN / RATE_FPS - start_s)
        assert heard_s == pytest.approx(turned_s, abs=0.02)


def test_a_part_is_as_in_the_whole(encoded: Path, tmp_path: Path) -> None:
    pictures = decode(encoded, tmp_path / "out.mp4")
    # The first of these frames has no face.
    part = decode(encoded, tmp_path / "part.mp4", start=0.92, end=2.0)
    assert len(part) == 27
    assert all(off(one, other) < 1.5 for one, other in zip(part, pictures[23:50], strict=True))


def test_what_is_cut_off_is_told(encoded: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cut = tmp_path / "cut.hgn"
    with encoded.open("rb") as file:
        places = HgnReader(file).table.places
    last = max(place.start for place in places if place.kind == PARAMETERS)
    cut.write_bytes(encoded.read_bytes()[: last + 9])
    assert len(decode(cut, tmp_path / "out.mp4")) == 50
    assert f"it is cut off at byte {cut.stat().st_size}" in caplog.text


def test_sound_that_is_lost_leaves_the_pictures(
    encoded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = bytearray(encoded.read_bytes())
    with encoded.open("rb") as file:
        for place in HgnReader(file).table.places:
            data[place.start + 9] ^= place.kind == SOUND
    encoded.write_bytes(data)
    assert len(decode(encoded, tmp_path / "out.mp4")) == FRAMES
    assert "without sound" in capsys.readouterr().out


def test_info_tells_where_the_bits_went(encoded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["info", str(encoded), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == [
        "seconds",
        "frames",
        "reference_bytes",
        "parameter_bytes",
        "sound_bytes",
        "container_bytes",
    ]
    assert (told["seconds"], told["frames"]) == (3.0, FRAMES)
    assert sum(size for name, size in told.items() if name.endswith("_bytes")) == encoded.stat().st_size
    assert main(["info", str(encoded)]) == 0
    said = capsys.readouterr().out
    assert "75 frames, 2 of them key frames" in said and "whole" in said
    encoded.write_bytes(encoded.read_bytes()[:-20])
    assert main(["info", str(encoded)]) == 0
    assert "whole" not in capsys.readouterr().out


@pytest.mark.usefixtures("tracker")
def test_one_reference_is_the_papers_way(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "clip.hgn"
    assert main(["encode", str(clip), "-o", str(path), "--references", "1", "--kbps", "1", "--no-sound"]) == 0
    with path.open("rb") as file:
        reader = HgnReader(file)
        assert {frame.references[0].number for frame in reader.play() if frame.params} == {0}
        assert not reader.header.packet_ms
    decode(path, tmp_path / "out.mp4")
    assert not probe_video(tmp_path / "out.mp4").has_sound


@pytest.mark.usefixtures("tracker")
@pytest.mark.parametrize(("fps", "frames", "rate_fps"), [(10.0, 30, 10.0), (60.0, FRAMES, 25.0)])
def test_frames_come_at_the_clips_rate_or_less(
    fps: float, frames: int, rate_fps: float, clip: Path, tmp_path: Path
) -> None:
    path = tmp_path / "clip.hgn"
    assert encode_file(EncodeOptions(clip, path, fps=fps, no_sound=True)) == 0
    with path.open("rb") as file:
        reader = HgnReader(file)
        assert reader.frames == frames and float(reader.header.rate_fps) == rate_fps
        turned = [
            frame.number for frame in reader.play() if frame.params and frame.params.camera[2] ** 2 > 0.005
        ]
        assert turned[0] == round(TURN / RATE_FPS * rate_fps)


@pytest.mark.parametrize(
    ("change", "error", "complaint"),
    [
        ({"output": Path("out.mp4")}, UsageError, "ends in .hgn"),
        ({"output": Path("nowhere/out.hgn")}, DeviceError, "nowhere does not exist"),
        ({"save_crop": Path("crop.avi")}, UsageError, "--save-crop crop.avi: the name ends in .mp4"),
        ({"video": Path("gone.mp4")}, DeviceError, "gone.mp4: no such file"),
        ({"quality": 1.2}, UsageError, "quality of 1.2"),
        ({"kbps": 0.0}, UsageError, "--kbps 0"),
        ({"kbps": float("nan")}, UsageError, "--kbps nan"),
        ({"references": 0}, UsageError, "--references 0"),
        ({"fused": 9}, UsageError, "--fused 9"),
        ({"fps": 0.0}, UsageError, "--fps 0"),
        ({"fps": float("nan")}, UsageError, "--fps nan"),
        ({"sound_kbps": 1.0}, UsageError, "--sound-kbps 1"),
        ({"crop": "1,2"}, UsageError, "--crop 1,2"),
        ({"crop": "300,0,100"}, UsageError, "reaches outside"),
        ({"crop": "0,0,40"}, FaceError, "no face in .* inside the crop"),
    ],
)
@pytest.mark.usefixtures("tracker")
def test_mistakes_in_encoding_are_told(
    change: dict[str, Any],
    error: type[HeadganError],
    complaint: str,
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=complaint):
        encode_file(replace(EncodeOptions(clip, Path("out.hgn")), **change))
    assert list(tmp_path.iterdir()) == []


def test_a_clip_without_a_face_is_refused(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face_stream, "MediaPipeTracker", Blind)
    with pytest.raises(FaceError, match="no face in"):
        encode_file(EncodeOptions(clip, tmp_path / "out.hgn"))


@pytest.mark.parametrize(
    ("change", "error", "complaint"),
    [
        ({"output": Path("out.avi")}, UsageError, "ends in .mp4"),
        ({"file": Path("gone.hgn")}, DeviceError, "gone.hgn: no such file"),
        ({"fused": 0}, UsageError, "--fused 0"),
        ({"start": 3.0}, UsageError, "plays for 3.0 s"),
        ({"start": 2.0, "end": 1.0}, UsageError, "nothing to draw"),
        ({"start": -1.0}, UsageError, "--from -1"),
        ({"end": float("inf")}, UsageError, "--to inf"),
        ({"start": float("nan")}, UsageError, "--from nan"),
    ],
)
def test_mistakes_in_decoding_are_told(
    change: dict[str, Any], error: type[HeadganError], complaint: str, encoded: Path, tmp_path: Path
) -> None:
    generator = weights_path(PRIOR_GENERATOR)
    options = DecodeOptions(encoded, tmp_path / "out.mp4", generator=generator, provider="cpu")
    with pytest.raises(error, match=complaint):
        decode_file(replace(options, **change))
    assert not (tmp_path / "out.mp4").exists()


def test_files_of_others_are_told(encoded: Path, tmp_path: Path) -> None:
    data = encoded.read_bytes()
    with encoded.open("rb") as file:
        header = HgnReader(file).header
    other = tmp_path / "other.hgn"
    options = DecodeOptions(
        other, tmp_path / "out.mp4", generator=weights_path(PRIOR_GENERATOR), provider="cpu"
    )
    rest = data[len(header.to_bytes()) :]
    for changes, complaint in (
        ({"model_id": b"anything"}, "morphable model"),
        ({"code_id": b"anything"}, "parameters are coded with"),
    ):
        other.write_bytes(replace(header, **changes).to_bytes() + rest)  # type: ignore[arg-type]
        with pytest.raises(ModelError, match=complaint):
            decode_file(options)
    other.write_bytes(b"something else")
    with pytest.raises(WireError, match=r"no .hgn file"):
        decode_file(options)
