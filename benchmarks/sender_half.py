"""A clip in, how long each stage of a sender takes out, and what it sends: in one thread, without a network.

clip ── decode ── FaceAnalyser (track, crop, fit) ── FramePlanner (drift, references) ── ParamPacker ── bytes
"""

import threading
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from headgan.benchmarks.half_plans import SenderPlan
from headgan.benchmarks.own_process import Cost, resident_mb, stages_of, take_one_core
from headgan.benchmarks.sent_clip import RATE_FPS, WARM_UP, CropFile, SentClip
from headgan.codec.memory import DEFAULT_CAPACITY
from headgan.codec.picture_coder import PictureDecoder, PictureEncoder
from headgan.codec.reference_params import parse_reference_params
from headgan.codec.reference_planner import DEFAULT_KBPS
from headgan.codec.stage_times import StageTimes, percentiles
from headgan.models.drift_finder import DriftFinder
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import ReferenceImage
from headgan.models.smoothing import smoothing_settings
from headgan.models.tracker import MediaPipeTracker
from headgan.proto.errors import FaceError, HeadganError
from headgan.proto.program import monotonic_ms
from headgan.receiver.choose_generator import MAX_FUSED
from headgan.sender.analysis import FaceAnalyser
from headgan.sender.cli import SendOptions
from headgan.sender.frame_plan import FramePlanner
from headgan.sender.memory_filler import MemoryFiller
from headgan.sender.param_packer import ParamPacker
from headgan.sender.sources import FileSource

_DETECTIONS = 20


class SenderHalf:
    """A sender, from a clip to bytes."""

    def __init__(self, clip: Path) -> None:
        """Raises FaceError if there is nobody in the clip."""
        self.times = StageTimes(monotonic_ms)
        self._source = FileSource(clip, loop=True)
        self._model = MorphableModel.load()
        self.tracker = MediaPipeTracker()
        smoothing = smoothing_settings(SendOptions.smoothing)
        self.analyser = FaceAnalyser(
            self._model, self.tracker, crop="auto", smoothing=smoothing, clock_ms=monotonic_ms
        )
        first = self.analyser.settle(self._source, threading.Event())
        if first is None:
            raise FaceError(f"no face found in {clip}")
        encoder, self._decoder = PictureEncoder(), PictureDecoder()
        coded = encoder.encode(first.picture_rgb)
        self.references = {0: ReferenceImage(self._decoder.decode(coded.data), first.identity, first.params)}
        filler = MemoryFiller(
            self._model,
            first,
            encoder,
            coded,
            capacity=DEFAULT_CAPACITY,
            kbps=DEFAULT_KBPS,
            fuses=MAX_FUSED,
            has_drift=True,
        )
        drift = DriftFinder(self._model)
        drift.prepare(first)
        self._filler = filler
        self._planner = FramePlanner(first, filler, drift=drift)
        self._packer = ParamPacker(rate_fps=RATE_FPS)
        self._packer.has_drift = True
        self.decode_cost = Cost(0.0, 0.0)

    def send(self, place: int) -> tuple[Any, bytes]:
        """The crop of the next frame, uint8 [256, 256, 3], and its packet."""
        capture_ms = place * 1000 / RATE_FPS
        before = Cost.now()
        with self.times.measure("camera decode"):
            captured = self._source.read()
        self.decode_cost = self.decode_cost.plus(Cost.now().since(before))
        if captured is None:
            raise HeadganError("the clip cannot be played again")
        frame = self.analyser.analyse(captured.frame_rgb, capture_ms)
        with self.times.measure("drift"):
            frame = self._planner.with_drift(frame)
        with self.times.measure("references"):
            plan = self._planner.plan(frame, capture_ms)
        with self.times.measure("encode"):
            packet = self._packer.add(frame.params, plan.references, capture_ms, is_untrue=False)
        if packet is None:
            raise HeadganError("a frame made no packet")
        with self.times.measure("packet"):
            data = packet.to_bytes(is_short=place > 0)
        self._packer.arrived(packet.seq)
        if plan.shipment is not None:
            self._take(plan.shipment)
        return frame.crop_rgb, data

    def _take(self, shipment: Any) -> None:  # noqa: ANN401
        """A reference arrives at once."""
        reference = shipment.reference
        picture, params = self._decoder.decode(reference.image), parse_reference_params(reference.payload)
        self.references[shipment.number] = ReferenceImage(picture, self.references[0].identity, params)
        self._filler.answered(shipment.number, is_held=True)

    def restart_times(self) -> None:
        """Forgets what was measured so far: the warm-up."""
        self.times.clear()
        self.analyser.times.clear()
        self.decode_cost = Cost(0.0, 0.0)

    def detect_ms(self) -> float:
        """How long a search for a face takes, which a call does only when it has lost the face."""
        self._source.rewind()
        frame = self._source.read()
        if frame is None:
            raise HeadganError("the clip cannot be played again")
        times = []
        for _ in range(_DETECTIONS):
            begin_ms = time.perf_counter()
            if self.tracker.count_faces(frame.frame_rgb) < 1:
                raise HeadganError("the detector does not see the face that is followed")
            times.append(1000 * (time.perf_counter() - begin_ms))
        return round(sorted(times)[_DETECTIONS // 2], 3)


def run_sender(plan: SenderPlan) -> dict[str, Any]:
    """Times of a sender, ready for JSON, and what it sent, in the folder of the plan."""
    is_bound = plan.one_core and take_one_core()
    half = SenderHalf(Path(plan.clip))
    folder = None if plan.folder is None else Path(plan.folder)
    crops = None if folder is None else CropFile(folder)
    if folder is not None:
        SentClip.begin(folder)
    packets: list[bytes] = []
    cost = Cost(0.0, 0.0)
    own_ms: list[float] = []
    for place in tqdm(range(WARM_UP + plan.frames), desc="sender", unit="frame", leave=False):
        if place == WARM_UP:
            half.restart_times()
            cost = Cost(0.0, 0.0)
            own_ms.clear()
        before, decoded = Cost.now(), half.decode_cost
        crop, data = half.send(place)
        spent = Cost.now().since(before)
        cost = cost.plus(spent)
        own_ms.append(1000 * (spent.wall_s - half.decode_cost.since(decoded).wall_s))
        packets.append(data)
        if crops is not None:
            crops.append(crop)
    resident = resident_mb()
    if half.analyser.faces_lost:
        raise FaceError(f"the face was lost in {plan.clip}; give a clip with a face in every frame")
    if folder is not None:
        SentClip(packets, half.references).write(folder)
    own = cost.since(half.decode_cost)
    stages = stages_of(half.analyser.times, plan.frames) | stages_of(half.times, plan.frames)
    ordered = ("camera decode", "track", "crop", "fit", "drift", "references", "encode", "packet")
    return {
        "stages_ms": {name: stages[name] for name in ordered},
        "detect_ms": half.detect_ms(),
        "fps": round(plan.frames / cost.wall_s, 2),
        "ms": round(1000 * own.wall_s / plan.frames, 3),
        "frame_ms": percentiles(own_ms),
        "cpu_ms": round(1000 * own.cpu_s / plan.frames, 3),
        "cores_at_25_fps": round(RATE_FPS * cost.cpu_s / plan.frames, 3),
        "resident_mb": resident,
        "is_bound": is_bound,
        "references": len(half.references),
        "packet_bytes": round(sum(map(len, packets)) / len(packets), 2),
    }
