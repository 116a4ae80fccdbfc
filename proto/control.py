"""Bytes of the control channel in, one of thirteen messages out; the channel is reliable and ordered.

Here are those that keep a call going and end it; Hello is in hello.py, those about references are in
reference_messages.py, VideoPiece is in live_video.py. The first byte is the type. Every field of variable length has
its length before it, so that a message which lost its end is always noticed.
"""

import enum
import struct
from dataclasses import dataclass

from headgan.proto.errors import WireError
from headgan.proto.hello import Hello
from headgan.proto.live_video import VideoPiece
from headgan.proto.reference_messages import (
    ReferenceChunk,
    ReferenceHeld,
    ReferenceKnown,
    ReferenceMore,
    ReferenceReady,
    ReferenceStart,
)
from headgan.proto.wire_fields import (
    MAX_CONTROL_BYTES,
    U32_MAX,
    check_length,
    check_range,
    check_text,
    open_message,
)

MAX_BYE_TEXT_BYTES = 512
_PING = struct.Struct("!BI")
_PONG = struct.Struct("!BII")
_BYE = struct.Struct("!BBIH")


@dataclass(frozen=True)
class Ping:
    """Asks for a Pong.

    offset  size  field
         0     1  type = 5
         1     4  sent_ms on the asker's clock, modulo 2**32
    """

    TYPE = 5

    sent_ms: int

    def __post_init__(self) -> None:
        check_range("ping: sent_ms", self.sent_ms, 0, U32_MAX)

    def to_bytes(self) -> bytes:
        """The question as one control message."""
        return _PING.pack(self.TYPE, self.sent_ms)

    @classmethod
    def parse(cls, data: bytes) -> "Ping":
        """The question in one control message; raises WireError."""
        reader = open_message("ping", data, cls.TYPE)
        message = cls(reader.u32())
        reader.finish()
        return message


@dataclass(frozen=True)
class RefreshWanted:
    """The receiver cannot read the faces that come: the next one has to stand for itself. One byte, type = 14."""

    TYPE = 14

    def to_bytes(self) -> bytes:
        """The message as its one byte."""
        return bytes((self.TYPE,))

    @classmethod
    def parse(cls, data: bytes) -> "RefreshWanted":
        """The message in its one byte; raises WireError."""
        open_message("refresh wanted", data, cls.TYPE).finish()
        return cls()


@dataclass(frozen=True)
class Pong:
    """Answers a Ping.

    offset  size  field
         0     1  type = 6
         1     4  ping_ms, the sent_ms of the Ping
         5     4  own_ms on the answerer's clock, modulo 2**32
    """

    TYPE = 6

    ping_ms: int
    own_ms: int

    def __post_init__(self) -> None:
        check_range("pong: ping_ms", self.ping_ms, 0, U32_MAX)
        check_range("pong: own_ms", self.own_ms, 0, U32_MAX)

    def to_bytes(self) -> bytes:
        """The answer as one control message."""
        return _PONG.pack(self.TYPE, self.ping_ms, self.own_ms)

    @classmethod
    def parse(cls, data: bytes) -> "Pong":
        """The answer in one control message; raises WireError."""
        reader = open_message("pong", data, cls.TYPE)
        message = cls(reader.u32(), reader.u32())
        reader.finish()
        return message


class ByeReason(enum.IntEnum):
    """Why a call ends; the numbers are on the wire."""

    ENDED = 0
    HANGUP = 1
    DEVICE_LOST = 2
    PROTOCOL_ERROR = 3
    MODEL_MISMATCH = 4
    ERROR = 5


@dataclass(frozen=True)
class Bye:
    """Ends the call; the other side answers with ByeAck.

    offset  size  field
         0     1  type = 7
         1     1  reason
         2     4  frames_sent: how many ParamPackets were sent, which tells the receiver how many it lost
         6     2  length of text, 0..512
         8     t  text for the other side's user, UTF-8
    """

    TYPE = 7

    reason: ByeReason
    text: str
    frames_sent: int

    def __post_init__(self) -> None:
        check_text("bye: text", self.text, MAX_BYE_TEXT_BYTES)
        check_range("bye: frames_sent", self.frames_sent, 0, U32_MAX)

    def to_bytes(self) -> bytes:
        """The farewell as one control message."""
        text = self.text.encode("utf-8")
        return _BYE.pack(self.TYPE, self.reason, self.frames_sent, len(text)) + text

    @classmethod
    def parse(cls, data: bytes) -> "Bye":
        """The farewell in one control message; raises WireError."""
        reader = open_message("bye", data, cls.TYPE)
        number = reader.u8()
        try:
            reason = ByeReason(number)
        except ValueError as error:
            raise WireError(f"bye: reason {number} is unknown") from error
        frames_sent = reader.u32()
        message = cls(reason, reader.text(reader.u16()), frames_sent)
        reader.finish()
        return message


@dataclass(frozen=True)
class ByeAck:
    """Confirms a Bye: nothing follows it. One byte, type = 8."""

    TYPE = 8

    def to_bytes(self) -> bytes:
        """The message as its one byte."""
        return bytes((self.TYPE,))

    @classmethod
    def parse(cls, data: bytes) -> "ByeAck":
        """The message in its one byte; raises WireError."""
        open_message("bye ack", data, cls.TYPE).finish()
        return cls()


ControlMessage = (
    Hello
    | ReferenceStart
    | ReferenceChunk
    | ReferenceReady
    | Ping
    | Pong
    | Bye
    | ByeAck
    | ReferenceMore
    | ReferenceHeld
    | VideoPiece
    | ReferenceKnown
    | RefreshWanted
)

_MESSAGE_CLASSES: tuple[type[ControlMessage], ...] = (
    Hello,
    ReferenceStart,
    ReferenceChunk,
    ReferenceReady,
    Ping,
    Pong,
    Bye,
    ByeAck,
    ReferenceMore,
    ReferenceHeld,
    VideoPiece,
    ReferenceKnown,
    RefreshWanted,
)
_PARSERS = {message_class.TYPE: message_class.parse for message_class in _MESSAGE_CLASSES}


def parse_control(data: bytes) -> ControlMessage:
    """One message of the channel `control`; raises WireError and nothing else."""
    check_length("control message", data, 1, MAX_CONTROL_BYTES)
    if data[0] not in _PARSERS:
        raise WireError(f"control message: type {data[0]} is unknown")
    return _PARSERS[data[0]](data)
