"""What a session tells its caller: the events of a call, and a step of messages and events together."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from headgan.proto.control import Bye, ControlMessage, RefreshWanted
from headgan.proto.hello import Hello
from headgan.proto.live_video import VideoReceived
from headgan.proto.more_references import MoreReceived, MoreRefused, ReferenceAnswered
from headgan.proto.reference_transfer import Reference


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

    @classmethod
    def sending(cls, *messages: ControlMessage, events: Iterable[Event] = ()) -> Self:
        """A step that sends `messages`."""
        return cls(tuple(message.to_bytes() for message in messages), tuple(events))
