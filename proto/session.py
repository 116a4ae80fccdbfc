"""Control messages and the time in, messages to send and events out: the course of one call, for both roles.

    sender                                receiver
      HELLO     Hello ──────────────────▶ HELLO      both send theirs at once
                ◀────────────────── Hello
      WAITING   ◀───────── ReferenceKnown WAITING    only when Hello offers references of earlier calls
                ReferenceStart, chunks ─▶            only when the receiver wants one, and knows none to begin with
                ◀───────── ReferenceReady            the receiver holds one, sent or its own
      STREAMING ParamPackets ───────────▶ STREAMING  on the other channel
                ReferenceMore, chunks ──▶            only to a receiver that holds several
                ◀────────── ReferenceHeld            frames may name it from now on
                VideoPieces ──────────▶              where no face can be drawn
                ◀── Bye, ByeAck ──▶                  from either side, in any state

Here are the states; agreement.py has what the two Hellos agree on, sender_side.py and receiver_side.py have what comes
between Hello and Bye, line_watch.py has the silence, session_events.py what is told.

No socket, no clock: the caller brings `now_ms` of any monotonic clock and moves the bytes.
"""

import enum
from collections.abc import Collection

from headgan.proto.agreement import Agreement
from headgan.proto.clock import ClockEstimate, wrap_ms
from headgan.proto.control import (
    MAX_BYE_TEXT_BYTES,
    Bye,
    ByeAck,
    ByeReason,
    Ping,
    Pong,
    RefreshWanted,
    parse_control,
)
from headgan.proto.errors import WireError
from headgan.proto.hello import Hello, Role
from headgan.proto.line_watch import LineWatch
from headgan.proto.param_numbers import NumbersIn
from headgan.proto.receiver_side import ReceiverSide
from headgan.proto.reference_transfer import Reference
from headgan.proto.said import SaidPacket
from headgan.proto.sender_side import SenderSide
from headgan.proto.session_events import ByeDone, ModelMismatch, PeerBye, PeerHello, Step
from headgan.proto.voice import VoicePacket
from headgan.proto.wire import ParamPacket

# A Bye that was lost is sent again after a second: whoever closes before that looks lost to the other side.
BYE_LIMIT_MS = 1500


class SessionState(enum.Enum):
    """How far a call has come."""

    NEW = enum.auto()
    HELLO = enum.auto()
    WAITING = enum.auto()
    STREAMING = enum.auto()
    CLOSING = enum.auto()
    CLOSED = enum.auto()


class Session:
    """One side of one call.

    Args:
        hello: this side's introduction; its role is the role of the session.
        reference: the picture that a sender sends when it is asked to; a receiver gives None.
    """

    def __init__(
        self, hello: Hello, reference: Reference | None = None, large_reference: Reference | None = None
    ) -> None:
        """Prepares for a call.

        Args:
            hello: of this side.
            reference: that a sender has.
            large_reference: the same with pictures of 512 pixels, where its hello says that it has it.
        """
        if (hello.role is Role.SENDER) != (reference is not None):
            raise ValueError("a sender needs a reference, a receiver must have none")
        self._state = SessionState.NEW
        self._agreed = Agreement(hello)
        self._line = LineWatch(hello.role)
        self._side = (
            ReceiverSide(self._agreed)
            if reference is None
            else SenderSide(self._agreed, reference, large_reference)
        )
        self._numbers = NumbersIn()
        self._bye_ms = 0

    @property
    def state(self) -> SessionState:
        """How far the call has come."""
        return self._state

    @property
    def agreed(self) -> Agreement:
        """What both sides have said so far of what the call consists of."""
        return self._agreed

    @property
    def clock(self) -> ClockEstimate | None:
        """The other side's clock, once a Ping was answered."""
        return self._line.clock

    @property
    def is_over(self) -> bool:
        """Whether nothing but the farewell is left."""
        return self._state in (SessionState.CLOSING, SessionState.CLOSED)

    @property
    def awaits_answer(self) -> bool:
        """Whether our Bye is on its way and not answered yet."""
        return self._state is SessionState.CLOSING

    def start(self, now_ms: int) -> Step:
        """Introduces this side; call it once, when the control channel is open."""
        if self._state is not SessionState.NEW:
            raise ValueError("a session starts once")
        self._state = SessionState.HELLO
        self._line.start(now_ms)
        return Step.sending(self._agreed.own)

    def receive(self, data: bytes, now_ms: int) -> Step:
        """Takes one message of the channel `control`.

        Raises:
            WireError: malformed bytes or a message that may not come now; answer it with
                `bye(ByeReason.PROTOCOL_ERROR, ...)`.
        """
        if self._state is SessionState.NEW:
            raise ValueError("start the session before it receives")
        if self._state is SessionState.CLOSED:
            return Step()
        message = parse_control(data)
        self._line.heard(now_ms)
        match message:
            case Bye():
                return self._on_bye(message)
            case ByeAck():
                return self._on_bye_ack()
            case _ if self._state is SessionState.CLOSING:
                return Step()  # it was sent before our Bye arrived there
            case Hello():
                return self._on_hello(message, now_ms)
            case _ if self._agreed.peer is None:
                raise WireError(f"{type(message).__name__} came before Hello")
            case Ping():
                return Step.sending(Pong(message.sent_ms, wrap_ms(now_ms)))
            case Pong():
                self._line.answered(message, now_ms)
                return Step()
            case _:
                step = self._side.receive(message)
                if self._side.is_streaming:
                    self._state = SessionState.STREAMING
                return step

    def receive_params(self, data: bytes, now_ms: int) -> ParamPacket | VoicePacket | SaidPacket | None:
        """Takes one message of the channel `params`.

        None when the call is over, as late packets are normal, and for one that cannot be placed.

        Raises:
            WireError: malformed bytes, or params that may not come now.
        """
        if self.is_over:
            return None
        packet = _parse_alone(data) or self._numbers.parse(data)
        if not isinstance(self._side, ReceiverSide):
            raise WireError("a receiver sent face parameters")
        if self._state is not SessionState.STREAMING:
            raise WireError("face parameters came before the reference was ready")
        self._side.check_sound(packet.sound if isinstance(packet, ParamPacket) else packet)
        self._line.heard(now_ms)
        return packet

    def reference_ready(self) -> Step:
        """Says that this receiver holds a reference, which lets the sender start."""
        is_waiting = self._state is SessionState.WAITING and not self.is_asked
        if not isinstance(self._side, ReceiverSide) or not is_waiting:
            raise ValueError("only a receiver that met its peer, and told what it knows, gets ready, once")
        self._state = SessionState.STREAMING
        return self._side.ready()

    @property
    def is_asked(self) -> bool:
        """Whether the receiver still has to say which references of the sender's Hello it knows."""
        return self._side.is_asked

    @property
    def known(self) -> dict[int, int]:
        """Number in this call to place in the sender's offer of what the receiver held before the call.

        With 0 among them the call begins with it, else the sender's first picture is 0.
        """
        return self._side.known or {}

    def tell_known(self, held: Collection[int]) -> Step:
        """Says which of the references that the sender offers this receiver holds; `known` then has their numbers.

        Args:
            held: places in `Hello.known`; the first count, where there are more than there is room for.
        """
        if not isinstance(self._side, ReceiverSide):
            raise ValueError("only a receiver that was asked tells what it knows, once")
        return self._side.tell_known(held)

    def offer_reference(
        self, number: int, reference: Reference, replaces: int | None = None
    ) -> tuple[bytes, ...]:
        """The messages that carry one more reference; the caller sends them one by one, as the rate allows.

        Raises:
            ValueError: the receiver holds no more than one, or the number is not above all before it.
            WireError: the picture breaks a limit.
        """
        if not isinstance(self._side, SenderSide) or self._state is not SessionState.STREAMING:
            raise ValueError(f"reference {number} cannot be offered now")
        return self._side.offer(number, reference, replaces)

    def answer_reference(self, number: int, *, is_held: bool) -> Step:
        """Says whether this receiver holds the reference of a `MoreReceived`."""
        if not isinstance(self._side, ReceiverSide):
            raise ValueError(f"reference {number} was answered, or never came")
        answer = self._side.answer(number, is_held=is_held)
        return Step() if self.is_over else Step.sending(answer)

    def want_refresh(self) -> Step:
        """Asks the sender for a face that stands for itself."""
        if not isinstance(self._side, ReceiverSide) or self._state is not SessionState.STREAMING:
            return Step()
        return Step.sending(RefreshWanted())

    def tick(self, now_ms: int) -> Step:
        """Lets time pass; call it a few times a second, at least once a second."""
        if self._state in (SessionState.NEW, SessionState.CLOSED):
            return Step()
        if self._state is SessionState.CLOSING:
            if now_ms - self._bye_ms < BYE_LIMIT_MS:
                return Step()
            self._state = SessionState.CLOSED
            return Step(events=(ByeDone(is_acknowledged=False),))
        lost = self._line.lost(now_ms)
        if lost is not None:
            self._state = SessionState.CLOSED
            return Step(events=(lost,))
        notice = self._line.notice(now_ms, is_streaming=self._state is SessionState.STREAMING)
        ping = self._line.due_ping(now_ms)
        return Step.sending(*([ping] if ping else []), events=[notice] if notice else [])

    def bye(self, reason: ByeReason, text: str, now_ms: int, *, frames_sent: int = 0) -> Step:
        """Ends the call from this side; ByeDone says when to close. Does nothing when the call is over."""
        if self.is_over or self._state is SessionState.NEW:
            return Step()
        self._state = SessionState.CLOSING
        self._bye_ms = now_ms
        printable = "".join(character if character.isprintable() else " " for character in text)
        # Cut in bytes; the rest of a character that was cut in two is dropped.
        short = printable.encode("utf-8")[:MAX_BYE_TEXT_BYTES].decode("utf-8", "ignore")
        return Step.sending(Bye(reason, short, frames_sent))

    def _on_hello(self, hello: Hello, now_ms: int) -> Step:
        self._agreed = self._agreed.with_peer(hello)
        messages = self._side.meet(self._agreed)
        own = self._agreed.own
        if hello.model_id != own.model_id:
            mismatch = ModelMismatch(own.model_id, hello.model_id)
            text = f"this side uses face model {own.model_id.hex()}, that side {hello.model_id.hex()}"
            bye = self.bye(ByeReason.MODEL_MISMATCH, text, now_ms)
            return Step(bye.messages, (mismatch,))
        self._state = SessionState.WAITING
        return Step.sending(*messages, events=(PeerHello(hello),))

    def _on_bye(self, bye: Bye) -> Step:
        # When two Byes cross, each side still answers the other's and takes it as the answer to its own.
        self._state = SessionState.CLOSED
        return Step.sending(ByeAck(), events=(PeerBye(bye),))

    def _on_bye_ack(self) -> Step:
        if self._state is not SessionState.CLOSING:
            raise WireError("ByeAck came, but there was no Bye")
        self._state = SessionState.CLOSED
        return Step(events=(ByeDone(is_acknowledged=True),))


def _parse_alone(data: bytes) -> VoicePacket | SaidPacket | None:
    """A message of `params` that is no ParamPacket; None for one that may be."""
    if SaidPacket.stands_in(data):
        return SaidPacket.parse(data)
    return VoicePacket.parse(data) if VoicePacket.stands_in(data) else None
