"""Packets as the network brings them in, frames and sound to the playback out; and how many there should have been."""

from collections.abc import Callable

from headgan.proto.link import Link
from headgan.proto.said import SaidPacket
from headgan.proto.voice import VoicePacket
from headgan.proto.wire import ParamPacket
from headgan.receiver.frame_reader import FrameReader
from headgan.receiver.playback import Playback


class PacketIntake:
    """Of one call; belongs to the event loop. What comes before there is a playback is read and dropped.

    Attributes:
        reader: makes frames of records.
        playback: takes frames and sound; None until there is a reference.
        frames_sent: how many the sender says it sent, once it said so.
    """

    def __init__(self, clock_ms: Callable[[], float]) -> None:
        """Args: clock_ms: the monotonic clock of the call."""
        self.reader = FrameReader()
        self.playback: Playback | None = None
        self.frames_sent: int | None = None
        self._clock_ms = clock_ms
        self._highest_seq = -1

    def meet(self, *, has_drift: bool) -> None:
        """Learns, before the first packet, whether records say how what is no face moves."""
        self.reader = FrameReader(has_drift=has_drift)

    @property
    def known_sent(self) -> int:
        """Frames that the sender says it sent, or at least those that are known of."""
        return self._highest_seq + 1 if self.frames_sent is None else self.frames_sent

    def take(self, packet: ParamPacket, link: Link) -> None:
        """Takes a packet from the network; WireError if its records are malformed."""
        now_ms = self._clock_ms()
        self._highest_seq = max(self._highest_seq, packet.seq + len(packet.frames) - 1)
        for frame in self.reader.read(packet, now_ms):
            if self.playback:
                self.playback.take(
                    frame.seq,
                    frame.capture_ms,
                    frame.params,
                    now_ms,
                    frame.references,
                    is_untrue=frame.is_untrue,
                )
        if self.reader.wants_refresh(now_ms):
            link.want_refresh()

    def take_voice(self, voice: VoicePacket) -> None:
        """Takes sound from the network; WireError if it is none."""
        if self.playback:
            self.playback.sound.hear(voice, self._clock_ms())

    def take_said(self, said: SaidPacket) -> None:
        """Takes what is said without the voice from the network; WireError if it is none."""
        if self.playback:
            self.playback.sound.hear_said(said)
