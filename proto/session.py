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

No socket, no clock: the caller brings `now_ms` of any monotonic clock and moves the bytes.
"""

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from headgan.proto.clock import ClockEstimate, PeerClock, wrap_ms
from headgan.proto.control import (
    MAX_BYE_TEXT_BYTES,
    Bye,
    ByeAck,
    ByeReason,
    ControlMessage,
    Ping,
    Pong,
    RefreshWanted,
    parse_control,
)
from headgan.proto.errors import WireError
from headgan.proto.hello import DRIFT_CAPABILITY, LARGE_PICTURE_PX, PICTURE_PX, Hello, Role
from headgan.proto.known_references import fitting_places, is_asked, number_known
from headgan.proto.live_video import VideoAssembler, VideoPiece, VideoReceived
from headgan.proto.more_references import (
    MoreReceived,
    MoreRefused,
    OfferedReferences,
    ReceivedReferences,
    ReferenceAnswered,
)
from headgan.proto.param_numbers import NumbersIn
from headgan.proto.reference_messages import (
    ReferenceChunk,
    ReferenceHeld,
    ReferenceKnown,
    ReferenceMore,
    ReferenceReady,
    ReferenceStart,
)
from headgan.proto.reference_transfer import Reference, ReferenceAssembler, split_reference
from headgan.proto.said import SaidPacket, said_codes
from headgan.proto.voice import VOICE_CAPABILITY, VoicePacket
from headgan.proto.wire import ParamPacket

PING_INTERVAL_MS = 1000
# A call outlives an outage of 5 s, after which the channels need up to 2 s, with as much again to spare. Longer
# than 24 s it could not be: then WebRTC takes the silence for the end.
SILENCE_LIMIT_MS = 12_000
# When silence is worth telling. A receiver hears every frame, or at least a Ping a second; a sender only what comes
# over the reliable channel, where a message that was lost takes a second more.
NOTICE_MS = {Role.SENDER: 2500, Role.RECEIVER: 1500}
# A Bye that was lost is sent again after a second: whoever closes before that looks lost to the other side.
BYE_LIMIT_MS = 1500


@dataclass(frozen=True)
class PeerHello:
    """The other side introduced itself, and fits."""

    hello: Hello


@dataclass(frozen=True)
class ReferenceReceived:
    """The sender's picture is complete; the receiver decodes it and calls `reference_ready`."""

    reference: Reference


@dataclass(frozen=True)
class StartStreaming:
    """The receiver holds a reference: the sender may send ParamPackets."""


@dataclass(frozen=True)
class PeerBye:
    """The other side ended the call; it was answered, close once that is sent."""

    bye: Bye


@dataclass(frozen=True)
class ByeDone:
    """Our Bye was answered, or not within 1500 ms: close now."""

    is_acknowledged: bool


@dataclass(frozen=True)
class ModelMismatch:
    """The two sides use different morphable models; a Bye that says so is on its way."""

    own_model_id: bytes
    peer_model_id: bytes


@dataclass(frozen=True)
class LineSilent:
    """Nothing was heard for `silent_ms`; the call goes on."""

    silent_ms: int


@dataclass(frozen=True)
class LineBack:
    """The other side is heard again, after `silent_ms`."""

    silent_ms: int


@dataclass(frozen=True)
class PeerLost:
    """Nothing was heard for `silent_ms`; the call is over."""

    silent_ms: int


Event = (
    PeerHello
    | ReferenceReceived
    | MoreReceived
    | MoreRefused
    | ReferenceAnswered
    | VideoReceived
    | StartStreaming
    | RefreshWanted
    | PeerBye
    | ByeDone
    | ModelMismatch
    | LineSilent
    | LineBack
    | PeerLost
)


@dataclass(frozen=True)
class Step:
    """What to do now: control messages to send in this order, and what happened."""

    messages: tuple[bytes, ...] = ()
    events: tuple[Event, ...] = ()


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
        # Made now, so that a picture over the limits is refused before there is a call.
        self._reference_messages = tuple(split_reference(reference)) if reference else ()
        self._large_messages = tuple(split_reference(large_reference)) if large_reference else ()
        self._hello = hello
        self._state = SessionState.NEW
        self._peer_hello: Hello | None = None
        self._assembler: ReferenceAssembler | None = None
        self._offered, self._received = OfferedReferences(), ReceivedReferences()
        self._video = VideoAssembler()
        self._known: dict[int, int] | None = None
        self._clock = PeerClock()
        self._numbers = NumbersIn()
        self._heard_ms = 0
        self._silent_since_ms: int | None = None
        self._next_ping_ms = 0
        self._bye_ms = 0

    @property
    def state(self) -> SessionState:
        """How far the call has come."""
        return self._state

    @property
    def peer_hello(self) -> Hello | None:
        """The other side's introduction, once it came."""
        return self._peer_hello

    @property
    def clock(self) -> ClockEstimate | None:
        """The other side's clock, once a Ping was answered."""
        return self._clock.estimate

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
        self._heard_ms = self._next_ping_ms = now_ms
        return _send(self._hello)

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
        self._heard_ms = now_ms
        match message:
            case Bye():
                return self._on_bye(message)
            case ByeAck():
                return self._on_bye_ack()
            case _ if self._state is SessionState.CLOSING:
                return Step()  # it was sent before our Bye arrived there
            case Hello():
                return self._on_hello(message, now_ms)
            case _ if self._peer_hello is None:
                raise WireError(f"{type(message).__name__} came before Hello")
            case Ping():
                return _send(Pong(message.sent_ms, wrap_ms(now_ms)))
            case Pong():
                self._clock.add_pong(message.ping_ms, message.own_ms, now_ms)
                return Step()
            case ReferenceReady():
                return self._on_reference_ready()
            case ReferenceMore():
                return self._on_more(message)
            case ReferenceHeld():
                return self._on_reference_held(message)
            case VideoPiece():
                return self._on_video(message)
            case RefreshWanted():
                return self._on_refresh_wanted(message)
            case ReferenceKnown():
                return self._on_reference_known(message)
            case ReferenceChunk() if self._state is SessionState.STREAMING:
                return self._on_more(message)
            case _:
                return self._on_reference(message)

    def receive_params(self, data: bytes, now_ms: int) -> ParamPacket | VoicePacket | SaidPacket | None:
        """Takes one message of the channel `params`.

        None when the call is over, as late packets are normal, and for one that cannot be placed.

        Raises:
            WireError: malformed bytes, or params that may not come now.
        """
        if self.is_over:
            return None
        packet = _parse_alone(data) or self._numbers.parse(data)
        if self._hello.role is Role.SENDER:
            raise WireError("a receiver sent face parameters")
        if self._state is not SessionState.STREAMING:
            raise WireError("face parameters came before the reference was ready")
        sound = packet.sound if isinstance(packet, ParamPacket) else packet
        if isinstance(sound, VoicePacket) and VOICE_CAPABILITY not in self._hello.capabilities:
            raise WireError("a voice came, which was not asked for")
        if isinstance(sound, SaidPacket) and not self.has_said:
            raise WireError("what is said came, which was not asked for")
        self._heard_ms = now_ms
        return packet

    def reference_ready(self) -> Step:
        """Says that this receiver holds a reference, which lets the sender start."""
        if self._hello.role is not Role.RECEIVER or self._state is not SessionState.WAITING or self.is_asked:
            raise ValueError("only a receiver that met its peer, and told what it knows, gets ready, once")
        self._state = SessionState.STREAMING
        return _send(ReferenceReady())

    @property
    def fuses(self) -> int:
        """From how many references the receiver of this call draws one frame at most, as it has said."""
        peer = self._peer_hello
        if self._hello.role is Role.RECEIVER:
            return self._hello.fuses
        return 1 if peer is None else peer.fuses

    @property
    def has_voice(self) -> bool:
        """Whether the receiver of this call wants to hear the sender."""
        peer = self._peer_hello
        return peer is not None and VOICE_CAPABILITY in peer.capabilities

    @property
    def has_drift(self) -> bool:
        """Whether records of this call say how what is no face moves."""
        peer = self._peer_hello
        return peer is not None and all(
            DRIFT_CAPABILITY in hello.capabilities for hello in (self._hello, peer)
        )

    @property
    def has_said(self) -> bool:
        """Whether the receiver of this call can tell its networks what the sender says, in the code that it sends."""
        peer = self._peer_hello
        return peer is not None and bool(said_codes(peer.capabilities) & said_codes(self._hello.capabilities))

    @property
    def references(self) -> int:
        """How many references the receiver of this call holds, as both sides have said; 1 before Hello."""
        peer = self._peer_hello
        return 1 if peer is None else min(self._hello.references, peer.references)

    @property
    def picture_px(self) -> int:
        """The side of the references of this call, 256 or 512, as both sides have said; 256 before Hello."""
        peer = self._peer_hello
        both = PICTURE_PX if peer is None else min(self._hello.picture_px, peer.picture_px)
        return LARGE_PICTURE_PX if both >= LARGE_PICTURE_PX else PICTURE_PX

    @property
    def is_asked(self) -> bool:
        """Whether the receiver still has to say which references of the sender's Hello it knows."""
        peer = self._peer_hello
        if peer is None or self._known is not None:
            return False
        is_sender = self._hello.role is Role.SENDER
        return is_asked(self._hello, peer) if is_sender else is_asked(peer, self._hello)

    @property
    def known(self) -> dict[int, int]:
        """Number in this call to place in the sender's offer of what the receiver held before the call.

        With 0 among them the call begins with it, else the sender's first picture is 0.
        """
        return self._known or {}

    def tell_known(self, held: Collection[int]) -> Step:
        """Says which of the references that the sender offers this receiver holds; `known` then has their numbers.

        Args:
            held: places in `Hello.known`; the first count, where there are more than there is room for.
        """
        if self._hello.role is not Role.RECEIVER or self._peer_hello is None or not self.is_asked:
            raise ValueError("only a receiver that was asked tells what it knows, once")
        near = self._peer_hello.near
        places = fitting_places(held, near, self.references)
        self._known = number_known(places, near)
        self._received.expect(self._known.keys() - {0})
        return _send(ReferenceKnown(places))

    def offer_reference(
        self, number: int, reference: Reference, replaces: int | None = None
    ) -> tuple[bytes, ...]:
        """The messages that carry one more reference; the caller sends them one by one, as the rate allows.

        Raises:
            ValueError: the receiver holds no more than one, or the number is not above all before it.
            WireError: the picture breaks a limit.
        """
        is_ready = self._hello.role is Role.SENDER and self._state is SessionState.STREAMING
        if not is_ready or self.references == 1:
            raise ValueError(f"reference {number} cannot be offered now")
        return self._offered.offer(number, reference, replaces)

    def answer_reference(self, number: int, *, is_held: bool) -> Step:
        """Says whether this receiver holds the reference of a `MoreReceived`."""
        answer = self._received.answer(number, is_held=is_held)
        return Step() if self.is_over else _send(answer)

    def want_refresh(self) -> Step:
        """Asks the sender for a face that stands for itself."""
        if self._hello.role is not Role.RECEIVER or self._state is not SessionState.STREAMING:
            return Step()
        return _send(RefreshWanted())

    def tick(self, now_ms: int) -> Step:
        """Lets time pass; call it a few times a second, at least once a second."""
        if self._state in (SessionState.NEW, SessionState.CLOSED):
            return Step()
        if self._state is SessionState.CLOSING:
            if now_ms - self._bye_ms < BYE_LIMIT_MS:
                return Step()
            self._state = SessionState.CLOSED
            return Step(events=(ByeDone(is_acknowledged=False),))
        silent_ms = now_ms - self._heard_ms
        if silent_ms >= SILENCE_LIMIT_MS:
            self._state = SessionState.CLOSED
            return Step(events=(PeerLost(silent_ms),))
        events = self._notice_silence(silent_ms)
        if now_ms < self._next_ping_ms:
            return Step(events=events)
        self._next_ping_ms = now_ms + PING_INTERVAL_MS
        return _send(Ping(wrap_ms(now_ms)), events=events)

    def bye(self, reason: ByeReason, text: str, now_ms: int, *, frames_sent: int = 0) -> Step:
        """Ends the call from this side; ByeDone says when to close. Does nothing when the call is over."""
        if self.is_over or self._state is SessionState.NEW:
            return Step()
        self._state = SessionState.CLOSING
        self._bye_ms = now_ms
        printable = "".join(character if character.isprintable() else " " for character in text)
        # Cut in bytes; the rest of a character that was cut in two is dropped.
        short = printable.encode("utf-8")[:MAX_BYE_TEXT_BYTES].decode("utf-8", "ignore")
        return _send(Bye(reason, short, frames_sent))

    def _notice_silence(self, silent_ms: int) -> tuple[Event, ...]:
        """What is to be told once when the line falls silent, and once when it is back."""
        since_ms = self._silent_since_ms
        if since_ms is None:
            if self._state is not SessionState.STREAMING or silent_ms < NOTICE_MS[self._hello.role]:
                return ()
            self._silent_since_ms = self._heard_ms
            return (LineSilent(silent_ms),)
        if self._heard_ms == since_ms:
            return ()
        self._silent_since_ms = None
        return (LineBack(self._heard_ms - since_ms),)

    def _on_hello(self, hello: Hello, now_ms: int) -> Step:
        if self._peer_hello is not None:
            raise WireError("Hello came twice")
        if hello.role is self._hello.role:
            raise WireError(f"both sides are a {hello.role}; one must be a sender and one a receiver")
        self._peer_hello = hello
        if hello.model_id != self._hello.model_id:
            mismatch = ModelMismatch(self._hello.model_id, hello.model_id)
            text = f"this side uses face model {self._hello.model_id.hex()}, that side {hello.model_id.hex()}"
            bye = self.bye(ByeReason.MODEL_MISMATCH, text, now_ms)
            return Step(bye.messages, (mismatch,))
        self._state = SessionState.WAITING
        # What the receiver knows already decides whether a picture is needed.
        if self.picture_px == LARGE_PICTURE_PX and self._large_messages:
            self._reference_messages = self._large_messages
        messages = self._reference_messages if hello.wants_reference and not self.is_asked else ()
        return _send(*messages, events=(PeerHello(hello),))

    def _on_reference_known(self, message: ReferenceKnown) -> Step:
        if self._hello.role is not Role.SENDER or not self.is_asked:
            raise WireError("ReferenceKnown came, but nothing was asked, or twice")
        known = number_known(message.places, self._hello.near)
        if message.places and message.places[-1] >= len(self._hello.known):
            raise WireError(f"ReferenceKnown names {message.places[-1]}, which was not offered")
        if max(known, default=0) >= self.references:
            raise WireError(f"ReferenceKnown names {len(known)}, which have no room among {self.references}")
        self._known = known
        self._offered.expect(known.keys() - {0})
        return Step() if 0 in known else _send(*self._reference_messages)

    def _on_reference(self, message: ReferenceStart | ReferenceChunk) -> Step:
        if self._hello.role is Role.SENDER or not self._hello.wants_reference:
            raise WireError(f"{type(message).__name__} came, but no reference was asked for")
        if self.is_asked or 0 in self.known:
            raise WireError(f"{type(message).__name__} came, but nobody said that it is needed")
        if isinstance(message, ReferenceStart):
            if self._assembler is not None:
                raise WireError("ReferenceStart came twice")
            self._assembler = ReferenceAssembler(message)
            return Step()
        if self._assembler is None:
            raise WireError("ReferenceChunk came before ReferenceStart")
        reference = self._assembler.add(message)
        return Step(events=(ReferenceReceived(reference),) if reference else ())

    def _on_more(self, message: ReferenceMore | ReferenceChunk) -> Step:
        if (
            self._hello.role is Role.SENDER
            or self._state is not SessionState.STREAMING
            or self.references == 1
        ):
            raise WireError(f"{type(message).__name__} came, but this call has no more references now")
        if isinstance(message, ReferenceMore):
            answers, events = self._received.on_start(message)
        else:
            answers, events = self._received.on_chunk(message)
        return _send(*answers, events=events)

    def _on_video(self, piece: VideoPiece) -> Step:
        if self._hello.role is Role.SENDER or self._state is not SessionState.STREAMING:
            raise WireError("VideoPiece came, but this call has no video now")
        frame = self._video.add(piece)
        return Step(events=(frame,) if frame else ())

    def _on_reference_held(self, message: ReferenceHeld) -> Step:
        if self._hello.role is not Role.SENDER or self._state is not SessionState.STREAMING:
            raise WireError("ReferenceHeld came from a sender, or before ReferenceReady")
        return Step(events=(self._offered.on_held(message),))

    def _on_refresh_wanted(self, message: RefreshWanted) -> Step:
        if self._hello.role is not Role.SENDER or self._state is not SessionState.STREAMING:
            raise WireError("RefreshWanted came from a sender, or before ReferenceReady")
        return Step(events=(message,))

    def _on_reference_ready(self) -> Step:
        if self._hello.role is not Role.SENDER or self._state is not SessionState.WAITING:
            raise WireError("ReferenceReady came from a sender, or twice")
        if self.is_asked:
            raise WireError("ReferenceReady came before ReferenceKnown")
        self._state = SessionState.STREAMING
        return Step(events=(StartStreaming(),))

    def _on_bye(self, bye: Bye) -> Step:
        # When two Byes cross, each side still answers the other's and takes it as the answer to its own.
        self._state = SessionState.CLOSED
        return _send(ByeAck(), events=(PeerBye(bye),))

    def _on_bye_ack(self) -> Step:
        if self._state is not SessionState.CLOSING:
            raise WireError("ByeAck came, but there was no Bye")
        self._state = SessionState.CLOSED
        return Step(events=(ByeDone(is_acknowledged=True),))


def _send(*messages: ControlMessage, events: Iterable[Event] = ()) -> Step:
    """A step that sends `messages`."""
    return Step(tuple(message.to_bytes() for message in messages), tuple(events))


def _parse_alone(data: bytes) -> VoicePacket | SaidPacket | None:
    """A message of `params` that is no ParamPacket; None for one that may be."""
    if SaidPacket.stands_in(data):
        return SaidPacket.parse(data)
    return VoicePacket.parse(data) if VoicePacket.stands_in(data) else None
