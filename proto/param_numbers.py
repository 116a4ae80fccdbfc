"""Which form a ParamPacket takes, for the side that sends; and its full numbers, for the side that receives.

A short packet says only the last bits of its number and its time. The other side adds the rest from a packet that is
near, so it is sent only after one has arrived, not long ago. No clock, no network.
"""

from headgan.proto.clock import nearest_zero
from headgan.proto.wire import SHORT_REACH_FRAMES, SHORT_REACH_MS, ParamPacket


class NumbersOut:
    """The sender's half."""

    def __init__(self) -> None:
        self._on_the_way: dict[int, int] = {}
        self._arrived: tuple[int, int] | None = None

    def pack(self, packet: ParamPacket) -> bytes:
        """The packet's bytes."""
        self._on_the_way[packet.seq] = packet.capture_ms
        for old in [seq for seq in self._on_the_way if nearest_zero(packet.seq - seq) > SHORT_REACH_FRAMES]:
            del self._on_the_way[old]
        return packet.to_bytes(is_short=self._is_near(packet))

    def arrived(self, seq: int) -> None:
        """The packet of this number has arrived."""
        capture_ms = self._on_the_way.pop(seq, None)
        if capture_ms is not None and (self._arrived is None or nearest_zero(seq - self._arrived[0]) > 0):
            self._arrived = seq, capture_ms

    def _is_near(self, packet: ParamPacket) -> bool:
        if self._arrived is None:
            return False
        seq, capture_ms = self._arrived
        is_near_in_time = 0 <= nearest_zero(packet.capture_ms - capture_ms) <= SHORT_REACH_MS
        return 0 < nearest_zero(packet.seq - seq) <= SHORT_REACH_FRAMES and is_near_in_time


class NumbersIn:
    """The receiver's half."""

    def __init__(self) -> None:
        self._newest: ParamPacket | None = None

    def parse(self, data: bytes) -> ParamPacket | None:
        """The packet, or None for a short one before any long one has come.

        Raises:
            WireError: the bytes are not a packet of this version.
        """
        packet = ParamPacket.parse(data, self._newest)
        if packet is not None and (self._newest is None or nearest_zero(packet.seq - self._newest.seq) > 0):
            self._newest = packet
        return packet
