"""Frames of Opus in, the bytes in which they travel out: inside a ParamPacket, or alone when there is none to go with.

Sound that shares its packet with the face costs a few bytes of its own; a packet more costs 93.
"""

from dataclasses import dataclass

from headgan.proto.clock import nearest_zero
from headgan.proto.errors import WireError
from headgan.proto.sound_frames import pieces_bytes, read_pieces, read_start_ms
from headgan.proto.wire_fields import U8_MAX, U32_MAX, Reader, check_length, check_range

# What a receiver that wants to hear the caller names in its Hello.
VOICE_CAPABILITY = "voice"
VOICE_FRAME_MS = 40
VOICE_TYPE = 5
# A frame of at most so many bytes says that silence follows (DTX).
MAX_SILENT_BYTES = 2
# Of one packet: of four frames of the call, each with its sound and with a copy of earlier sound.
MAX_VOICE_FRAMES = 8
MAX_OPUS_BYTES = U8_MAX
_NUMBERS = 64
_COPY = 0x40
# Further than this from the frame that it travels with, its time would not fit.
VOICE_REACH_MS = 127
_ALONE_BYTES = 5
MAX_VOICE_BYTES = MAX_VOICE_FRAMES * (2 + MAX_OPUS_BYTES)


@dataclass(frozen=True)
class OpusFrame:
    """40 ms of a voice.

    Attributes:
        number: modulo 64; they rise by one each 40 ms, silence that is not sent included.
        data: an Opus packet, 1 to 255 bytes.
        is_copy: a coarse one of a frame that was sent before.
    """

    number: int
    data: bytes
    is_copy: bool = False

    def __post_init__(self) -> None:
        check_range("voice: number", self.number, 0, _NUMBERS - 1)
        check_length("voice: frame", self.data, 1, MAX_OPUS_BYTES)


@dataclass(frozen=True)
class VoicePacket:
    """One to eight frames of Opus, in the order of their numbers; of two with one number the copy comes first.

    Inside a ParamPacket:

    offset  size  field
         0     1  start_ms modulo 256
    for each frame:
               1  bit 7: another one follows; bit 6 is_copy; bits 0 to 5 number
               1  length
               1..255  data

    A message of its own on the channel `params`:

         0     1  type = 5 in bits 4 to 7, all others 0
         1     4  start_ms
         5        the frames, as above

    Attributes:
        start_ms: capture time of the last frame's first sample on the sender's clock, modulo 2**32.
        frames: the last one is that which start_ms is of.
    """

    start_ms: int
    frames: tuple[OpusFrame, ...]

    def __post_init__(self) -> None:
        check_range("voice: start_ms", self.start_ms, 0, U32_MAX)
        check_range("voice: frames", len(self.frames), 1, MAX_VOICE_FRAMES)
        for earlier, later in zip(self.frames, self.frames[1:], strict=False):
            apart = nearest_zero(later.number - earlier.number, _NUMBERS)
            if apart < 0 or (apart == 0 and (later.is_copy or not earlier.is_copy)):
                raise WireError(f"voice: frame {later.number} comes after frame {earlier.number}")

    def is_near(self, capture_ms: int) -> bool:
        """Whether it can travel with the frame that was captured then."""
        return abs(nearest_zero(self.start_ms - capture_ms)) <= VOICE_REACH_MS

    def to_bytes(self) -> bytes:
        """The packet as a message of its own."""
        return bytes([VOICE_TYPE << 4]) + self.start_ms.to_bytes(4, "big") + self._body()

    def inside(self) -> bytes:
        """The packet as it stands in a ParamPacket."""
        return bytes([self.start_ms & U8_MAX]) + self._body()

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
        check_length("voice", data, _ALONE_BYTES, _ALONE_BYTES + MAX_VOICE_BYTES)
        if not cls.stands_in(data):
            raise WireError(f"voice: first byte {data[0]}, must be {VOICE_TYPE << 4}")
        reader = Reader("voice", data[1:])
        packet = cls(reader.u32(), _read_frames(reader))
        reader.finish()
        return packet

    @classmethod
    def read_inside(cls, reader: Reader, capture_ms: int) -> "VoicePacket":
        """The packet at the front of what is left of a ParamPacket whose first frame was captured then.

        Raises:
            WireError: the bytes are none of this version.
        """
        return cls(read_start_ms(reader, capture_ms), _read_frames(reader))

    def _body(self) -> bytes:
        return pieces_bytes(
            [(frame.number | (_COPY if frame.is_copy else 0), frame.data) for frame in self.frames]
        )


def opus_frame(number: int, data: bytes, *, is_copy: bool = False) -> OpusFrame:
    """A frame whose number is counted from anywhere."""
    return OpusFrame(number % _NUMBERS, data, is_copy)


def _read_frames(reader: Reader) -> tuple[OpusFrame, ...]:
    pieces = read_pieces(reader, MAX_VOICE_FRAMES, "voice", "frames")
    return tuple(OpusFrame(head % _NUMBERS, data, bool(head & _COPY)) for head, data in pieces)


class VoiceNumbers:
    """Numbers modulo 64 in, whole numbers out, for the side that receives. No clock."""

    def __init__(self) -> None:
        self._newest: tuple[int, int] | None = None

    def place(self, packet: VoicePacket) -> list[int]:
        """The numbers of the packet's frames, counted from any; the times say how often they have wrapped."""
        last = packet.frames[-1].number
        if self._newest is not None:
            number, start_ms = self._newest
            expected = number + round(nearest_zero(packet.start_ms - start_ms) / VOICE_FRAME_MS)
            last = expected + nearest_zero(last - expected, _NUMBERS)
        if self._newest is None or last > self._newest[0]:
            self._newest = last, packet.start_ms
        return [last + nearest_zero(frame.number - last, _NUMBERS) for frame in packet.frames]
