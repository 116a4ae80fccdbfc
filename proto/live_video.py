"""Frames of a live video cut in pieces, and put together again: what a call falls back on where no face can be drawn.

It goes over the channel `control`, which loses nothing: a frame is sent only once the one before it is on its way, so
a bad line makes it slower, never broken. No socket, no clock.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from headgan.proto.errors import WireError
from headgan.proto.wire_fields import U32_MAX, check_length, check_range, open_message

MAX_VIDEO_FRAME_BYTES = 64 * 1024
# As small as a piece of a reference, so that no frame of the call waits for it.
MAX_PIECE_BYTES = 300
# What a receiver names in Hello when it shows such video.
LIVE_VIDEO_CAPABILITY = "live-vp9"
_HEADER = struct.Struct("!BBIH")
_FLAG_BEGINS, _FLAG_ENDS = 0b0000_0001, 0b0000_0010


@dataclass(frozen=True)
class VideoPiece:
    """A piece of a frame of live video; the pieces of a frame follow each other.

    offset  size  field
         0     1  type = 11
         1     1  flags: bit 0 begins a frame, bit 1 ends it, all others 0
         2     4  capture_ms of the frame on the sender's clock, modulo 2**32
         6     2  length of data, 1..300
         8     d  data, of a VP9 frame that is predicted from those before it
    """

    TYPE = 11

    capture_ms: int
    data: bytes
    begins: bool
    ends: bool

    def __post_init__(self) -> None:
        check_range("video piece: capture_ms", self.capture_ms, 0, U32_MAX)
        check_length("video piece: data", self.data, 1, MAX_PIECE_BYTES)

    def to_bytes(self) -> bytes:
        """The piece as one control message."""
        flags = _FLAG_BEGINS * self.begins | _FLAG_ENDS * self.ends
        return _HEADER.pack(self.TYPE, flags, self.capture_ms, len(self.data)) + self.data

    @classmethod
    def parse(cls, data: bytes) -> "VideoPiece":
        """The piece in one control message; raises WireError."""
        check_length("video piece", data, _HEADER.size, _HEADER.size + MAX_PIECE_BYTES)
        reader = open_message("video piece", data, cls.TYPE)
        flags = reader.u8()
        if flags & ~(_FLAG_BEGINS | _FLAG_ENDS):
            raise WireError(f"video piece: flags {flags:#04x} has bits that this version does not know")
        capture_ms = reader.u32()
        piece = cls(
            capture_ms, reader.take(reader.u16()), bool(flags & _FLAG_BEGINS), bool(flags & _FLAG_ENDS)
        )
        reader.finish()
        return piece


@dataclass(frozen=True)
class VideoReceived:
    """A frame of live video is complete.

    Attributes:
        capture_ms: on the sender's clock, modulo 2**32.
        data: a VP9 frame.
    """

    capture_ms: int
    data: bytes


def split_video(data: bytes, capture_ms: int) -> Iterator[VideoPiece]:
    """The messages that carry a frame, in order; WireError if it is over the limit."""
    check_length("video frame", data, 1, MAX_VIDEO_FRAME_BYTES)
    for offset in range(0, len(data), MAX_PIECE_BYTES):
        end = offset + MAX_PIECE_BYTES
        yield VideoPiece(capture_ms, data[offset:end], begins=offset == 0, ends=end >= len(data))


class VideoAssembler:
    """Collects pieces; the channel keeps their order."""

    def __init__(self) -> None:
        self._data: bytearray | None = None
        self._capture_ms = 0

    def add(self, piece: VideoPiece) -> VideoReceived | None:
        """Takes the next piece; the frame after its last one.

        Raises:
            WireError: a piece is missing, or the frame is over the limit.
        """
        if piece.begins != (self._data is None):
            raise WireError(
                f"video piece: {'begins' if piece.begins else 'goes on with'} a frame at a wrong place"
            )
        if self._data is None:
            self._data, self._capture_ms = bytearray(), piece.capture_ms
        if piece.capture_ms != self._capture_ms:
            raise WireError("video piece: belongs to another frame")
        self._data += piece.data
        check_length("video frame", bytes(self._data), 1, MAX_VIDEO_FRAME_BYTES)
        if not piece.ends:
            return None
        data, self._data = bytes(self._data), None
        return VideoReceived(self._capture_ms, data)
