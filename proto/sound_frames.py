"""Numbered pieces of sound in, their bytes one behind the other out; and back: what a voice and what is said share.

for each piece:
     1  bit 7: another one follows; bits 0 to 6 are the packet's own
     1  length
     0..255  data
"""

from collections.abc import Iterator, Sequence

from headgan.proto.clock import nearest_zero
from headgan.proto.errors import WireError
from headgan.proto.wire_fields import U8_MAX, U32_MAX, Reader

_MORE = 0x80


def pieces_bytes(pieces: Sequence[tuple[int, bytes]]) -> bytes:
    """The first byte of each, without bit 7, and its data."""
    last = len(pieces) - 1
    heads = (head | (_MORE if place < last else 0) for place, (head, _) in enumerate(pieces))
    return b"".join(bytes([head, len(data)]) + data for head, (_, data) in zip(heads, pieces, strict=True))


def read_pieces(reader: Reader, most: int, what: str, pieces: str) -> Iterator[tuple[int, bytes]]:
    """The pieces at the front of what is left, at most `most`; what, pieces: names for a message.

    Raises:
        WireError: there are more, or the bytes end too early.
    """
    count, has_more = 0, True
    while has_more:
        head = reader.u8()
        has_more = bool(head & _MORE)
        yield head & ~_MORE, reader.take(reader.u8())
        count += 1
        if count > most:
            raise WireError(f"{what}: more than {most} {pieces}")


def read_start_ms(reader: Reader, capture_ms: int) -> int:
    """A time, modulo 2**32, of which one byte is said, near the capture time of the frame that it travels with."""
    return (capture_ms + nearest_zero(reader.u8() - capture_ms, U8_MAX + 1)) % (U32_MAX + 1)
