"""One call from the sender's side: settle on a face, call the receiver, send every frame, say good-bye.

settle ── begin_call, introduction ── Link ── events ── open_planner ── CallStream, Shipping ── Link
                 beginning            Hello                  once the receiver is ready
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from headgan.codec.frame_moments import FrameMoments
from headgan.models.generator import Generator
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import ReferenceImage
from headgan.proto.control import Bye, ByeReason, RefreshWanted
from headgan.proto.errors import DeviceError, HeadganError, PeerError
from headgan.proto.hello import LARGE_PICTURE_PX, PICTURE_PX
from headgan.proto.link import Link, end_tasks, unless_set
from headgan.proto.more_references import ReferenceAnswered
from headgan.proto.peer import Peer
from headgan.proto.session import Session
from headgan.proto.session_events import ByeDone, Event, PeerBye, PeerHello, StartStreaming
from headgan.proto.signalling import call
from headgan.proto.wire_course import WireCourse
from headgan.sender.analysis import FaceAnalyser
from headgan.sender.call_beginning import CallBeginning, begin_call
from headgan.sender.call_sound import CallSound, OpenSound, sound_capabilities
from headgan.sender.call_stream import CallStream
from headgan.sender.camera_thread import CameraThread
from headgan.sender.frame_plan import FramePlanner
from headgan.sender.frame_sender import FrameSender, SendCounts
from headgan.sender.introduction import introduction
from headgan.sender.open_planner import open_planner
from headgan.sender.open_sound import FEATURES
from headgan.sender.own_looks import OwnLooks
from headgan.sender.param_packer import ParamPacker
from headgan.sender.send_settings import SendSettings
from headgan.sender.shipping import Shipping
from headgan.sender.sound_encoder import SoundFrame
from headgan.sender.sound_source import SoundSource
from headgan.sender.sources import Source
from headgan.sender.voice_thread import VoiceThread
from headgan.sender.waiting_voice import WaitingVoice, pack_said, pack_voice

log = logging.getLogger(__name__)

# The last frame goes over a channel that keeps no order: Bye must not overtake it.
_BEFORE_BYE_S = 0.05


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
    open_sound: OpenSound | None = None
    peer: Peer | None = None
    farewell: str = ""
    planner: FramePlanner = field(default_factory=FramePlanner)
    packer: ParamPacker = field(init=False)
    frames: FrameSender = field(init=False)
    moments: FrameMoments = field(init=False)
    course: WireCourse = field(default_factory=WireCourse)
    picture_px: int = PICTURE_PX
    _camera: CameraThread = field(init=False)
    _sound: CallSound = field(init=False)

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
        self._camera = CameraThread(self.source, self.analyser, self.packer, self.moments, self.clock_ms)
        self._sound = CallSound(
            self.open_sound, self.frames.phase, lambda: self.packer.loss, lambda: self._camera.frame_ms
        )

    @property
    def counts(self) -> SendCounts:
        """What became of the frames."""
        return self.frames.counts

    @property
    def dropped(self) -> int:
        """Frames of the camera that came too fast."""
        return self._camera.dropped

    @property
    def skipped(self) -> int:
        """Frames of the camera that were left out to meet the rate."""
        return self._camera.skipped

    @property
    def voice(self) -> VoiceThread[SoundFrame] | None:
        """What encodes the sound, once it does."""
        return self._sound.voice

    @property
    def sound(self) -> SoundSource | None:
        """What is heard, once it is."""
        return self._sound.source

    def toggle_mute(self) -> bool:
        """Has silence sent instead of the voice, or ends that; from any thread. Returns whether it is silent now."""
        return self._sound.toggle_mute()

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
            await self._call(self.peer, reference, stopped)
        except HeadganError as error:
            self.farewell = self.farewell or str(error)
            raise
        finally:
            self._camera.close()
            filler = self.planner.filler
            if self.own is not None and filler is not None and self.counts.sent:
                await asyncio.to_thread(self.own.keep, filler.references())

    async def _settle(self) -> ReferenceImage | None:
        """Settles in a thread, which has ended when this does: a camera must not be closed while it is read."""
        settling = asyncio.ensure_future(asyncio.to_thread(self._camera.settle))
        try:
            return await asyncio.shield(settling)
        except asyncio.CancelledError:
            self._camera.stop()
            await asyncio.gather(settling, return_exceptions=True)
            raise

    async def _call(self, peer: Peer, reference: ReferenceImage, stopped: asyncio.Event) -> None:
        """Introduces itself with `reference`, and talks."""
        settings = self.settings
        beginning = await asyncio.to_thread(begin_call, self.model, reference, settings)
        if self.own is not None and settings.references > 1:
            await asyncio.to_thread(self.own.compare, reference)
        hello = introduction(settings, self.model, beginning, self.own, sound_capabilities(settings.audio))
        link = Link(
            peer,
            Session(hello, beginning.message, beginning.large_message),
            clock_ms=self.clock_ms,
            on_params=lambda _packet: None,
            on_arrived=self.packer.arrived,
        )
        async with link:
            await self._talk(link, beginning, stopped)

    async def _talk(self, link: Link, beginning: CallBeginning, stopped: asyncio.Event) -> None:
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
                        camera, shipping = self._start_streaming(link, beginning)
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

    def _start_streaming(
        self, link: Link, beginning: CallBeginning
    ) -> tuple[asyncio.Task[None], asyncio.Task[None]]:
        """Starts what was waiting for the receiver: the camera's thread, and what sends references and video."""
        agreed = link.session.agreed
        self.picture_px = agreed.picture_px
        self.analyser.is_large = self.picture_px == LARGE_PICTURE_PX
        self.packer.has_drift = agreed.has_drift
        self.planner = open_planner(
            link.session,
            beginning,
            self.own,
            model=self.model,
            settings=self.settings,
            open_generator=self.open_generator,
            clock_ms=self.clock_ms,
        )
        ships = Shipping(link, self.settings.reference_kbps, self.planner.live)
        shipping = asyncio.create_task(ships.run())
        stream = CallStream(self._camera, self._sound, self.planner, self.frames, self.settings)
        return asyncio.create_task(stream.run(link, ships)), shipping

    def _is_end(self, event: Event) -> bool:
        match event:
            case PeerHello(hello):
                log.info("connected to %s", hello.agent)
            case ReferenceAnswered(number, is_held):
                if self.planner.filler is not None:
                    self.planner.filler.answered(number, is_held=is_held)
            case RefreshWanted():
                self.packer.refresh()
            case PeerBye(bye):
                self._on_bye(bye)
                return True
            case ByeDone():
                return True
            case _:
                pass
        return False

    def _on_bye(self, bye: Bye) -> None:
        self.farewell = bye.text
        if bye.reason not in (ByeReason.ENDED, ByeReason.HANGUP):
            raise PeerError(f"the other side ended the call: {bye.text or bye.reason.name}")
        log.info("the other side ended the call%s", f": {bye.text}" if bye.text else "")

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
        self._camera.stop()
        if camera is None:
            return None
        await asyncio.wait([camera])
        return camera.exception()
