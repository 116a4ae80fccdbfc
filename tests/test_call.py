"""Whole calls in one process over 127.0.0.1: every frame accounted for, every way to end, every peer that lies."""

import asyncio
import gc
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.benchmarks.faulty_line import FaultyLine, LineFaults
from headgan.benchmarks.lip_time import sound_later, sound_of
from headgan.codec.param_code import shipped_code
from headgan.codec.param_encoder import Face, ParamEncoder
from headgan.codec.param_record import _LAG_STARTS
from headgan.codec.params import EXPRESSION_SIZE, GAZE_SIZE, FaceParams, identity_to_bytes
from headgan.codec.picture_coder import CHAIN_MEDIA_TYPE, PictureEncoder
from headgan.codec.range_coder import RangeEncoder
from headgan.codec.said_code import shipped_said_code
from headgan.codec.still import AV1_MEDIA_TYPE, encode_still
from headgan.codec.video import read_video
from headgan.models.contacts import OWN, Contacts, reference_digest
from headgan.models.detail import LARGE_SIZE, enlarged, shrunk
from headgan.models.fitting import project
from headgan.models.generator import PRIOR_GENERATOR, Generator, OnnxGenerator
from headgan.models.morphable import MorphableModel
from headgan.models.pncc import CROP_SIZE
from headgan.models.reconstruct import Reconstructor, ReferenceImage
from headgan.models.tracker import TrackedFace
from headgan.models.weights import weights_path
from headgan.proto.control import ByeReason
from headgan.proto.errors import DeviceError, FaceError, HeadganError, ModelError, PeerError, WireError
from headgan.proto.hello import Hello, Role
from headgan.proto.ice import IceConfig
from headgan.proto.line_watch import NOTICE_MS
from headgan.proto.link import Link
from headgan.proto.more_references import ReferenceAnswered
from headgan.proto.peer import Peer
from headgan.proto.reference_messages import ReferenceReady
from headgan.proto.reference_transfer import Reference
from headgan.proto.said import said_capability
from headgan.proto.session import Session
from headgan.proto.session_events import PeerBye, StartStreaming
from headgan.proto.signalling import Address, Listener, call
from headgan.proto.wire import FrameMark, ParamPacket
from headgan.receiver.call import ReceiverCall
from headgan.receiver.call_sound import said_capability_of
from headgan.receiver.display import Frame, ViewerStats
from headgan.receiver.receive_settings import ReceiveSettings
from headgan.receiver.reference_photo import ReferencePhoto
from headgan.receiver.silent_speaker import SilentSpeaker
from headgan.receiver.stats import receiver_stats
from headgan.sender.analysis import AnalysedFrame, FaceAnalyser
from headgan.sender.call import SenderCall
from headgan.sender.cli import sender_stats
from headgan.sender.open_sound import FEATURES, NO_SOUND, VOICE
from headgan.sender.own_looks import OwnLooks
from headgan.sender.param_packer import ParamPacker
from headgan.sender.send_settings import SendSettings
from headgan.sender.sound_source import BLOCK_MS, BLOCK_SAMPLES, SoundBlock
from headgan.sender.sources import Source, SourceFrame

MODEL = MorphableModel.load()
CALL_ID = shipped_code().id_with(MODEL.model_id)
IDENTITY = np.zeros(MODEL.identity_size, np.float32)
GENERATOR = OnnxGenerator(weights_path(PRIOR_GENERATOR), provider="cpu")
LIMIT_S = 20.0
RATE_FPS = 50.0


def clock_ms() -> float:
    return time.monotonic() * 1000


def face(scale: float = 0.35) -> FaceParams:
    camera = np.array([1, 0, 0, 0, scale, 0, 0], np.float32)
    return FaceParams(np.zeros(EXPRESSION_SIZE, np.float32), camera, np.zeros(GAZE_SIZE, np.float32))


def studio_frame() -> NDArray[np.uint8]:
    """Somebody, as far as a segmentation can tell, in front of a white wall."""
    frame_rgb = np.full((240, 320, 3), 255, np.uint8)
    frame_rgb[60:200, 110:210] = np.random.default_rng(0).integers(0, 200, (140, 100, 3), np.uint8)
    return frame_rgb


FRAME_RGB = studio_frame()


def soft_picture() -> NDArray[np.uint8]:
    ramp = np.linspace(0, 255, 256).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(ramp[:, None, None], (256, 256, 3)))


def textured_picture() -> NDArray[np.uint8]:
    noise = np.random.default_rng(7).integers(0, 255, (16, 16, 3), np.uint8)
    picture: NDArray[np.uint8] = cv2.resize(noise, (256, 256)).astype(np.uint8)
    return picture


REFERENCE = ReferenceImage(soft_picture(), IDENTITY, face())


class Clip:
    """A source of `count` frames at 50 fps, without end if None; `error` comes at its end."""

    def __init__(self, count: int | None, *, error: Exception | None = None, is_live: bool = False) -> None:
        self.is_live = is_live
        self.is_closed = False
        self._count = count
        self._error = error
        self._position = 0

    def read(self) -> SourceFrame | None:
        if self._position == self._count:
            if self._error is not None:
                raise self._error
            return None
        if self.is_live:
            time.sleep(1 / RATE_FPS)
        self._position += 1
        return SourceFrame(FRAME_RGB, (self._position - 1) * 1000 / RATE_FPS)

    def rewind(self) -> None:
        self._position = 0

    def close(self) -> None:
        self.is_closed = True

    def describe(self) -> str:
        return "a clip"


class Talk:
    """A source of sound that is heard from the first picture on."""

    def __init__(self, sound: NDArray[np.float32], started_ms: Callable[[], float | None]) -> None:
        self.is_closed = False
        self._sound, self._started_ms = sound, started_ms
        self._given = 0

    def read(self) -> SoundBlock | None:
        while (start_ms := self._started_ms()) is None:
            time.sleep(0.001)
        samples = self._sound[self._given : self._given + BLOCK_SAMPLES]
        capture_ms = start_ms + self._given / 48
        time.sleep(max(0.0, capture_ms + BLOCK_MS - clock_ms()) / 1000)
        self._given += len(samples)
        return None if self.is_closed or not len(samples) else SoundBlock(samples, capture_ms)

    def close(self) -> None:
        self.is_closed = True

    def describe(self) -> str:
        return "somebody who talks"

    def troubles(self) -> dict[str, int]:
        return {"hoarse": 3}


class StillFace:
    """A tracker that sees one face, always in the same place."""

    def track(
        self,
        frame_rgb: NDArray[np.uint8],
        is_wanted: Callable[[TrackedFace], bool] | None = None,  # noqa: ARG002
    ) -> TrackedFace | None:
        height, width = frame_rgb.shape[:2]
        points = project(MODEL, IDENTITY, face(30)) + np.array([width / 2, height / 2, 0], np.float32)
        return TrackedFace(points, 0.99)

    def reset(self) -> None:
        pass


class QuickAnalyser(FaceAnalyser):
    """Knows the answers: a face in every frame whose number is not in `without_face`."""

    def __init__(
        self,
        *,
        without_face: range = range(0),
        settle_s: float = 0.0,
        picture: NDArray[np.uint8] | None = None,
    ) -> None:
        super().__init__(MODEL, StillFace(), crop="auto", smoothing=None, clock_ms=clock_ms)
        self._picture = soft_picture() if picture is None else picture
        self.frames = 0
        self.has_settled = threading.Event()
        self._without_face = without_face
        self._settle_s = settle_s

    def settle(self, source: Source, stopping: threading.Event) -> ReferenceImage | None:
        stopping.wait(self._settle_s)
        self.has_settled.set()
        assert not cast(Clip, source).is_closed
        return None if stopping.is_set() else REFERENCE

    def analyse(self, frame_rgb: NDArray[np.uint8], capture_ms: float) -> AnalysedFrame:  # noqa: ARG002
        self.frames += 1
        return AnalysedFrame(self._picture, None if self.frames in self._without_face else face())


class QuickReconstructor:
    """Draws the reference again and again; breaks when it is told to. The last one that was made is `newest`."""

    newest: ClassVar["QuickReconstructor"]
    breaks = threading.Event()

    def __init__(
        self, _model: MorphableModel, _generator: Generator, reference: ReferenceImage, size: int = CROP_SIZE
    ) -> None:
        self.reference, self.size = reference, size
        QuickReconstructor.newest = self
        QuickReconstructor.breaks.clear()

    def draw(self, _params: FaceParams) -> NDArray[np.uint8]:
        if QuickReconstructor.breaks.is_set():
            raise DeviceError("the graphics card fell out")
        return self.reference.picture_rgb if self.size == CROP_SIZE else enlarged(self.reference.largest_rgb)


class Screen:
    """A display that counts pictures."""

    def __init__(self) -> None:
        self.is_closed = False
        self.pictures = 0
        self.states: list[str] = []
        self.has_picture = threading.Event()

    def publish(self, frame_rgb: Frame | None, stats: ViewerStats) -> None:
        if not self.states or self.states[-1] != stats.state:
            self.states.append(stats.state)
        if frame_rgb is not None:
            self.pictures += 1
            self.has_picture.set()


class Side:
    """One side's `run` in a task, with its own Ctrl-C."""

    def __init__(self, run: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
        self.stopped = asyncio.Event()
        self._task = asyncio.create_task(run(self.stopped))

    @property
    def is_over(self) -> bool:
        return self._task.done()

    async def end(self) -> HeadganError | None:
        """Waits for its end; what it raised."""
        async with asyncio.timeout(LIMIT_S):
            try:
                await self._task
            except HeadganError as error:
                return error
        return None


class Call:
    """A receiver that waits, and what a sender needs to call it."""

    def __init__(
        self,
        tmp_path: Path,
        *,
        own_reference: ReferencePhoto | None = None,
        remember: str | None = None,
        fuses: int = 1,
        hears: bool = False,
        generator: Generator = GENERATOR,
        size: int = CROP_SIZE,
    ) -> None:
        self.out, self.crop = tmp_path / "out.mp4", tmp_path / "crop.mp4"
        self.screen = Screen()
        settings = ReceiveSettings(
            Address("127.0.0.1", 0), IceConfig(), 25.0, self.out, remember=remember, fuses=fuses, size=size
        )
        self.contacts = Contacts(tmp_path / "receiver")
        self.receiver = ReceiverCall(
            settings,
            MODEL,
            generator,
            own_reference,
            self.screen,
            clock_ms,
            self.contacts,
            (lambda fill: SilentSpeaker(fill, clock_ms=clock_ms)) if hears else None,
        )
        self.receiving = Side(self.receiver.run)

    async def address(self) -> Address:
        for _ in range(1000):
            if self.receiver.address is not None:
                return self.receiver.address
            await asyncio.sleep(0.005)
        pytest.fail("the receiver does not listen")

    async def sender(
        self,
        clip: Clip,
        analyser: FaceAnalyser | None = None,
        sound: NDArray[np.float32] | None = None,
        audio: str = VOICE,
    ) -> SenderCall:
        settings = SendSettings(await self.address(), IceConfig(), RATE_FPS, self.crop, audio=audio)
        return SenderCall(
            clip,
            analyser or QuickAnalyser(),
            MODEL,
            settings,
            clock_ms,
            open_sound=None if sound is None else lambda started_ms: Talk(sound, started_ms),
        )

    async def picture(self) -> None:
        """Waits for the first picture on the screen."""
        assert await asyncio.to_thread(self.screen.has_picture.wait, LIMIT_S)

    def frames(self) -> dict[str, int]:
        counted: dict[str, int] = receiver_stats(self.receiver, GENERATOR)["frames"]
        return counted


def count_frames(path: Path) -> int:
    return sum(1 for _ in read_video(path))


@pytest.fixture(autouse=True)
def quick_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgan.receiver.reference_intake.Reconstructor", QuickReconstructor)


@pytest.fixture
def real_pictures(quick_pictures: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    monkeypatch.setattr("headgan.receiver.reference_intake.Reconstructor", Reconstructor)


@pytest.fixture(autouse=True)
def no_noise(caplog: pytest.LogCaptureFixture) -> Any:
    """No call, however it ends, may leave a warning, a traceback or a task whose error nobody asked for."""
    caplog.set_level(logging.INFO, "headgan")
    gc.freeze()  # what was there before the call need not be searched
    yield
    gc.collect()  # which is when asyncio tells of errors that nobody asked for
    gc.unfreeze()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.usefixtures("real_pictures")
async def test_a_clip_is_called_through_to_its_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    talk = Call(tmp_path)
    clip = Clip(12)
    analyser = FaceAnalyser(MODEL, StillFace(), crop="auto", smoothing=None, clock_ms=clock_ms)
    sender = await talk.sender(clip, analyser)
    sending = Side(sender.run)
    assert await sending.end() is None
    assert await talk.receiving.end() is None

    frames = talk.frames()
    assert sender.counts.sent == frames["sent"] == frames["shown"] + frames["late"] + frames["lost"]
    assert sender.counts.sent + sender.dropped + sender.skipped == 12
    guessed = receiver_stats(talk.receiver, GENERATOR)["guessed"]
    assert frames["shown"] + guessed == talk.screen.pictures == talk.receiver.view.pictures
    assert frames["no_face"] == frames["duplicates"] == 0
    assert talk.screen.states == ["waiting", "live", "ended"]
    assert sender.farewell == talk.receiver.farewell == "the clip is over"
    assert clip.is_closed
    # Both videos line up, except where the network lost the last frame.
    assert count_frames(talk.crop) - frames["lost"] <= count_frames(talk.out) <= count_frames(talk.crop)
    program_version = sender_stats(sender)["version"]
    told = [record.getMessage() for record in caplog.records if record.name.startswith("headgan")]
    assert sorted(told) == [
        f"call from headgan-send {program_version}",
        f"connected to headgan-recv {program_version}",
        "the sender ended the call: the clip is over",
        f"waiting for a call on {await talk.address()}",
    ]


class LargeAnalyser(QuickAnalyser):
    """Has a camera with many pixels; every frame is another picture, and worth being sent."""

    def settle(self, source: Source, stopping: threading.Event) -> ReferenceImage | None:
        reference = super().settle(source, stopping)
        return None if reference is None else ReferenceImage.of_picture(LARGE, IDENTITY, face())

    def analyse(self, frame_rgb: NDArray[np.uint8], capture_ms: float) -> AnalysedFrame:
        frame = super().analyse(frame_rgb, capture_ms)
        return replace(frame, large_rgb=LARGE if self.is_large else None)


LARGE = enlarged(textured_picture())


@pytest.mark.parametrize(
    ("shown", "sent", "agreed"),
    [
        (LARGE_SIZE, LARGE_SIZE, LARGE_SIZE),
        (LARGE_SIZE, CROP_SIZE, CROP_SIZE),
        (CROP_SIZE, LARGE_SIZE, CROP_SIZE),
    ],
)
@pytest.mark.parametrize("references", [1, 16])
async def test_both_sides_agree_on_the_size_of_references(
    tmp_path: Path, shown: int, sent: int, agreed: int, references: int
) -> None:
    talk = Call(tmp_path, size=shown)
    analyser = LargeAnalyser()
    sender = await talk.sender(Clip(30), analyser)
    sender.settings = replace(sender.settings, picture_px=sent, references=references)
    sending = Side(sender.run)
    assert await sending.end() is None
    assert await talk.receiving.end() is None
    assert talk.receiver.references.picture_px == sender.picture_px == agreed
    assert analyser.is_large == (agreed == LARGE_SIZE)
    assert talk.receiver.playback is not None
    held = talk.receiver.playback.references.images[-1]
    assert (held.large_rgb is not None) == (agreed == LARGE_SIZE)
    if held.large_rgb is not None:
        assert np.array_equal(shrunk(held.large_rgb), held.picture_rgb)
        assert np.abs(held.large_rgb.astype(float) - LARGE).mean() < 6
    assert {frame.frame_rgb.shape for frame in read_video(talk.out)} == {(shown, shown, 3)}


async def test_both_sides_report_the_same_call(tmp_path: Path) -> None:
    talk = Call(tmp_path)
    sender = await talk.sender(Clip(30), QuickAnalyser(without_face=range(2, 1000, 2)))
    sending = Side(sender.run)
    assert await sending.end() is None
    assert await talk.receiving.end() is None
    sent, received = sender_stats(sender), receiver_stats(talk.receiver, GENERATOR)
    assert (sent["role"], received["role"]) == ("sender", "receiver")
    assert sent["frames"]["sent"] == received["frames"]["sent"] == sender.analyser.frames  # type: ignore[attr-defined]
    assert sent["frames"]["no_face"] == sent["frames"]["sent"] // 2 > 0
    assert 0 < received["frames"]["no_face"] <= sent["frames"]["no_face"]
    assert "no face" in talk.screen.states
    assert sent["bytes"]["payload_sent"] >= received["bytes"]["payload_received"] > 0
    assert received["bytes"]["is_measured"]
    assert received["latency_ms"]["p50"] < 1000
    assert sent["seconds"] > 0
    assert 0 < sent["fps"] < 1.5 * RATE_FPS


async def test_a_voice_is_heard_and_recorded_at_its_time(tmp_path: Path, voice: NDArray[np.float32]) -> None:
    talk = Call(tmp_path, hears=True)
    sender = await talk.sender(Clip(100), sound=voice)
    sending = Side(sender.run)
    assert await sending.end() is None
    assert await talk.receiving.end() is None
    sent, received = sender_stats(sender)["voice"], receiver_stats(talk.receiver, GENERATOR)["voice"]
    assert 30 <= sent["frames"] <= 55 and sent["copies"] == 0 and 4 < sent["kbps"] < 25
    assert received["frames"] >= sent["frames"] - sent["held_back"] - 2
    assert sent["source"] == {"hoarse": 3} and sent["waited_ms"]["p50"] > 0
    assert received["decoded"] > 15 and received["speaker"] == {}
    assert received["known_after_picture_ms"]["p50"] > -100
    heard = sound_of(talk.out)
    assert len(heard) > 1.5 * 48_000
    sound = sound_later(voice[: len(heard)].astype(float), heard)
    assert sound.ms == pytest.approx(0, abs=8) and sound.alike > 0.35


async def test_who_does_not_listen_is_sent_no_voice(tmp_path: Path, voice: NDArray[np.float32]) -> None:
    talk = Call(tmp_path)
    sender = await talk.sender(Clip(10), sound=voice)
    sending = Side(sender.run)
    assert await sending.end() is None
    assert await talk.receiving.end() is None
    assert sender_stats(sender)["voice"] is None
    assert "voice" not in receiver_stats(talk.receiver, GENERATOR)


class ListeningGenerator(OnnxGenerator):
    """A generator that declares to have been trained with sound."""

    def needs(self, name: str) -> bool:
        return name == "audio" or super().needs(name)


LISTENER = ListeningGenerator(weights_path(PRIOR_GENERATOR), provider="cpu")


class Hearing(QuickReconstructor):
    """Keeps what it is told was heard."""

    heard: ClassVar[list[NDArray[np.float32] | None]] = []

    def draw(self, params: FaceParams, *, audio: NDArray[np.float32] | None = None) -> NDArray[np.uint8]:
        Hearing.heard.append(audio)
        return super().draw(params)


@pytest.fixture
def vowels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that hears quickly how loud it is."""

    class Vowels:
        def shares(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
            shares = np.zeros((len(sound) // 320, 27), np.float32)
            shares[:, 0] = np.abs(sound).max()
            shares[:, 26] = 1 - shares[:, 0]
            return shares

    monkeypatch.setattr("headgan.sender.said_encoder.PhonemeNet", Vowels)
    monkeypatch.setattr("headgan.receiver.reference_intake.Reconstructor", Hearing)
    Hearing.heard.clear()


@pytest.mark.usefixtures("vowels")
async def test_what_is_said_is_told_and_no_voice_is_sent(
    tmp_path: Path, voice: NDArray[np.float32], caplog: pytest.LogCaptureFixture
) -> None:
    talk = Call(tmp_path, hears=True, generator=LISTENER)
    sender = await talk.sender(Clip(100), sound=voice, audio=FEATURES)
    sending = Side(sender.run)
    assert await sending.end() is None
    assert await talk.receiving.end() is None
    sent, received = sender_stats(sender), receiver_stats(talk.receiver, LISTENER)
    assert sent["audio"] == FEATURES and sent["voice"] is None and "voice" not in received
    assert 30 <= sent["said"]["frames"] <= 52 and 0.5 < sent["said"]["kbps"] < 8
    assert sent["said"]["frames"] - sent["said"]["held_back"] - 3 <= received["said"]["records"]
    assert received["said"]["bytes"] <= sent["said"]["bytes"]
    told = [one for one in Hearing.heard if one is not None]
    assert len(told) > 50 and {one.shape for one in told} == {(300,)}
    assert np.ptp([one[84:].sum() for one in told]) > 1  # it is not always the same
    assert talk.receiver.playback is not None and talk.receiver.playback.frames.buffer.delay_ms < 60
    assert sound_of(talk.out).size == 0
    lines = [record.getMessage() for record in caplog.records]
    assert "sound: somebody who talks; what is said is sent, and no voice" in lines
    assert "the caller chose to send no voice: the lips are drawn by what is said, nothing is heard" in lines


def test_a_receiver_names_the_code_that_its_networks_can_use(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said_capability_of(LISTENER) == said_capability(shipped_said_code().code_id)
    assert said_capability_of(GENERATOR) is None
    monkeypatch.setattr("headgan.receiver.call_sound.speech_form", lambda: "2-other")
    assert said_capability_of(LISTENER) is None


@pytest.mark.parametrize("hears", [True, False])
async def test_nothing_of_the_sound_is_sent_to_networks_that_do_not_listen(
    hears: bool, tmp_path: Path, voice: NDArray[np.float32], caplog: pytest.LogCaptureFixture
) -> None:
    talk = Call(tmp_path, hears=hears)
    sender = await talk.sender(Clip(20), sound=voice, audio=FEATURES)
    sending = Side(sender.run)
    assert await sending.end() is None
    assert await talk.receiving.end() is None
    sent, received = sender_stats(sender), receiver_stats(talk.receiver, GENERATOR)
    assert sent["said"] is None and sent["voice"] is None and sender.voice is None
    assert "said" not in received and "voice" not in received
    lines = [record.getMessage() for record in caplog.records]
    assert "nothing is sent of what you say: the networks of the other side do not listen" in lines
    assert any("these networks do not listen: this call is silent" in line for line in lines)


async def test_a_call_without_sound_is_silent_by_choice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    talk = Call(tmp_path, hears=True, generator=LISTENER)
    sender = await talk.sender(Clip(20), audio=NO_SOUND)
    sending = Side(sender.run)
    assert await sending.end() is None
    assert await talk.receiving.end() is None
    assert sender_stats(sender)["audio"] == NO_SOUND
    assert "voice" not in receiver_stats(talk.receiver, LISTENER)
    lines = [record.getMessage() for record in caplog.records]
    assert "no sound is sent: the microphone stays closed" in lines
    assert "the caller chose to send no sound: this call is silent" in lines


async def test_without_a_codec_the_picture_goes_on(
    tmp_path: Path,
    voice: NDArray[np.float32],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def missing(*_: object, **__: object) -> None:
        raise DeviceError("no libopus was found")

    monkeypatch.setattr("headgan.sender.sound_encoder.VoiceEncoder", missing)
    talk = Call(tmp_path, hears=True)
    sender = await talk.sender(Clip(10), sound=voice)
    sending = Side(sender.run)
    assert await sending.end() is None
    assert await talk.receiving.end() is None
    assert sender.counts.sent > 0 and sender_stats(sender)["voice"] is None
    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage() for record in warned] == ["no libopus was found; the call goes on in silence"]
    caplog.clear()


class TurningAnalyser(QuickAnalyser):
    """The face turns and its picture changes, there and back, every second."""

    def analyse(self, frame_rgb: NDArray[np.uint8], capture_ms: float) -> AnalysedFrame:
        frame = super().analyse(frame_rgb, capture_ms)
        is_turned = self.frames // 50 % 2 == 1
        crop_rgb = soft_picture()[::-1] if is_turned else soft_picture()
        return AnalysedFrame(np.ascontiguousarray(crop_rgb), face(0.5) if is_turned else frame.params)


class Covered(QuickReconstructor):
    """What the sender draws to compare has nothing to do with what its camera sees."""

    def draw(self, _params: FaceParams) -> NDArray[np.uint8]:
        noise = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
        picture: NDArray[np.uint8] = cv2.resize(noise, (256, 256)).astype(np.uint8)
        return picture


async def test_what_cannot_be_drawn_truly_is_shown_as_live_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headgan.sender.closed_loop.Reconstructor", Covered)
    talk = Call(tmp_path)
    sender = await talk.sender(Clip(150), QuickAnalyser(picture=textured_picture()))
    sender.open_generator = lambda: GENERATOR
    sender.settings = replace(sender.settings, fallback_kbps=100.0)
    sending = Side(sender.run)
    assert await sending.end() is None
    assert await talk.receiving.end() is None
    sent, received = sender_stats(sender), receiver_stats(talk.receiver, GENERATOR)
    assert sent["compared"] > 1
    assert 0 < received["frames"]["untrue"] <= sent["frames"]["untrue"] < sent["frames"]["sent"]
    assert 0 < received["video_frames"] <= sent["video"]["frames"]
    assert talk.screen.states == ["waiting", "live", "held", "video", "ended"]
    last = list(read_video(talk.out))[-1].frame_rgb
    assert cv2.PSNR(last, textured_picture()) > 25


async def test_a_check_that_cannot_be_made_is_told_of_and_the_call_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Generator:
        raise ModelError("live.onnx is damaged")

    talk = Call(tmp_path)
    sender = await talk.sender(Clip(60))
    sender.open_generator = broken
    sending = Side(sender.run)
    assert await sending.end() is None
    assert await talk.receiving.end() is None
    assert "what the other side sees is not checked: live.onnx is damaged" in caplog.messages
    assert talk.frames()["untrue"] == 0 and talk.frames()["shown"] > 0
    caplog.clear()


async def test_what_a_call_shows_becomes_a_reference_for_the_rest_of_it(tmp_path: Path) -> None:
    talk = Call(tmp_path)
    sender = await talk.sender(Clip(160), TurningAnalyser())
    sender.settings = replace(sender.settings, reference_kbps=100.0)
    sending = Side(sender.run)
    assert await sending.end() is None
    assert await talk.receiving.end() is None
    sent, received = sender_stats(sender), receiver_stats(talk.receiver, GENERATOR)
    assert sent["references"]["sent"] >= 2
    assert sent["references"]["held"] <= received["references_held"] <= sent["references"]["sent"]
    assert sent["references"]["bytes_after_first"] > 100
    assert received["frames"]["unknown_reference"] == 0
    # The stand-in draws the reference that was named: that of the other second is among them.
    brightness = [float(frame.frame_rgb[:64].mean()) for frame in read_video(talk.out)]
    assert min(brightness) < 60 and max(brightness) > 190


async def test_an_outage_is_shown_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(NOTICE_MS, Role.RECEIVER, 300)
    line = FaultyLine(LineFaults())
    talk = Call(tmp_path)
    with line.installed():
        sender = await talk.sender(Clip(None), TurningAnalyser())
        sender.settings = replace(sender.settings, reference_kbps=10.0)
        sending = Side(sender.run)
        await talk.picture()
    for _ in range(1000):
        if sender.planner.filler is not None and sender.planner.filler.sent > 1:
            break  # a second one is on its way
        await asyncio.sleep(0.01)
    loop = asyncio.get_running_loop()
    line.cut(loop.time(), loop.time() + 0.7)
    await asyncio.sleep(0.65)
    assert talk.screen.states == ["waiting", "live", "no connection"]
    pictures = talk.screen.pictures
    await asyncio.sleep(2.5)
    assert talk.screen.states == ["waiting", "live", "no connection", "live"]
    assert talk.screen.pictures > pictures + 20
    sending.stopped.set()
    assert await sending.end() is None
    assert await talk.receiving.end() is None
    sent, received = sender_stats(sender), receiver_stats(talk.receiver, GENERATOR)
    assert sent["references"]["held"] == received["references_held"] >= 2
    assert received["frames"]["unknown_reference"] == 0
    told = [
        record.getMessage() for record in caplog.records if "the other side is back" in record.getMessage()
    ]
    assert len(told) == 1
    # The recording has a sign while the outage was known, and before and after it none.
    shown = [frame.frame_rgb for frame in read_video(talk.out)]
    signed = [float(one[233:235, 8:60].mean()) < 0.7 * float(one[226:230, 8:60].mean()) for one in shown]
    places = [place for place, is_signed in enumerate(signed) if is_signed]
    assert len(places) > 5 and places[-1] - places[0] < 2.5 * RATE_FPS
    assert places[0] > 0 and places[-1] < len(signed) - 10


async def test_a_good_bye_that_is_lost_is_said_again(tmp_path: Path) -> None:
    line = FaultyLine(LineFaults())
    talk = Call(tmp_path)
    with line.installed():
        sending = Side((await talk.sender(Clip(None))).run)
        await talk.picture()
    loop = asyncio.get_running_loop()
    line.cut(loop.time(), loop.time() + 0.3)
    sending.stopped.set()
    assert await sending.end() is None
    assert await talk.receiving.end() is None
    assert talk.receiver.farewell == "the caller hung up"


class Fusing(QuickReconstructor):
    """Notes from how many references each frame is drawn."""

    counts: ClassVar[list[int]] = []

    def draw(self, params: FaceParams, *others: "Fusing") -> NDArray[np.uint8]:
        Fusing.counts.append(1 + len(others))
        return super().draw(params)


async def test_a_receiver_that_can_fuses_references(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgan.receiver.reference_intake.Reconstructor", Fusing)
    Fusing.counts.clear()
    talk = Call(tmp_path, fuses=2)
    sender = await talk.sender(Clip(160), TurningAnalyser())
    sender.settings = replace(sender.settings, reference_kbps=100.0)
    sending = Side(sender.run)
    assert await sending.end() is None
    assert await talk.receiving.end() is None
    # One until a second one is held, then two.
    counts = Fusing.counts[1:]
    assert set(counts) == {1, 2} and counts == sorted(counts)
    assert talk.frames()["unknown_reference"] == 0


async def turning_call(
    tmp_path: Path, own: OwnLooks, *, remember: str | None = "ana"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A call of three seconds; what both sides say of it."""
    talk = Call(tmp_path, remember=remember)
    sender = await talk.sender(Clip(160), TurningAnalyser())
    sender.settings = replace(sender.settings, reference_kbps=100.0)
    sender.own = own
    sending = Side(sender.run)
    assert await sending.end() is None
    assert await talk.receiving.end() is None
    return sender_stats(sender), receiver_stats(talk.receiver, GENERATOR)


async def test_the_next_call_begins_with_what_the_last_one_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    named: list[int] = []
    add = ParamPacker.add

    def spy(
        packer: ParamPacker,
        params: FaceParams | None,
        references: tuple[int, ...],
        *words: float,
        **rest: bool,
    ) -> ParamPacket | None:
        named.extend(references)
        return add(packer, params, references, *words, **rest)

    monkeypatch.setattr(ParamPacker, "add", spy)
    store = Contacts(tmp_path / "sender")
    sent, received = await turning_call(tmp_path, OwnLooks(store, MODEL, is_remembering=True))
    assert sent["references"]["known"] == received["references_known"] == 0
    assert sent["references"]["first_bytes"] > 200
    kept, own = Contacts(tmp_path / "receiver").read("ana"), store.read(OWN)
    assert kept is not None and own is not None
    assert 2 <= len(kept.params) <= received["references_held"]
    assert own.params.keys() <= kept.params.keys()

    named.clear()
    # Nobody asks for anything to be kept: what is there serves all the same.
    looks = OwnLooks(store, MODEL, is_remembering=False)
    sent, received = await turning_call(tmp_path, looks, remember=None)
    assert sent["references"]["known"] == received["references_known"] == len(own.params)
    assert sent["references"]["sent"] == sent["references"]["first_bytes"] == 0
    assert sent["references"]["bytes_after_first"] == 0
    assert received["references_held"] == sent["references"]["held"] == len(own.params)
    assert received["frames"]["unknown_reference"] == 0
    assert set(named) == set(range(len(own.params)))
    brightness = [float(frame.frame_rgb[:64].mean()) for frame in read_video(tmp_path / "out.mp4")]
    assert min(brightness) < 60 and max(brightness) > 190
    assert f"this caller is remembered as ana: {len(own.params)} references are here" in caplog.text
    assert list(store.load(OWN, MODEL.model_id)) == list(own.params)


async def test_a_call_that_fails_is_remembered_once_it_showed_something(tmp_path: Path) -> None:
    talk = Call(tmp_path, remember="ana")
    sending = Side((await talk.sender(Clip(None))).run)
    await talk.picture()
    QuickReconstructor.breaks.set()
    assert isinstance(await sending.end(), PeerError)
    assert isinstance(await talk.receiving.end(), DeviceError)
    (kept,) = talk.contacts.load("ana", MODEL.model_id).values()
    assert kept.params.to_bytes() == face().to_bytes()


@pytest.mark.parametrize("is_another", [True, False])
async def test_a_contact_is_not_replaced_by_another_person(
    is_another: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    talk = Call(tmp_path, remember="ana")
    identity = IDENTITY + np.float32(1 if is_another else 0)
    before = ReferenceImage(textured_picture(), identity, face(0.3))
    talk.contacts.keep("ana", MODEL.model_id, {reference_digest(before): before})
    sending = Side((await talk.sender(Clip(None))).run)
    await talk.picture()
    sending.stopped.set()
    assert await sending.end() is None
    assert await talk.receiving.end() is None
    kept = talk.contacts.load("ana", MODEL.model_id)
    assert (kept.keys() == {reference_digest(before)}) == is_another
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert any("headgan contacts --delete ana" in line for line in told) == is_another


async def test_a_call_that_shows_nothing_is_not_remembered(tmp_path: Path) -> None:
    talk = Call(tmp_path, remember="ana")
    async with stranger(talk) as (_peer, link):
        await stream(link)
        await link.hang_up(ByeReason.ENDED, "done")
        assert await talk.receiving.end() is None
    assert talk.contacts.names() == ()


async def test_digests_that_nobody_knows_change_nothing(tmp_path: Path) -> None:
    hello = replace(SENDER_HELLO, references=4, known=(bytes(16), bytes(range(16))), near=2)
    talk = Call(tmp_path)
    async with stranger(talk, hello) as (_peer, link):
        await stream(link)
        assert link.session.known == {}
        await link.hang_up(ByeReason.ENDED, "done")
        assert await talk.receiving.end() is None


async def test_one_reference_is_a_still_and_stays_the_only_one(tmp_path: Path) -> None:
    talk = Call(tmp_path)
    sender = await talk.sender(Clip(100), TurningAnalyser())
    sender.settings = replace(sender.settings, references=1)
    sending = Side(sender.run)
    assert await sending.end() is None
    assert await talk.receiving.end() is None
    assert sender_stats(sender)["references"] is None
    assert receiver_stats(talk.receiver, GENERATOR)["references_held"] == 1


async def test_a_photograph_of_ones_own_is_not_mixed_with_others(tmp_path: Path) -> None:
    points = project(MODEL, IDENTITY, face())
    talk = Call(tmp_path, own_reference=ReferencePhoto(soft_picture(), points))
    sender = await talk.sender(Clip(80), TurningAnalyser())
    sending = Side(sender.run)
    assert await sending.end() is None
    assert await talk.receiving.end() is None
    assert sender_stats(sender)["references"] is None


async def test_a_reference_that_cannot_be_decoded_is_refused_and_the_call_goes_on(tmp_path: Path) -> None:
    talk = Call(tmp_path)
    hello = Hello(Role.SENDER, "stranger", 25.0, CALL_ID, identity_to_bytes(IDENTITY), references=4)
    async with stranger(talk, hello) as (_peer, link):
        await stream(link)
        encoder = PictureEncoder()
        images = [b"no picture", encoder.encode(soft_picture()).data]
        for number, image in enumerate(images, start=1):
            more = Reference(image, CHAIN_MEDIA_TYPE, face().to_bytes())
            for message in link.session.offer_reference(number, more):
                link.send_control(message)
            event = await link.next_event()
            assert event == ReferenceAnswered(number, is_held=number == 2)
        # The second is drawn from; nobody knows the ninth.
        for seq, number in enumerate((2, 9)):
            assert link.send_params(packet(seq, seq * 40, face(), (number,)))
            await asyncio.sleep(0.1)
        await link.hang_up(ByeReason.ENDED, "done", frames_sent=2)
        assert await talk.receiving.end() is None
    frames = talk.frames()
    assert frames["shown"] == 2 and frames["unknown_reference"] == 1
    assert talk.screen.states == ["waiting", "live", "held", "ended"]


async def test_a_sender_that_does_not_wait_for_answers_fills_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SlowReconstructor(QuickReconstructor):
        goes_on = threading.Event()
        goes_on.set()

        def __init__(self, *args: Any) -> None:
            assert self.goes_on.wait(LIMIT_S)
            super().__init__(*args)

    monkeypatch.setattr("headgan.receiver.reference_intake.Reconstructor", SlowReconstructor)
    talk = Call(tmp_path)
    hello = replace(SENDER_HELLO, references=4)
    more = Reference(PictureEncoder().encode(soft_picture()).data, CHAIN_MEDIA_TYPE, face().to_bytes())
    async with stranger(talk, hello) as (_peer, link):
        await stream(link)
        SlowReconstructor.goes_on.clear()
        for number in range(1, 71):
            for message in link.session.offer_reference(number, more, number - 1):
                link.send_control(message)
        # One is prepared and 64 wait.
        refused = [await link.next_event() for _ in range(5)]
        SlowReconstructor.goes_on.set()
        held = [await link.next_event() for _ in range(65)]
        await link.hang_up(ByeReason.ENDED, "done")
        assert await talk.receiving.end() is None
    assert refused == [ReferenceAnswered(number, is_held=False) for number in range(66, 71)]
    assert held == [ReferenceAnswered(number, is_held=True) for number in range(1, 66)]


@pytest.mark.parametrize("who", ["sender", "receiver", "window"])
async def test_a_hang_up_ends_both_sides_within_a_second(who: str, tmp_path: Path) -> None:
    talk = Call(tmp_path)
    clip = Clip(None)
    sender = await talk.sender(clip)
    sending = Side(sender.run)
    await talk.picture()
    start_s = time.monotonic()
    if who == "sender":
        sending.stopped.set()
    elif who == "receiver":
        talk.receiving.stopped.set()
    else:
        talk.screen.is_closed = True
    assert await sending.end() is None
    assert await talk.receiving.end() is None
    # A closed window is noticed twice a second.
    assert time.monotonic() - start_s < (1.6 if who == "window" else 1.1)
    text = "the caller hung up" if who == "sender" else "the receiver hung up"
    assert sender.farewell == talk.receiver.farewell == text
    assert clip.is_closed
    frames = talk.frames()
    assert frames["sent"] == frames["shown"] + frames["late"] + frames["lost"]
    assert count_frames(talk.out) > 0
    assert count_frames(talk.crop) > 0


async def test_a_window_that_is_closed_ends_the_wait(tmp_path: Path) -> None:
    talk = Call(tmp_path)
    await talk.address()
    talk.screen.is_closed = True
    assert await talk.receiving.end() is None
    assert talk.receiver.peer is None


async def test_both_may_hang_up_at_once(tmp_path: Path) -> None:
    talk = Call(tmp_path)
    sending = Side((await talk.sender(Clip(None))).run)
    await talk.picture()
    sending.stopped.set()
    talk.receiving.stopped.set()
    assert await sending.end() is None
    assert await talk.receiving.end() is None


async def test_a_receiver_with_a_photo_needs_no_reference(tmp_path: Path) -> None:
    own = ReferencePhoto(soft_picture()[::-1].copy(), project(MODEL, IDENTITY, face()))
    talk = Call(tmp_path, own_reference=own)
    sender = await talk.sender(Clip(5))
    sending = Side(sender.run)
    assert await sending.end() is None
    assert await talk.receiving.end() is None
    assert QuickReconstructor.newest.reference.picture_rgb is own.picture_rgb
    assert sender.peer is not None
    # Its picture alone would be more.
    assert sender.peer.wire_bytes().sent < 10_000


async def test_a_camera_that_vanishes_is_told_to_both(tmp_path: Path) -> None:
    talk = Call(tmp_path)
    error = DeviceError("camera 0 stopped delivering frames; was it unplugged?")
    sending = Side((await talk.sender(Clip(20, error=error, is_live=True))).run)
    assert await sending.end() is error
    received = await talk.receiving.end()
    assert isinstance(received, PeerError)
    assert str(received) == f"the sender ended the call: {error}"
    assert talk.receiver.farewell == str(error)
    assert count_frames(talk.out) > 5
    assert talk.screen.states[-1] == "ended"


async def test_a_generator_that_fails_is_told_to_both(tmp_path: Path) -> None:
    talk = Call(tmp_path)
    sending = Side((await talk.sender(Clip(None))).run)
    await talk.picture()
    QuickReconstructor.breaks.set()
    sent = await sending.end()
    assert str(sent) == "the other side ended the call: the graphics card fell out"
    assert isinstance(await talk.receiving.end(), DeviceError)
    assert count_frames(talk.out) >= 1


async def test_a_crop_that_cannot_be_saved_ends_the_call(tmp_path: Path) -> None:
    talk = Call(tmp_path)
    talk.crop = tmp_path / "missing" / "crop.mp4"
    sending = Side((await talk.sender(Clip(None))).run)
    sent, received = await sending.end(), await talk.receiving.end()
    assert isinstance(sent, DeviceError)
    assert "crop.mp4: the video cannot be written" in str(sent)
    assert isinstance(received, PeerError)


async def test_a_clip_without_a_face_calls_nobody(tmp_path: Path) -> None:
    class Faceless(QuickAnalyser):
        def settle(self, source: Source, stopping: threading.Event) -> ReferenceImage | None:  # noqa: ARG002
            raise FaceError("no face found in a clip")

    talk = Call(tmp_path)
    clip = Clip(5)
    sending = Side((await talk.sender(clip, Faceless())).run)
    assert isinstance(await sending.end(), FaceError)
    assert clip.is_closed
    assert not talk.receiving.is_over
    talk.receiving.stopped.set()
    assert await talk.receiving.end() is None
    assert talk.screen.states == ["waiting"]


async def test_a_sender_can_be_stopped_while_it_looks_for_a_face(tmp_path: Path) -> None:
    talk = Call(tmp_path)
    clip, analyser = Clip(5), QuickAnalyser(settle_s=LIMIT_S)
    sending = Side((await talk.sender(clip, analyser)).run)
    await asyncio.sleep(0.05)
    assert not analyser.has_settled.is_set()
    sending.stopped.set()
    assert await sending.end() is None
    # The source was not closed before the thread that reads it was through.
    assert analyser.has_settled.is_set()
    assert clip.is_closed
    talk.receiving.stopped.set()
    assert await talk.receiving.end() is None


async def test_nobody_listens() -> None:
    clip = Clip(5)
    settings = SendSettings(Address("127.0.0.1", 9), IceConfig(), RATE_FPS, None)
    sending = Side(SenderCall(clip, QuickAnalyser(), MODEL, settings, clock_ms).run)
    error = await sending.end()
    assert isinstance(error, PeerError)
    assert "127.0.0.1:9 cannot be reached" in str(error)
    assert clip.is_closed


async def test_a_second_sender_is_refused_and_the_first_call_goes_on(tmp_path: Path) -> None:
    talk = Call(tmp_path)
    first = Side((await talk.sender(Clip(None))).run)
    await talk.picture()
    talk.crop = tmp_path / "second.mp4"
    second = Side((await talk.sender(Clip(None))).run)
    error = await second.end()
    assert isinstance(error, PeerError)
    assert "in another call" in str(error)
    shown = talk.screen.pictures
    await asyncio.sleep(0.2)
    assert talk.screen.pictures > shown
    first.stopped.set()
    assert await first.end() is None
    assert await talk.receiving.end() is None


async def test_a_taken_port_is_one_sentence() -> None:
    async with Listener("127.0.0.1", 0, IceConfig()) as listener:
        settings = ReceiveSettings(listener.address, IceConfig(), 25.0, None)
        receiver = ReceiverCall(settings, MODEL, GENERATOR, None, None, clock_ms)
        error = await Side(receiver.run).end()
    assert isinstance(error, PeerError)
    assert "cannot listen on" in str(error)


# From here on one side is not a headgan but somebody who knows the protocol and means harm.

SENDER_HELLO = Hello(Role.SENDER, "stranger", 25.0, CALL_ID, identity_to_bytes(IDENTITY))
GOOD_STILL = encode_still(REFERENCE.picture_rgb)
GOOD_REFERENCE = Reference(GOOD_STILL.data, GOOD_STILL.media_type, face().to_bytes())


def packet(seq: int, capture_ms: int, params: FaceParams, references: tuple[int, ...] = ()) -> ParamPacket:
    """A packet of one frame, whose face follows from no other."""
    records = ParamEncoder().encode(seq, [Face(params, references)])
    return ParamPacket(seq, capture_ms, (FrameMark(),), records)


@asynccontextmanager
async def stranger(
    talk: Call, hello: Hello = SENDER_HELLO, reference: Reference = GOOD_REFERENCE
) -> AsyncIterator[tuple[Peer, Link]]:
    """A sender that keeps to the protocol as far as the test wants it to."""
    address = await talk.address()
    peer = await call(address.host, address.port, IceConfig())
    link = Link(peer, Session(hello, reference), clock_ms=clock_ms, on_params=lambda _packet: None)
    async with link:
        yield peer, link


async def stream(link: Link) -> None:
    """Returns when the receiver waits for frames."""
    async with asyncio.timeout(LIMIT_S):
        while not isinstance(await link.next_event(), StartStreaming):
            pass


async def refused(talk: Call) -> str:
    """How the receiver refuses what it was sent."""
    error = await talk.receiving.end()
    assert isinstance(error, WireError)
    assert talk.screen.states[-1] == "ended"
    return str(error)


@pytest.mark.parametrize("data", [b"", b"\xff" * 40, b"\x01\x01\x80"])
async def test_garbage_on_control_ends_the_call(data: bytes, tmp_path: Path) -> None:
    talk = Call(tmp_path)
    async with stranger(talk) as (peer, _link):
        await peer.send_control(data)
        await refused(talk)


async def test_frames_before_their_time_end_the_call(tmp_path: Path) -> None:
    talk = Call(tmp_path)
    async with stranger(talk) as (peer, _link):
        # The hello is on its way, but nothing that a receiver could draw.
        assert peer.send_params(packet(0, 0, face()).to_bytes())
        assert "before the reference was ready" in await refused(talk)


def records_of_a_step_that_is_none() -> bytes:
    coder = RangeEncoder()
    coder.encode(0, _LAG_STARTS[1])  # a face that follows from no other
    coder.encode_bits(31, 5)
    return coder.finish()


@pytest.mark.parametrize(
    ("packet", "complaint"),
    [
        (b"\x00" * 30, "param packet: type 0"),
        (ParamPacket(0, 0, (FrameMark(),), records_of_a_step_that_is_none()).to_bytes(), "step 31"),
        (ParamPacket(0, 0, (FrameMark(),), bytes(200)).to_bytes(), "bytes too many"),
    ],
)
async def test_garbage_on_params_ends_the_call(packet: bytes, complaint: str, tmp_path: Path) -> None:
    talk = Call(tmp_path)
    async with stranger(talk) as (peer, link):
        await stream(link)
        assert peer.send_params(packet)
        assert complaint in await refused(talk)


async def test_a_clock_that_jumps_ends_the_call_and_not_the_disk(tmp_path: Path) -> None:
    talk = Call(tmp_path)
    async with stranger(talk) as (_peer, link):
        await stream(link)
        assert link.send_params(packet(0, 1000, face()))
        await talk.picture()
        assert link.send_params(packet(1, 2**31, face()))
        assert "clock jumped" in await refused(talk)
    assert count_frames(talk.out) == 1


@pytest.mark.usefixtures("real_pictures")
async def test_faces_that_no_model_has_are_drawn_all_the_same(tmp_path: Path) -> None:
    talk = Call(tmp_path)
    still = encode_still(FRAME_RGB[:, 40:296][:256].repeat(2, 0)[:256])
    studio = Reference(still.data, still.media_type, face().to_bytes())
    async with stranger(talk, reference=studio) as (_peer, link):
        await stream(link)
        for seq, params in enumerate([face(10.0), face(0.02), face()]):
            assert link.send_params(packet(seq, seq * 40, params))
            await asyncio.sleep(0.06)
        await link.hang_up(ByeReason.ENDED, "done", frames_sent=3)
        assert await talk.receiving.end() is None
    assert talk.frames()["sent"] == 3


@pytest.mark.parametrize(
    ("reference", "complaint"),
    [
        (Reference(b"no picture", AV1_MEDIA_TYPE, face().to_bytes()), "not an AV1 picture"),
        (Reference(GOOD_REFERENCE.image, "image/png", face().to_bytes()), "'image/png' is not known"),
        (Reference(GOOD_REFERENCE.image, AV1_MEDIA_TYPE, b""), "format none"),
    ],
)
async def test_a_reference_that_is_none_ends_the_call(
    reference: Reference, complaint: str, tmp_path: Path
) -> None:
    talk = Call(tmp_path)
    async with stranger(talk, reference=reference) as (_peer, link):
        assert complaint in await refused(talk)
        async with asyncio.timeout(LIMIT_S):
            while not isinstance(event := await link.next_event(), PeerBye):
                pass
    assert event.bye.reason is ByeReason.PROTOCOL_ERROR
    assert complaint in event.bye.text


async def test_another_face_model_is_told_to_both(tmp_path: Path) -> None:
    talk = Call(tmp_path)
    async with stranger(talk, Hello(Role.SENDER, "stranger", 25.0, bytes(8))) as (_peer, link):
        error = await talk.receiving.end()
        assert isinstance(error, PeerError)
        assert "different face model" in str(error)
        with pytest.raises(PeerError, match="different face model"):
            await link.next_event()


@asynccontextmanager
async def strange_receiver(clip: Clip) -> AsyncIterator[tuple[Peer, Link, Side]]:
    """A sender and the stranger that it calls; the stranger has said hello."""
    hello = Hello(Role.RECEIVER, "stranger", 25.0, CALL_ID)
    async with Listener("127.0.0.1", 0, IceConfig()) as listener:
        settings = SendSettings(listener.address, IceConfig(), RATE_FPS, None)
        sending = Side(SenderCall(clip, QuickAnalyser(), MODEL, settings, clock_ms).run)
        async with asyncio.timeout(LIMIT_S):
            peer = await listener.accept()
        link = Link(peer, Session(hello), clock_ms=clock_ms, on_params=lambda _packet: None)
        async with link:
            yield peer, link, sending


async def test_garbage_from_a_receiver_ends_the_call() -> None:
    clip = Clip(None)
    async with strange_receiver(clip) as (peer, link, sending):
        await link.next_event()
        link.reference_ready()
        await peer.send_control(ReferenceReady().to_bytes())
        error = await sending.end()
    assert isinstance(error, WireError)
    assert "ReferenceReady came from a sender, or twice" in str(error)
    assert clip.is_closed


async def test_frames_from_a_receiver_end_the_call() -> None:
    async with strange_receiver(Clip(None)) as (peer, link, sending):
        await link.next_event()
        peer.send_params(ParamPacket(0, 0, (FrameMark(has_face=False),), b"").to_bytes())
        assert isinstance(await sending.end(), WireError)


async def test_a_receiver_that_just_goes_is_told() -> None:
    clip = Clip(None)
    async with strange_receiver(clip) as (peer, link, sending):
        await link.next_event()
        link.reference_ready()
        await peer.close()
        error = await sending.end()
    assert isinstance(error, PeerError)
    assert "the connection to the other side was lost" in str(error)
    assert clip.is_closed
