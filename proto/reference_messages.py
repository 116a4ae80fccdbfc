"""Bytes of the control channel in, one of the six messages that are about references out; see control.py."""

import re
import struct
from dataclasses import dataclass
from itertools import pairwise

from headgan.proto.errors import WireError
from headgan.proto.hello import MAX_KNOWN
from headgan.proto.wire import MAX_PAYLOAD_BYTES
from headgan.proto.wire_fields import (
    MAX_CONTROL_BYTES,
    U16_MAX,
    check_length,
    check_range,
    check_text,
    open_message,
)

MAX_REFERENCE_BYTES = 256 * 1024
MAX_CHUNK_BYTES = MAX_CONTROL_BYTES - 7
# 65535 stands for no reference.
MAX_REFERENCE_NUMBER = U16_MAX - 1
MAX_MEDIA_TYPE_BYTES = 64
SHA256_BYTES = 32
_MEDIA_TYPE = re.compile(r"[a-z0-9]+/[a-z0-9.+-]+")
_REFERENCE_START = struct.Struct(f"!BI{SHA256_BYTES}s")
_REFERENCE_CHUNK = struct.Struct("!BIH")
_REFERENCE_MORE = struct.Struct("!BHH")
_REFERENCE_HELD = struct.Struct("!BH?")


@dataclass(frozen=True)
class ReferenceStart:
    """Announces the sender's reference picture; its chunks follow in order.

    offset  size  field
         0     1  type = 2
         1     4  total_bytes of the picture, 1..262144
         5    32  sha256 of the picture
        37     1  length of media_type, 1..64
        38     m  media_type, ASCII, such as image/jpeg
      38+m     2  length of payload, 0..1024
      40+m     p  payload: the face parameters of the picture, opaque like those of a ParamPacket
    """

    TYPE = 2

    total_bytes: int
    sha256: bytes
    media_type: str
    payload: bytes

    def __post_init__(self) -> None:
        check_range("reference start: total_bytes", self.total_bytes, 1, MAX_REFERENCE_BYTES)
        check_length("reference start: sha256", self.sha256, SHA256_BYTES, SHA256_BYTES)
        check_text("reference start: media_type", self.media_type, MAX_MEDIA_TYPE_BYTES)
        if not _MEDIA_TYPE.fullmatch(self.media_type):
            raise WireError(f"reference start: media_type {self.media_type!r}, must be such as image/jpeg")
        check_length("reference start: payload", self.payload, 0, MAX_PAYLOAD_BYTES)

    def to_bytes(self) -> bytes:
        """The announcement as one control message."""
        media_type = self.media_type.encode("ascii")
        head = _REFERENCE_START.pack(self.TYPE, self.total_bytes, self.sha256)
        payload_length = len(self.payload).to_bytes(2, "big")
        return head + bytes((len(media_type),)) + media_type + payload_length + self.payload

    @classmethod
    def parse(cls, data: bytes) -> "ReferenceStart":
        """The announcement in one control message; raises WireError."""
        reader = open_message("reference start", data, cls.TYPE)
        total_bytes, sha256 = reader.u32(), reader.take(SHA256_BYTES)
        media_type = reader.text(reader.u8())
        message = cls(total_bytes, sha256, media_type, reader.take(reader.u16()))
        reader.finish()
        return message


@dataclass(frozen=True)
class ReferenceChunk:
    """One piece of the reference picture.

    offset  size  field
         0     1  type = 3
         1     4  offset of the piece in the picture
         5     2  length of data, 1..16384
         7     d  data
    """

    TYPE = 3

    offset: int
    data: bytes

    def __post_init__(self) -> None:
        check_range("reference chunk: offset", self.offset, 0, MAX_REFERENCE_BYTES)
        check_length("reference chunk: data", self.data, 1, MAX_CHUNK_BYTES)

    def to_bytes(self) -> bytes:
        """The piece as one control message."""
        return _REFERENCE_CHUNK.pack(self.TYPE, self.offset, len(self.data)) + self.data

    @classmethod
    def parse(cls, data: bytes) -> "ReferenceChunk":
        """The piece in one control message; raises WireError."""
        reader = open_message("reference chunk", data, cls.TYPE)
        message = cls(reader.u32(), reader.take(reader.u16()))
        reader.finish()
        return message


@dataclass(frozen=True)
class ReferenceReady:
    """The receiver holds a reference picture: the sender may start. One byte, type = 4."""

    TYPE = 4

    def to_bytes(self) -> bytes:
        """The message as its one byte."""
        return bytes((self.TYPE,))

    @classmethod
    def parse(cls, data: bytes) -> "ReferenceReady":
        """The message in its one byte; raises WireError."""
        open_message("reference ready", data, cls.TYPE).finish()
        return cls()


@dataclass(frozen=True)
class ReferenceMore:
    """Announces one more reference, for a receiver that holds several; its chunks follow in order.

    offset  size  field
         0     1  type = 9
         1     2  number, above those of all references before; that of the first is 0
         3     2  replaces, the number of the reference that is given up for it, 65535 for none
         5        a ReferenceStart, from its type on
    """

    TYPE = 9

    number: int
    replaces: int | None
    start: ReferenceStart

    def __post_init__(self) -> None:
        check_range("reference more: number", self.number, 1, MAX_REFERENCE_NUMBER)
        if self.replaces is not None:
            check_range("reference more: replaces", self.replaces, 0, self.number - 1)

    def to_bytes(self) -> bytes:
        """The announcement as one control message."""
        replaces = U16_MAX if self.replaces is None else self.replaces
        return _REFERENCE_MORE.pack(self.TYPE, self.number, replaces) + self.start.to_bytes()

    @classmethod
    def parse(cls, data: bytes) -> "ReferenceMore":
        """The announcement in one control message; raises WireError."""
        reader = open_message("reference more", data, cls.TYPE)
        number, replaces = reader.u16(), reader.u16()
        return cls(number, None if replaces == U16_MAX else replaces, ReferenceStart.parse(reader.rest()))


@dataclass(frozen=True)
class ReferenceHeld:
    """The receiver's answer to one more reference: frames may name it, or it could not be taken.

    offset  size  field
         0     1  type = 10
         1     2  number of the reference
         3     1  1 if it is held, 0 if it was refused
    """

    TYPE = 10

    number: int
    is_held: bool

    def __post_init__(self) -> None:
        check_range("reference held: number", self.number, 1, MAX_REFERENCE_NUMBER)

    def to_bytes(self) -> bytes:
        """The answer as one control message."""
        return _REFERENCE_HELD.pack(self.TYPE, self.number, self.is_held)

    @classmethod
    def parse(cls, data: bytes) -> "ReferenceHeld":
        """The answer in one control message; raises WireError."""
        reader = open_message("reference held", data, cls.TYPE)
        number, is_held = reader.u16(), reader.u8()
        check_range("reference held: is_held", is_held, 0, 1)
        message = cls(number, bool(is_held))
        reader.finish()
        return message


@dataclass(frozen=True)
class ReferenceKnown:
    """Which of the references that the sender's Hello offers the receiver holds from an earlier call.

    offset  size  field
         0     1  type = 13
         1     1  count, 0..64
         2     c  places in the offer, 0..63, rising, 1 byte each
    """

    TYPE = 13

    places: tuple[int, ...]

    def __post_init__(self) -> None:
        check_range("reference known: count", len(self.places), 0, MAX_KNOWN)
        for before, place in pairwise((-1, *self.places)):
            check_range("reference known: place", place, before + 1, MAX_KNOWN - 1)

    def to_bytes(self) -> bytes:
        """The answer as one control message."""
        return bytes((self.TYPE, len(self.places), *self.places))

    @classmethod
    def parse(cls, data: bytes) -> "ReferenceKnown":
        """The answer in one control message; raises WireError."""
        reader = open_message("reference known", data, cls.TYPE)
        message = cls(tuple(reader.take(reader.u8())))
        reader.finish()
        return message
