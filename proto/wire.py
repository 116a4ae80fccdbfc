"""Bytes of the parameter channel in, ParamPacket out; and the checked reading that every message shares.

All numbers are in network byte order. A message checks its limits when it is made, so one that breaks them
can be neither sent nor received; whatever is wrong is a WireError. PROTOCOL.md draws all messages.
"""

import struct
from dataclasses import dataclass

from headgan.proto.errors import WireError

PROTOCOL_VERSION = 1
U8_MAX = 0xFF
U16_MAX = 0xFFFF
U32_MAX = 0xFFFFFFFF
MAX_PAYLOAD_BYTES = 1024

PARAMS_TYPE = 1
FLAG_HAS_FACE = 0b0000_0001
FLAG_NAMES_REFERENCES = 0b0000_0010
FLAG_IS_UNTRUE = 0b0000_0100
# Of one message of the channel `control`.
MAX_CONTROL_BYTES = 16 * 1024 + 7
# A frame is drawn from so many references at most.
MAX_NAMED_REFERENCES = 8
_PARAMS_HEADER = struct.Struct("!BBII")
_MAX_AFTER_HEADER = 1 + 2 * MAX_NAMED_REFERENCES + MAX_PAYLOAD_BYTES


@dataclass(frozen=True)
class ParamPacket:
    """The face parameters of one frame; a message of the channel `params`, which may lose and reorder it.

    offset  size  field
         0     1  type = 1
         1     1  flags: bit 0 has_face, bit 1 names_references, bit 2 is_untrue, all others 0
         2     4  seq, counts the frames that were sent, wraps to 0
         6     4  capture_ms on the sender's clock, modulo 2**32
        10  0..1024  payload, to the end of the message

    With is_untrue the sender knows that what would be drawn is not what is there, such as a mouth behind a hand: the
    receiver shows its last picture, or live video, and says so.

    With names_references, for a receiver that holds several, these are before the payload:

        10     1  count, 1..8
        11   2 c  numbers of the references to draw the frame from, the best one first, 2 bytes each

    The payload belongs to `headgan.codec`: here it is opaque, so a payload that lost its end is not noticed.
    It may be empty only in a packet that says that the frame has no face.
    """

    seq: int
    capture_ms: int
    has_face: bool
    payload: bytes
    references: tuple[int, ...] = ()
    is_untrue: bool = False

    def __post_init__(self) -> None:
        check_range("param packet: references", len(self.references), 0, MAX_NAMED_REFERENCES)
        for number in self.references:
            check_range("param packet: reference", number, 0, U16_MAX - 1)
        check_range("param packet: seq", self.seq, 0, U32_MAX)
        check_range("param packet: capture_ms", self.capture_ms, 0, U32_MAX)
        check_length("param packet: payload", self.payload, 1 if self.has_face else 0, MAX_PAYLOAD_BYTES)

    def to_bytes(self) -> bytes:
        """The packet as one message of the channel `params`."""
        flags = FLAG_HAS_FACE if self.has_face else 0
        flags |= FLAG_IS_UNTRUE if self.is_untrue else 0
        named = b""
        if self.references:
            flags |= FLAG_NAMES_REFERENCES
            numbers = b"".join(number.to_bytes(2, "big") for number in self.references)
            named = bytes((len(self.references),)) + numbers
        return _PARAMS_HEADER.pack(PARAMS_TYPE, flags, self.seq, self.capture_ms) + named + self.payload

    @classmethod
    def parse(cls, data: bytes) -> "ParamPacket":
        """The packet in one message of the channel `params`.

        Raises:
            WireError: the bytes are not a packet of this version.
        """
        check_length("param packet", data, _PARAMS_HEADER.size, _PARAMS_HEADER.size + _MAX_AFTER_HEADER)
        packet_type, flags, seq, capture_ms = _PARAMS_HEADER.unpack_from(data)
        if packet_type != PARAMS_TYPE:
            raise WireError(f"param packet: type {packet_type}, this version knows only {PARAMS_TYPE}")
        if flags & ~(FLAG_HAS_FACE | FLAG_NAMES_REFERENCES | FLAG_IS_UNTRUE):
            raise WireError(f"param packet: flags {flags:#04x} has bits that this version does not know")
        reader = Reader("param packet", data[_PARAMS_HEADER.size :])
        references: tuple[int, ...] = ()
        if flags & FLAG_NAMES_REFERENCES:
            count = reader.u8()
            check_range("param packet: references", count, 1, MAX_NAMED_REFERENCES)
            references = tuple(reader.u16() for _ in range(count))
        has_face, is_untrue = bool(flags & FLAG_HAS_FACE), bool(flags & FLAG_IS_UNTRUE)
        return cls(seq, capture_ms, has_face, reader.rest(), references, is_untrue)


def parse_params(data: bytes) -> ParamPacket:
    """One message of the channel `params`; raises WireError and nothing else."""
    return ParamPacket.parse(data)


class Reader:
    """Takes fields off the front of untrusted bytes; `name` starts the message of every WireError."""

    def __init__(self, name: str, data: bytes) -> None:
        self._name = name
        self._data = data
        self._position = 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes, never fewer."""
        left = len(self._data) - self._position
        if count > left:
            raise WireError(f"{self._name}: {left} bytes left, need {count}")
        self._position += count
        return self._data[self._position - count : self._position]

    def u8(self) -> int:
        """The next byte as a number."""
        return self.take(1)[0]

    def u16(self) -> int:
        """The next two bytes as a number."""
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        """The next four bytes as a number."""
        return int.from_bytes(self.take(4), "big")

    def text(self, count: int) -> str:
        """The next `count` bytes as UTF-8."""
        try:
            return self.take(count).decode("utf-8")
        except UnicodeDecodeError as error:
            raise WireError(f"{self._name}: text is not UTF-8") from error

    def rest(self) -> bytes:
        """All bytes that are left."""
        return self.take(len(self._data) - self._position)

    def finish(self) -> None:
        """Refuses bytes after the last field."""
        if self._position != len(self._data):
            raise WireError(f"{self._name}: {len(self._data) - self._position} bytes too many")


def open_message(name: str, data: bytes, message_type: int) -> Reader:
    """A reader behind the type byte of a control message; WireError if it is of another type."""
    check_length(name, data, 1, MAX_CONTROL_BYTES)
    reader = Reader(name, data)
    if reader.u8() != message_type:
        raise WireError(f"{name}: type {data[0]}, must be {message_type}")
    return reader


def check_range(field: str, value: float, low: float, high: float) -> None:
    """Refuses a number outside low..high, and nan."""
    if not low <= value <= high:
        raise WireError(f"{field} is {value}, must be {low}..{high}")


def check_length(field: str, data: bytes, low: int, high: int) -> None:
    """Refuses bytes whose length is outside low..high."""
    if not low <= len(data) <= high:
        raise WireError(f"{field}: {len(data)} bytes, must be {low}..{high}")


def check_text(field: str, text: str, max_bytes: int) -> None:
    """Refuses text that is longer than `max_bytes` in UTF-8 or could control the terminal that shows it."""
    if not text.isprintable():
        raise WireError(f"{field} has characters that cannot be printed")
    length = len(text.encode("utf-8"))
    if length > max_bytes:
        raise WireError(f"{field}: {length} bytes of text, must be 0..{max_bytes}")
