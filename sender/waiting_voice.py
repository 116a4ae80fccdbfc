"""Frames of the voice, or records of what is said, as they are encoded in, what of them goes into the next packet out.

No clock, no network: the times are those of the sound itself.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from headgan.codec.said_record import SaidRecord
from headgan.codec.voice import VoiceFrame
from headgan.proto.said import SaidPacket, said_frame
from headgan.proto.voice import MAX_VOICE_FRAMES, VOICE_FRAME_MS, VoicePacket, opus_frame

# Older sound nobody waits for any more.
_KEPT = 16
# So long after the packet that it should have travelled with, sound travels alone.
_PATIENCE_MS = 60.0
# Numbers of a packet lie closer to each other.
_MOST_APART = 31


F = TypeVar("F", VoiceFrame, SaidRecord)
P = TypeVar("P", VoicePacket, SaidPacket)


class WaitingVoice(Generic[F, P]):
    """Belongs to the event loop.

    Attributes:
        frames: how many there were, copies included.
        copies: of these.
        data_bytes: of all of them.
        too_old: frames that were given up, since no packet took them.
    """

    def __init__(self, packet_ms: float, pack: Callable[[Sequence[F]], P]) -> None:
        """Begins with nothing.

        Args:
            packet_ms: from packet to packet.
            pack: makes a packet of one frame or more: `pack_voice` or `pack_said`.
        """
        self.frames = self.copies = self.data_bytes = self.too_old = 0
        self._longest_ms = packet_ms + VOICE_FRAME_MS + _PATIENCE_MS
        self._pack: Callable[[Sequence[F]], P] = pack
        self._waiting: deque[F] = deque()

    def add(self, frame: F) -> None:
        """Takes the next frame."""
        self.frames += 1
        self.copies += frame.is_copy
        self.data_bytes += len(frame.data)
        self._waiting.append(frame)
        if len(self._waiting) > _KEPT:
            self._waiting.popleft()
            self.too_old += 1

    def near(self, capture_ms: int) -> P | None:
        """What is to travel with the frame that was captured then, modulo 2**32; None if that is nothing."""
        packet = self._first()
        if packet is None or not packet.is_near(capture_ms):
            return None
        return self._take(packet)

    def overdue(self) -> P | None:
        """What has waited too long for a frame to travel with; None if nothing has."""
        starts = [frame.start_ms for frame in self._waiting if not frame.is_copy]
        if not starts or starts[-1] - starts[0] < self._longest_ms:
            return None
        return self.rest()

    def rest(self) -> P | None:
        """What has waited longest, as much as a packet takes; None if that is nothing."""
        packet = self._first()
        return None if packet is None else self._take(packet)

    def _first(self) -> P | None:
        run: list[F] = []
        for frame in self._waiting:
            if len(run) == MAX_VOICE_FRAMES or (run and abs(frame.number - run[0].number) > _MOST_APART):
                break
            run.append(frame)
        # A copy is encoded together with a later frame.
        run.sort(key=lambda frame: (frame.number, not frame.is_copy))
        return self._pack(run) if run else None

    def _take(self, packet: P) -> P:
        for _ in packet.frames:
            self._waiting.popleft()
        return packet


def pack_voice(frames: Sequence[VoiceFrame]) -> VoicePacket:
    """The packet of frames in the order of their numbers, copies first."""
    opus = tuple(opus_frame(one.number, one.data, is_copy=one.is_copy) for one in frames)
    return VoicePacket(round(frames[-1].start_ms) % 2**32, opus)


def pack_said(records: Sequence[SaidRecord]) -> SaidPacket:
    """The packet of records in the order of their numbers."""
    said = tuple(said_frame(one.number, one.data) for one in records)
    return SaidPacket(round(records[-1].start_ms) % 2**32, said)
