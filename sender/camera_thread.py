"""Pictures of a camera in, parameter packets and plans out: the thread that does all that is done for each frame.

Camera ── FaceAnalyser ── FramePlanner, drift ── FramePlanner, references ── ParamPacker ──▶ deliver
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
from numpy.typing import NDArray

from headgan.codec.frame_moments import FrameMoments
from headgan.codec.timed_writer import TimedWriter
from headgan.models.pncc import CROP_SIZE
from headgan.models.reconstruct import ReferenceImage
from headgan.proto.wire import ParamPacket
from headgan.sender.analysis import AnalysedFrame, FaceAnalyser
from headgan.sender.camera import Camera
from headgan.sender.frame_plan import FramePlan, FramePlanner
from headgan.sender.param_packer import ParamPacker
from headgan.sender.send_settings import SendSettings
from headgan.sender.sources import Source

Deliver = Callable[[AnalysedFrame, float, FramePlan, ParamPacket | None], None]


class CameraThread:
    """Of one call; `settle` and `run` are for a thread, one after the other, the rest for any.

    Attributes:
        dropped: frames that came too fast, once it has run.
        skipped: frames that were left out to meet the rate, likewise.
        frame_ms: when the newest frame was captured.
    """

    def __init__(
        self,
        source: Source,
        analyser: FaceAnalyser,
        packer: ParamPacker,
        moments: FrameMoments,
        clock_ms: Callable[[], float],
    ) -> None:
        """Starts nothing yet.

        Args:
            source: camera or file; closed at the end.
            analyser: follows the face.
            packer: makes packets of its parameters.
            moments: learns when each frame came how far.
            clock_ms: the clock of the call.
        """
        self.dropped = 0
        self.skipped = 0
        self.frame_ms: float | None = None
        self._source = source
        self._analyser = analyser
        self._packer = packer
        self._moments = moments
        self._clock_ms = clock_ms
        self._stopping = threading.Event()
        self._is_handed_over = False

    def settle(self) -> ReferenceImage | None:
        """The first good picture of the caller; None when it was stopped before."""
        return self._analyser.settle(self._source, self._stopping)

    def run(
        self,
        settings: SendSettings,
        planner: FramePlanner,
        deliver: Deliver,
        open_voice: Callable[[Camera], AbstractContextManager[object]],
    ) -> None:
        """Takes pictures until the source ends, or it is stopped.

        Args:
            settings: of the call.
            planner: finds drift, and chooses what each frame is drawn from.
            deliver: takes each frame, its capture time, its plan, and a packet if one is full.
            open_voice: encodes the sound beside the camera while its context is open.
        """
        writer: TimedWriter | None = None
        self._is_handed_over = True
        with (
            Camera(self._source, rate_fps=settings.rate_fps, clock_ms=self._clock_ms) as camera,
            open_voice(camera),
        ):
            try:
                while not self._stopping.is_set() and not camera.is_ended:
                    captured = camera.newest(0.1)
                    if captured is None:
                        continue
                    # Whole milliseconds, as they travel, so that both ends place a frame alike.
                    capture_ms = self.frame_ms = float(round(captured.capture_ms))
                    frame = self._analyse(captured.frame_rgb, capture_ms)
                    deliver(*self._pack(planner, frame, capture_ms))
                    writer = writer or _open_writer(settings, capture_ms)
                    if writer:
                        with self._analyser.times.measure("save crop"):
                            writer.write(frame.crop_rgb, capture_ms)
            finally:
                self.dropped, self.skipped = camera.dropped, camera.skipped
                if writer:
                    writer.close()

    def stop(self) -> None:
        """Ends what runs, soon."""
        self._stopping.set()

    def close(self) -> None:
        """Closes the source, unless `run` does or did."""
        if not self._is_handed_over:
            self._source.close()

    def _analyse(self, frame_rgb: NDArray[np.uint8], capture_ms: float) -> AnalysedFrame:
        self._moments.mark(capture_ms, "taken")
        frame = self._analyser.analyse(frame_rgb, capture_ms)
        self._moments.mark(capture_ms, "analysed")
        self._moments.note(capture_ms, self._analyser.newest_ms())
        return frame

    def _pack(
        self, planner: FramePlanner, frame: AnalysedFrame, capture_ms: float
    ) -> tuple[AnalysedFrame, float, FramePlan, ParamPacket | None]:
        times = self._analyser.times
        with times.measure("drift"):
            frame = planner.with_drift(frame)
        self._moments.mark(capture_ms, "drift found")
        with times.measure("references"):
            plan = planner.plan(frame, capture_ms)
        self._moments.mark(capture_ms, "planned")
        with times.measure("encode"):
            packet = self._packer.add(frame.params, plan.references, capture_ms, is_untrue=plan.is_untrue)
        self._moments.mark(capture_ms, "encoded")
        return frame, capture_ms, plan, packet


def _open_writer(settings: SendSettings, start_ms: float) -> TimedWriter | None:
    if settings.crop_path is None:
        return None
    return TimedWriter(settings.crop_path, size=CROP_SIZE, rate_fps=settings.rate_fps, start_ms=start_ms)
