"""A .hgn file in, where its bytes went out; every checksum is tried."""

import io
from dataclasses import dataclass
from typing import BinaryIO

from headgan.codec.hgn_bodies import ParameterBody, ReferenceBody, SoundBody
from headgan.codec.hgn_chunks import PARAMETERS, REFERENCE, SOUND, Place, read_body
from headgan.codec.hgn_reader import HgnReader
from headgan.proto.errors import WireError


@dataclass(frozen=True)
class HgnUsage:
    """What is in a file; the bytes add up to its size.

    Attributes:
        seconds: how long it plays.
        frames: of them.
        reference_bytes: of pictures to draw from, the faces in them, and the person's identity.
        parameter_bytes: of the faces of frames.
        sound_bytes: of packets of Opus.
        container_bytes: of all else: header, index, tags, numbers, checksums, and what cannot be read.
        first_bytes: of `reference_bytes`, those of the first picture and the identity.
        references: pictures to draw from.
        keys: frames that stand for themselves, at which playing can begin.
        faults: what is wrong with it, in words.
    """

    seconds: float
    frames: int
    reference_bytes: int
    parameter_bytes: int
    sound_bytes: int
    container_bytes: int
    first_bytes: int
    references: int
    keys: int
    faults: tuple[str, ...]

    @property
    def size(self) -> int:
        """Of the file in bytes."""
        return self.reference_bytes + self.parameter_bytes + self.sound_bytes + self.container_bytes


def measure_usage(file: BinaryIO) -> HgnUsage:
    """Reads a whole file.

    Raises:
        WireError: it is no .hgn file, of another version, or its header is damaged.
    """
    reader = HgnReader(file)
    counts = dict.fromkeys((PARAMETERS, SOUND, REFERENCE), 0)
    sizes = dict(counts)
    first_bytes = reader.header.identity_bytes
    for place in reader.table.places:
        try:
            size = _payload(place, read_body(file, place))
        except WireError as error:
            reader.tell(str(error))
            continue
        if place.kind == REFERENCE and not counts[REFERENCE]:
            first_bytes += size
        if place.kind in counts:
            counts[place.kind] += 1
            sizes[place.kind] += size
    whole = file.seek(0, io.SEEK_END)
    sizes[REFERENCE] += reader.header.identity_bytes
    return HgnUsage(
        seconds=reader.seconds,
        frames=reader.frames,
        reference_bytes=sizes[REFERENCE],
        parameter_bytes=sizes[PARAMETERS],
        sound_bytes=sizes[SOUND],
        container_bytes=whole - sum(sizes.values()),
        first_bytes=first_bytes,
        references=counts[REFERENCE],
        keys=counts[PARAMETERS],
        faults=tuple(reader.faults),
    )


def _payload(place: Place, body: bytes) -> int:
    """How many bytes of a body are not the container's."""
    if place.kind == PARAMETERS:
        return len(ParameterBody.parse(body).records)
    if place.kind == REFERENCE:
        reference = ReferenceBody.parse(body)
        return len(reference.picture) + len(reference.face)
    if place.kind == SOUND:
        return sum(map(len, SoundBody.parse(body).packets))
    return 0
