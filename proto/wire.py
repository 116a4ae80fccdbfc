"""Bytes of the parameter channel in, ParamPacket out; and the checked reading that every message shares.

All numbers are in network byte order. A message checks its limits when it is made, so one that breaks them
can be neither sent nor received; whatever is wrong is a WireError. PROTOCOL.md draws all messages.
"""

import struct
from dataclasses import dataclass

from headgan.proto.clock import nearest_zero
from headgan.proto.errors import WireError

PROTOCOL_VERSION = 2
U8_MAX = 0xFF
U16_MAX = 0xFFFF
U32_MAX = 0xFFFFFFFF
MAX_PAYLOAD_BYTES = 1024

LONG_TYPE, SHORT_TYPE = 1, 2
# Of one packet.
MAX_FRAMES = 4
MAX_OFFSET_MS = (1 << 14) - 1
# A receiver that has a frame so near can tell from a short packet which frame it is.
SHORT_REACH_FRAMES, SHORT_REACH_MS = 100, 20_000
# Of one message of the channel `control`.
MAX_CONTROL_BYTES = 16 * 1024 + 7
# A frame is drawn from so many references at most.
MAX_NAMED_REFERENCES = 8
_LONG, _SHORT = struct.Struct("!BII"), struct.Struct("!BBH")
_MARK = struct.Struct("!H")


@dataclass(frozen=True)
class FrameMark:
    """What a packet says of one of its frames.

    Attributes:
        offset_ms: how long it was taken after the packet's first one, 0 to 16383; 0 for the first.
        has_face: whether there are parameters of it.
        is_untrue: the sender knows that what would be drawn is not what is there, such as a mouth behind a hand: the
            receiver shows its last picture, or live video, and says so.
    """

    offset_ms: int = 0
    has_face: bool = True
    is_untrue: bool = False

    def __post_init__(self) -> None:
        check_range("param packet: offset_ms", self.offset_ms, 0, MAX_OFFSET_MS)

    @property
    def bits(self) -> int:
        """Bit 0 has_face, bit 1 is_untrue."""
        return self.has_face | self.is_untrue << 1


@dataclass(frozen=True)
class ParamPacket:
    """The face parameters of a frame, or of up to 4 that follow each other.

    A message of the channel `params`, which may lose and reorder it:

    offset  size  field
         0     1  bits 4 to 7: type, 1 long, 2 short; bits 2 and 3: frames - 1; of the first frame bit 0 has_face,
                  bit 1 is_untrue
    long:
         1     4  seq, the number of the first frame of those that were sent or dropped, wraps to 0
         5     4  capture_ms of the first frame on the sender's clock, modulo 2**32
         9  2 (frames - 1)  of each further frame: bit 15 is_untrue, bit 14 has_face, bits 0 to 13 offset_ms
           0..1024  records, to the end of the message
    short, where the receiver has a frame that is near:
         1     1  seq modulo 2**8
         2     2  capture_ms modulo 2**16
         4  as 9 of the long form

    The records belong to `headgan.codec`: here they are opaque. A still face may need no byte.
    """

    seq: int
    capture_ms: int
    frames: tuple[FrameMark, ...]
    records: bytes

    def __post_init__(self) -> None:
        check_range("param packet: seq", self.seq, 0, U32_MAX)
        check_range("param packet: capture_ms", self.capture_ms, 0, U32_MAX)
        check_range("param packet: frames", len(self.frames), 1, MAX_FRAMES)
        if self.frames[0].offset_ms != 0:
            raise WireError(f"param packet: the first frame has offset {self.frames[0].offset_ms}, must be 0")
        most = MAX_PAYLOAD_BYTES if any(frame.has_face for frame in self.frames) else 0
        check_length("param packet: records", self.records, 0, most)

    def to_bytes(self, *, is_short: bool = False) -> bytes:
        """The packet as one message of the channel `params`; is_short: the receiver has a frame that is near."""
        first, *others = self.frames
        kind = SHORT_TYPE if is_short else LONG_TYPE
        head = kind << 4 | len(others) << 2 | first.bits
        if is_short:
            start = _SHORT.pack(head, self.seq & U8_MAX, self.capture_ms & U16_MAX)
        else:
            start = _LONG.pack(head, self.seq, self.capture_ms)
        marks = b"".join(_MARK.pack(frame.bits << 14 | frame.offset_ms) for frame in others)
        return start + marks + self.records

    @classmethod
    def parse(cls, data: bytes, near: "ParamPacket | None" = None) -> "ParamPacket | None":
        """The packet in one message of the channel `params`.

        Args:
            data: the message.
            near: the newest packet that came before.

        Returns:
            None for a short packet where none came before: which frame it is cannot be said.

        Raises:
            WireError: the bytes are not a packet of this version.
        """
        check_length("param packet", data, 1, _LONG.size + _MARK.size * (MAX_FRAMES - 1) + MAX_PAYLOAD_BYTES)
        kind, count, bits = data[0] >> 4, (data[0] >> 2 & 3) + 1, data[0] & 3
        if kind not in (LONG_TYPE, SHORT_TYPE):
            raise WireError(f"param packet: type {kind}, this version knows {LONG_TYPE} and {SHORT_TYPE}")
        reader = Reader("param packet", data[1:])
        if kind == LONG_TYPE:
            seq, capture_ms = reader.u32(), reader.u32()
        else:
            seq, capture_ms = reader.u8(), reader.u16()
        frames = [_mark(0, bits)]
        for _ in range(count - 1):
            mark = reader.u16()
            frames.append(_mark(mark & MAX_OFFSET_MS, mark >> 14))
        records = reader.rest()
        if kind == SHORT_TYPE:
            if near is None:
                return None
            seq = _nearest(seq, near.seq, U8_MAX + 1)
            capture_ms = _nearest(capture_ms, near.capture_ms, U16_MAX + 1)
        return cls(seq, capture_ms, tuple(frames), records)


def _mark(offset_ms: int, bits: int) -> FrameMark:
    return FrameMark(offset_ms, bool(bits & 1), bool(bits & 2))


def _nearest(low: int, near: int, modulus: int) -> int:
    """The number nearest to `near`, both modulo 2**32, that is `low` modulo `modulus`."""
    return (near + nearest_zero(low - near, modulus)) % (U32_MAX + 1)


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
