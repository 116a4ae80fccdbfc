"""ParamPackets as they arrive in, frames that can be shown out: the receiver's end of the parameter codec.

A face that follows from one which has not come yet waits; when nothing can be read for a while, `wants_refresh` says
that the sender has to be told.
"""

from dataclasses import dataclass

from headgan.codec.param_decoder import ParamDecoder
from headgan.codec.params import FaceParams
from headgan.proto.wire import ParamPacket

# Packets that come in this time without one that can be read are too many, and so often a refresh is asked for.
_UNREAD_MS = 300.0
_KEPT = 256


@dataclass(frozen=True, eq=False)
class ReadFrame:
    """A frame of the call.

    Attributes:
        seq: its number.
        capture_ms: on the sender's clock, modulo 2**32.
        params: the face, or None.
        references: numbers of those to draw it from, the best one first; empty for the first of the call.
        is_untrue: whether what would be drawn is known not to be there.
    """

    seq: int
    capture_ms: int
    params: FaceParams | None
    references: tuple[int, ...]
    is_untrue: bool


class FrameReader:
    """Reads the packets of one call. No clock: the caller brings `now_ms`."""

    def __init__(self, *, has_drift: bool = False) -> None:
        """Args: has_drift: whether records say how what is no face moves."""
        self._decoder = ParamDecoder(has_drift=has_drift)
        self._marks: dict[int, tuple[int, bool]] = {}
        self._read_ms: float | None = None
        self._asked_ms = -float("inf")

    @property
    def unreadable(self) -> int:
        """Packets that came and could not be read."""
        return self._decoder.unreadable + self._decoder.waiting

    def read(self, packet: ParamPacket, now_ms: float) -> list[ReadFrame]:
        """The frames that can be shown now: of this packet, and of earlier ones that waited for it.

        Raises:
            WireError: the records are none that an encoder writes.
        """
        has_face = [frame.has_face for frame in packet.frames]
        frames = []
        for place, frame in enumerate(packet.frames):
            capture_ms = (packet.capture_ms + frame.offset_ms) % 2**32
            if frame.has_face:
                self._marks[packet.seq + place] = capture_ms, frame.is_untrue
            else:
                frames.append(ReadFrame(packet.seq + place, capture_ms, None, (), frame.is_untrue))
        while len(self._marks) > _KEPT:  # in whatever order they came
            del self._marks[next(iter(self._marks))]
        faces = self._decoder.decode(packet.seq, has_face, packet.records)
        for face in faces:
            if face.number in self._marks:
                capture_ms, is_untrue = self._marks.pop(face.number)
                frames.append(ReadFrame(face.number, capture_ms, face.params, face.references, is_untrue))
        if faces or not any(has_face) or self._read_ms is None:
            self._read_ms = now_ms
        return frames

    def wants_refresh(self, now_ms: float) -> bool:
        """Whether to ask the sender now for a face that stands for itself; after each `read`."""
        if self._read_ms is None or now_ms - max(self._read_ms, self._asked_ms) < _UNREAD_MS:
            return False
        self._asked_ms = now_ms
        return self._decoder.waiting > 0
