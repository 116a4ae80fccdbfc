"""Bytes of a .hgn file in, its chunks out; and back. docs/hgn.md draws the whole file.

    tag       varint: the body's length << 3 | kind
    body
    checksum  4 bytes, CRC-32 of tag and body, most significant byte first

A varint has seven bits a byte, the least significant first, and the top bit set in all bytes but the last. All that is
read here may come from anybody: nothing but WireError is raised, and no more is held than the file has bytes.
"""

import io
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from headgan.proto.errors import WireError
from headgan.proto.wire_fields import Reader

INDEX, PARAMETERS, SOUND, REFERENCE = range(4)
_KIND_BITS = 3
CHECKSUM_BYTES = 4
# 32 bits; and the largest body, far beyond what an encoder writes.
_MAX_VARINT_BYTES = 5
MAX_BODY_BYTES = 1 << 22
FOOTER_MAGIC = b"\x89NGH"
FOOTER_BYTES = 8


class ChunkReader(Reader):
    """Takes fields off the front of untrusted bytes."""

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self._position

    def varint(self) -> int:
        """The next number of 0 to 2**32 - 1."""
        value = 0
        for place in range(_MAX_VARINT_BYTES):
            byte = self.u8()
            value |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                if value >> 32 or (byte == 0 and place > 0):
                    break
                return value
        raise WireError(f"{self._name}: a number is longer than it may be")


def varint(value: int) -> bytes:
    """A number of 0 to 2**32 - 1."""
    if not 0 <= value < 1 << 32:
        raise ValueError(f"{value} is no number of 32 bits")
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def checksum(data: bytes) -> bytes:
    """4 bytes."""
    return zlib.crc32(data).to_bytes(CHECKSUM_BYTES, "big")


def chunk_bytes(kind: int, body: bytes) -> bytes:
    """A whole chunk."""
    if len(body) > MAX_BODY_BYTES:
        raise ValueError(f"a chunk of {len(body)} bytes, at most {MAX_BODY_BYTES}")
    tagged = varint(len(body) << _KIND_BITS | kind) + body
    return tagged + checksum(tagged)


@dataclass(frozen=True)
class Place:
    """Where a chunk is in a file.

    Attributes:
        kind: INDEX, PARAMETERS, SOUND, REFERENCE, or one that this version does not know.
        start: offset of its tag in the file.
        body_bytes: length of its body.
    """

    kind: int
    start: int
    body_bytes: int

    @property
    def tag(self) -> int:
        """The number that it begins with."""
        return self.body_bytes << _KIND_BITS | self.kind

    @property
    def size(self) -> int:
        """Its length in bytes, all in all."""
        return len(varint(self.tag)) + self.body_bytes + CHECKSUM_BYTES

    @property
    def end(self) -> int:
        """Offset of what comes behind it."""
        return self.start + self.size

    @classmethod
    def from_tag(cls, tag: int, start: int) -> "Place":
        """Raises WireError if a chunk cannot be as long."""
        body_bytes = tag >> _KIND_BITS
        if body_bytes > MAX_BODY_BYTES:
            raise WireError(f"chunk at byte {start}: {body_bytes} bytes, at most {MAX_BODY_BYTES}")
        return cls(tag & (1 << _KIND_BITS) - 1, start, body_bytes)


def read_body(file: BinaryIO, place: Place) -> bytes:
    """The body of a chunk.

    Raises:
        WireError: it is damaged, or cut off.
    """
    file.seek(place.start)
    data = file.read(place.size)
    tag = varint(place.tag)
    tagged = data[:-CHECKSUM_BYTES]
    if len(data) < place.size or not data.startswith(tag) or checksum(tagged) != data[-CHECKSUM_BYTES:]:
        raise WireError(f"chunk at byte {place.start}: damaged")
    return tagged[len(tag) :]


@dataclass(frozen=True)
class ChunkTable:
    """The chunks of a file in their order, without the index.

    Attributes:
        places: where they are.
        index_bytes: of the index and all behind it; 0 if there is none.
        fault: why this is not all that was written, in words; None if it is.
    """

    places: tuple[Place, ...]
    index_bytes: int
    fault: str | None


def index_bytes(places: tuple[Place, ...]) -> bytes:
    """What ends a file: the tags of all its chunks, and where to find them."""
    if sum(len(varint(place.tag)) for place in places) + _MAX_VARINT_BYTES > MAX_BODY_BYTES:
        return b""  # weeks long; it is read from the front
    chunk = chunk_bytes(INDEX, varint(len(places)) + b"".join(varint(place.tag) for place in places))
    return chunk + len(chunk).to_bytes(FOOTER_BYTES - len(FOOTER_MAGIC), "big") + FOOTER_MAGIC


def read_table(file: BinaryIO, first: int) -> ChunkTable:
    """The chunks of a file: from its index, or, if it has none, one after the other.

    Args:
        file: the file.
        first: offset of the first chunk.
    """
    size = file.seek(0, io.SEEK_END)
    try:
        return _from_index(file, first, size)
    except WireError:
        return _scan(file, first, size)


def _from_index(file: BinaryIO, first: int, size: int) -> ChunkTable:
    """Raises WireError if the end of the file is no index of what is before it."""
    if size < first + FOOTER_BYTES:
        raise WireError("no index")
    file.seek(size - FOOTER_BYTES)
    footer = file.read(FOOTER_BYTES)
    start = size - FOOTER_BYTES - int.from_bytes(footer[: -len(FOOTER_MAGIC)], "big")
    if not footer.endswith(FOOTER_MAGIC) or start < first:
        raise WireError("no index")
    file.seek(start)
    place = Place.from_tag(_read_tag(file), start)
    if place.kind != INDEX or place.end != size - FOOTER_BYTES:
        raise WireError("no index")
    reader = ChunkReader("index", read_body(file, place))
    places, at = [], first
    for _ in range(reader.varint()):
        places.append(Place.from_tag(reader.varint(), at))
        at = places[-1].end
    reader.finish()
    if at != start:
        raise WireError(f"index: it tells of {at} bytes, there are {start}")
    return ChunkTable(tuple(places), size - start, None)


def _scan(file: BinaryIO, first: int, size: int) -> ChunkTable:
    """Goes from chunk to chunk, up to the end or to where two in a row are damaged: their lengths may be wrong."""
    places: list[Place] = []
    at, damaged = first, 0
    while at < size:
        try:
            file.seek(at)
            place = Place.from_tag(_read_tag(file), at)
        except WireError:
            return _cut(places, damaged, f"it cannot be read beyond byte {at}")
        if place.end > size:
            return _cut(places, damaged, f"it is cut off at byte {size}")
        try:
            read_body(file, place)
            damaged = 0
        except WireError:
            damaged += 1
        if place.kind == INDEX and not damaged:
            return ChunkTable(
                tuple(places), size - at, f"its last bytes are not as they should be, from {at} on"
            )
        places.append(place)
        if damaged == 2:
            return _cut(places, damaged, f"it cannot be read beyond byte {places[-2].start}")
        at = place.end
    return _cut(places, damaged, "it was not finished")


def _cut(places: list[Place], damaged: int, fault: str) -> ChunkTable:
    """What was found, less the damaged chunks at the end, which may be none."""
    return ChunkTable(tuple(places[: len(places) - damaged]), 0, fault)


def _read_tag(file: BinaryIO) -> int:
    return ChunkReader("chunk", file.read(_MAX_VARINT_BYTES)).varint()
