"""Packets in any order in, the faces of frames out: the receiver's half of the parameter codec.

A face that follows from one that has not come waits for it a little; what is not there in the end is simply missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from headgan.codec.drift import DRIFT_SHAPE
from headgan.codec.param_code import ParamCode, shipped_code
from headgan.codec.param_record import MAX_LAG, FaceState, RecordCoder
from headgan.codec.params import FaceParams
from headgan.codec.range_coder import RangeDecoder
from headgan.proto.errors import WireError

_MAX_WAITING = 16


@dataclass(frozen=True, eq=False)
class DecodedFace:
    """A face that came over the network.

    Attributes:
        number: of its frame.
        params: the face.
        references: numbers of those to draw it from, the best one first; empty for the first of the call.
    """

    number: int
    params: FaceParams
    references: tuple[int, ...]


@dataclass(frozen=True)
class _Waiting:
    number: int
    has_face: tuple[bool, ...]
    data: bytes


class ParamDecoder:
    """Decodes the packets of one call or file. No clock, no network, not thread-safe.

    Attributes:
        unreadable: packets that came and could not be read, as what they follow from never came.
    """

    def __init__(self, code: ParamCode | None = None, *, has_drift: bool = False) -> None:
        """Args: code: the one that ships if None; has_drift: whether records say how the rest of the picture moved."""
        self.unreadable = 0
        self._code = code or shipped_code()
        self._coder = RecordCoder(self._code, has_drift=has_drift)
        self._states: dict[int, FaceState] = {}
        self._newest = -1
        self._waiting: dict[int, _Waiting] = {}

    @property
    def waiting(self) -> int:
        """Packets that wait for what they follow from."""
        return len(self._waiting)

    def decode(self, number: int, has_face: Sequence[bool], data: bytes) -> tuple[DecodedFace, ...]:
        """Takes a packet; returns the faces that can be read now, of this packet and of those that waited for it.

        Args:
            number: of its first frame.
            has_face: of each of its frames.
            data: its records.

        Raises:
            WireError: the bytes are none that an encoder writes, or a face is none.
        """
        packet = _Waiting(number, tuple(has_face), data)
        faces = self._read(packet)
        if faces is None:
            self._wait(packet)
            return ()
        while (freed := self._read_waiting()) is not None:
            faces += freed
        return tuple(faces)

    def _read_waiting(self) -> list[DecodedFace] | None:
        """The faces of one packet that can be read by now; None if there is none."""
        for number, packet in self._waiting.items():
            faces = self._read(packet)
            if faces is not None:
                del self._waiting[number]
                return faces
        return None

    def _wait(self, packet: _Waiting) -> None:
        self._waiting[packet.number] = packet
        if len(self._waiting) > _MAX_WAITING:
            del self._waiting[min(self._waiting)]
            self.unreadable += 1

    def _read(self, packet: _Waiting) -> list[DecodedFace] | None:
        """The faces of a packet; None if one follows from a face that is not there."""
        coder = RangeDecoder(packet.data)
        states: dict[int, FaceState] = {}
        for place, has_face in enumerate(packet.has_face):
            if not has_face:
                continue
            frame = packet.number + place
            lag = self._coder.decode_lag(coder)
            earlier = states.get(frame - lag) or self._states.get(frame - lag) if lag else None
            if lag and earlier is None:
                return None
            states[frame] = self._coder.decode(coder, lag, earlier).state(earlier)
        coder.check_end()
        faces = [DecodedFace(frame, self._params(state), state.references) for frame, state in states.items()]
        self._states |= states
        self._newest = max(self._newest, *states, packet.number)
        for old in [one for one in self._states if self._newest - one > 2 * MAX_LAG]:
            del self._states[old]
        return faces

    def _params(self, state: FaceState) -> FaceParams:
        drift = np.array(state.drift, np.int16).reshape(DRIFT_SHAPE)
        params = replace(self._code.params_of(np.array(state.values)), drift=drift)
        if (fault := params.fault()) is not None:
            raise WireError(f"face parameters: {fault}")
        return params
