"""Faces of frames in, records out that the other side can read whatever was lost: the sender's half of the codec.

Which earlier face a face is predicted from is weighed each time: the frame before is nearest and costs the fewest bits,
but may be lost; the newest one that has certainly arrived is older. What is least is taken:

    P(readable) error + P(not readable) what would be shown instead + lambda bytes

What arrived the caller learns from the transport (`arrived`); what is lost shows in later packets having come before.
On a line that loses nothing each face follows the one before; on a bad one nearly all follow what was acknowledged.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headgan.codec.param_code import POINT_SIZE, UNITS_PER_PX, ParamCode, shipped_code
from headgan.codec.param_record import LAGS, MAX_LAG, NO_DRIFT, FaceState, Record, RecordCoder, surroundings
from headgan.codec.params import FaceParams
from headgan.codec.quantizer import BIT_WORTH, STEPS, Quantized, quantize, step_of
from headgan.codec.range_coder import RangeEncoder
from headgan.proto.errors import UsageError

DEFAULT_QUALITY = 0.71
# Bytes are whole: of several ways to round the one is taken whose bytes are used best. Worth of a bit, times BIT_WORTH.
_ROUNDINGS = (0.7, 0.3, 1.5)
# What a face that cannot be read costs, beyond its own frame: those after it may follow from it.
_CONSEQUENCES = 3.0
# The share of packets that is taken to be lost before anything is known, and how many packets that is worth.
_LOSS_AT_FIRST, _LOSS_MEMORY = 0.01, 60.0
_LOSS_LEAST = 0.002
# So many later packets have to arrive before one counts as lost, not late.
_OVERTAKEN = 2
_CERTAIN = 0.9999
# A face follows from no chain that has been uncertain for longer, so that after a loss the picture is right again.
_MAX_CHAIN_S = 0.16


@dataclass(frozen=True, eq=False)
class Face:
    """What is to be said of one frame.

    Attributes:
        params: the face.
        references: numbers of those to draw it from, the best one first; empty for the first of the call.
    """

    params: FaceParams
    references: tuple[int, ...] = ()


@dataclass
class _Sent:
    """A face that went out.

    Attributes:
        state: as the other side has it, if it could read it.
        base: number of the frame that it follows from, None for none.
        packet: number of its packet.
        is_certain: whether the other side is known to have read it.
    """

    state: FaceState
    base: int | None
    packet: int
    is_certain: bool = False


@dataclass
class _Packet:
    """A packet that went out; `has_arrived` is None until that is known."""

    has_arrived: bool | None = None
    overtaken: int = 0


class ParamEncoder:
    """Encodes the frames of one call or file in the order of their numbers. No clock, no network, not thread-safe.

    Attributes:
        step: index of the step of the next frames; may be set.
        calm: how much more than usual a bit is worth in them: above 1, what moves little is left alone; may be set.
    """

    def __init__(
        self,
        *,
        quality: float = DEFAULT_QUALITY,
        loses: bool = True,
        rate_fps: float = 25.0,
        has_drift: bool = False,
        code: ParamCode | None = None,
    ) -> None:
        """For one stream.

        Args:
            quality: 0 (coarse) to 1 (fine).
            loses: whether packets can be lost.
            rate_fps: of the frames.
            has_drift: whether the other side reads how the rest of the picture moved; it is left out otherwise.
            code: the one that ships if None.

        Raises:
            UsageError: the quality is not within 0 to 1.
        """
        self.step = step_of(quality)
        self.calm = 1.0
        self._code = code or shipped_code()
        self._coder = RecordCoder(self._code, has_drift=has_drift)
        self._loses = loses
        self._max_chain = max(1, round(_MAX_CHAIN_S * rate_fps))
        self._loss = _LOSS_AT_FIRST
        self._sent: dict[int, _Sent] = {}
        self._packets: dict[int, _Packet] = {}

    @property
    def has_drift(self) -> bool:
        """Whether records say how what is no face moves; to be set before the first frame."""
        return self._coder.has_drift

    @has_drift.setter
    def has_drift(self, has_drift: bool) -> None:
        self._coder.has_drift = has_drift

    @property
    def loss(self) -> float:
        """The share of packets that is lost, as far as is known, 0 to 1."""
        return self._loss

    def encode(self, number: int, faces: Sequence[Face | None], *, is_key: bool = False) -> bytes:
        """The records of one packet.

        Args:
            number: of the first frame, above all before.
            faces: of this frame and those after it; None for a frame without a face, of which nothing is coded.
            is_key: whether they can be read without anything before them.

        Raises:
            UsageError: a value is not a number, or beyond what a face can be.
        """
        if self._sent and number <= max(self._sent):
            raise ValueError(f"frame {number} comes after frame {max(self._sent)}")
        if is_key:
            self.forget()
        self._drop_old(number)
        self._packets[number] = _Packet()
        coder = RangeEncoder()
        last = max((place for place, face in enumerate(faces) if face is not None), default=-1)
        for place, face in enumerate(faces):
            if face is not None:
                coder = self._encode_face(coder, number, number + place, face, is_last=place == last)
        return coder.finish()

    def undo(self, number: int) -> None:
        """The packet of this number, the last one, is not sent as it was coded; it may be coded anew."""
        for sent in [one for one in self._sent if one >= number]:
            del self._sent[sent]
        self._packets.pop(number, None)

    def arrived(self, number: int) -> None:
        """The packet whose first frame is `number` has arrived at the other side."""
        packet = self._packets.get(number)
        if packet is None or packet.has_arrived:
            return
        if packet.has_arrived is None:
            self._learn_loss(is_lost=False)
        packet.has_arrived = True
        for earlier, other in self._packets.items():
            if earlier < number and other.has_arrived is None:
                other.overtaken += 1
                if other.overtaken > _OVERTAKEN:
                    self.lost(earlier)

    def lost(self, number: int) -> None:
        """The packet whose first frame is `number` never went out, or will not arrive."""
        packet = self._packets.get(number)
        if packet is not None and packet.has_arrived is None:
            packet.has_arrived = False
            self._learn_loss(is_lost=True)

    def forget(self) -> None:
        """The other side has nothing to follow from: the next face stands for itself."""
        self._sent.clear()
        self._packets.clear()

    def _encode_face(
        self, coder: RangeEncoder, packet: int, number: int, face: Face, *, is_last: bool
    ) -> RangeEncoder:
        """Writes one face; returns the coder that holds it."""
        if (fault := face.params.fault()) is not None:
            raise UsageError(f"frame {number} cannot be sent: {fault}")
        point = self._code.point_of(face.params)
        bit_worth = self.calm * BIT_WORTH * (STEPS[self.step] / UNITS_PER_PX) ** 2
        base, quantized = self._choose_base(point, packet, number, bit_worth)
        lag, earlier = self._follow(number, base)
        drift = self._drift_change(face.params, earlier)
        best: tuple[float, RangeEncoder, Record] | None = None
        for rounding in _ROUNDINGS if is_last else _ROUNDINGS[:1]:
            if rounding != _ROUNDINGS[0]:
                quantized = self._quantize(point, earlier, lag, rounding)
            record = Record(lag, self.step, face.references, quantized.residuals, drift)
            if best is not None and record == best[2]:
                continue
            tried = coder.copy()
            self._coder.encode(tried, record, earlier)
            cost = quantized.error + bit_worth * 8 * len(tried.finish())
            if best is None or cost < best[0]:
                best = cost, tried, record
        assert best is not None, "there is at least one way to round"
        _, coder, record = best
        self._sent[number] = _Sent(record.state(earlier), base, packet)
        return coder

    def _choose_base(
        self, point: NDArray[np.float64], packet: int, number: int, bit_worth: float
    ) -> tuple[int | None, Quantized]:
        """Number of the frame to follow from, None for none, and the face from there at the first of the roundings."""
        instead = self._instead(point)

        def cost(way: tuple[int | None, Quantized]) -> float:
            base, quantized = way
            readable = 1.0 if base is None else self._readable(base, packet)
            lost = (1 - readable) * _CONSEQUENCES * instead
            return readable * quantized.error + lost + bit_worth * quantized.bits

        ways = []
        for base in self._bases(packet, number):
            lag, earlier = self._follow(number, base)
            ways.append((base, self._quantize(point, earlier, lag, _ROUNDINGS[0])))
        return min(ways, key=cost)

    def _drift_change(self, params: FaceParams, earlier: FaceState | None) -> tuple[int, ...]:
        """What has to be added to the drift of an earlier face."""
        if not self._coder.has_drift:
            return NO_DRIFT
        before = earlier.drift if earlier else NO_DRIFT
        return tuple(now - then for now, then in zip(params.drift.ravel().tolist(), before, strict=True))

    def _follow(self, number: int, base: int | None) -> tuple[int, FaceState | None]:
        """Lag and state of what a face follows from."""
        return (0, None) if base is None else (number - base, self._sent[base].state)

    def _quantize(
        self, point: NDArray[np.float64], earlier: FaceState | None, lag: int, rounding: float
    ) -> Quantized:
        values = earlier.values if earlier else (0,) * POINT_SIZE
        return quantize(
            self._coder.model,
            point,
            values,
            surroundings(earlier, lag, self.step),
            self.calm * BIT_WORTH * rounding,
        )

    def _bases(self, packet: int, number: int) -> list[int | None]:
        """What a face may follow from: the face before, and the newest that is certain; nothing if no face is."""
        bases: list[int | None] = []
        for base in reversed(self._sent):
            if number - base not in LAGS or not self._is_usable(base, number, packet):
                continue
            is_certain = self._readable(base, packet) > _CERTAIN
            if is_certain or not bases:
                bases.append(base)
            if is_certain:
                return bases
        return [*bases, None]

    def _is_usable(self, base: int, number: int, packet: int) -> bool:
        """Whether a face may follow from frame `base`: not lost, and no long chain of what may be."""
        oldest: int | None = base
        while oldest is not None and oldest in self._sent:
            sent = self._sent[oldest]
            if sent.is_certain:
                break
            arrives = 1.0 if sent.packet == packet else self._arrives(sent.packet)
            if arrives == 0 or (arrives < 1 and number - sent.packet > self._max_chain):
                return False
            oldest = sent.base
        return True

    def _readable(self, number: int, packet: int) -> float:
        """How likely the other side has the face of frame `number` when it can read `packet` itself."""
        chance = 1.0
        followed: set[int] = set()
        base: int | None = number
        while base is not None:
            sent = self._sent.get(base)
            # What is older than what is kept was judged before.
            if sent is None or sent.is_certain:
                break
            if sent.packet != packet and sent.packet not in followed:
                followed.add(sent.packet)
                chance *= self._arrives(sent.packet)
            base = sent.base
        if chance == 1 and self._sent[number].packet != packet:
            self._sent[number].is_certain = True
        return chance

    def _arrives(self, number: int) -> float:
        packet = self._packets.get(number)
        if packet is None or not self._loses or packet.has_arrived:
            return 1.0
        if packet.has_arrived is False:
            return 0.0
        return (1 - self._loss) if packet.overtaken == 0 else 0.5

    def _instead(self, point: NDArray[np.float64]) -> float:
        """The error, in squared pixels, of what is shown if this face cannot be read: the one before."""
        if not self._sent:
            return 0.0
        before = np.array(self._sent[max(self._sent)].state.values)
        return float(((point - before) ** 2).sum()) / UNITS_PER_PX**2

    def _learn_loss(self, *, is_lost: bool) -> None:
        self._loss += (is_lost - self._loss) / _LOSS_MEMORY
        self._loss = max(self._loss, _LOSS_LEAST)

    def _drop_old(self, number: int) -> None:
        for old in [one for one in self._sent if number - one > 2 * MAX_LAG]:
            del self._sent[old]
        for old in [one for one in self._packets if number - one > 2 * MAX_LAG]:
            del self._packets[old]
