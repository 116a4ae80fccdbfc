"""The 300 features of speech in, one record of range-coded bytes out; and back.

features ── along the axes ── whole steps ── each with the frequencies of its place and of those before it ── bytes

A record follows from no other: one that is lost is missed alone. That costs little, as the 300 change by more than half
of their deviation from frame to frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from headgan.codec.range_coder import RangeDecoder, RangeEncoder
from headgan.codec.said_code import CONTEXTS, MOST_STEPS, SaidCode
from headgan.proto.errors import WireError
from headgan.proto.said import MAX_RECORD_BYTES

# Towards 0 a coordinate is rounded from so far: what is given away there is not worth its bits.
ROUNDED_UP_FROM = 0.6
# A coordinate is expected to be as large as this many before it.
NEIGHBOURS = 8
# Sums of their sizes, in steps, up to which each context goes; the last one has all above.
_CONTEXT_UP_TO = (0, 1, 2, 3, 5, 8, 13)


@dataclass(frozen=True)
class SaidRecord:
    """What networks are told of the sound up to the end of 40 ms.

    Attributes:
        number: rises by one each 40 ms; those that tell nothing new are left out.
        start_ms: when the 40 ms began, by the clock of the capture times.
        data: the record; empty: all stays as it is until the next.
    """

    is_copy: ClassVar[bool] = False

    number: int
    start_ms: float
    data: bytes


def steps_of(code: SaidCode, features: NDArray[np.floating]) -> NDArray[np.int64]:
    """Int64 [..., K]: features [..., 300] in whole steps, as they are coded.

    Raises:
        ValueError: they are not 300, or some are no numbers.
    """
    point = code.point_of(features)
    sizes = np.minimum(np.floor(np.abs(point) + (1 - ROUNDED_UP_FROM)), MOST_STEPS)
    return (np.sign(point) * sizes).astype(np.int64)


def encode_said(code: SaidCode, steps: Sequence[int] | NDArray[np.int64]) -> bytes:
    """A record, one byte at least, of what `steps_of` gives, [K].

    Raises:
        ValueError: it is longer than one that can be sent, which no speech is.
    """
    coder = RangeEncoder()
    starts, sizes = code.starts, [0] * NEIGHBOURS
    for spreads, value in zip(code.spreads.tolist(), map(int, steps), strict=True):
        row, symbol = starts[spreads[context_of(sizes)]], value + MOST_STEPS
        coder.encode(row[symbol], row[symbol + 1] - row[symbol])
        sizes = [*sizes[1:], abs(value)]
    # Nothing at all would mean that nothing has changed.
    data = coder.finish() or b"\0"
    if len(data) > MAX_RECORD_BYTES:
        raise ValueError(f"features of speech that need {len(data)} bytes, {MAX_RECORD_BYTES} are there")
    return data


def decode_said(code: SaidCode, data: bytes) -> NDArray[np.int64]:
    """Int64 [K]: the steps of a record.

    Raises:
        WireError: it is none that an encoder writes.
    """
    coder = RangeDecoder(b"" if data == b"\0" else data)
    starts, sizes = code.starts, [0] * NEIGHBOURS
    steps = []
    for spreads in code.spreads.tolist():
        value = coder.decode(starts[spreads[context_of(sizes)]]) - MOST_STEPS
        steps.append(value)
        sizes = [*sizes[1:], abs(value)]
    try:
        coder.check_end()
    except WireError as exc:
        raise WireError(f"features of speech: {exc}") from exc
    return np.array(steps, np.int64)


def context_of(sizes: Sequence[int]) -> int:
    """Which of CONTEXTS follows from the sizes of the coordinates just before."""
    total = sum(sizes)
    return next((place for place, most in enumerate(_CONTEXT_UP_TO) if total <= most), CONTEXTS - 1)
