"""Analysed frames, plans, and a voice or what is said in, messages on the channels out; counts what became of them.

Belongs to the event loop.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from headgan.codec.cut_phase import CutPhase
from headgan.codec.frame_moments import FrameMoments
from headgan.codec.said_record import SaidRecord
from headgan.codec.voice import VoiceFrame
from headgan.proto.errors import PeerError
from headgan.proto.link import Link
from headgan.proto.said import SaidPacket
from headgan.proto.voice import VoicePacket
from headgan.proto.wire import ParamPacket
from headgan.sender.analysis import AnalysedFrame
from headgan.sender.frame_plan import FramePlan
from headgan.sender.param_packer import ParamPacker
from headgan.sender.shipping import Shipping
from headgan.sender.waiting_voice import WaitingVoice

log = logging.getLogger(__name__)

_UNSEEN_NOTICE_S = 2.0
# An hour of packets: what the statistics look back on.
_KEPT = 90_000


@dataclass
class SendCounts:
    """What became of the frames.

    Attributes:
        analysed: frames of the call.
        sent: of these, frames that have a number on the wire.
        held_back: of these, frames that were dropped because the network still held the one before.
        without_face: of these, frames in which the caller was not seen.
        untrue: of these, frames whose face cannot be drawn as it is, such as behind a hand.
        first_ms: time of the first frame, by this side's clock.
        last_ms: time of the last frame.
        voice_held_back: frames of the voice that were dropped likewise.
    """

    analysed: int = 0
    sent: int = 0
    held_back: int = 0
    without_face: int = 0
    untrue: int = 0
    first_ms: float = 0.0
    last_ms: float = 0.0
    voice_held_back: int = 0

    @property
    def fps(self) -> float | None:
        """Frames a second over the call; None before the second frame."""
        if self.analysed < 2:
            return None
        return (self.analysed - 1) * 1000 / (self.last_ms - self.first_ms)


@dataclass
class FrameSender:
    """Of one call.

    Attributes:
        packer: learns which packets were not sent.
        rate_fps: frames a second.
        voice: what of the voice waits for a packet; or of what is said, where that is sent in its place.
        clock_ms: the clock of the call.
        phase: learns how long the voice waits for packets.
        counts: what became of the frames.
        waits_ms: how long the newest frame of the voice in each packet had waited for it.
        moments: learns when each frame was sent; None where nobody asks.
    """

    packer: ParamPacker
    rate_fps: float
    voice: WaitingVoice[VoiceFrame, VoicePacket] | WaitingVoice[SaidRecord, SaidPacket]
    clock_ms: Callable[[], float]
    phase: CutPhase = field(default_factory=CutPhase)
    counts: SendCounts = field(default_factory=SendCounts)
    waits_ms: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))
    moments: FrameMoments | None = None
    _frames_unseen: int = 0
    _voice_ms: float | None = None  # when the newest frame of the voice was there, until a packet took it

    def send(
        self,
        link: Link,
        shipping: Shipping,
        frame: AnalysedFrame,
        capture_ms: float,
        plan: FramePlan,
        packet: ParamPacket | None,
    ) -> None:
        """Counts a frame, and sends what is ready: a packet, a reference, a frame of live video."""
        if link.session.is_over:
            return
        self._count(frame, capture_ms, plan, has_video=shipping.has_video)
        if packet is not None:
            self.send_packet(link, packet)
        if plan.shipment is not None:
            shipping.add_reference(plan.shipment)
        if plan.video is not None:
            shipping.add_video(plan.video, capture_ms)

    def send_packet(self, link: Link, packet: ParamPacket) -> None:
        """Sends a packet with what there is of the voice, or counts both as held back."""
        self.counts.sent = packet.seq + len(packet.frames)
        voice = self.voice.near(packet.capture_ms)
        if isinstance(voice, VoicePacket):
            packet = replace(packet, voice=voice)
            if self._voice_ms is not None:
                self.waits_ms.append(self.clock_ms() - self._voice_ms)
                self.phase.waited(self.waits_ms[-1])
                self._voice_ms = None
        elif voice is not None:
            packet = replace(packet, said=voice)
        if not _is_sent(lambda: link.send_params(packet)):
            self.counts.held_back += len(packet.frames)
            self.counts.voice_held_back += 0 if voice is None else len(voice.frames)
            self.packer.dropped(packet.seq)
        elif self.moments is not None:
            for frame in packet.frames:
                self.moments.mark(packet.capture_ms + frame.offset_ms, "sent")

    def add_voice(self, link: Link, frame: VoiceFrame | SaidRecord, now_ms: float) -> None:
        """Takes a frame of the voice that was there at `now_ms`; it waits for the next packet, or is sent alone."""
        if link.session.is_over:
            return
        self.voice.add(frame)  # type: ignore[arg-type]  # a call has frames of one kind
        if isinstance(frame, VoiceFrame) and not frame.is_copy:
            self._voice_ms = now_ms
        self._send_alone(link, self.voice.overdue())

    def finish_voice(self, link: Link) -> None:
        """Sends what still waits."""
        if not link.session.is_over:
            self._send_alone(link, self.voice.rest())

    def _send_alone(self, link: Link, voice: VoicePacket | SaidPacket | None) -> None:
        if voice is not None and not _is_sent(lambda: link.send_voice(voice)):
            self.counts.voice_held_back += len(voice.frames)

    def _count(self, frame: AnalysedFrame, capture_ms: float, plan: FramePlan, *, has_video: bool) -> None:
        counts, has_face = self.counts, frame.params is not None
        if counts.analysed == 0:
            counts.first_ms = capture_ms
        counts.last_ms = capture_ms
        counts.analysed += 1
        counts.without_face += not has_face
        counts.untrue += plan.is_untrue
        self._notice_face(is_shown=has_face and not plan.is_untrue, has_video=has_video)

    def _notice_face(self, *, is_shown: bool, has_video: bool) -> None:
        """Tells the user, once each time, when the face could not be shown for two seconds."""
        self._frames_unseen = 0 if is_shown else self._frames_unseen + 1
        if self._frames_unseen == round(_UNSEEN_NOTICE_S * self.rate_fps):
            instead = "video at a low rate" if has_video else "your last picture"
            log.info("no face in view, or a covered one: the other side sees %s", instead)


def _is_sent(send: Callable[[], bool]) -> bool:
    try:
        return send()
    except PeerError as error:
        log.debug("a packet was not sent: %s", error)
        return False
