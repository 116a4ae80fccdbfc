"""One call from the receiver's side: wait for a sender, get a reference, show every frame, say good-bye."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headgan.codec.memory import DEFAULT_CAPACITY, MAX_CAPACITY
from headgan.codec.param_code import shipped_code
from headgan.codec.params import parse_identity
from headgan.codec.picture_coder import CHAIN_MEDIA_TYPE, PictureDecoder
from headgan.codec.reference_params import parse_reference_params
from headgan.codec.said_code import shipped_said_code
from headgan.codec.still import decode_still
from headgan.models.contacts import Contacts, reference_digest
from headgan.models.detail import enlarged
from headgan.models.ears import Ears
from headgan.models.generator import Generator
from headgan.models.morphable import MorphableModel
from headgan.models.pncc import CROP_SIZE
from headgan.models.quiet_worker import QuietWorker
from headgan.models.reconstruct import Reconstructor, ReferenceImage
from headgan.models.speech import speech_form
from headgan.proto.control import Bye, ByeReason
from headgan.proto.errors import DeviceError, HeadganError, PeerError, WireError
from headgan.proto.hello import DRIFT_CAPABILITY, Hello, Role
from headgan.proto.ice import IceConfig
from headgan.proto.known_references import REMEMBERS
from headgan.proto.link import Link, end_tasks, unless_set
from headgan.proto.live_video import LIVE_VIDEO_CAPABILITY, VideoReceived
from headgan.proto.more_references import MoreReceived
from headgan.proto.peer import Peer
from headgan.proto.reference_transfer import Reference
from headgan.proto.said import SILENT_CAPABILITY, SaidPacket, said_capability, said_codes
from headgan.proto.session import Session
from headgan.proto.session_events import (
    ByeDone,
    Event,
    LineBack,
    LineSilent,
    PeerBye,
    PeerHello,
    ReferenceReceived,
)
from headgan.proto.signalling import Address, Listener
from headgan.proto.voice import VOICE_CAPABILITY, VoicePacket
from headgan.proto.wire import ParamPacket
from headgan.receiver.display import Display, Frame, ViewerStats
from headgan.receiver.frame_reader import FrameReader
from headgan.receiver.playback import Playback, ShownPicture
from headgan.receiver.reference_photo import ReferencePhoto
from headgan.receiver.silent_speaker import Fill, SoundOutput
from headgan.receiver.told_ears import ToldEars

log = logging.getLogger(__name__)

_RATE_INTERVAL_S = 0.5


@dataclass(frozen=True)
class ReceiveSettings:
    """What a call needs to know.

    Attributes:
        listen: where to wait for a sender.
        ice: STUN and TURN servers.
        rate_fps: of the recording, until the sender says its own.
        record_path: the recording, or None.
        references: how many pictures of the sender to hold.
        fuses: from how many of them to draw one frame, at most.
        remember: name under which they are kept for the next call, or None.
        record_plain: whether the recording has no sign on pictures that are held.
        size: side of the pictures to show, 256 or 512.
    """

    listen: Address
    ice: IceConfig
    rate_fps: float
    record_path: Path | None
    references: int = DEFAULT_CAPACITY
    fuses: int = 1
    remember: str | None = None
    record_plain: bool = False
    size: int = CROP_SIZE


@dataclass(frozen=True)
class _Rates:
    """What the last half second was like."""

    kbps_payload: float = 0.0
    kbps_wire: float = 0.0
    fps: float = 0.0


class ReceiverCall:
    """A call from `run`'s start to its end; afterwards its fields tell what happened."""

    def __init__(
        self,
        settings: ReceiveSettings,
        model: MorphableModel,
        generator: Generator,
        own_reference: ReferencePhoto | None,
        display: Display | None,
        clock_ms: Callable[[], float],
        contacts: Contacts | None = None,
        open_speaker: Callable[[Fill], SoundOutput] | None = None,
    ) -> None:
        """Prepares for a call.

        Args:
            settings: what the user wants.
            model: the morphable model.
            generator: draws.
            own_reference: the picture to animate; the sender is asked for one if it is None.
            display: shows the call, or None.
            clock_ms: a monotonic clock.
            contacts: what earlier calls left; None to begin every call anew.
            open_speaker: opens what plays what is heard; None for a call without sound.
        """
        self.address: Address | None = None  # where it waits, once it does
        self.peer: Peer | None = None
        self.playback: Playback | None = None
        self.frames_sent: int | None = None
        self.farewell = ""
        self.pictures = 0
        self.first_ms = 0.0
        self.last_ms = 0.0
        self.references_known = 0
        self.picture_px = CROP_SIZE  # side of the references, once that is agreed
        self.reader = FrameReader()
        self._settings = settings
        self._model = model
        self._generator = generator
        self._own_reference = own_reference
        self._display = display
        self._clock_ms = clock_ms
        self._contacts = contacts
        self._open_speaker = open_speaker
        self._speaker: SoundOutput | None = None
        # What it names to be told what is said without the voice; None where its networks do not listen.
        self._said = said_capability_of(generator)
        self._hello: Hello | None = None
        self._highest_seq = -1
        self._rates = _Rates()
        self._newest = ViewerStats("waiting")  # what the last picture came with
        self._decoder = PictureDecoder()
        self._video_decoder = PictureDecoder()
        self._quiet = QuietWorker()
        # References to prepare, one after the other: number, picture, and the number of the one that it replaces. A
        # sender that does not wait until they are held is refused.
        self._to_hold: asyncio.Queue[tuple[int, ReferenceImage, int | None]] = asyncio.Queue(MAX_CAPACITY)
        self._recalled: dict[int, ReferenceImage] = {}

    @property
    def known_sent(self) -> int:
        """Frames that the sender says it sent, or at least those that are known of."""
        return self._highest_seq + 1 if self.frames_sent is None else self.frames_sent

    async def run(self, stopped: asyncio.Event) -> None:
        """Waits for a sender and takes its call; returns when it ends or `stopped` is set.

        Raises:
            HeadganError: whatever ended the call before its time.
        """
        window = asyncio.create_task(self._stop_with_window(stopped))
        try:
            await self._run(stopped)
        except HeadganError as error:
            self.farewell = self.farewell or str(error)
            raise
        finally:
            await end_tasks(window)
            await asyncio.to_thread(self._quiet.close)
            await asyncio.to_thread(self._remember)

    async def _run(self, stopped: asyncio.Event) -> None:
        settings = self._settings
        self._publish(ViewerStats("waiting"))
        async with Listener(settings.listen.host, settings.listen.port, settings.ice) as listener:
            self.address = listener.address
            log.info("waiting for a call on %s", self.address)
            self.peer = await unless_set(stopped, listener.accept())
            if self.peer is None:
                return
            hello = Hello(
                role=Role.RECEIVER,
                agent=f"headgan-recv {version('headgan')}",
                rate_fps=settings.rate_fps,
                model_id=shipped_code().id_with(self._model.model_id),
                capabilities=(
                    "gaze",
                    *((DRIFT_CAPABILITY,) if settings.references > 1 else ()),
                    LIVE_VIDEO_CAPABILITY,
                    *((REMEMBERS,) if self._contacts else ()),
                    *((VOICE_CAPABILITY,) if self._open_speaker else ()),
                    *((self._said,) if self._said else ()),
                ),
                wants_reference=self._own_reference is None,
                # A photograph of one's own choice is not mixed with what the camera sees.
                references=settings.references if self._own_reference is None else 1,
                fuses=settings.fuses if self._own_reference is None else 1,
                picture_px=settings.size if self._own_reference is None else CROP_SIZE,
            )
            link = Link(
                self.peer,
                Session(hello),
                clock_ms=self._clock_ms,
                on_params=lambda packet: self._take(packet, link),
                on_voice=self._take_voice,
                on_said=self._take_said,
            )
            try:
                async with link:
                    await self._talk(link, stopped)
            finally:
                try:
                    if self.playback:
                        await asyncio.to_thread(self.playback.close)
                finally:
                    if self._speaker:
                        await asyncio.to_thread(self._speaker.close)
                    self._publish(ViewerStats("ended"))

    async def _talk(self, link: Link, stopped: asyncio.Event) -> None:
        """The call itself, from the first hello to the good-bye."""
        stop = asyncio.create_task(stopped.wait())
        chores = [asyncio.create_task(chore) for chore in (self._measure_rates(), self._hold_more(link))]
        events = asyncio.create_task(link.next_event())
        try:
            while True:
                await asyncio.wait({stop, events, *chores}, return_when=asyncio.FIRST_COMPLETED)
                if events.done():
                    if await self._is_end(events.result(), link):
                        return
                    events = asyncio.create_task(link.next_event())
                elif stop.done():
                    self.farewell = "the receiver hung up"
                    await link.hang_up(ByeReason.HANGUP, self.farewell)
                    return
                for chore in chores:
                    if chore.done():
                        chore.result()  # raises what ended the playback, or why a reference cannot be held
        except HeadganError as error:
            if not link.session.is_over:
                is_their_fault = isinstance(error, WireError)
                reason = ByeReason.PROTOCOL_ERROR if is_their_fault else ByeReason.ERROR
                await link.hang_up(reason, str(error))
            raise
        finally:
            await end_tasks(stop, events, *chores)

    async def _is_end(self, event: Event, link: Link) -> bool:
        match event:
            case PeerHello(hello):
                log.info("call from %s", hello.agent)
                self._hello = hello
                self.reader = FrameReader(has_drift=link.session.agreed.has_drift)
                self.picture_px = link.session.agreed.picture_px
                self._decoder = PictureDecoder(self.picture_px)
                self._tell_sound()
                if self._own_reference is not None:
                    caller = self._caller()
                    own = await asyncio.to_thread(self._own_reference.as_reference, self._model, caller)
                    await self._start(own, link)
                elif link.session.is_asked:
                    await self._recall(hello, link)
            case ReferenceReceived(reference):
                await self._start(self._read_reference(reference), link)
            case MoreReceived():
                self._take_reference(event, link)
            case VideoReceived(_, data):
                if self.playback:
                    self.playback.show_video(self._video_decoder.decode(data))
            case LineSilent():
                self._publish(ViewerStats("no connection"))
                if self.playback:
                    self.playback.line_silent()
            case LineBack():
                self._publish(self._newest)
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
        self.frames_sent = bye.frames_sent
        if bye.reason not in (ByeReason.ENDED, ByeReason.HANGUP):
            raise PeerError(f"the sender ended the call: {bye.text or bye.reason.name}")
        log.info("the sender ended the call%s", f": {bye.text}" if bye.text else "")

    def _caller(self) -> NDArray[np.float32]:
        """The sender's identity coefficients."""
        if self._hello is None:
            raise ValueError("nobody knows who calls before hello")
        return parse_identity(self._hello.identity, self._model.identity_size)

    def _read_reference(self, reference: Reference) -> ReferenceImage:
        if reference.media_type == CHAIN_MEDIA_TYPE:
            picture_rgb = self._decoder.decode(reference.image)
        else:
            picture_rgb = decode_still(reference.image, reference.media_type, self.picture_px)
        return ReferenceImage.of_picture(
            picture_rgb, self._caller(), parse_reference_params(reference.payload)
        )

    async def _recall(self, hello: Hello, link: Link) -> None:
        """Tells the sender which of its references are still here from an earlier call; begins with one if it can."""
        if self._contacts is None:
            raise ValueError("a receiver without contacts is not asked")
        name, found = await asyncio.to_thread(
            self._contacts.find, hello.known, self._caller(), self._model.model_id
        )
        if link.session.is_over:
            return
        link.tell_known(found)
        self._recalled = {number: found[place] for number, place in link.session.known.items()}
        self.references_known = len(self._recalled)
        if self._recalled:
            log.info("this caller is remembered as %s: %d references are here", name, len(self._recalled))
        first = self._recalled.pop(0, None)
        if first is not None:
            await self._start(first, link)

    def _take_reference(self, more: MoreReceived, link: Link) -> None:
        """Has one more reference held, or says that it could not be taken."""
        try:
            if self._to_hold.full():
                raise WireError("too many are waiting")
            reference = self._read_reference(more.reference)
        except WireError as error:
            log.info("reference %d is refused: %s", more.number, error)
            link.answer_reference(more.number, is_held=False)
        else:
            self._to_hold.put_nowait((more.number, reference, more.replaces))

    async def _hold_more(self, link: Link) -> None:
        """Prepares references and holds them, in the order in which they came."""
        while True:
            number, reference, replaces = await self._to_hold.get()
            reconstructor = await self._quiet.run(
                partial(Reconstructor, self._model, self._generator, reference, self._settings.size)
            )
            if self.playback is not None and not link.session.is_over:
                self.playback.hold(number, reconstructor, replaces)
                link.answer_reference(number, is_held=True)

    async def _start(self, reference: ReferenceImage, link: Link) -> None:
        """Prepares to draw `reference`, then lets the sender start."""
        # Finding the person in the picture takes a while: not on the event loop.
        size = self._settings.size
        reconstructor = await asyncio.to_thread(Reconstructor, self._model, self._generator, reference, size)
        # The first frame of a generator is slow; draw it before the call does.
        await asyncio.to_thread(reconstructor.draw, reference.params)
        self.playback = Playback(
            reconstructor,
            reference.picture_rgb if size == CROP_SIZE else enlarged(reference.largest_rgb),
            rate_fps=self._hello.rate_fps if self._hello else self._settings.rate_fps,
            record_path=self._settings.record_path,
            record_plain=self._settings.record_plain,
            clock_ms=self._clock_ms,
            age_ms=lambda capture_ms, now_ms: self._age_ms(link, capture_ms, now_ms),
            show=self._show,
            capacity=link.session.agreed.references,
            fuses=link.session.agreed.fuses,
            hears=self._open_speaker is not None and self.has_voice,
            ears=await asyncio.to_thread(self._open_ears),
            told=ToldEars() if self._is_told else None,
        )
        if self._open_speaker is not None and self.playback.voice is not None:
            self._speaker = self._open_speaker(self.playback.voice.fill)
        if not link.session.is_over:
            link.reference_ready()
            for number, recalled in self._recalled.items():
                self._to_hold.put_nowait((number, recalled, None))

    @property
    def has_voice(self) -> bool:
        """Whether the sender does not choose to send no voice."""
        named = self._hello.capabilities if self._hello else ()
        return SILENT_CAPABILITY not in named and not said_codes(named)

    @property
    def _is_told(self) -> bool:
        """Whether the networks are told what is said without the voice."""
        return self._hello is not None and self._said in self._hello.capabilities

    def _tell_sound(self) -> None:
        """Tells the user if the other side chose to send no voice."""
        named = self._hello.capabilities if self._hello else ()
        if SILENT_CAPABILITY in named:
            log.info("the caller chose to send no sound: this call is silent")
        elif self._is_told:
            log.info(
                "the caller chose to send no voice: the lips are drawn by what is said, nothing is heard"
            )
        elif not self.has_voice:
            log.info(
                "the caller chose to send no voice, and these networks do not listen: this call is silent"
            )

    def _open_ears(self) -> Ears | None:
        """What the networks listen with, where they do and there is something to hear."""
        listens = self._open_speaker is not None and self._generator.needs("audio")
        return Ears() if listens and self.has_voice else None

    @property
    def sound_troubles(self) -> dict[str, int]:
        """What the speaker could not play in time, by name, for statistics."""
        return self._speaker.troubles() if self._speaker else {}

    def _remember(self) -> None:
        """Keeps what is held at the end of a call that showed something."""
        name, playback, hello = self._settings.remember, self.playback, self._hello
        if name is None or self._contacts is None or playback is None or self.pictures == 0:
            return
        if hello is None or hello.references == 1:
            log.info("%s is not remembered: that side sends one picture only", name)
            return
        if self._contacts.is_of_another(name, self._caller(), self._model):
            log.warning(
                "this call is not remembered: %s is another person, who is kept as before; "
                "give --remember another name, or forget that person with headgan contacts --delete %s",
                name,
                name,
            )
            return
        try:
            references = {reference_digest(reference): reference for reference in playback.references}
            self._contacts.keep(name, self._model.model_id, references)
        except DeviceError as error:
            log.warning("this call is not remembered: %s", error)

    def _take(self, packet: ParamPacket, link: Link) -> None:
        """Takes a packet from the network; WireError if its records are malformed."""
        now_ms = self._clock_ms()
        self._highest_seq = max(self._highest_seq, packet.seq + len(packet.frames) - 1)
        for frame in self.reader.read(packet, now_ms):
            if self.playback:
                self.playback.take(
                    frame.seq,
                    frame.capture_ms,
                    frame.params,
                    now_ms,
                    frame.references,
                    is_untrue=frame.is_untrue,
                )
        if self.reader.wants_refresh(now_ms):
            link.want_refresh()

    def _take_voice(self, voice: VoicePacket) -> None:
        """Takes sound from the network; WireError if it is none."""
        if self.playback:
            self.playback.hear(voice, self._clock_ms())

    def _take_said(self, said: SaidPacket) -> None:
        """Takes what is said without the voice from the network; WireError if it is none."""
        if self.playback:
            self.playback.hear_said(said)

    @staticmethod
    def _age_ms(link: Link, capture_ms: int, now_ms: float) -> float | None:
        clock = link.session.clock
        return None if clock is None else clock.age_ms(capture_ms, int(now_ms))

    def _show(self, shown: ShownPicture) -> None:
        """Takes a picture from the drawing thread."""
        now_ms = self._clock_ms()
        if self.pictures == 0:
            self.first_ms = now_ms
        self.last_ms = now_ms
        self.pictures += 1
        rates = self._rates
        self._newest = ViewerStats(
            state=shown.state,
            kbps_payload=rates.kbps_payload,
            kbps_wire=rates.kbps_wire,
            fps=rates.fps,
            latency_ms=shown.latency_ms,
            provider=self._generator.provider,
        )
        self._publish(self._newest, shown.picture_rgb)

    def _publish(self, stats: ViewerStats, picture_rgb: Frame | None = None) -> None:
        if self._display:
            self._display.publish(picture_rgb, stats)

    async def _stop_with_window(self, stopped: asyncio.Event) -> None:
        """A user who closes the window wants no call, or no more of it."""
        while self._display:
            await asyncio.sleep(_RATE_INTERVAL_S)
            if self._display.is_closed:
                stopped.set()
                return

    async def _measure_rates(self) -> None:
        """Keeps the numbers beside the picture fresh; raises what ended the playback."""
        if self.peer is None:
            return
        loop = asyncio.get_running_loop()
        then_s, wire, pictures = loop.time(), self.peer.wire_bytes(), self.pictures
        while True:
            await asyncio.sleep(_RATE_INTERVAL_S)
            now_s, new_wire, new_pictures = loop.time(), self.peer.wire_bytes(), self.pictures
            seconds = now_s - then_s
            payload = new_wire.params_payload_received - wire.params_payload_received
            both_ways = new_wire.received + new_wire.sent - wire.received - wire.sent
            self._rates = _Rates(
                payload * 8 / 1000 / seconds,
                both_ways * 8 / 1000 / seconds,
                (new_pictures - pictures) / seconds,
            )
            then_s, wire, pictures = now_s, new_wire, new_pictures
            if self.playback and self.playback.error:
                await asyncio.to_thread(self.playback.close)


def said_capability_of(generator: Generator) -> str | None:
    """What is named where `generator` listens, and to features of the form that records are of."""
    code = shipped_said_code()
    if not generator.needs("audio") or str(code.form) != speech_form():
        return None
    return said_capability(code.code_id)
