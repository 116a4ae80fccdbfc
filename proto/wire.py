"""Bytes of the parameter channel in, ParamPacket out. PROTOCOL.md draws all messages."""

import struct
from dataclasses import dataclass

from headgan.proto.clock import nearest_zero
from headgan.proto.errors import WireError
from headgan.proto.said import MAX_SAID_BYTES, SaidPacket
from headgan.proto.voice import MAX_VOICE_BYTES, VoicePacket
from headgan.proto.wire_fields import U8_MAX, U16_MAX, U32_MAX, Reader, check_length, check_range

PROTOCOL_VERSION = 2
MAX_PAYLOAD_BYTES = 1024

# With a voice the types are greater by two, with what is said in its place by five.
LONG_TYPE, SHORT_TYPE, WITH_VOICE, WITH_SAID = 1, 2, 2, 5
# Each type to its form, and what comes with it.
_TYPES = {
    form + extra: (form, extra) for extra in (0, WITH_VOICE, WITH_SAID) for form in (LONG_TYPE, SHORT_TYPE)
}
# Of one packet.
MAX_FRAMES = 4
MAX_OFFSET_MS = (1 << 14) - 1
# A receiver that has a frame so near can tell from a short packet which frame it is.
SHORT_REACH_FRAMES, SHORT_REACH_MS = 100, 20_000
# A frame is drawn from so many references at most.
MAX_NAMED_REFERENCES = 8
_LONG, _SHORT = struct.Struct("!BII"), struct.Struct("!BBH")
_MARK = struct.Struct("!H")
_MAX_SOUND_BYTES = 1 + max(MAX_VOICE_BYTES, MAX_SAID_BYTES)
MAX_PARAM_PACKET_BYTES = _LONG.size + _MARK.size * (MAX_FRAMES - 1) + _MAX_SOUND_BYTES + MAX_PAYLOAD_BYTES


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
         0     1  bits 4 to 7: type, 1 long, 2 short, 3 long with voice, 4 short with voice, 6 long with what is
                  said, 7 short with what is said; bits 2 and 3: frames - 1;
                  of the first frame bit 0 has_face, bit 1 is_untrue
    long:
         1     4  seq, the number of the first frame of those that were sent or dropped, wraps to 0
         5     4  capture_ms of the first frame on the sender's clock, modulo 2**32
         9  2 (frames - 1)  of each further frame: bit 15 is_untrue, bit 14 has_face, bits 0 to 13 offset_ms
              voice, as in VoicePacket, or what is said, as in SaidPacket, if the type says so
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
    voice: VoicePacket | None = None
    said: SaidPacket | None = None

    def __post_init__(self) -> None:
        check_range("param packet: seq", self.seq, 0, U32_MAX)
        check_range("param packet: capture_ms", self.capture_ms, 0, U32_MAX)
        check_range("param packet: frames", len(self.frames), 1, MAX_FRAMES)
        if self.frames[0].offset_ms != 0:
            raise WireError(f"param packet: the first frame has offset {self.frames[0].offset_ms}, must be 0")
        most = MAX_PAYLOAD_BYTES if any(frame.has_face for frame in self.frames) else 0
        check_length("param packet: records", self.records, 0, most)
        if self.voice is not None and self.said is not None:
            raise WireError("param packet: a voice and what is said, it has room for one of them")
        if self.sound is not None and not self.sound.is_near(self.capture_ms):
            raise WireError("param packet: the voice is too far from the first frame")

    @property
    def sound(self) -> VoicePacket | SaidPacket | None:
        """The voice, or what is said in its place."""
        return self.voice or self.said

    def to_bytes(self, *, is_short: bool = False) -> bytes:
        """The packet as one message of the channel `params`; is_short: the receiver has a frame that is near."""
        first, *others = self.frames
        kind = SHORT_TYPE if is_short else LONG_TYPE
        kind += WITH_VOICE if self.voice else WITH_SAID if self.said else 0
        head = kind << 4 | len(others) << 2 | first.bits
        if is_short:
            start = _SHORT.pack(head, self.seq & U8_MAX, self.capture_ms & U16_MAX)
        else:
            start = _LONG.pack(head, self.seq, self.capture_ms)
        marks = b"".join(_MARK.pack(frame.bits << 14 | frame.offset_ms) for frame in others)
        sound = self.sound.inside() if self.sound else b""
        return start + marks + sound + self.records

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
        check_length("param packet", data, 1, MAX_PARAM_PACKET_BYTES)
        kind, count, bits = data[0] >> 4, (data[0] >> 2 & 3) + 1, data[0] & 3
        if kind not in _TYPES:
            raise WireError(f"param packet: type {kind}, this version knows {', '.join(map(str, _TYPES))}")
        kind, extra = _TYPES[kind]
        reader = Reader("param packet", data[1:])
        if kind == LONG_TYPE:
            seq, capture_ms = reader.u32(), reader.u32()
        else:
            seq, capture_ms = reader.u8(), reader.u16()
        frames = [_mark(0, bits)]
        for _ in range(count - 1):
            mark = reader.u16()
            frames.append(_mark(mark & MAX_OFFSET_MS, mark >> 14))
        if kind == SHORT_TYPE:
            if near is None:
                return None
            seq = _nearest(seq, near.seq, U8_MAX + 1)
            capture_ms = _nearest(capture_ms, near.capture_ms, U16_MAX + 1)
        voice = VoicePacket.read_inside(reader, capture_ms) if extra == WITH_VOICE else None
        said = SaidPacket.read_inside(reader, capture_ms) if extra == WITH_SAID else None
        return cls(seq, capture_ms, tuple(frames), reader.rest(), voice, said)


def _mark(offset_ms: int, bits: int) -> FrameMark:
    return FrameMark(offset_ms, bool(bits & 1), bool(bits & 2))


def _nearest(low: int, near: int, modulus: int) -> int:
    """The number nearest to `near`, both modulo 2**32, that is `low` modulo `modulus`."""
    return (near + nearest_zero(low - near, modulus)) % (U32_MAX + 1)
