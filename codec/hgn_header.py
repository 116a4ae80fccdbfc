"""What a .hgn file says first of itself in, its bytes out; and back. docs/hgn.md draws the whole file."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from headgan.codec.hgn_chunks import CHECKSUM_BYTES, ChunkReader, checksum, varint
from headgan.codec.libopus import RATE
from headgan.proto.errors import WireError
from headgan.proto.wire_fields import check_length, check_range

MAGIC = b"\x89HGN"
# Version 1 says nothing of how what is no face moves.
VERSIONS = (1, 2)
# Frames of a chunk of parameters.
MAX_SEGMENT_FRAMES = 512
MAX_RATE_FPS = 240
_MAX_RATE_PART = 1 << 20
SOUND_RATE = RATE
# Lengths that a packet of Opus may have here, in milliseconds; 0 for no sound.
PACKET_MS = (0, 10, 20, 40, 60)
_MAX_SKIP = SOUND_RATE
_ID_BYTES = 8
_IDENTITY_FLOAT = np.dtype("<f2")
_MAX_IDENTITY = 255
_MAX_COEFFICIENT = 1e3
# More than any header has.
MAX_HEADER_BYTES = 1024


@dataclass(frozen=True, eq=False)
class HgnHeader:
    """What holds for the whole file.

    Attributes:
        model_id: 8 bytes of the morphable model, see MorphableModel.model_id.
        code_id: 8 bytes of the code of parameters, see ParamCode.code_id.
        rate_fps: frames a second.
        segment_frames: frames of each chunk of parameters; the last one may have fewer.
        packet_ms: length of a packet of Opus, 0 if there is no sound.
        pre_skip: samples at 48 kHz to leave out at the beginning of the sound.
        identity: float32 [n], the person's identity coefficients, as `stored_identity` leaves them.
        has_drift: whether faces and references say how the rest of the picture moved.
    """

    model_id: bytes
    code_id: bytes
    rate_fps: Fraction
    segment_frames: int
    packet_ms: int
    pre_skip: int
    identity: NDArray[np.float32]
    has_drift: bool = True

    def __post_init__(self) -> None:
        check_length("header: model", self.model_id, _ID_BYTES, _ID_BYTES)
        check_length("header: code", self.code_id, _ID_BYTES, _ID_BYTES)
        check_range("header: frames a second", float(self.rate_fps), 0.1, MAX_RATE_FPS)
        check_range("header: frames of a chunk", self.segment_frames, 1, MAX_SEGMENT_FRAMES)
        check_range("header: pre-skip", self.pre_skip, 0, _MAX_SKIP)
        check_range("header: identity coefficients", len(self.identity), 1, _MAX_IDENTITY)
        if self.packet_ms not in PACKET_MS:
            raise WireError(f"header: packets of {self.packet_ms} ms, must be one of {PACKET_MS}")
        if not np.all(np.abs(self.identity) <= _MAX_COEFFICIENT):
            raise WireError("header: an identity coefficient is not a number or out of range")

    @property
    def segment_s(self) -> Fraction:
        """Seconds of a chunk of parameters."""
        return self.segment_frames / self.rate_fps

    @property
    def identity_bytes(self) -> int:
        """What the identity takes in the file."""
        return len(self.identity) * _IDENTITY_FLOAT.itemsize

    def to_bytes(self) -> bytes:
        """The beginning of a file."""
        numbers = (
            self.rate_fps.numerator,
            self.rate_fps.denominator,
            self.segment_frames,
            self.packet_ms,
            self.pre_skip,
            len(self.identity),
        )
        fields = self.model_id + self.code_id + b"".join(varint(number) for number in numbers)
        data = (
            MAGIC
            + bytes([VERSIONS[self.has_drift]])
            + fields
            + self.identity.astype(_IDENTITY_FLOAT).tobytes()
        )
        return data + checksum(data)

    @classmethod
    def parse(cls, data: bytes) -> tuple["HgnHeader", int]:
        """The header at the beginning of `data`, and its length.

        Raises:
            WireError: it is no .hgn file, or of another version, or damaged.
        """
        if not data.startswith(MAGIC):
            raise WireError("this is no .hgn file")
        reader = ChunkReader("header", data)
        reader.take(len(MAGIC))
        version = reader.u8()
        if version not in VERSIONS:
            raise WireError(f"a .hgn file of version {version}; this headgan reads versions 1 and 2")
        model_id, code_id = reader.take(_ID_BYTES), reader.take(_ID_BYTES)
        numerator, denominator, segment_frames, packet_ms, pre_skip, count = (
            reader.varint() for _ in range(6)
        )
        check_range("header: identity coefficients", count, 1, _MAX_IDENTITY)
        identity = np.frombuffer(reader.take(_IDENTITY_FLOAT.itemsize * count), _IDENTITY_FLOAT)
        read = reader.take(CHECKSUM_BYTES)
        size = len(data) - len(reader.rest())
        if checksum(data[: size - CHECKSUM_BYTES]) != read:
            raise WireError("header: damaged")
        check_range("header: frames a second, above the line", numerator, 1, _MAX_RATE_PART)
        check_range("header: frames a second, below the line", denominator, 1, _MAX_RATE_PART)
        rate_fps = Fraction(numerator, denominator)
        values = identity.astype(np.float32)
        has_drift = version == VERSIONS[True]
        return cls(model_id, code_id, rate_fps, segment_frames, packet_ms, pre_skip, values, has_drift), size


def stored_identity(identity: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a file keeps of identity coefficients, float32 [n]; faces have to be fitted with these."""
    return identity.astype(_IDENTITY_FLOAT).astype(np.float32)
