"""One call from the sender's side: settle on a face, call the receiver, send every frame, say good-bye.

worker thread: Camera ── FaceAnalyser ── AnalysedFrame ── FramePlanner ──▶ event loop: ParamPacket, Shipping ── Link
another: SoundSource ── VoiceEncoder or SaidEncoder ──────────────────────▶ event loop: WaitingVoice ──┘
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version

from headgan.codec.frame_moments import FrameMoments
from headgan.codec.param_code import shipped_code
from headgan.codec.params import identity_to_bytes
from headgan.codec.picture_coder import CHAIN_MEDIA_TYPE, CodedPicture, PictureEncoder
from headgan.codec.said_code import shipped_said_code
from headgan.codec.still import encode_still
from headgan.codec.timed_writer import TimedWriter
from headgan.codec.voice import VoiceFrame
from headgan.models.drift_finder import DriftFinder
from headgan.models.drift_watch import BIT_WORTH
from headgan.models.generator import Generator
from headgan.models.morphable import MorphableModel
from headgan.models.pncc import CROP_SIZE
from headgan.models.quiet_worker import QuietWorker
from headgan.models.reconstruct import ReferenceImage
from headgan.proto.control import Bye, ByeReason, RefreshWanted
from headgan.proto.errors import DeviceError, HeadganError, ModelError, PeerError
from headgan.proto.hello import DRIFT_CAPABILITY, LARGE_PICTURE_PX, PICTURE_PX, Hello, Role
from headgan.proto.link import Link, end_tasks, unless_set
from headgan.proto.live_video import LIVE_VIDEO_CAPABILITY
from headgan.proto.more_references import ReferenceAnswered
from headgan.proto.peer import Peer
from headgan.proto.reference_transfer import Reference
from headgan.proto.said import SILENT_CAPABILITY, said_capability
from headgan.proto.session import Session
from headgan.proto.session_events import ByeDone, Event, PeerBye, PeerHello, StartStreaming
from headgan.proto.signalling import call
from headgan.proto.wire_course import WireCourse
from headgan.sender.analysis import AnalysedFrame, FaceAnalyser
from headgan.sender.camera import Camera
from headgan.sender.closed_loop import ClosedLoop
from headgan.sender.frame_plan import FramePlanner
from headgan.sender.frame_sender import FrameSender, SendCounts
from headgan.sender.live_video import LiveVideo
from headgan.sender.memory_filler import MemoryFiller
from headgan.sender.open_sound import FEATURES, NO_SOUND
from headgan.sender.own_looks import OwnLooks
from headgan.sender.param_packer import NARROW_MS, ParamPacker
from headgan.sender.send_settings import SendSettings
from headgan.sender.shipping import Shipping
from headgan.sender.sound_encoder import SoundFrame, open_encoder
from headgan.sender.sound_source import SoundSource
from headgan.sender.sources import Source
from headgan.sender.voice_thread import VoiceThread
from headgan.sender.waiting_voice import WaitingVoice, pack_said, pack_voice

log = logging.getLogger(__name__)

# The last frame goes over a channel that keeps no order: Bye must not overtake it.
_BEFORE_BYE_S = 0.05
# Where the parameters have to do with fewer kbit/s than this, what is no face follows more sluggishly.
_DRIFT_KBPS = 1.5
# The same where packets are made long to save bytes.
_NARROW_SCARCITY = 3.0


@dataclass(frozen=True, eq=False)
class _Beginning:
    """The first reference at one size.

    Attributes:
        message: as it travels.
        encoder: that its picture went through; None where no more are to follow.
        coded: what came out.
    """

    message: Reference
    encoder: PictureEncoder | None = None
    coded: CodedPicture | None = None


@dataclass
class SenderCall:
    """A call from `run`'s start to its end; afterwards its fields tell what happened.

    Attributes:
        source: camera or file; the call closes it.
        analyser: follows the face.
        model: the morphable model.
        settings: where to and how.
        clock_ms: a monotonic clock.
        own: what the caller looked like in earlier calls; None to begin every call anew.
        open_generator: what draws for the receiver, to check what it shows; None does without that.
        open_sound: opens what is heard, given what tells when the first frame was due; None for a call without sound.
        picture_px: side of the references, once that is agreed.
    """

    source: Source
    analyser: FaceAnalyser
    model: MorphableModel
    settings: SendSettings
    clock_ms: Callable[[], float]
    own: OwnLooks | None = None
    open_generator: Callable[[], Generator] | None = None
    open_sound: Callable[[Callable[[], float | None]], SoundSource | None] | None = None
    peer: Peer | None = None
    dropped: int = 0
    skipped: int = 0
    farewell: str = ""
    planner: FramePlanner = field(default_factory=FramePlanner)
    packer: ParamPacker = field(init=False)
    frames: FrameSender = field(init=False)
    moments: FrameMoments = field(init=False)
    course: WireCourse = field(default_factory=WireCourse)
    voice: VoiceThread[SoundFrame] | None = None
    sound: SoundSource | None = None
    _drift: DriftFinder | None = None
    picture_px: int = PICTURE_PX
    _beginnings: dict[int, _Beginning] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _is_handed_over: bool = False
    _is_muted: bool = False
    _frame_ms: float | None = None  # when the newest frame was captured

    def __post_init__(self) -> None:
        self.packer = ParamPacker(
            rate_fps=self.settings.rate_fps,
            frames_per_packet=self.settings.frames_per_packet,
            quality=self.settings.quality,
            kbps=self.settings.face_kbps,
        )
        packet_ms, is_said = self.settings.packet_ms, self.settings.audio == FEATURES
        waiting = WaitingVoice(packet_ms, pack_said) if is_said else WaitingVoice(packet_ms, pack_voice)
        self.moments = FrameMoments(self.clock_ms)
        self.frames = FrameSender(
            self.packer, self.settings.rate_fps, waiting, self.clock_ms, moments=self.moments
        )

    @property
    def counts(self) -> SendCounts:
        """What became of the frames."""
        return self.frames.counts

    def toggle_mute(self) -> bool:
        """Has silence sent instead of the voice, or ends that; from any thread. Returns whether it is silent now."""
        self._is_muted = not self._is_muted
        if self.voice is not None:
            self.voice.is_muted = self._is_muted
        return self._is_muted

    async def run(self, stopped: asyncio.Event) -> None:
        """Makes the call; returns when the file is over, the other side hangs up, or `stopped` is set.

        Raises:
            HeadganError: whatever ended the call before its time.
        """
        try:
            reference = await unless_set(stopped, self._settle())
            if reference is None:
                return
            address = self.settings.peer
            self.peer = await unless_set(stopped, call(address.host, address.port, self.settings.ice))
            if self.peer is None:
                return
            begin = await asyncio.to_thread(self._as_message, reference, PICTURE_PX)
            large: _Beginning | None = None
            if reference.large_rgb is not None and self.settings.picture_px == LARGE_PICTURE_PX:
                large = await asyncio.to_thread(self._as_message, reference, LARGE_PICTURE_PX)
            if self.settings.references > 1:
                await asyncio.to_thread(self._watch_drift, reference)
            if self.own is not None and self.settings.references > 1:
                await asyncio.to_thread(self.own.compare, reference)
            self._beginnings = {PICTURE_PX: begin, **({LARGE_PICTURE_PX: large} if large else {})}
            session = Session(self._hello(reference), begin.message, large.message if large else None)
            link = Link(
                self.peer,
                session,
                clock_ms=self.clock_ms,
                on_params=lambda _packet: None,
                on_arrived=self.packer.arrived,
            )
            async with link:
                await self._talk(link, reference, stopped)
        except HeadganError as error:
            self.farewell = self.farewell or str(error)
            raise
        finally:
            if not self._is_handed_over:
                self.source.close()
            filler = self.planner.filler
            if self.own is not None and filler is not None and self.counts.sent:
                await asyncio.to_thread(self.own.keep, filler.references())

    async def _settle(self) -> ReferenceImage | None:
        """Settles in a thread, which has ended when this does: a camera must not be closed while it is read."""
        settling = asyncio.ensure_future(asyncio.to_thread(self.analyser.settle, self.source, self._stopping))
        try:
            return await asyncio.shield(settling)
        except asyncio.CancelledError:
            self._stopping.set()
            await asyncio.gather(settling, return_exceptions=True)
            raise

    def _hello(self, reference: ReferenceImage) -> Hello:
        return Hello(
            role=Role.SENDER,
            agent=f"headgan-send {version('headgan')}",
            rate_fps=self.settings.rate_fps,
            model_id=shipped_code().id_with(self.model.model_id),
            identity=identity_to_bytes(reference.identity),
            # With one picture a call is as the paper has it.
            capabilities=(
                "gaze",
                *((DRIFT_CAPABILITY,) if self.settings.references > 1 else ()),
                *_sound_capabilities(self.settings.audio),
            ),
            references=self.settings.references,
            known=self.own.offered if self.own else (),
            near=self.own.near if self.own else 0,
            picture_px=max(self._beginnings),
        )

    def _as_message(self, reference: ReferenceImage, picture_px: int) -> _Beginning:
        """The first reference at a size; where more are to follow it begins their chain."""
        payload = reference.params.to_bytes()
        picture_rgb = reference.picture_rgb if picture_px == PICTURE_PX else reference.largest_rgb
        if self.settings.references == 1:
            still = encode_still(picture_rgb)
            return _Beginning(Reference(still.data, still.media_type, payload))
        encoder = PictureEncoder(size=picture_px)
        coded = encoder.encode(picture_rgb)
        return _Beginning(Reference(coded.data, CHAIN_MEDIA_TYPE, payload), encoder, coded)

    def _watch_drift(self, reference: ReferenceImage) -> None:
        """Prepares to find how what is no face moves."""
        settings = self.settings
        scarcity = max(1.0, _DRIFT_KBPS / (settings.face_kbps or _DRIFT_KBPS))
        if settings.packet_ms >= NARROW_MS:
            scarcity *= _NARROW_SCARCITY
        self._drift = DriftFinder(self.model, BIT_WORTH * scarcity**2)
        self._drift.prepare(reference)

    async def _talk(self, link: Link, reference: ReferenceImage, stopped: asyncio.Event) -> None:
        """The call itself, from the first hello to the good-bye."""
        stop = asyncio.create_task(stopped.wait())
        events = asyncio.create_task(link.next_event())
        camera: asyncio.Task[None] | None = None
        shipping: asyncio.Task[None] | None = None
        watching = asyncio.create_task(self._watch_wire())
        try:
            while True:
                waiting = {stop, events} | ({camera} if camera else set())
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if events.done():
                    event = events.result()
                    if isinstance(event, StartStreaming):
                        self.picture_px = link.session.agreed.picture_px
                        self.analyser.is_large = self.picture_px == LARGE_PICTURE_PX
                        self.packer.has_drift = link.session.agreed.has_drift
                        self.planner = self._open_planner(link, reference)
                        ships = Shipping(link, self.settings.reference_kbps, self.planner.live)
                        shipping = asyncio.create_task(ships.run())
                        camera = asyncio.create_task(self._stream(link, ships))
                    elif isinstance(event, ReferenceAnswered):
                        if self.planner.filler is not None:
                            self.planner.filler.answered(event.number, is_held=event.is_held)
                    elif isinstance(event, RefreshWanted):
                        self.packer.refresh()
                    elif self._is_end(event):
                        break
                    events = asyncio.create_task(link.next_event())
                elif camera is not None and camera.done():
                    await self._end_of_camera(link, camera)
                    break
                elif stop.done():
                    await self._stop_camera(camera)
                    await self._hang_up(link, ByeReason.HANGUP, "the caller hung up")
                    break
        finally:
            error = await self._stop_camera(camera)
            await end_tasks(stop, events, watching, *([shipping] if shipping else []))
            self.planner.close()
        if error is not None:
            raise error

    async def _watch_wire(self) -> None:
        while self.peer is not None:
            self.course.add(self.peer.wire_bytes())
            await asyncio.sleep(1)

    def _open_planner(self, link: Link, reference: ReferenceImage) -> FramePlanner:
        """What this receiver can make use of; nothing where it shows a picture of its own."""
        hello = link.session.agreed.peer
        if hello is None or not hello.wants_reference:
            return FramePlanner()
        loop = live = None
        if self.open_generator is not None:
            loop = ClosedLoop(self.model, self.open_generator, self.clock_ms)
        if self.settings.fallback_kbps and LIVE_VIDEO_CAPABILITY in hello.capabilities:
            live = LiveVideo(self.settings.fallback_kbps)
        drift = self._drift if link.session.agreed.has_drift else None
        quiet = QuietWorker()
        filler = self._open_filler(link, reference, quiet, drift)
        return FramePlanner(reference, filler, loop, live, drift, quiet)

    def _open_filler(
        self, link: Link, reference: ReferenceImage, quiet: QuietWorker, drift: DriftFinder | None
    ) -> MemoryFiller | None:
        """What fills the receiver's memory; None where that holds one picture only."""
        capacity = link.session.agreed.references
        begin = self._beginnings[self.picture_px]
        if capacity == 1 or begin.encoder is None or begin.coded is None:
            return None
        known = self.own.numbered(link.session.known) if self.own else {}
        return MemoryFiller(
            self.model,
            reference,
            begin.encoder,
            begin.coded,
            capacity=capacity,
            kbps=self.settings.reference_kbps,
            fuses=link.session.agreed.fuses,
            known=known,
            has_drift=link.session.agreed.has_drift,
            begin=quiet.begin,
            prepare=drift.prepare if drift else None,
        )

    def _is_end(self, event: Event) -> bool:
        match event:
            case PeerHello(hello):
                log.info("connected to %s", hello.agent)
                return False
            case PeerBye(bye):
                self.farewell = bye.text
                _raise_for(bye)
                log.info("the other side ended the call%s", f": {bye.text}" if bye.text else "")
                return True
            case ByeDone():
                return True
            case _:
                return False

    async def _end_of_camera(self, link: Link, camera: asyncio.Task[None]) -> None:
        """The camera's thread ended by itself: at the end of a file, or with an error."""
        error = camera.exception()
        if error is None:
            await asyncio.sleep(_BEFORE_BYE_S)
            await self._hang_up(link, ByeReason.ENDED, "the clip is over")
            return
        reason = ByeReason.DEVICE_LOST if isinstance(error, DeviceError) else ByeReason.ERROR
        text = str(error) if isinstance(error, HeadganError) else "the sender failed"
        await self._hang_up(link, reason, text)

    async def _hang_up(self, link: Link, reason: ByeReason, text: str) -> None:
        self.farewell = text
        await link.hang_up(reason, text, frames_sent=self.counts.sent)

    async def _stop_camera(self, camera: asyncio.Task[None] | None) -> BaseException | None:
        """Ends the camera's thread; returns the error that it ended with."""
        self._stopping.set()
        if camera is None:
            return None
        await asyncio.wait([camera])
        return camera.exception()

    async def _stream(self, link: Link, ships: Shipping) -> None:
        """Runs the camera's thread; each analysed frame comes back to the event loop and is sent."""
        loop = asyncio.get_running_loop()

        def deliver(frame: AnalysedFrame, capture_ms: float) -> None:
            with self.analyser.times.measure("drift"):
                frame = self.planner.with_drift(frame)
            self.moments.mark(capture_ms, "drift found")
            with self.analyser.times.measure("references"):
                plan = self.planner.plan(frame, capture_ms)
            self.moments.mark(capture_ms, "planned")
            with self.analyser.times.measure("encode"):
                packet = self.packer.add(frame.params, plan.references, capture_ms, is_untrue=plan.is_untrue)
            self.moments.mark(capture_ms, "encoded")
            loop.call_soon_threadsafe(self.frames.send, link, ships, frame, capture_ms, plan, packet)

        def deliver_voice(frame: SoundFrame) -> None:
            if isinstance(frame, VoiceFrame):
                self.planner.hear(frame)
            loop.call_soon_threadsafe(self.frames.add_voice, link, frame, self.clock_ms())

        await asyncio.to_thread(self._work, deliver, deliver_voice if self._is_heard(link.session) else None)
        packet = self.packer.flush()
        if packet is not None and not link.session.is_over:
            self.frames.send_packet(link, packet)
        self.frames.finish_voice(link)

    def _is_heard(self, session: Session) -> bool:
        """Whether the other side can use what is sent of the sound; says what that is."""
        if self.settings.audio == NO_SOUND:
            log.info("no sound is sent: the microphone stays closed")
            return False
        if self.settings.audio != FEATURES:
            return session.agreed.has_voice
        if not session.agreed.has_said:
            log.info("nothing is sent of what you say: the networks of the other side do not listen")
        return session.agreed.has_said

    def _open_voice(
        self, camera: Camera, deliver: Callable[[SoundFrame], None] | None
    ) -> AbstractContextManager[object]:
        """What encodes the sound while its context is open; nothing where nobody hears it."""
        if self.open_sound is None or deliver is None:
            return nullcontext()
        try:
            encode = open_encoder(
                self.settings, self.frames.phase, lambda: self.packer.loss, lambda: self._frame_ms
            )
        except (DeviceError, ModelError) as error:
            log.warning("%s; the call goes on in silence", error)
            return nullcontext()
        source = self.open_sound(lambda: camera.started_ms)
        if source is None:
            return nullcontext()
        what = "; what is said is sent, and no voice" if self.settings.audio == FEATURES else ""
        log.info("sound: %s%s", source.describe(), what)
        self.voice, self.sound = VoiceThread(source, encode, deliver), source
        self.voice.is_muted = self._is_muted
        return self.voice

    def _work(
        self,
        deliver: Callable[[AnalysedFrame, float], None],
        deliver_voice: Callable[[SoundFrame], None] | None,
    ) -> None:
        """The camera's thread."""
        writer: TimedWriter | None = None
        self._is_handed_over = True
        with (
            Camera(self.source, rate_fps=self.settings.rate_fps, clock_ms=self.clock_ms) as camera,
            self._open_voice(camera, deliver_voice),
        ):
            try:
                while not self._stopping.is_set() and not camera.is_ended:
                    captured = camera.newest(0.1)
                    if captured is None:
                        continue
                    # Whole milliseconds, as they travel, so that both ends place a frame alike.
                    capture_ms = self._frame_ms = float(round(captured.capture_ms))
                    self.moments.mark(capture_ms, "taken")
                    frame = self.analyser.analyse(captured.frame_rgb, capture_ms)
                    self.moments.mark(capture_ms, "analysed")
                    self.moments.note(capture_ms, self.analyser.newest_ms())
                    deliver(frame, capture_ms)
                    writer = writer or self._open_writer(capture_ms)
                    if writer:
                        with self.analyser.times.measure("save crop"):
                            writer.write(frame.crop_rgb, capture_ms)
            finally:
                self.dropped, self.skipped = camera.dropped, camera.skipped
                if writer:
                    writer.close()

    def _open_writer(self, start_ms: float) -> TimedWriter | None:
        path = self.settings.crop_path
        if path is None:
            return None
        return TimedWriter(path, size=CROP_SIZE, rate_fps=self.settings.rate_fps, start_ms=start_ms)


def _raise_for(bye: Bye) -> None:
    """Raises PeerError when the other side ended the call because something went wrong."""
    if bye.reason not in (ByeReason.ENDED, ByeReason.HANGUP):
        raise PeerError(f"the other side ended the call: {bye.text or bye.reason.name}")


def _sound_capabilities(audio: str) -> tuple[str, ...]:
    """What the other side is told of a call without a voice."""
    if audio == FEATURES:
        return (said_capability(shipped_said_code().code_id),)
    return (SILENT_CAPABILITY,) if audio == NO_SOUND else ()
