"""One call from the receiver's side: wait for a sender, get a reference, show every frame, say good-bye.

Link ── packets ──── PacketIntake ─────▶ Playback ── pictures ─▶ CallView ─▶ display
     ── references ─ ReferenceIntake ──▶          ── sound ────▶ CallSound ─▶ speaker
     ── Hello ────── RememberedCaller, whose references of earlier calls go the same way, and are kept at the end
"""

import asyncio
import logging
from collections.abc import Callable

from headgan.codec.picture_coder import PictureDecoder
from headgan.models.contacts import Contacts
from headgan.models.detail import enlarged
from headgan.models.generator import Generator
from headgan.models.morphable import MorphableModel
from headgan.models.pncc import CROP_SIZE
from headgan.models.reconstruct import ReferenceImage
from headgan.proto.control import Bye, ByeReason
from headgan.proto.errors import HeadganError, PeerError, WireError
from headgan.proto.hello import Hello
from headgan.proto.link import Link, end_tasks, unless_set
from headgan.proto.live_video import VideoReceived
from headgan.proto.more_references import MoreReceived
from headgan.proto.peer import Peer
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
from headgan.receiver.call_sound import CallSound
from headgan.receiver.call_view import CallView
from headgan.receiver.display import Display
from headgan.receiver.introduction import introduction
from headgan.receiver.packet_intake import PacketIntake
from headgan.receiver.playback import Playback
from headgan.receiver.playback_settings import PlaybackSettings
from headgan.receiver.receive_settings import ReceiveSettings
from headgan.receiver.reference_intake import ReferenceIntake
from headgan.receiver.reference_photo import ReferencePhoto
from headgan.receiver.remembered_caller import RememberedCaller
from headgan.receiver.silent_speaker import Fill, SoundOutput

log = logging.getLogger(__name__)

_WATCH_INTERVAL_S = 0.5


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
        self.farewell = ""
        self.packets = PacketIntake(clock_ms)
        self.view = CallView(display, clock_ms, generator.provider)
        self.sound = CallSound(generator, open_speaker)
        self.references = ReferenceIntake(model, generator, settings.size)
        self.caller = RememberedCaller(contacts, model, settings.remember)
        self._settings = settings
        self._model = model
        self._own_reference = own_reference
        self._clock_ms = clock_ms
        self._hello: Hello | None = None
        self._video_decoder = PictureDecoder()
        # What is here from earlier calls beside the first, by its number in this one.
        self._recalled: dict[int, ReferenceImage] = {}

    async def run(self, stopped: asyncio.Event) -> None:
        """Waits for a sender and takes its call; returns when it ends or `stopped` is set.

        Raises:
            HeadganError: whatever ended the call before its time.
        """
        window = asyncio.create_task(self.view.stop_with_window(stopped))
        try:
            await self._run(stopped)
        except HeadganError as error:
            self.farewell = self.farewell or str(error)
            raise
        finally:
            await end_tasks(window)
            await asyncio.to_thread(self.references.close)
            await asyncio.to_thread(self._remember)

    async def _run(self, stopped: asyncio.Event) -> None:
        settings = self._settings
        self.view.show_state("waiting")
        async with Listener(settings.listen.host, settings.listen.port, settings.ice) as listener:
            self.address = listener.address
            log.info("waiting for a call on %s", self.address)
            self.peer = await unless_set(stopped, listener.accept())
            if self.peer is None:
                return
            link = self._link(self.peer)
            try:
                async with link:
                    await self._talk(link, self.peer, stopped)
            finally:
                try:
                    if self.playback:
                        await asyncio.to_thread(self.playback.close)
                finally:
                    await asyncio.to_thread(self.sound.close)
                    self.view.show_state("ended")

    def _link(self, peer: Peer) -> Link:
        hello = introduction(
            self._settings,
            self._model,
            self.sound.capabilities,
            has_photo=self._own_reference is not None,
            remembers=self.caller.can_recall,
        )
        link = Link(
            peer,
            Session(hello),
            clock_ms=self._clock_ms,
            on_params=lambda packet: self.packets.take(packet, link),
            on_voice=self.packets.take_voice,
            on_said=self.packets.take_said,
        )
        return link

    async def _talk(self, link: Link, peer: Peer, stopped: asyncio.Event) -> None:
        """The call itself, from the first hello to the good-bye."""
        stop = asyncio.create_task(stopped.wait())
        chores = [
            asyncio.create_task(chore)
            for chore in (self.view.measure_rates(peer), self._watch_playback(), self._hold_more(link))
        ]
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
                await self._meet(hello, link)
            case ReferenceReceived(reference):
                await self._start(self.references.read(reference), link)
            case MoreReceived():
                if not self.references.take(event):
                    link.answer_reference(event.number, is_held=False)
            case VideoReceived(_, data):
                if self.playback:
                    self.playback.pictures.show_video(self._video_decoder.decode(data))
            case LineSilent():
                self.view.show_state("no connection")
                if self.playback:
                    self.playback.recording.line_silent()
            case LineBack():
                self.view.show_newest()
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
        self.packets.frames_sent = bye.frames_sent
        if bye.reason not in (ByeReason.ENDED, ByeReason.HANGUP):
            raise PeerError(f"the sender ended the call: {bye.text or bye.reason.name}")
        log.info("the sender ended the call%s", f": {bye.text}" if bye.text else "")

    async def _meet(self, hello: Hello, link: Link) -> None:
        """Learns who calls; begins with a reference that is here, if there is one."""
        log.info("call from %s", hello.agent)
        self._hello = hello
        self.packets.meet(has_drift=link.session.agreed.has_drift)
        self.references.meet(hello, link.session.agreed.picture_px)
        self.sound.meet(hello)
        first: ReferenceImage | None = None
        if self._own_reference is not None:
            identity = self.references.identity()
            first = await asyncio.to_thread(self._own_reference.as_reference, self._model, identity)
        elif link.session.is_asked:
            self._recalled = await self.caller.recall(hello, self.references.identity(), link)
            first = self._recalled.pop(0, None)
        if first is not None:
            await self._start(first, link)

    async def _hold_more(self, link: Link) -> None:
        """Holds references, in the order in which they came."""
        while True:
            number, reconstructor, replaces = await self.references.next_prepared()
            if self.playback is not None and not link.session.is_over:
                self.playback.references.hold(number, reconstructor, replaces)
                link.answer_reference(number, is_held=True)

    async def _start(self, reference: ReferenceImage, link: Link) -> None:
        """Prepares to draw `reference`, then lets the sender start."""
        reconstructor = await self.references.first(reference)
        self.playback = self.packets.playback = Playback(
            reconstructor,
            reference.picture_rgb if self._settings.size == CROP_SIZE else enlarged(reference.largest_rgb),
            self._playback_settings(link),
            clock_ms=self._clock_ms,
            age_ms=lambda capture_ms, now_ms: self._age_ms(link, capture_ms, now_ms),
            show=self.view.show,
            ears=await asyncio.to_thread(self.sound.open_ears),
            told=self.sound.told_ears(),
        )
        if self.playback.sound.voice is not None:
            self.sound.play(self.playback.sound.voice.fill)
        if not link.session.is_over:
            link.reference_ready()
            for number, recalled in self._recalled.items():
                self.references.add(number, recalled)

    def _playback_settings(self, link: Link) -> PlaybackSettings:
        return PlaybackSettings(
            rate_fps=self._hello.rate_fps if self._hello else self._settings.rate_fps,
            record_path=self._settings.record_path,
            record_plain=self._settings.record_plain,
            capacity=link.session.agreed.references,
            fuses=link.session.agreed.fuses,
            fuses_at_first=self._settings.fuses_at_first,
            hears=self.sound.hears,
        )

    async def _watch_playback(self) -> None:
        """Raises what ended the playback."""
        while True:
            await asyncio.sleep(_WATCH_INTERVAL_S)
            if self.playback and self.playback.error:
                await asyncio.to_thread(self.playback.close)

    def _remember(self) -> None:
        """Keeps what is held at the end of a call that showed something."""
        if self.playback is not None and self._hello is not None and self.view.pictures > 0:
            self.caller.keep(self._hello, self.references.identity(), self.playback.references.images)

    @staticmethod
    def _age_ms(link: Link, capture_ms: int, now_ms: float) -> float | None:
        clock = link.session.clock
        return None if clock is None else clock.age_ms(capture_ms, int(now_ms))
