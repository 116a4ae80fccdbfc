"""An analysed frame in, how it travels out: what it is drawn from, whether that is true, and what goes beside it.

                            ┌─ MemoryFiller ── references, Shipment
AnalysedFrame ─ DriftFinder ┼─ ClosedLoop ──── is it true? is a new reference urgent?
                            └─ LiveVideo ───── what is shown where it is not
"""

from dataclasses import dataclass, field, replace

from headgan.codec.said_record import SaidRecord
from headgan.codec.voice import VoiceFrame
from headgan.models.drift_finder import DriftFinder
from headgan.models.quiet_worker import QuietWorker
from headgan.models.reconstruct import ReferenceImage
from headgan.sender.analysis import AnalysedFrame
from headgan.sender.closed_loop import ClosedLoop
from headgan.sender.live_video import LiveVideo
from headgan.sender.memory_filler import MemoryFiller, Shipment


@dataclass(frozen=True, eq=False)
class FramePlan:
    """How one frame travels.

    Attributes:
        references: numbers of those to draw it from; empty for the first.
        is_untrue: whether what would be drawn is known not to be there.
        shipment: a reference to send now, or None.
        video: a frame of live video to send now, or None.
    """

    references: tuple[int, ...] = ()
    is_untrue: bool = False
    shipment: Shipment | None = None
    video: bytes | None = None


@dataclass(eq=False)
class FramePlanner:
    """Belongs to the camera's thread; what is None is left out.

    Attributes:
        first: the reference that the call began with.
        filler: fills the receiver's memory.
        loop: draws as the receiver does.
        live: the video to fall back on.
        drift: finds how what is no face moves.
        quiet: codes references.
    """

    first: ReferenceImage | None = None
    filler: MemoryFiller | None = None
    loop: ClosedLoop | None = None
    live: LiveVideo | None = None
    drift: DriftFinder | None = None
    quiet: QuietWorker | None = None
    # That the last frame is drawn from.
    _best: int | None = None
    # Numbers of references that were sent while a face could not be drawn: they may show what covered it.
    _doubtful: set[int] = field(default_factory=set)

    def with_drift(self, frame: AnalysedFrame) -> AnalysedFrame:
        """The frame with its drift, against what the frame before it was drawn from; once for each, before `plan`."""
        if self.drift is None or self.first is None or frame.params is None:
            return frame
        reference = self.first
        if self.filler is not None and self._best is not None:
            reference = self.filler.reference(self._best)
        return replace(frame, params=self.drift.see(frame.crop_rgb, frame.params, reference))

    def plan(self, frame: AnalysedFrame, now_ms: float) -> FramePlan:
        """Looks at a frame, taken at `now_ms`."""
        references: tuple[int, ...] = ()
        shipment = None
        if self.filler is not None:
            is_urgent = self.loop is not None and self.loop.truth.is_stale
            # A hand is best shown by the video: what it costs in references is missing when it has gone.
            on_credit = self.live is None or self.loop is None or self.loop.truth.is_true
            references, shipment = self.filler.look(frame, now_ms, is_urgent=is_urgent, on_credit=on_credit)
            self._best = references[0] if references else None
        if self.loop is not None and self.first is not None:
            images, distance = [self.first], 0.0
            if self.filler is not None and references:
                images, distance = [self.filler.reference(one) for one in references], self.filler.distance
            if shipment is not None and not self.loop.truth.is_true:
                self._doubtful.add(shipment.number)
            is_doubtful = bool(references) and references[0] in self._doubtful
            self.loop.look(frame, images, distance, capture_ms=now_ms, is_doubtful=is_doubtful)
        has_face = frame.params is not None
        is_untrue = has_face and self.loop is not None and not self.loop.truth.is_true
        video = None
        if self.live is not None:
            video = self.live.look(frame, now_ms, is_wanted=is_untrue or not has_face)
        return FramePlan(references, is_untrue, shipment, video)

    def hear(self, frame: VoiceFrame | SaidRecord) -> None:
        """Takes what is sent of the sound; on any thread."""
        if self.loop is not None:
            self.loop.hear(frame)

    def close(self) -> None:
        """Compares and codes no more."""
        if self.loop is not None:
            self.loop.close()
        if self.quiet is not None:
            self.quiet.close()
