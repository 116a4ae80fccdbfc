"""The faces of a packet in, one string of range-coded bytes out; and back.

A face is predicted from an earlier one that the other side has, named by how many frames older it is, or from nothing
(lag 0). For each face, in this order:

    lag         an entry of LAGS
    step        same as in the earlier face, or which
    references  same as in the earlier face, or how many and which
    residuals   36, see residual_coder.py
    drift       how it differs from the earlier face's, see drift_coder.py; only where both ends know of it

Without an earlier face step and references are always said. The faces of one packet follow each other in one string of
bytes, and the second may be predicted from the first.
"""

from dataclasses import dataclass

from headgan.codec.drift import DRIFT_NODES, MAX_DRIFT
from headgan.codec.drift_coder import decode_drift, encode_drift, moved_nodes
from headgan.codec.param_code import POINT_SIZE, ParamCode
from headgan.codec.quantizer import STEPS, step_from_wire, step_on_wire
from headgan.codec.range_coder import TOTAL, RangeDecoder, RangeEncoder
from headgan.codec.residual_coder import Surroundings, decode_residuals, encode_residuals, residual_model
from headgan.proto.errors import WireError
from headgan.proto.wire import MAX_NAMED_REFERENCES

# By how many frames the earlier face may be older; 0 for none.
LAGS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 32, 48, 64)
MAX_LAG = LAGS[-1]
# Where each begins, of TOTAL: most calls have a round trip of a frame to four.
_LAG_SHARES = (
    0.02,
    0.42,
    0.16,
    0.12,
    0.08,
    0.05,
    0.03,
    0.025,
    0.02,
    0.015,
    0.012,
    0.01,
    0.01,
    0.01,
    0.006,
    0.006,
    0.004,
)
_LAG_STARTS = (0, *(round(TOTAL * sum(_LAG_SHARES[: place + 1])) for place in range(len(_LAG_SHARES))), TOTAL)
# Beyond this no coefficient of a face goes, in units.
_LIMIT = 1 << 26
_SAME_STEP = (0, round(TOTAL * 0.97), TOTAL)
_SAME_REFERENCES = (0, round(TOTAL * 0.98), TOTAL)
_STEP_BITS, _COUNT_BITS, _NUMBER_BITS = 5, 4, 8
NO_DRIFT = (0,) * (2 * DRIFT_NODES)
_NO_NODE = (False,) * DRIFT_NODES


@dataclass(frozen=True)
class FaceState:
    """A face as both ends have it.

    Attributes:
        values: its point, 36 whole numbers, in units.
        change: how far it is from the face that it was predicted from; all 0 if there was none.
        lag: how many frames that took; 1 if there was none.
        step: index of the step that it was coded with.
        references: numbers of those to draw it from.
        drift: 128 whole numbers, x and y of each node in pixels.
        moved: which of the 64 nodes moved since the face that it was predicted from.
    """

    values: tuple[int, ...]
    change: tuple[int, ...]
    lag: int
    step: int
    references: tuple[int, ...] = ()
    drift: tuple[int, ...] = NO_DRIFT
    moved: tuple[bool, ...] = _NO_NODE


def surroundings(earlier: FaceState | None, lag: int, step: int) -> Surroundings:
    """What both ends know of a face before its residuals; step: an index."""
    if earlier is None:
        return Surroundings(None, 1, STEPS[step])
    # As Python divides, towards the smaller number, on every machine.
    change = tuple(one * lag // earlier.lag for one in earlier.change)
    return Surroundings(change, lag, STEPS[step])


@dataclass(frozen=True)
class Record:
    """One face as it is coded.

    Attributes:
        lag: an entry of LAGS.
        step: index of its step.
        references: numbers of those to draw it from.
        residuals: 36 whole numbers of steps.
        drift: 128 whole numbers of pixels that are added to the earlier face's.
    """

    lag: int
    step: int
    references: tuple[int, ...]
    residuals: tuple[int, ...]
    drift: tuple[int, ...] = NO_DRIFT

    def state(self, earlier: FaceState | None) -> FaceState:
        """The face, from the one that it was predicted from.

        Raises:
            WireError: it is beyond what a face can be.
        """
        moved = tuple(residual * STEPS[self.step] for residual in self.residuals)
        base = earlier.values if earlier else (0,) * POINT_SIZE
        values = tuple(one + other for one, other in zip(base, moved, strict=True))
        if max(map(abs, values)) > _LIMIT:
            raise WireError("face parameters: a coefficient is beyond what a face can be")
        drift = tuple(
            one + other for one, other in zip(earlier.drift if earlier else NO_DRIFT, self.drift, strict=True)
        )
        if max(map(abs, drift)) > MAX_DRIFT:
            raise WireError(f"face parameters: a drift of more than {MAX_DRIFT} pixels")
        change, lag = ((0,) * POINT_SIZE, 1) if earlier is None else (moved, self.lag)
        return FaceState(values, change, lag, self.step, self.references, drift, moved_nodes(self.drift))


class RecordCoder:
    """Codes records; keeps nothing between them.

    Attributes:
        has_drift: whether they say how the rest of the picture moved.
    """

    def __init__(self, code: ParamCode, *, has_drift: bool = False) -> None:
        self.model = residual_model(code)
        self.has_drift = has_drift

    def encode(self, coder: RangeEncoder, record: Record, earlier: FaceState | None) -> None:
        """Writes a face; earlier: what it was predicted from, None for lag 0."""
        place = LAGS.index(record.lag)
        coder.encode(_LAG_STARTS[place], _LAG_STARTS[place + 1] - _LAG_STARTS[place])
        _encode_choice(coder, _SAME_STEP, earlier is not None and earlier.step == record.step, earlier)
        if earlier is None or earlier.step != record.step:
            coder.encode_bits(step_on_wire(record.step), _STEP_BITS)
        is_same = earlier is not None and earlier.references == record.references
        _encode_choice(coder, _SAME_REFERENCES, is_same, earlier)
        if not is_same:
            coder.encode_bits(len(record.references), _COUNT_BITS)
            for number in record.references:
                coder.encode_bits(number >> _NUMBER_BITS, _NUMBER_BITS)
                coder.encode_bits(number & (1 << _NUMBER_BITS) - 1, _NUMBER_BITS)
        encode_residuals(self.model, coder, record.residuals, surroundings(earlier, record.lag, record.step))
        if self.has_drift:
            encode_drift(coder, record.drift, earlier.moved if earlier else _NO_NODE)

    def decode_lag(self, coder: RangeDecoder) -> int:
        """By how many frames the face that this one is predicted from is older; 0 for none."""
        return LAGS[coder.decode(_LAG_STARTS)]

    def decode(self, coder: RangeDecoder, lag: int, earlier: FaceState | None) -> Record:
        """Reads what follows the lag.

        Raises:
            WireError: the bytes are none that the encoder writes.
        """
        is_same = earlier is not None and coder.decode(_SAME_STEP) == 0
        step = earlier.step if earlier is not None and is_same else _decode_step(coder)
        if earlier is not None and coder.decode(_SAME_REFERENCES) == 0:
            references = earlier.references
        else:
            count = coder.decode_bits(_COUNT_BITS)
            if count > MAX_NAMED_REFERENCES:
                raise WireError(f"face parameters: {count} references, at most {MAX_NAMED_REFERENCES}")
            references = tuple(
                coder.decode_bits(_NUMBER_BITS) << _NUMBER_BITS | coder.decode_bits(_NUMBER_BITS)
                for _ in range(count)
            )
        residuals = decode_residuals(self.model, coder, surroundings(earlier, lag, step))
        drift = decode_drift(coder, earlier.moved if earlier else _NO_NODE) if self.has_drift else NO_DRIFT
        return Record(lag, step, references, tuple(residuals), drift)


def _encode_choice(
    coder: RangeEncoder, starts: tuple[int, int, int], is_same: bool, earlier: FaceState | None
) -> None:
    """Says whether something is as in the earlier face, if there is one."""
    if earlier is not None:
        place = 0 if is_same else 1
        coder.encode(starts[place], starts[place + 1] - starts[place])


def _decode_step(coder: RangeDecoder) -> int:
    number = coder.decode_bits(_STEP_BITS)
    if number >= len(STEPS):
        raise WireError(f"face parameters: step {number}, there are {len(STEPS)}")
    return step_from_wire(number)
