"""Coded features of speech in, the bytes in which they travel out: what is said, in the place of a voice.

A sender that wants its lips read and its voice kept sends these in the same places as a VoicePacket. What a record
holds is a matter of `headgan.codec`: here it is opaque.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from headgan.proto.clock import nearest_zero
from headgan.proto.errors import WireError
from headgan.proto.sound_frames import pieces_bytes, read_pieces, read_start_ms
from headgan.proto.voice import VOICE_REACH_MS
from headgan.proto.wire_fields import U8_MAX, U32_MAX, Reader, check_length, check_range

# What a receiver whose networks listen names in its Hello, and a sender that sends these in its own; the id of the code
# follows, as records mean nothing to a side that has learned another one.
SAID_PREFIX = "said-"
# What a sender that sends no sound at all names in its Hello.
SILENT_CAPABILITY = "silent"
SAID_FRAME_MS = 40
SAID_TYPE = 8
MAX_SAID_FRAMES = 8
MAX_RECORD_BYTES = U8_MAX
_NUMBERS = 64
_ALONE_BYTES = 5
MAX_SAID_BYTES = MAX_SAID_FRAMES * (2 + MAX_RECORD_BYTES)


@dataclass(frozen=True)
class SaidFrame:
    """What networks are told of the sound up to the end of 40 ms.

    Attributes:
        number: modulo 64; they rise by one each 40 ms, those that are not sent included.
        data: a record, up to 255 bytes; an empty one says that all stays as it is until the next.
    """

    number: int
    data: bytes

    def __post_init__(self) -> None:
        check_range("said: number", self.number, 0, _NUMBERS - 1)
        check_length("said: record", self.data, 0, MAX_RECORD_BYTES)


@dataclass(frozen=True)
class SaidPacket:
    """One to eight records, in the order of their numbers.

    Inside a ParamPacket:

    offset  size  field
         0     1  start_ms modulo 256
    for each record:
               1  bit 7: another one follows; bit 6 is 0; bits 0 to 5 number
               1  length
               0..255  data

    A message of its own on the channel `params`:

         0     1  type = 8 in bits 4 to 7, all others 0
         1     4  start_ms
         5        the records, as above

    Attributes:
        start_ms: when the last 40 ms that the last record tells of began, on the sender's clock, modulo 2**32.
        frames: the last one is that which start_ms is of.
    """

    start_ms: int
    frames: tuple[SaidFrame, ...]

    def __post_init__(self) -> None:
        check_range("said: start_ms", self.start_ms, 0, U32_MAX)
        check_range("said: records", len(self.frames), 1, MAX_SAID_FRAMES)
        for earlier, later in zip(self.frames, self.frames[1:], strict=False):
            if nearest_zero(later.number - earlier.number, _NUMBERS) <= 0:
                raise WireError(f"said: record {later.number} comes after record {earlier.number}")

    def is_near(self, capture_ms: int) -> bool:
        """Whether it can travel with the frame that was captured then."""
        return abs(nearest_zero(self.start_ms - capture_ms)) <= VOICE_REACH_MS

    def to_bytes(self) -> bytes:
        """The packet as a message of its own."""
        return bytes([SAID_TYPE << 4]) + self.start_ms.to_bytes(4, "big") + self._body()

    def inside(self) -> bytes:
        """The packet as it stands in a ParamPacket."""
        return bytes([self.start_ms & U8_MAX]) + self._body()

    @staticmethod
    def stands_in(data: bytes) -> bool:
        """Whether this message of the channel `params` is of this type."""
        return data[:1] == bytes([SAID_TYPE << 4])

    @classmethod
    def parse(cls, data: bytes) -> "SaidPacket":
        """The packet in a message of its own.

        Raises:
            WireError: the bytes are none of this version.
        """
        check_length("said", data, _ALONE_BYTES, _ALONE_BYTES + MAX_SAID_BYTES)
        if not cls.stands_in(data):
            raise WireError(f"said: first byte {data[0]}, must be {SAID_TYPE << 4}")
        reader = Reader("said", data[1:])
        packet = cls(reader.u32(), _read_frames(reader))
        reader.finish()
        return packet

    @classmethod
    def read_inside(cls, reader: Reader, capture_ms: int) -> "SaidPacket":
        """The packet at the front of what is left of a ParamPacket whose first frame was captured then.

        Raises:
            WireError: the bytes are none of this version.
        """
        return cls(read_start_ms(reader, capture_ms), _read_frames(reader))

    def _body(self) -> bytes:
        return pieces_bytes([(frame.number, frame.data) for frame in self.frames])


def said_frame(number: int, data: bytes) -> SaidFrame:
    """A record whose number is counted from anywhere."""
    return SaidFrame(number % _NUMBERS, data)


def said_capability(code_id: bytes) -> str:
    """What a side names that knows the code with this id."""
    return SAID_PREFIX + code_id.hex()


def said_codes(capabilities: Iterable[str]) -> set[str]:
    """Those of a side's capabilities that `said_capability` makes."""
    return {one for one in capabilities if one.startswith(SAID_PREFIX)}


def _read_frames(reader: Reader) -> tuple[SaidFrame, ...]:
    pieces = read_pieces(reader, MAX_SAID_FRAMES, "said", "records")
    return tuple(SaidFrame(head, data) for head, data in pieces)
