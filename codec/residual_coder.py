"""Residuals of a frame in, range-coded symbols out; and back: how likely each value is, from what both ends know.

A residual is how far a coefficient of a face's point is from where it was in an earlier frame, in steps. Its spread is
predicted from six numbers: how fast this coefficient and the whole face moved in the earlier frame, what has been coded
of this frame so far, in all and just before, how long ago the earlier frame was, and the step. All of it is whole
numbers. A spread picks a table of frequencies for the classes of size:

    0  1  2  3  4  5..6  7..8  9..12  13..16  17..24  ...      two classes an octave, then bits for which of its sizes
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from headgan.codec.param_code import CLASSES, POINT_SIZE, SCALES, SIGN_CONTEXTS, ParamCode
from headgan.codec.range_coder import TOTAL, RangeDecoder, RangeEncoder
from headgan.proto.errors import WireError

# Sizes up to this are classes of their own.
_EXACT = 4
MAX_SIZE = 1 << (CLASSES - 1 - _EXACT) // 2 + 2
# A class takes so many bits at once.
_BITS = 12
_LOG_TABLE_SIZE = 1 << 12


def whole_log(value: int) -> int:
    """About 16 log2(value + 1), in whole numbers: exact at powers of two, straight between them."""
    value += 1
    octave = value.bit_length() - 1
    return 16 * octave + (value << 4 >> octave) - 16


def class_of(size: int) -> tuple[int, int, int]:
    """Class, offset within it, and the number of bits of the offset, of a size of 0 to MAX_SIZE."""
    if size <= _EXACT:
        return size, 0, 0
    octave = (size - 1).bit_length() - 1  # size - 1 is within 2**octave .. 2**(octave + 1) - 1
    bits = octave - 1
    upper = (size - 1) >> bits & 1
    return _EXACT + 1 + 2 * (octave - 2) + upper, (size - 1) & (1 << bits) - 1, bits


def smallest_of(size_class: int) -> tuple[int, int]:
    """The smallest size of a class, and the number of bits of the offset within it."""
    if size_class <= _EXACT:
        return size_class, 0
    octave, upper = divmod(size_class - _EXACT - 1, 2)
    bits = octave + 1
    return (2 + upper << bits) + 1, bits


@dataclass(frozen=True)
class Surroundings:
    """What both ends know of a frame before its residuals.

    Attributes:
        change: of each coefficient in the earlier frame, against the one that it was predicted from, in units and as if
            it had taken as long as the two frames are apart; None if there is no earlier frame.
        lag: by how many frames the earlier one is older.
        step: of the quantizer, in units.
    """

    change: tuple[int, ...] | None
    lag: int
    step: int


class ResidualModel:
    """The tables of a code, as lists: these are read once a coefficient."""

    def __init__(self, code: ParamCode) -> None:
        self._weights = code.weights.tolist()
        self._biases = code.biases.tolist()
        self._logs = [whole_log(value) for value in range(_LOG_TABLE_SIZE)]
        self._same_sign: list[int] = code.same_sign.tolist()
        ends = np.cumsum(code.classes, axis=1)
        self.starts: list[list[int]] = np.concatenate([np.zeros((SCALES, 1), int), ends], axis=1).tolist()
        self._code = code

    @cached_property
    def class_bits(self) -> list[list[float]]:
        """Bits of each class at each scale, those of its offset included; the sign is not."""
        offsets = np.array([smallest_of(size_class)[1] for size_class in range(CLASSES)])
        bits: list[list[float]] = (-np.log2(self._code.classes / TOTAL) + offsets).tolist()
        return bits

    def log(self, value: int) -> int:
        """`whole_log`, from a table where it reaches."""
        return self._logs[value] if value < _LOG_TABLE_SIZE else whole_log(value)

    def before(self, around: Surroundings) -> list[int]:
        """For each coefficient, the part of its spread that is known before the first residual."""
        kind = 0 if around.change is not None else 1
        weights, biases = self._weights[kind], self._biases[kind]
        log = self.log
        far, step = log(around.lag - 1), log(around.step)
        if around.change is None:
            return [bias + row[5] * step for row, bias in zip(weights, biases, strict=True)]
        change = around.change
        whole = log(sum(map(abs, change)))
        return [
            bias + row[0] * log(abs(one)) + row[1] * whole + row[4] * far + row[5] * step
            for row, bias, one in zip(weights, biases, change, strict=True)
        ]

    def within(self, around: Surroundings) -> list[tuple[int, int]]:
        """For each coefficient, the weights of what was coded before it."""
        return [(row[2], row[3]) for row in self._weights[0 if around.change is not None else 1]]

    def sign_frequency(self, change: int) -> int:
        """Frequency of a residual above 0, of TOTAL, after a change of the coefficient."""
        if change == 0:
            return TOTAL // 2
        same = self._same_sign[min(self.log(abs(change)) >> 3, SIGN_CONTEXTS - 1)]
        return same if change > 0 else TOTAL - same


@lru_cache(maxsize=2)
def residual_model(code: ParamCode) -> ResidualModel:
    """The tables of a code; made once, as every reference's face has a coder of its own."""
    return ResidualModel(code)


def scale_index(known: int) -> int:
    """The place in the tables of a spread."""
    index = known >> 9
    return 0 if index < 0 else min(index, SCALES - 1)


def encode_residuals(
    model: ResidualModel, coder: RangeEncoder, residuals: Sequence[int], around: Surroundings
) -> None:
    """Codes a frame's residuals, 36, each of a size up to MAX_SIZE."""
    before, within = model.before(around), model.within(around)
    log, step, change = model.log, around.step, around.change
    so_far = just_before = 0
    for place, residual in enumerate(residuals):
        weight_all, weight_near = within[place]
        known = before[place] + weight_all * log(so_far) + weight_near * log(just_before)
        size = abs(residual)
        size_class, offset, bits = class_of(size)
        starts = model.starts[scale_index(known)]
        coder.encode(starts[size_class], starts[size_class + 1] - starts[size_class])
        while bits > 0:
            taken = min(bits, _BITS)
            bits -= taken
            coder.encode_bits(offset >> bits & (1 << taken) - 1, taken)
        if size:
            up = model.sign_frequency(change[place] if change else 0)
            coder.encode(*((0, up) if residual > 0 else (up, TOTAL - up)))
        so_far += size * step
        just_before = (just_before >> 1) + size * step


def decode_residuals(model: ResidualModel, coder: RangeDecoder, around: Surroundings) -> list[int]:
    """The inverse of `encode_residuals`.

    Raises:
        WireError: the bytes are none that the encoder writes.
    """
    before, within = model.before(around), model.within(around)
    log, step, change = model.log, around.step, around.change
    so_far = just_before = 0
    residuals = []
    for place in range(POINT_SIZE):
        weight_all, weight_near = within[place]
        known = before[place] + weight_all * log(so_far) + weight_near * log(just_before)
        size_class = coder.decode(model.starts[scale_index(known)])
        size, bits = smallest_of(size_class)
        offset = 0
        while bits > 0:
            taken = min(bits, _BITS)
            bits -= taken
            offset = offset << taken | coder.decode_bits(taken)
        size += offset
        residual = size
        if size:
            up = model.sign_frequency(change[place] if change else 0)
            if coder.decode((0, up, TOTAL)):
                residual = -size
        residuals.append(residual)
        so_far += size * step
        just_before = (just_before >> 1) + size * step
    if max(map(abs, residuals)) > MAX_SIZE:
        raise WireError("coded residuals: one is beyond what an encoder writes")
    return residuals
