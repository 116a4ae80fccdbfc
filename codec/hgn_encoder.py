"""Frames, references and packets of sound in, pieces of a .hgn file out, as soon as each can be written.

    begin ── header
    add_reference ── a chunk at once
    add_frame ── nothing, or, once a segment is full, its chunk of parameters and the sound of its time
    finish ── what is left, and the index

The pieces, one behind the other, are the file; so is what was written of them when a program is killed, up to there.
"""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from headgan.codec.hgn_bodies import ParameterBody, ReferenceBody, SoundBody
from headgan.codec.hgn_chunks import PARAMETERS, REFERENCE, SOUND, Place, chunk_bytes, index_bytes
from headgan.codec.hgn_header import HgnHeader
from headgan.codec.param_code import ParamCode, shipped_code
from headgan.codec.param_encoder import DEFAULT_QUALITY, Face, ParamEncoder
from headgan.codec.params import FaceParams
from headgan.codec.quantizer import STEPS, step_of
from headgan.codec.reference_params import REFERENCE_QUALITY
from headgan.proto.errors import UsageError

# Seconds of a chunk of parameters, whose first face stands for itself. Of 1.2 kbit/s that takes 5 %; with chunks of one
# second it would be 10 %, with those of four 3 %.
SEGMENT_S = 2.0
# What is left of a segment's bytes may be spent on the next ones, as many segments' worth.
_MOST_SAVED = 1.0
_MOST_OWED = 2.0


def segment_frames(rate_fps: Fraction) -> int:
    """How many frames a chunk of parameters has."""
    return max(1, round(SEGMENT_S * rate_fps))


class RateHolder:
    """Picks the step of each segment: the finest that the rate has paid for."""

    def __init__(self, finest: int, kbps: float | None) -> None:
        """Args: finest: index of a step that is fine enough; kbps: kbit/s at most, None for that step always."""
        self._finest, self._kbps = finest, kbps
        self._saved = 0.0

    def encode(self, encode_at: Callable[[int], bytes], seconds: float) -> bytes:
        """A segment at a step; encode_at: makes its bytes at the step of an index."""
        data = encode_at(self._finest)
        if self._kbps is None:
            return data
        share = self._kbps * 1000 / 8 * seconds
        allowed = self._saved + share
        if len(data) > allowed:
            data = self._largest(encode_at, allowed)
        self._saved = max(-_MOST_OWED * share, min(allowed - len(data), _MOST_SAVED * share))
        return data

    def _largest(self, encode_at: Callable[[int], bytes], allowed: float) -> bytes:
        """At the finest step that is allowed, or the coarsest; bytes fall with coarser steps, nearly always."""
        fine, coarse = self._finest, len(STEPS) - 1
        best = encode_at(coarse)
        while coarse - fine > 1:
            middle = (fine + coarse) // 2
            data = encode_at(middle)
            if len(data) <= allowed:
                coarse, best = middle, data
            else:
                fine = middle
        return best


class HgnEncoder:
    """Encodes one file. No clock, no file, not thread-safe.

    Attributes:
        frames: that were added.
        parameter_bytes: of the faces that were written.
    """

    def __init__(
        self,
        header: HgnHeader,
        *,
        quality: float = DEFAULT_QUALITY,
        kbps: float | None = None,
        code: ParamCode | None = None,
    ) -> None:
        """Starts a file.

        Args:
            header: of the file; its code has to be that of `code`.
            quality: of the parameters, 0 (coarse) to 1 (fine), at most.
            kbps: kbit/s that parameters may cost at most; None for as many as the quality needs.
            code: the one that ships if None.

        Raises:
            UsageError: the quality is not within 0 to 1.
        """
        code = code or shipped_code()
        if header.code_id != code.code_id:
            raise ValueError("the header names another code of parameters")
        self.frames = 0
        self.parameter_bytes = 0
        self._header = header
        self._rate = RateHolder(step_of(quality), kbps)
        drifts, rate_fps = header.has_drift, float(header.rate_fps)
        self._params = ParamEncoder(loses=False, code=code, rate_fps=rate_fps, has_drift=drifts)
        self._fine = ParamEncoder(quality=REFERENCE_QUALITY, loses=False, code=code, has_drift=drifts)
        self._segment: list[Face | None] = []
        self._segments = 0
        self._references = 0
        self._packets: list[bytes] = []
        self._written_packets = 0
        self._places: list[Place] = []
        self._at = 0

    @property
    def written_s(self) -> Fraction:
        """Seconds of the frames whose parameters were written."""
        return (self.frames - len(self._segment)) / self._header.rate_fps

    def begin(self) -> bytes:
        """The first piece."""
        data = self._header.to_bytes()
        self._at = len(data)
        return data

    def add_reference(self, params: FaceParams, picture: bytes, replaces: int | None = None) -> bytes:
        """A reference that frames from the next one on may name; references are counted from 0.

        Args:
            params: the face in it.
            picture: the next frame of the chain, see picture_coder.py.
            replaces: number of the one that is given up for it, which no further frame may name.
        """
        self._fine.forget()
        face = self._fine.encode(0, [Face(params)])
        body = ReferenceBody(self._references, self.frames, replaces, face, picture)
        self._references += 1
        return self._chunk(REFERENCE, body.to_bytes())

    def add_frame(self, face: Face | None) -> bytes:
        """The next frame; None for one without a face.

        Raises:
            UsageError: a value is not a number, or beyond what a face can be.
        """
        if face is not None:
            if (fault := face.params.fault()) is not None:
                raise UsageError(f"frame {self.frames} cannot be written: {fault}")
            if face.references == (0,):
                face = replace(face, references=())
        self._segment.append(face)
        self.frames += 1
        return self._end_segment() if len(self._segment) == self._header.segment_frames else b""

    def add_sound(self, packet: bytes) -> None:
        """The next packet of Opus; it is written with the frames of its time, or those after them."""
        if not self._header.packet_ms:
            raise ValueError("the header tells of no sound")
        self._packets.append(packet)

    def finish(self) -> bytes:
        """The last pieces; nothing may be added afterwards."""
        data = self._end_segment() if self._segment else b""
        return data + index_bytes(tuple(self._places))

    def _end_segment(self) -> bytes:
        faces, self._segment = self._segment, []

        def encode_at(step: int) -> bytes:
            self._params.forget()
            self._params.step = step
            return self._params.encode(0, faces)

        records = self._rate.encode(encode_at, len(faces) / float(self._header.rate_fps))
        self.parameter_bytes += len(records)
        body = ParameterBody(self._segments, tuple(face is not None for face in faces), records)
        self._segments += 1
        return self._chunk(PARAMETERS, body.to_bytes()) + self._sound()

    def _sound(self) -> bytes:
        """The packets that begin before the end of the frames so far."""
        if not self._header.packet_ms:
            return b""
        ended = -(-self.frames * 1000 // (self._header.packet_ms * self._header.rate_fps))
        count = max(0, min(int(ended) - self._written_packets, len(self._packets)))
        if not count:
            return b""
        body = SoundBody(self._written_packets, tuple(self._packets[:count]))
        del self._packets[:count]
        self._written_packets += count
        return self._chunk(SOUND, body.to_bytes())

    def _chunk(self, kind: int, body: bytes) -> bytes:
        data = chunk_bytes(kind, body)
        self._places.append(Place(kind, self._at, len(body)))
        self._at += len(data)
        return data
