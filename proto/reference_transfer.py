"""The reference picture in, control messages out; and the way back, checked to the last byte."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from headgan.proto.errors import WireError
from headgan.proto.reference_messages import (
    MAX_CHUNK_BYTES,
    SHA256_BYTES,
    ReferenceChunk,
    ReferenceMore,
    ReferenceStart,
)

# A chunk of a later reference is small, so that it holds up no frame: 50 ms at 60 kbit/s.
SMALL_CHUNK_BYTES = 300


@dataclass(frozen=True)
class Reference:
    """A picture to draw from.

    Attributes:
        image: the encoded picture, at most 256 KiB.
        media_type: how it is encoded, such as image/jpeg.
        payload: the face parameters of the picture, opaque like those of a ParamPacket.
    """

    image: bytes
    media_type: str
    payload: bytes


def split_reference(reference: Reference) -> Iterator[ReferenceStart | ReferenceChunk]:
    """The messages that carry `reference`, in order; raises WireError when it breaks a limit."""
    image = reference.image
    digest = hashlib.sha256(image).digest()
    yield ReferenceStart(len(image), digest, reference.media_type, reference.payload)
    yield from _chunks(image, MAX_CHUNK_BYTES)


def split_more(
    number: int, reference: Reference, replaces: int | None = None
) -> Iterator[ReferenceMore | ReferenceChunk]:
    """The messages that carry one more reference, in order, to be sent one by one as the rate allows.

    Raises:
        WireError: it breaks a limit.
    """
    image = reference.image
    blank = ReferenceStart(len(image), bytes(SHA256_BYTES), reference.media_type, reference.payload)
    digest = hashlib.sha256(image + ReferenceMore(number, replaces, blank).to_bytes()).digest()
    yield ReferenceMore(number, replaces, replace(blank, sha256=digest))
    yield from _chunks(image, SMALL_CHUNK_BYTES)


class ReferenceAssembler:
    """Collects the chunks of one announced picture; they must come in order, as the channel keeps it."""

    def __init__(self, announced: ReferenceStart | ReferenceMore) -> None:
        # The digest of a later reference is also that of its announcement, with zeros in the digest's place.
        self._announcement = b""
        if isinstance(announced, ReferenceMore):
            blank = replace(announced.start, sha256=bytes(SHA256_BYTES))
            self._announcement = replace(announced, start=blank).to_bytes()
            announced = announced.start
        self._start = announced
        self._image = bytearray()

    def add(self, chunk: ReferenceChunk) -> Reference | None:
        """Takes the next chunk; the finished picture after the last one.

        Raises:
            WireError: a gap or repetition, more bytes than announced, or a wrong digest.
        """
        if chunk.offset != len(self._image):
            raise WireError(f"reference chunk: offset {chunk.offset}, expected {len(self._image)}")
        missing_bytes = self._start.total_bytes - len(self._image)
        if len(chunk.data) > missing_bytes:
            raise WireError(f"reference chunk: {len(chunk.data)} bytes, only {missing_bytes} are missing")
        self._image += chunk.data
        if len(self._image) < self._start.total_bytes:
            return None
        image = bytes(self._image)
        if hashlib.sha256(image + self._announcement).digest() != self._start.sha256:
            raise WireError("reference picture: the bytes do not match their sha256")
        return Reference(image, self._start.media_type, self._start.payload)


def _chunks(image: bytes, size: int) -> Iterator[ReferenceChunk]:
    for offset in range(0, len(image), size):
        yield ReferenceChunk(offset, image[offset : offset + size])
