"""Wherever a picture is drawn with its sound at hand, a network that listens hears it; another costs nothing."""

import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.hgn_reader import HgnReader
from headgan.codec.params import FaceParams
from headgan.codec.sound_copy import copy_sound
from headgan.codec.video import VideoWriter, read_video
from headgan.codec.voice import VoiceEncoder, VoiceFrame
from headgan.models import clip_faces, ears, face_stream, reenactment
from headgan.models.clip_sound import read_sound
from headgan.models.decode_command import DecodeOptions, decode_file
from headgan.models.encode_command import EncodeOptions, encode_file
from headgan.models.fitting import project
from headgan.models.frame_graphs import SPEECH_KEY
from headgan.models.generator import PRIOR_GENERATOR, OnnxGenerator
from headgan.models.hgn_ears import HgnEars
from headgan.models.likeness import Likeness
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import ReferenceImage
from headgan.models.reenactment import reenact
from headgan.models.speech import SPEECH_SIZE, clip_features, speech_form
from headgan.models.speech_low import SAMPLE_RATE
from headgan.models.told_ears import ToldEars
from headgan.models.tracker import TrackedFace
from headgan.models.weights import weights_path
from headgan.sender import closed_loop
from headgan.sender.analysis import AnalysedFrame
from headgan.sender.closed_loop import ClosedLoop
from headgan.sender.frame_plan import FramePlanner
from headgan.sender.said_encoder import SaidEncoder
from headgan.sender.waiting_voice import pack_said

onnx: Any = pytest.importorskip("onnx")
MODEL = MorphableModel.load()
FRAMES, RATE_FPS, RATE = 30, 25, 48_000
FACE = FaceParams(
    np.zeros(28, np.float32), np.array([1, 0, 0, 0, 0.5, 0, 0], np.float32), np.zeros(2, np.float32)
)
DOCS_FACE = Path(__file__).parent.parent / "docs" / "face.jpg"


class FakeTracker:
    """Sees the mean face in the middle of a 320x240 frame."""

    def track(self, *_: object) -> TrackedFace:
        points = project(MODEL, np.zeros(MODEL.identity_size), FACE)
        return TrackedFace((points * 100 + (160, 120, 0)).astype(np.float32), 1.0)

    def reset(self) -> None:
        pass


@pytest.fixture
def hearing(tmp_path: Path) -> Path:
    """A network that draws, all over the picture, the mean of what it hears."""
    helper, types = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("ReduceMean", ["audio"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "gain"], ["part"]),
        helper.make_node("Add", ["part", "middle"], ["level"]),
        helper.make_node("Cast", ["reference"], ["floats"], to=types.FLOAT),
        helper.make_node("Mul", ["floats", "none"], ["dark"]),
        helper.make_node("Add", ["dark", "level"], ["drawn"]),
        helper.make_node("Cast", ["drawn"], ["picture"], to=types.UINT8),
    ]
    constants = [
        helper.make_tensor(name, types.FLOAT, [], [value])
        for name, value in (("gain", 100.0), ("middle", 100.0), ("none", 0.0))
    ]
    size = [256, 256, 3]
    graph = helper.make_graph(
        nodes,
        "hearing",
        [
            helper.make_tensor_value_info("reference", types.UINT8, size),
            helper.make_tensor_value_info("audio", types.FLOAT, [SPEECH_SIZE]),
        ],
        [helper.make_tensor_value_info("picture", types.UINT8, size)],
        constants,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(made, {SPEECH_KEY: speech_form()})
    path = tmp_path / "hearing.onnx"
    onnx.save(made, path)
    return path


def levels_of(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the network above draws."""
    drawn: NDArray[np.float32] = 100 + 100 * features.mean(axis=-1)
    return drawn


@pytest.fixture
def clip(tmp_path: Path, voice: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A grey picture for 1.2 s, with a voice."""
    for module in (clip_faces, face_stream):
        monkeypatch.setattr(module, "MediaPipeTracker", FakeTracker)
    path, sound = tmp_path / "clip.mp4", tmp_path / "voice.wav"
    with VideoWriter(path, width=320, height=240, rate_fps=RATE_FPS) as writer:
        for _ in range(FRAMES):
            writer.write(np.full((240, 320, 3), 90, np.uint8))
    av: Any = pytest.importorskip("av")
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        samples = (voice[: FRAMES * RATE // RATE_FPS] * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert copy_sound(path, sound)
    return path


def known(heard: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """What is heard, zeros where nothing was."""
    return np.zeros(SPEECH_SIZE, np.float32) if heard is None else heard


def brightness(path: Path) -> NDArray[np.float64]:
    return np.array([frame.frame_rgb.mean() for frame in read_video(path)])


def test_a_reenacted_person_hears_the_clip(
    clip: Path, hearing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headgan.models.avatar import Avatar

    avatar = Avatar.from_picture(DOCS_FACE, generator=hearing, provider="cpu")
    assert avatar.listens
    reenact(avatar, clip, tmp_path / "heard.mp4")
    sound = read_sound(clip)
    times_ms = np.arange(FRAMES) * 1000 / RATE_FPS - sound.start_ms
    wanted = levels_of(clip_features(sound.samples, SAMPLE_RATE, times_ms))
    np.testing.assert_allclose(brightness(tmp_path / "heard.mp4"), wanted, atol=3)
    assert np.ptp(wanted) > 10
    deaf = Avatar.from_picture(DOCS_FACE, generator=weights_path(PRIOR_GENERATOR), provider="cpu")
    monkeypatch.setattr(reenactment, "speech_of_clip", lambda *_: pytest.fail("nobody listens"))
    reenact(deaf, clip, tmp_path / "deaf.mp4")


@pytest.fixture
def encoded(clip: Path, tmp_path: Path) -> Path:
    assert encode_file(EncodeOptions(clip, tmp_path / "clip.hgn")) == 0
    return tmp_path / "clip.hgn"


def test_a_decoded_file_hears_its_own_sound(
    encoded: Path, hearing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = DecodeOptions(encoded, tmp_path / "all.mp4", generator=hearing, provider="cpu")
    assert decode_file(options) == 0
    heard = read_sound(tmp_path / "all.mp4")
    times_ms = np.arange(FRAMES) * 1000 / RATE_FPS - heard.start_ms
    wanted = levels_of(clip_features(heard.samples, SAMPLE_RATE, times_ms))
    found = brightness(tmp_path / "all.mp4")
    assert np.ptp(wanted) > 10
    # The file's sound goes through another resampler here.
    np.testing.assert_allclose(found[2:-3], wanted[2:-3], atol=6)
    assert decode_file(replace(options, output=tmp_path / "end.mp4", start=0.6)) == 0
    np.testing.assert_allclose(brightness(tmp_path / "end.mp4"), found[15:], atol=3)
    monkeypatch.setattr("headgan.models.hgn_decode.HgnEars", lambda *_: pytest.fail("nobody listens"))
    deaf = replace(options, output=tmp_path / "deaf.mp4", generator=weights_path(PRIOR_GENERATOR))
    assert decode_file(deaf) == 0


class Vowels:
    """A network that hears how loud each 20 ms are."""

    def shares(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = np.abs(sound[: len(sound) // 320 * 320]).reshape(-1, 320).mean(axis=1)
        shares = np.zeros((len(parts), 27), np.float32)
        shares[:, 0], shares[:, 26] = parts, 1 - parts
        return shares


def test_a_damaged_packet_of_a_file_is_silent(encoded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with encoded.open("rb") as file:
        reader = HgnReader(file)
        whole = HgnEars(reader, net=Vowels())
        expected = [known(whole.at(number)) for number in range(FRAMES)]
        packets = list(reader.sound())
        broken = [(number, b"\xff" if number == 9 else packet) for number, packet in packets]
        monkeypatch.setattr(reader, "sound", lambda _start: iter(broken))
        damaged = HgnEars(reader, net=Vowels())
        found = [known(damaged.at(number)) for number in range(FRAMES)]
    first = next(n for n in range(FRAMES) if not np.array_equal(expected[n], found[n]))
    # Packet 9 begins at 540 ms, less what the coder begins with; a frame is told of 80 ms more than its time.
    assert 10 <= first <= 13


class Drawn:
    """Stands in for a reconstructor; remembers what was heard."""

    heard: list[dict[str, Any]]

    def __init__(self, *_: object) -> None:
        pass

    def draw(self, _params: FaceParams, **heard: Any) -> NDArray[np.uint8]:
        self.heard.append(heard)
        return np.zeros((256, 256, 3), np.uint8)


@pytest.fixture
def planner(hearing: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FramePlanner]:
    """Looks at frames with a network that hears."""
    Drawn.heard = []
    monkeypatch.setattr(closed_loop, "Reconstructor", Drawn)
    monkeypatch.setattr(closed_loop, "compare_likeness", lambda *_: Likeness(1.0, 1.0, 1.0))
    monkeypatch.setattr(closed_loop, "Ears", lambda: ears.Ears(Vowels()))
    loop = ClosedLoop(MODEL, lambda: OnnxGenerator(hearing, provider="cpu"), lambda: time.monotonic() * 1000)
    monkeypatch.setattr(loop, "_due_ms", 0.0)
    first = ReferenceImage(np.zeros((256, 256, 3), np.uint8), np.zeros(MODEL.identity_size, np.float32), FACE)
    planner = FramePlanner(first, loop=loop)
    yield planner
    planner.close()


def look(planner: FramePlanner, capture_ms: float) -> None:
    """Looks at a frame; the comparison has begun."""
    assert planner.loop is not None
    planner.loop._due_ms = 0.0
    planner.plan(AnalysedFrame(np.zeros((256, 256, 3), np.uint8), FACE), capture_ms)


def finish(planner: FramePlanner) -> None:
    assert planner.loop is not None
    while planner.loop.is_comparing:
        time.sleep(0.005)


def test_a_sender_hears_what_it_sent_until_after_the_frame(
    planner: FramePlanner, voice: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    look(planner, 0.0)  # nothing was said yet
    finish(planner)
    spoken = [frame for frame in VoiceEncoder(12).encode(voice[: 2 * RATE], 1000.0) if not frame.is_silence]
    receiver = ears.Ears(Vowels())
    for frame in spoken:
        receiver.push(replace(frame, start_ms=float(round(frame.start_ms))))
    early = [frame for frame in spoken if frame.start_ms < 2000]
    for frame in early:
        planner.hear(frame)
        planner.hear(VoiceFrame(frame.number, frame.start_ms, frame.data, is_copy=True))
    # No patience runs out on a slow machine.
    monkeypatch.setattr(closed_loop, "_LISTENS", 1000)
    look(planner, 2000.0)
    assert len(Drawn.heard) == 1
    for frame in spoken[len(early) :]:
        planner.hear(frame)
    finish(planner)
    assert Drawn.heard[0] == {"audio": None}
    np.testing.assert_allclose(Drawn.heard[1]["audio"], known(receiver.at(2000.0)), atol=1e-6)


def test_a_sender_does_not_wait_for_ever_for_what_is_said(
    planner: FramePlanner, voice: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closed_loop, "_LISTEN_S", 0.001)
    look(planner, 0.0)
    finish(planner)
    for frame in VoiceEncoder(12).encode(voice[:RATE], 1000.0):
        planner.hear(frame)
    look(planner, 2500.0)
    finish(planner)
    assert len(Drawn.heard) == 2


def test_a_sender_hears_what_it_sent_without_its_voice(
    planner: FramePlanner, voice: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    look(planner, 0.0)  # opens the network
    finish(planner)
    said = SaidEncoder(Vowels()).encode(voice[: 2 * RATE], 1000.0)
    receiver = ToldEars()
    early = [record for record in said if record.start_ms < 2000]
    for record in said:
        receiver.push(pack_said([record]), float(round(record.start_ms)))
    for record in early:
        planner.hear(record)
    monkeypatch.setattr(closed_loop, "_LISTENS", 1000)
    look(planner, 2000.0)
    assert len(Drawn.heard) == 1
    for record in said[len(early) :]:
        planner.hear(record)
    finish(planner)
    np.testing.assert_array_equal(Drawn.heard[1]["audio"], known(receiver.at(2000.0)))


def test_who_only_follows_hears_the_same_later(voice: NDArray[np.float32]) -> None:
    frames = VoiceEncoder(12).encode(voice[: 2 * RATE], 0.0)
    always, later = ears.Ears(Vowels()), ears.Ears(Vowels())
    for frame in frames:
        always.push(frame)
        later.push(frame)
    for frame_ms in range(0, 1600, 40):
        expected = always.at(frame_ms)
        if frame_ms < 1400:
            later.follow(frame_ms)
        else:
            np.testing.assert_array_equal(known(later.at(frame_ms)), known(expected))


def test_a_pause_is_not_waited_for(voice: NDArray[np.float32]) -> None:
    listening = ears.Ears(Vowels())
    assert listening.knows(0.0)
    spoken = VoiceEncoder(12).encode(voice[:RATE], 0.0)
    for frame in spoken:
        listening.push(frame)
    last = spoken[-1]
    assert listening.knows(last.start_ms - 100) and not listening.knows(last.start_ms)
    listening.push(VoiceFrame(last.number + 1, last.start_ms + 40, b"\x10"))
    assert listening.knows(last.start_ms + 5000)
