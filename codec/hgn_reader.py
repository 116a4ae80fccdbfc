"""A .hgn file in, its frames from any place on out, and its sound.

    header ── chunk table, from the index or from chunk to chunk
    play ─┬─ references before the place, in their order ── ReferenceChain ─┐
          └─ segments from the place on ── ParamDecoder ────────────────────┴─ HgnFrame

What is damaged is left out and told of in `faults`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from headgan.codec.hgn_bodies import ParameterBody, SoundBody
from headgan.codec.hgn_chain import ReferenceChain, StoredReference
from headgan.codec.hgn_chunks import PARAMETERS, REFERENCE, SOUND, Place, read_body, read_table
from headgan.codec.hgn_header import MAX_HEADER_BYTES, HgnHeader
from headgan.codec.param_code import ParamCode, shipped_code
from headgan.codec.param_decoder import DecodedFace, ParamDecoder
from headgan.codec.params import FaceParams
from headgan.proto.errors import ModelError, WireError

_MOST_FAULTS = 20


@dataclass(frozen=True, eq=False)
class HgnFrame:
    """A frame of a file.

    Attributes:
        number: its place, from 0.
        params: the face; None if there is none, or it is lost.
        references: those to draw it from, the best one first; empty if there are none.
        is_lost: whether it was in a chunk that is damaged.
    """

    number: int
    params: FaceParams | None
    references: tuple[StoredReference, ...] = ()
    is_lost: bool = False


class HgnReader:
    """Reads one file. Not thread-safe.

    Attributes:
        header: what holds for the whole file.
        table: where its chunks are.
        frames: how many there are to play.
        faults: what was found damaged so far, in words.
    """

    def __init__(self, file: BinaryIO, *, code: ParamCode | None = None) -> None:
        """Reads header and index.

        Args:
            file: opened for reading, and able to seek.
            code: the one that ships if None.

        Raises:
            WireError: it is no .hgn file, of another version, or its header is damaged.
        """
        self._file = file
        self._code = code
        file.seek(0)
        self.header, first = HgnHeader.parse(file.read(MAX_HEADER_BYTES))
        self.table = read_table(file, first)
        self.faults: list[str] = [] if self.table.fault is None else [self.table.fault]
        self._sound = self._of(SOUND)
        self._segments = self._find_segments()
        self._last = -1
        self.frames = self._count_frames()

    @property
    def seconds(self) -> float:
        """Length of the file."""
        return float(self.frames / self.header.rate_fps)

    def play(self, start: int = 0, stop: int | None = None) -> Iterator[HgnFrame]:
        """The frames from `start` on, up to `stop` or the end.

        Raises:
            ModelError: the parameters were coded with another code than this headgan has.
        """
        self.check_code()
        stop = self.frames if stop is None else min(stop, self.frames)
        chain = ReferenceChain(self._file, self._of(REFERENCE), self.decode, self.tell)
        for segment in range(start // self.header.segment_frames, -(-stop // self.header.segment_frames)):
            place = self._segments.get(segment)
            first = segment * self.header.segment_frames
            if place is not None:
                chain.read_until(place.start, max(first, start))
            faces = self._faces(segment, place)
            for number in range(max(first, start), min(first + self.header.segment_frames, stop)):
                chain.admit(number)
                if faces is None:
                    yield HgnFrame(number, None, is_lost=True)
                    continue
                face = faces.get(number - first)
                yield (
                    HgnFrame(number, face.params, chain.named(face.references))
                    if face
                    else HgnFrame(number, None)
                )

    def last_face(self, number: int) -> int | None:
        """The last frame, up to `number`, that has a face; None if no frame has."""
        size = self.header.segment_frames
        for segment in range(number // size, -1, -1):
            body = self._body(segment, self._segments.get(segment))
            for place in reversed(range(len(body.has_face) if body else 0)):
                if body and body.has_face[place] and segment * size + place <= number:
                    return segment * size + place
        return None

    def sound(self, start: int = 0) -> Iterator[tuple[int, bytes]]:
        """Packets of Opus with their numbers, from those of frame `start` on."""
        if not self.header.packet_ms:
            return
        before = self._segments.get(start // self.header.segment_frames - 1)
        from_packet = self._packet_at(start)
        for place in self._sound:
            if before is not None and place.end <= before.start:
                continue
            try:
                body = SoundBody.parse(read_body(self._file, place))
            except WireError as error:
                self.tell(f"{error}; its sound is left out")
                continue
            for number, packet in enumerate(body.packets, body.first):
                if number >= from_packet:
                    yield number, packet
                    from_packet = number + 1

    def decode(self, has_face: tuple[bool, ...], records: bytes) -> dict[int, DecodedFace]:
        """The faces of records by their places; raises WireError if they do not stand for themselves."""
        faces = ParamDecoder(self._code, has_drift=self.header.has_drift).decode(0, has_face, records)
        if len(faces) != sum(has_face):
            raise WireError("parameters: a face follows from one that is not there")
        return {face.number: face for face in faces}

    def tell(self, fault: str) -> None:
        """Keeps what is wrong, once, and no more than anybody would read."""
        if fault not in self.faults and len(self.faults) < _MOST_FAULTS:
            self.faults.append(fault)

    def check_code(self) -> None:
        """Raises ModelError if the parameters were coded with another code than this headgan has."""
        if self.header.code_id != (self._code or shipped_code()).code_id:
            raise ModelError(
                f"the file's parameters are coded with {self.header.code_id.hex()}, which this headgan does "
                "not have; decode it with the version that wrote it"
            )

    def _of(self, kind: int) -> tuple[Place, ...]:
        return tuple(place for place in self.table.places if place.kind == kind)

    def _find_segments(self) -> dict[int, Place]:
        """Where each segment is: in the order of the index, or, without one, by the numbers in the chunks."""
        places = self._of(PARAMETERS)
        if self.table.fault is None:
            return dict(enumerate(places))
        found: dict[int, Place] = {}
        last = -1
        for place in places:
            try:
                body = ParameterBody.parse(read_body(self._file, place))
            except WireError:
                continue
            # A gap is no longer than what may have been damaged.
            if last < body.segment < len(self.table.places):
                found[body.segment] = place
                last = body.segment
        return found

    def _count_frames(self) -> int:
        """Up to the last segment that can be read."""
        for segment in sorted(self._segments, reverse=True):
            self._last = segment
            body = self._body(segment, self._segments[segment])
            if body is not None:
                return segment * self.header.segment_frames + len(body.has_face)
        return 0

    def _body(self, segment: int, place: Place | None) -> ParameterBody | None:
        """A segment; None if it is damaged, or not there."""
        if place is None:
            self.tell(f"segment {segment} is missing")
            return None
        try:
            body = ParameterBody.parse(read_body(self._file, place))
            size = len(body.has_face)
            if body.segment != segment or size > self.header.segment_frames:
                raise WireError(f"chunk at byte {place.start}: not segment {segment}")
            if size < self.header.segment_frames and segment < self._last:
                raise WireError(f"chunk at byte {place.start}: {size} frames")
        except WireError as error:
            self.tell(f"{error}; its frames are left out")
            return None
        return body

    def _faces(self, segment: int, place: Place | None) -> dict[int, DecodedFace] | None:
        body = self._body(segment, place)
        if body is None:
            return None
        try:
            return self.decode(body.has_face, body.records)
        except WireError as error:
            self.tell(f"segment {segment}: {error}; its frames are left out")
            return None

    def _packet_at(self, frame: int) -> int:
        """Number of the packet that sounds when a frame begins."""
        return int(frame * 1000 / self.header.rate_fps // self.header.packet_ms)
