"""Bodies of chunks of a .hgn file in, what they say out; and back. docs/hgn.md draws them."""

from dataclasses import dataclass

from headgan.codec.hgn_chunks import ChunkReader, varint
from headgan.codec.hgn_header import MAX_SEGMENT_FRAMES
from headgan.proto.errors import WireError
from headgan.proto.wire_fields import U16_MAX, check_range

# Of one chunk: a minute in the shortest packets.
_MAX_PACKETS = 6000


@dataclass(frozen=True)
class ParameterBody:
    """The faces of a segment.

    Attributes:
        segment: its number; its first frame is this many times HgnHeader.segment_frames.
        has_face: of each of its frames.
        records: the faces, see param_record.py; they can be read without any before them.
    """

    segment: int
    has_face: tuple[bool, ...]
    records: bytes

    def to_bytes(self) -> bytes:
        """As it is in the file."""
        frames = len(self.has_face)
        is_mixed = not all(self.has_face)
        data = varint(self.segment) + varint(frames << 1 | is_mixed)
        if is_mixed:
            bits = sum(1 << place for place, has_face in enumerate(self.has_face) if has_face)
            data += bits.to_bytes(-(-frames // 8), "little")
        return data + self.records

    @classmethod
    def parse(cls, data: bytes) -> "ParameterBody":
        """Raises WireError if the bytes are none that an encoder writes."""
        reader = ChunkReader("parameters", data)
        segment, number = reader.varint(), reader.varint()
        frames, is_mixed = number >> 1, number & 1
        check_range("parameters: frames", frames, 1, MAX_SEGMENT_FRAMES)
        bits = (1 << frames) - 1
        if is_mixed:
            bits = int.from_bytes(reader.take(-(-frames // 8)), "little")
            if bits >> frames:
                raise WireError(f"parameters: there are more faces than {frames} frames")
        return cls(segment, tuple(bool(bits >> place & 1) for place in range(frames)), reader.rest())


@dataclass(frozen=True)
class SoundBody:
    """Packets of Opus.

    Attributes:
        first: number of the first of them; packet k begins k times HgnHeader.packet_ms after the first.
        packets: in their order.
    """

    first: int
    packets: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """As it is in the file."""
        return varint(self.first) + b"".join(varint(len(packet)) + packet for packet in self.packets)

    @classmethod
    def parse(cls, data: bytes) -> "SoundBody":
        """Raises WireError if the bytes are none that an encoder writes."""
        reader = ChunkReader("sound", data)
        first = reader.varint()
        packets = []
        while reader.left:
            packets.append(reader.take(reader.varint()))
            check_range("sound: packets", len(packets), 1, _MAX_PACKETS)
        if not all(packets):
            raise WireError("sound: an empty packet")
        return cls(first, tuple(packets))


@dataclass(frozen=True)
class ReferenceBody:
    """A picture to draw from.

    Attributes:
        number: what frames call it; above that of each before it.
        from_frame: the first frame that may be drawn from it.
        replaces: number of the one that is given up for it, or None.
        face: the face in it, one record as in ParameterBody.
        picture: the next frame of the file's chain, see picture_coder.py.
    """

    number: int
    from_frame: int
    replaces: int | None
    face: bytes
    picture: bytes

    def to_bytes(self) -> bytes:
        """As it is in the file."""
        replaces = 0 if self.replaces is None else self.replaces + 1
        numbers = self.number, self.from_frame, replaces, len(self.face)
        return b"".join(varint(number) for number in numbers) + self.face + self.picture

    @classmethod
    def parse(cls, data: bytes) -> "ReferenceBody":
        """Raises WireError if the bytes are none that an encoder writes."""
        reader = ChunkReader("reference", data)
        number, from_frame, replaces = reader.varint(), reader.varint(), reader.varint()
        check_range("reference: number", number, 0, U16_MAX - 1)
        check_range("reference: replaces", replaces, 0, number)
        face = reader.take(reader.varint())
        return cls(number, from_frame, replaces - 1 if replaces else None, face, reader.rest())
