"""Faces and how they travel in, ParamPackets out: the sender's end of the parameter codec.

camera's thread: add ── ParamEncoder ── ParamPacket        event loop: arrived, dropped, refresh ──▶ before the next add

Several frames share a packet where that was asked for: the headers of a packet cost more than its faces.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from headgan.codec.param_encoder import DEFAULT_QUALITY, Face, ParamEncoder
from headgan.codec.params import FaceParams
from headgan.codec.rate_control import RateControl
from headgan.proto.clock import wrap_ms
from headgan.proto.wire import MAX_FRAMES, MAX_OFFSET_MS, FrameMark, ParamPacket

# How long the frames of a packet may take, where bytes count more than delay.
NARROW_MS = 120.0


def frames_in(length_ms: float, rate_fps: float) -> int:
    """How many frames a packet of that length has, 1 to 4."""
    return min(max(1, round(length_ms * rate_fps / 1000)), MAX_FRAMES)


@dataclass
class PackerCounts:
    """What became of the frames.

    Attributes:
        coded_bytes: of the records of all packets.
        packets: how many there were.
        refreshed: how often the other side asked for a face that stands for itself.
        left_out: frames that the rate had no room for.
        steps: how many frames were coded with each step, by its index.
    """

    coded_bytes: int = 0
    packets: int = 0
    refreshed: int = 0
    left_out: int = 0
    steps: dict[int, int] = field(default_factory=dict)


class ParamPacker:
    """Belongs to the camera's thread, but for what is said to belong to any."""

    def __init__(
        self,
        *,
        rate_fps: float,
        frames_per_packet: int = 1,
        quality: float = DEFAULT_QUALITY,
        kbps: float | None = None,
    ) -> None:
        """Args: rate_fps: of the call; kbps: kbit/s of records to hold, by the quality; None holds the quality."""
        if not 1 <= frames_per_packet <= MAX_FRAMES:
            raise ValueError(f"{frames_per_packet} frames a packet, must be 1 to {MAX_FRAMES}")
        self.counts = PackerCounts()
        self._encoder = ParamEncoder(quality=quality, rate_fps=rate_fps)
        self._control = None if kbps is None else RateControl(kbps)
        self._frames_per_packet = frames_per_packet
        # Only ever appended to and popped from, which threads may do at once.
        self._news: deque[Callable[[], None]] = deque()
        self._number = 0
        self._seen = 0
        self._first_ms = 0.0
        self._faces: list[Face | None] = []
        self._marks: list[FrameMark] = []

    @property
    def frames(self) -> int:
        """Frames that were taken so far, but for those that were left out; any thread."""
        return self._number + len(self._faces)

    @property
    def has_drift(self) -> bool:
        """Whether the records say how what is no face moves; to be set before the first frame."""
        return self._encoder.has_drift

    @has_drift.setter
    def has_drift(self, has_drift: bool) -> None:
        self._encoder.has_drift = has_drift

    @property
    def loss(self) -> float:
        """The share of packets that is lost on the way, as far as is known; any thread."""
        return self._encoder.loss

    @property
    def rate_kbps(self) -> float | None:
        """kbit/s that are held; None where the quality is."""
        return None if self._control is None else self._control.kbps

    def add(
        self, params: FaceParams | None, references: tuple[int, ...], capture_ms: float, *, is_untrue: bool
    ) -> ParamPacket | None:
        """Takes the frame of `capture_ms`; returns a packet when one is full."""
        while self._news:
            self._news.popleft()()
        self._seen += 1
        if self._control is not None:
            level = self._control.level
            if self._seen % level.every:
                self.counts.left_out += 1
                self._control.spent(0, capture_ms)
                return None
            self._encoder.step, self._encoder.calm = level.step, level.calm
        if not self._faces:
            self._first_ms = capture_ms
        offset_ms = min(int(capture_ms) - int(self._first_ms), MAX_OFFSET_MS)
        self._marks.append(FrameMark(offset_ms, params is not None, is_untrue))
        self._faces.append(None if params is None else Face(params, references))
        if len(self._faces) < self._frames_per_packet:
            return None
        return self.flush()

    def flush(self) -> ParamPacket | None:
        """The packet of what was taken; None if that is nothing."""
        if not self._faces:
            return None
        number, faces, marks = self._number, self._faces, tuple(self._marks)
        records = self._encoder.encode(number, faces)
        while self._control is not None and not self._control.takes(len(records), self._first_ms):
            self._encoder.undo(number)
            self._encoder.step, self._encoder.calm = self._control.level.step, self._control.level.calm
            records = self._encoder.encode(number, faces)
        self._number += len(faces)
        self._faces, self._marks = [], []
        self.counts.packets += 1
        self.counts.coded_bytes += len(records)
        self.counts.steps[self._encoder.step] = self.counts.steps.get(self._encoder.step, 0) + len(faces)
        if self._control is not None:
            self._control.spent(len(records), self._first_ms)
        return ParamPacket(number, wrap_ms(int(self._first_ms)), marks, records)

    def arrived(self, seq: int) -> None:
        """A packet has arrived; any thread."""
        self._news.append(lambda: self._encoder.arrived(seq))

    def dropped(self, seq: int) -> None:
        """A packet was not sent; any thread."""
        self._news.append(lambda: self._encoder.lost(seq))

    def refresh(self) -> None:
        """The other side cannot read what comes; any thread."""
        self._news.append(self._refresh)

    def _refresh(self) -> None:
        self.counts.refreshed += 1
        self._encoder.forget()
