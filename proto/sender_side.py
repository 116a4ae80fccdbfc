"""What a receiver answers in, references to send out: a session between Hello and Bye, where it is the sender's.

receiver_side.py has the other half. No socket, no clock.
"""

from headgan.proto.agreement import Agreement
from headgan.proto.control import RefreshWanted
from headgan.proto.errors import WireError
from headgan.proto.hello import LARGE_PICTURE_PX
from headgan.proto.known_references import number_known
from headgan.proto.more_references import OfferedReferences
from headgan.proto.out_of_place import ToReceiver, ToSender, out_of_place
from headgan.proto.reference_messages import (
    ReferenceChunk,
    ReferenceHeld,
    ReferenceKnown,
    ReferenceReady,
    ReferenceStart,
)
from headgan.proto.reference_transfer import Reference, split_reference
from headgan.proto.session_events import StartStreaming, Step


class SenderSide:
    """Of one call.

    Attributes:
        known: number in this call to place in the offer, of what the receiver knows; None until it told.
        is_streaming: whether the receiver is ready.
    """

    def __init__(self, agreed: Agreement, reference: Reference, large_reference: Reference | None) -> None:
        """Args as of `Session`; raises WireError for a picture over the limits, before there is a call."""
        self.known: dict[int, int] | None = None
        self.is_streaming = False
        self._agreed = agreed
        self._first = tuple(split_reference(reference))
        self._large_first = tuple(split_reference(large_reference)) if large_reference else ()
        self._offered = OfferedReferences()

    @property
    def is_asked(self) -> bool:
        """Whether the receiver still has to say which references it knows."""
        return self.known is None and self._agreed.asks_what_is_known

    def meet(self, agreed: Agreement) -> tuple[ReferenceStart | ReferenceChunk, ...]:
        """What to send once the receiver's Hello came."""
        self._agreed = agreed
        is_wanted = agreed.peer is not None and agreed.peer.wants_reference
        # What the receiver knows already decides whether a picture is needed.
        return self._first_messages() if is_wanted and not self.is_asked else ()

    def receive(self, message: ToReceiver | ToSender) -> Step:
        """Takes a message; WireError if it may not come now."""
        match message:
            case ReferenceKnown() if self.is_asked:
                return self._on_known(message)
            case ReferenceReady() if not self.is_streaming:
                if self.is_asked:
                    raise WireError("ReferenceReady came before ReferenceKnown")
                self.is_streaming = True
                return Step(events=(StartStreaming(),))
            case ReferenceHeld() if self.is_streaming:
                return Step(events=(self._offered.on_held(message),))
            case RefreshWanted() if self.is_streaming:
                return Step(events=(message,))
            case _:
                raise out_of_place(message, is_streaming=self.is_streaming)

    def offer(self, number: int, reference: Reference, replaces: int | None) -> tuple[bytes, ...]:
        """The messages that carry one more reference; raises as `Session.offer_reference`."""
        if not self.is_streaming or self._agreed.references == 1:
            raise ValueError(f"reference {number} cannot be offered now")
        return self._offered.offer(number, reference, replaces)

    def _on_known(self, message: ReferenceKnown) -> Step:
        offer, room = self._agreed.own, self._agreed.references
        known = number_known(message.places, offer.near)
        if message.places and message.places[-1] >= len(offer.known):
            raise WireError(f"ReferenceKnown names {message.places[-1]}, which was not offered")
        if max(known, default=0) >= room:
            raise WireError(f"ReferenceKnown names {len(known)}, which have no room among {room}")
        self.known = known
        self._offered.expect(known.keys() - {0})
        return Step() if 0 in known else Step.sending(*self._first_messages())

    def _first_messages(self) -> tuple[ReferenceStart | ReferenceChunk, ...]:
        is_large = self._agreed.picture_px == LARGE_PICTURE_PX and bool(self._large_first)
        return self._large_first if is_large else self._first
