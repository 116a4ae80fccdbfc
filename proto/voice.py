"""Frames of Opus in, the bytes in which they travel out: inside a ParamPacket, or alone when there is none to go with.

Sound that shares its packet with the face costs a few bytes of its own; a packet more costs 93.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from headgan.proto.clock import nearest_zero
from headgan.proto.errors import WireError
from headgan.proto.wire_fields import U8_MAX, U32_MAX, Reader, check_length, check_range

# What a receiver that wants to hear the caller names in its Hello.
VOICE_CAPABILITY = "voice"
VOICE_FRAME_MS = 40
VOICE_TYPE = 5
# Of one packet.
MAX_VOICE_FRAMES = 4
MAX_OPUS_BYTES = U8_MAX
_NUMBERS = 64
# Further than this from the frame that it travels with, its time would not fit.
VOICE_REACH_MS = 127
_ALONE_BYTES = 6


@dataclass(frozen=True)
class VoicePacket:
    """One to four frames of Opus that follow each other, 40 ms each, mono.

    Inside a ParamPacket:

    offset  size  field
         0     1  bits 6 and 7: v - 1, of v frames; bits 0 to 5 number of the first, modulo 64
         1     1  start_ms modulo 256
         2     v  the length of each
     2 + v  1..   the frames

    A message of its own on the channel `params`:

         0     1  type = 5 in bits 4 to 7, all others 0
         1     4  start_ms
         5        number and lengths and frames, as above

    Attributes:
        number: of the first frame, modulo 64; they rise by one each 40 ms, silence that is not sent included.
        start_ms: capture time of its first sample on the sender's clock, modulo 2**32.
        frames: each 1 to 255 bytes.
    """

    number: int
    start_ms: int
    frames: tuple[bytes, ...]

    def __post_init__(self) -> None:
        check_range("voice: number", self.number, 0, _NUMBERS - 1)
        check_range("voice: start_ms", self.start_ms, 0, U32_MAX)
        check_range("voice: frames", len(self.frames), 1, MAX_VOICE_FRAMES)
        for frame in self.frames:
            check_length("voice: frame", frame, 1, MAX_OPUS_BYTES)

    @classmethod
    def of(cls, number: int, start_ms: float, frames: Sequence[bytes]) -> "VoicePacket":
        """The packet of frames whose first has any number and time."""
        return cls(number % _NUMBERS, round(start_ms) % (U32_MAX + 1), tuple(frames))

    def is_near(self, capture_ms: int) -> bool:
        """Whether it can travel with the frame that was captured then."""
        return abs(nearest_zero(self.start_ms - capture_ms)) <= VOICE_REACH_MS

    def to_bytes(self) -> bytes:
        """The packet as a message of its own."""
        head = bytes([VOICE_TYPE << 4]) + self.start_ms.to_bytes(4, "big")
        return head + self._numbered() + self._body()

    def inside(self) -> bytes:
        """The packet as it stands in a ParamPacket."""
        return self._numbered() + bytes([self.start_ms & U8_MAX]) + self._body()

    @staticmethod
    def stands_in(data: bytes) -> bool:
        """Whether this message of the channel `params` is of this type."""
        return data[:1] == bytes([VOICE_TYPE << 4])

    @classmethod
    def parse(cls, data: bytes) -> "VoicePacket":
        """The packet in a message of its own.

        Raises:
            WireError: the bytes are none of this version.
        """
        most = _ALONE_BYTES + MAX_VOICE_FRAMES * (1 + MAX_OPUS_BYTES)
        check_length("voice", data, _ALONE_BYTES, most)
        if data[0] != VOICE_TYPE << 4:
            raise WireError(f"voice: first byte {data[0]}, must be {VOICE_TYPE << 4}")
        reader = Reader("voice", data[1:])
        start_ms, head = reader.u32(), reader.u8()
        packet = cls(head % _NUMBERS, start_ms, _frames(reader, head))
        reader.finish()
        return packet

    @classmethod
    def read_inside(cls, reader: Reader, capture_ms: int) -> "VoicePacket":
        """The packet at the front of what is left of a ParamPacket whose first frame was captured then.

        Raises:
            WireError: the bytes are none of this version.
        """
        head, low_ms = reader.u8(), reader.u8()
        start_ms = capture_ms + nearest_zero(low_ms - capture_ms, U8_MAX + 1)
        return cls(head % _NUMBERS, start_ms % (U32_MAX + 1), _frames(reader, head))

    def _numbered(self) -> bytes:
        return bytes([len(self.frames) - 1 << 6 | self.number])

    def _body(self) -> bytes:
        return bytes(len(frame) for frame in self.frames) + b"".join(self.frames)


def _frames(reader: Reader, head: int) -> tuple[bytes, ...]:
    lengths = reader.take((head >> 6) + 1)
    return tuple(reader.take(length) for length in lengths)


class VoiceNumbers:
    """Numbers modulo 64 in, whole numbers out, for the side that receives. No clock."""

    def __init__(self) -> None:
        self._newest: tuple[int, int] | None = None

    def place(self, packet: VoicePacket) -> int:
        """The number of the packet's first frame, counted from any; the times say how often it has wrapped."""
        if self._newest is None:
            self._newest = packet.number, packet.start_ms
            return packet.number
        number, start_ms = self._newest
        passed_ms = nearest_zero(packet.start_ms - start_ms)
        expected = number + round(passed_ms / VOICE_FRAME_MS)
        placed: int = expected + nearest_zero(packet.number - expected, _NUMBERS)
        if placed > number:
            self._newest = placed, packet.start_ms
        return placed
