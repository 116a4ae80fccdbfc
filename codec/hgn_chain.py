"""References of a .hgn file in, in their order, those that a frame may be drawn from out."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from headgan.codec.hgn_bodies import ReferenceBody
from headgan.codec.hgn_chunks import Place, read_body
from headgan.codec.memory import MAX_CAPACITY, ReferenceMemory
from headgan.codec.param_decoder import DecodedFace
from headgan.codec.params import FaceParams
from headgan.codec.picture_coder import PictureDecoder
from headgan.proto.errors import WireError


@dataclass(frozen=True, eq=False)
class StoredReference:
    """A picture to draw from.

    Attributes:
        number: what frames call it.
        params: the face in it.
        picture_rgb: uint8 [256, 256, 3].
    """

    number: int
    params: FaceParams
    picture_rgb: NDArray[np.uint8]


class ReferenceChain:
    """The references of a file while it is played. Not thread-safe."""

    def __init__(
        self,
        file: BinaryIO,
        places: Sequence[Place],
        decode: Callable[[tuple[bool, ...], bytes], dict[int, DecodedFace]],
        tell: Callable[[str], None],
    ) -> None:
        """Args: places: of all references; decode: reads faces; tell: hears what is damaged."""
        self._file = file
        self._decode = decode
        self._tell = tell
        self._decoder: PictureDecoder | None = PictureDecoder()
        self._places = deque(places)
        self._coming: deque[tuple[ReferenceBody, StoredReference]] = deque()
        self._memory: ReferenceMemory[StoredReference] = ReferenceMemory(MAX_CAPACITY)

    def read_until(self, offset: int, frame: int) -> None:
        """Decodes all references that are in the file before a place; the next frame to be drawn is `frame`."""
        while self._places and self._places[0].start < offset:
            place = self._places.popleft()
            if self._decoder is None:
                continue
            try:
                self._coming.append(self._read(place, self._decoder))
            except WireError as error:
                # The pictures after it are said by what differs from it.
                self._decoder = None
                self._tell(f"{error}; this reference and those after it are left out")
            self.admit(frame)
            if len(self._coming) > MAX_CAPACITY:
                self._decoder = None
                self._tell("references: there are more than one segment can have; the others are left out")

    def admit(self, frame: int) -> None:
        """From this frame on there are those that were written before it."""
        while self._coming and self._coming[0][0].from_frame <= frame:
            body, reference = self._coming.popleft()
            try:
                self._memory.admit(body.number, reference, replaces=body.replaces)
            except ValueError as error:
                self._tell(f"{error}; it is left out")

    def named(self, numbers: tuple[int, ...]) -> tuple[StoredReference, ...]:
        """The references of these numbers, the first one for none, as far as there are; otherwise another one."""
        found = tuple(one for number in numbers or (0,) if (one := self._memory.get(number)) is not None)
        if found:
            return found
        self._tell("references are missing: frames are drawn from another one, or not at all")
        return tuple(self._memory)[:1]

    def _read(self, place: Place, decoder: PictureDecoder) -> tuple[ReferenceBody, StoredReference]:
        body = ReferenceBody.parse(read_body(self._file, place))
        picture_rgb = decoder.decode(body.picture)
        params = self._decode((True,), body.face)[0].params
        return body, StoredReference(body.number, params, picture_rgb)
