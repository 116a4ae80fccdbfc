"""Frames of the voice as they are encoded in, what of them goes into the next packet out.

No clock, no network: the times are those of the sound itself.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from headgan.proto.voice import MAX_VOICE_FRAMES, VOICE_FRAME_MS, VoicePacket

# Two bundles of the slowest rate; older sound nobody waits for any more.
_KEPT = 16
# So long after the packet that it should have travelled with, sound travels alone.
_PATIENCE_MS = 60.0


class SpokenFrame(NamedTuple):
    """A frame of Opus: its number, when its first sample was said, in ms, and its bytes."""

    number: int
    start_ms: float
    data: bytes


class WaitingVoice:
    """Belongs to the event loop.

    Attributes:
        frames: how many there were.
        data_bytes: of all of them.
        too_old: frames that were given up, since no packet could take them.
    """

    def __init__(self, packet_ms: float) -> None:
        """Args: packet_ms: from packet to packet."""
        self.frames = self.data_bytes = self.too_old = 0
        self._longest_ms = packet_ms + VOICE_FRAME_MS + _PATIENCE_MS
        self._waiting: deque[SpokenFrame] = deque()

    def add(self, frame: SpokenFrame) -> None:
        """Takes the next frame."""
        self.frames += 1
        self.data_bytes += len(frame.data)
        self._waiting.append(frame)
        if len(self._waiting) > _KEPT:
            self._waiting.popleft()
            self.too_old += 1

    def near(self, capture_ms: int) -> VoicePacket | None:
        """What is to travel with the frame that was captured then, modulo 2**32; None if that is nothing."""
        packet = self._first()
        if packet is None or not packet.is_near(capture_ms):
            return None
        return self._take(packet)

    def overdue(self) -> VoicePacket | None:
        """What has waited too long for a frame to travel with; None if nothing has."""
        packet = self._first()
        if packet is None or self._waiting[-1].start_ms - self._waiting[0].start_ms < self._longest_ms:
            return None
        return self._take(packet)

    def rest(self) -> VoicePacket | None:
        """What is left at the end, as far as it fits in a packet."""
        packet = self._first()
        return None if packet is None else self._take(packet)

    def _first(self) -> VoicePacket | None:
        """The packet of those that have waited longest and follow each other."""
        run: list[SpokenFrame] = []
        for frame in self._waiting:
            if len(run) == MAX_VOICE_FRAMES or (run and frame.number != run[-1].number + 1):
                break
            run.append(frame)
        return _packet(run) if run else None

    def _take(self, packet: VoicePacket) -> VoicePacket:
        for _ in packet.frames:
            self._waiting.popleft()
        return packet


def _packet(run: Sequence[SpokenFrame]) -> VoicePacket:
    return VoicePacket.of(run[0].number, run[0].start_ms, [frame.data for frame in run])
