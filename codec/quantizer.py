"""A face's point and where it was in, residuals in whole steps out: what is worth its bits.

A step is a distance in the picture, the same for all coefficients (see param_code.py). Rounding is rate-aware: of the
two whole numbers of steps around a residual the one is taken for which  error² + lambda bits  is less. So the trembling
of a tracker, below a step, costs next to nothing, while a movement is followed in the frame in which it happens.
Nothing is averaged over time, so nothing lags.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headgan.codec.param_code import UNITS_PER_PX
from headgan.codec.residual_coder import ResidualModel, Surroundings, class_of, scale_index
from headgan.proto.errors import UsageError

# From 1/64 to 3/64 pixel, then four an octave to 4.8 pixels.
_FINEST = (1, 2, 3)
STEPS = (*_FINEST, *(round(4 * 2 ** (index / 4)) for index in range(26)))
# Squared steps that a bit is worth.
BIT_WORTH = 0.10
MAX_QUALITY = 1.0


def step_of(quality: float) -> int:
    """Index of the step for a quality of 0 (coarse) to 1 (fine).

    Raises:
        UsageError: it is not within 0 to 1.
    """
    if not 0 <= quality <= MAX_QUALITY:
        raise UsageError(f"a quality of {quality:g}: give 0 (coarse) to 1 (fine)")
    return round((1 - quality) * (len(STEPS) - 1))


def step_on_wire(index: int) -> int:
    """The number that stands for a step in packets and files: the finest three came last."""
    return (index - len(_FINEST)) % len(STEPS)


def step_from_wire(number: int) -> int:
    """The inverse of `step_on_wire`, for numbers below that of STEPS."""
    return (number + len(_FINEST)) % len(STEPS)


@dataclass(frozen=True)
class Quantized:
    """A frame in steps.

    Attributes:
        residuals: of each coefficient, in steps.
        values: of each coefficient, in units, as both ends have them afterwards.
        error: sum of squared differences to the point, in squared pixels.
        bits: what the residuals cost.
    """

    residuals: tuple[int, ...]
    values: tuple[int, ...]
    error: float
    bits: float


def quantize(
    model: ResidualModel,
    point: NDArray[np.float64],
    earlier: Sequence[int],
    around: Surroundings,
    bit_worth: float = BIT_WORTH,
) -> Quantized:
    """Rounds a frame.

    Args:
        model: what the bits are counted with.
        point: float64 [36], in units.
        earlier: each coefficient in the frame that this one is predicted from.
        around: what both ends know of that frame.
        bit_worth: squared steps that a bit is worth.
    """
    step = around.step
    before, within = model.before(around), model.within(around)
    log, class_bits = model.log, model.class_bits
    so_far = just_before = 0
    residuals, values = [], []
    error_sum = bits_sum = 0.0
    for place, (wanted, base) in enumerate(zip(point.tolist(), earlier, strict=True)):
        weight_all, weight_near = within[place]
        known = before[place] + weight_all * log(so_far) + weight_near * log(just_before)
        bits = class_bits[scale_index(known)]
        exact = (wanted - base) / step
        size = int(abs(exact) + 0.5)
        best = 0, bits[0], exact * exact
        if size:
            # The sign costs a bit. Below the nearest the next smaller one is tried, within a step of the truth.
            is_above = abs(exact) >= size
            least = best[2] + bit_worth * best[1] if size == 1 and not is_above else float("inf")
            for tried in (size,) if size == 1 or is_above else (size, size - 1):
                tried_bits = bits[class_of(tried)[0]] + 1
                error = (abs(exact) - tried) ** 2
                if error + bit_worth * tried_bits < least:
                    least = error + bit_worth * tried_bits
                    best = tried, tried_bits, error
        size = best[0]
        residual = size if exact > 0 else -size
        residuals.append(residual)
        values.append(base + residual * step)
        bits_sum += best[1]
        error_sum += best[2]
        so_far += size * step
        just_before = (just_before >> 1) + size * step
    scale = (step / UNITS_PER_PX) ** 2
    return Quantized(tuple(residuals), tuple(values), error_sum * scale, bits_sum)
