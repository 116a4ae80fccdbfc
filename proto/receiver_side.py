"""What a sender sends in, whole references and frames of video out: a session between Hello and Bye, the receiver's.

sender_side.py has the other half. No socket, no clock.
"""

from collections.abc import Collection

from headgan.proto.agreement import Agreement
from headgan.proto.control import ControlMessage
from headgan.proto.errors import WireError
from headgan.proto.known_references import fitting_places, number_known
from headgan.proto.live_video import VideoAssembler, VideoPiece
from headgan.proto.more_references import ReceivedReferences
from headgan.proto.out_of_place import ToReceiver, ToSender, out_of_place
from headgan.proto.reference_messages import (
    ReferenceChunk,
    ReferenceHeld,
    ReferenceKnown,
    ReferenceMore,
    ReferenceReady,
    ReferenceStart,
)
from headgan.proto.reference_transfer import ReferenceAssembler
from headgan.proto.said import SaidPacket
from headgan.proto.session_events import ReferenceReceived, Step
from headgan.proto.voice import VOICE_CAPABILITY, VoicePacket


class ReceiverSide:
    """Of one call.

    Attributes:
        known: number in this call to place in the sender's offer, of what is known here; None until that was told.
        is_streaming: whether this side is ready.
    """

    def __init__(self, agreed: Agreement) -> None:
        """Args: agreed: so far."""
        self.known: dict[int, int] | None = None
        self.is_streaming = False
        self._agreed = agreed
        self._first: ReferenceAssembler | None = None
        self._more = ReceivedReferences()
        self._video = VideoAssembler()

    @property
    def is_asked(self) -> bool:
        """Whether this side still has to say which references of the sender's Hello it knows."""
        return self.known is None and self._agreed.asks_what_is_known

    def meet(self, agreed: Agreement) -> tuple[ControlMessage, ...]:
        """What to send once the sender's Hello came: nothing yet."""
        self._agreed = agreed
        return ()

    def receive(self, message: ToReceiver | ToSender) -> Step:
        """Takes a message; WireError if it may not come now."""
        match message:
            case ReferenceMore() | ReferenceChunk() if self.is_streaming:
                return self._on_more(message)
            case ReferenceStart() | ReferenceChunk() if self._agreed.own.wants_reference:
                return self._on_first(message)
            case VideoPiece() if self.is_streaming:
                frame = self._video.add(message)
                return Step(events=(frame,) if frame else ())
            case _:
                raise out_of_place(message, is_streaming=self.is_streaming)

    def check_sound(self, sound: VoicePacket | SaidPacket | None) -> None:
        """Raises WireError for what was not asked for."""
        if isinstance(sound, VoicePacket) and VOICE_CAPABILITY not in self._agreed.own.capabilities:
            raise WireError("a voice came, which was not asked for")
        if isinstance(sound, SaidPacket) and not self._agreed.has_said:
            raise WireError("what is said came, which was not asked for")

    def tell_known(self, held: Collection[int]) -> Step:
        """Says which references of the sender's offer are held; see `Session.tell_known`."""
        offer = self._agreed.peer
        if offer is None or not self.is_asked:
            raise ValueError("only a receiver that was asked tells what it knows, once")
        places = fitting_places(held, offer.near, self._agreed.references)
        self.known = number_known(places, offer.near)
        self._more.expect(self.known.keys() - {0})
        return Step.sending(ReferenceKnown(places))

    def ready(self) -> Step:
        """Says that a reference is held, the sender's or one's own."""
        self.is_streaming = True
        return Step.sending(ReferenceReady())

    def answer(self, number: int, *, is_held: bool) -> ReferenceHeld:
        """The answer to one more reference; ValueError if there was no question."""
        return self._more.answer(number, is_held=is_held)

    def _on_first(self, message: ReferenceStart | ReferenceChunk) -> Step:
        if self.is_asked or 0 in (self.known or {}):
            raise WireError(f"{type(message).__name__} came, but nobody said that it is needed")
        if isinstance(message, ReferenceStart):
            if self._first is not None:
                raise WireError("ReferenceStart came twice")
            self._first = ReferenceAssembler(message)
            return Step()
        if self._first is None:
            raise WireError("ReferenceChunk came before ReferenceStart")
        reference = self._first.add(message)
        return Step(events=(ReferenceReceived(reference),) if reference else ())

    def _on_more(self, message: ReferenceMore | ReferenceChunk) -> Step:
        if self._agreed.references == 1:
            raise out_of_place(message, is_streaming=True)
        if isinstance(message, ReferenceMore):
            answers, events = self._more.on_start(message)
        else:
            answers, events = self._more.on_chunk(message)
        return Step.sending(*answers, events=events)
