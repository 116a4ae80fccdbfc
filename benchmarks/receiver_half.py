"""What a sender sent in, how long each stage of a receiver takes out: in one thread, without a network.

bytes ── ParamPacket ── FrameReader ── Reconstructor (prior, codes, F, R) ── the page's copy and JPEG
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from headgan.benchmarks.half_plans import ReceiverPlan
from headgan.benchmarks.own_process import Cost, resident_mb, stages_of
from headgan.benchmarks.sent_clip import RATE_FPS, CropFile, SentClip
from headgan.benchmarks.stopwatches import DRAWING_PARTS, drawing_watched, replaced
from headgan.codec.stage_times import StageTimes
from headgan.models import frame_graphs, generator
from headgan.models.generator import OnnxGenerator
from headgan.models.metrics.pictures import psnr
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import Reconstructor
from headgan.models.runtime import Session
from headgan.proto.errors import HeadganError
from headgan.proto.program import monotonic_ms
from headgan.proto.wire import ParamPacket
from headgan.receiver.display import ViewerStats
from headgan.receiver.frame_reader import FrameReader
from headgan.receiver.viewer import Viewer, encode_jpeg, to_bgr

# The same numbers on other arithmetic differ by no more, on average over a picture, in levels of 255.
MOST_APART = 1.0
REST_OF_DRAWING = "warp, fuse, the rest of drawing"


class _Checks:
    """Are the pictures what they have to be?"""

    def __init__(self, clip: SentClip, folder: Path) -> None:
        self._clip, self._crops = clip, CropFile(folder)
        self._first = clip.references[0].picture_rgb
        self.psnr: list[float] = []
        self.psnr_repeat: list[float] = []
        self.apart: list[float] = []

    def see(self, place: int, picture: Any) -> None:  # noqa: ANN401
        """Takes what was drawn for the packet at `place`."""
        if place in self._clip.expected:
            difference = picture.astype(np.int16) - self._clip.expected[place]
            self.apart.append(float(np.abs(difference).mean()))
        truth = self._crops.read(place)
        self.psnr.append(psnr(picture, truth))
        self.psnr_repeat.append(psnr(self._first, truth))

    def report(self, *, is_trained: bool) -> dict[str, float]:
        """Means over the frames, in dB and levels.

        Raises:
            HeadganError: the pictures are not what they have to be.
        """
        drawn, repeated = float(np.mean(self.psnr)), float(np.mean(self.psnr_repeat))
        apart = max(self.apart, default=0.0)
        if is_trained and drawn <= repeated:
            raise HeadganError(
                f"what is drawn ({drawn:.2f} dB) is worse than repeating the first picture ({repeated:.2f} dB)"
            )
        if is_trained and (not self.apart or apart > MOST_APART):
            raise HeadganError(f"what is drawn is {apart:.2f} levels away from what a Reconstructor draws")
        return {"psnr": round(drawn, 2), "psnr_repeat": round(repeated, 2), "apart_levels": round(apart, 3)}


def run_receiver(plan: ReceiverPlan) -> dict[str, Any]:
    """Times of a receiver, ready for JSON.

    Raises:
        HeadganError: the pictures are not what they have to be.
    """
    with ExitStack() as stack:
        for module in (frame_graphs, generator) if plan.plain else ():
            stack.enter_context(replaced(module, "open_session", lambda _: _plain_session))
        return _run(plan)


def _run(plan: ReceiverPlan) -> dict[str, Any]:
    folder = Path(plan.folder)
    clip = SentClip.read(folder)
    checks = _Checks(clip, folder)
    times = StageTimes(monotonic_ms)
    parts = StageTimes(monotonic_ms)
    viewer, stats = Viewer("127.0.0.1", 0), ViewerStats("live")
    reader, near, cost = FrameReader(has_drift=True), None, Cost(0.0, 0.0)
    with drawing_watched(parts):
        drawer = OnnxGenerator(Path(plan.generator) if plan.generator else None, provider=plan.provider)
        model = MorphableModel.load()
        drawing = {number: Reconstructor(model, drawer, image) for number, image in clip.references.items()}
        packets = clip.packets[: plan.warm_up + plan.frames]
        for place, data in enumerate(tqdm(packets, desc="receiver", unit="frame", leave=False)):
            if place == plan.warm_up:
                times.clear()
                parts.clear()
                cost = Cost(0.0, 0.0)
            before = Cost.now()
            with times.measure("packet read"):
                near = ParamPacket.parse(data, near)
            if near is None:
                raise HeadganError("a packet cannot be read")
            with times.measure("decode"):
                frames = reader.read(near, place * 1000 / RATE_FPS)
            if len(frames) != 1 or frames[0].params is None:
                raise HeadganError(f"packet {place} gave {len(frames)} faces to draw, not one")
            with times.measure("draw"):
                picture = drawing[(frames[0].references or (0,))[0]].draw(frames[0].params)
            with times.measure("hand-over"):
                viewer.publish(picture, stats)
            with times.measure("colour conversion"):
                picture_bgr = to_bgr(picture)
            with times.measure("JPEG for the page"):
                encode_jpeg(picture_bgr)
            cost = cost.plus(Cost.now().since(before))
            checks.see(place, picture)
    resident = resident_mb()
    measured = len(packets) - plan.warm_up
    return {
        "provider": drawer.provider,
        "generator": drawer.name,
        "stages_ms": _stages(times, parts, measured),
        "fps": round(measured / cost.wall_s, 2),
        "ms": round(1000 * cost.wall_s / measured, 3),
        "cpu_ms": round(1000 * cost.cpu_s / measured, 3),
        "cores_at_25_fps": round(RATE_FPS * cost.cpu_s / measured, 3),
        "resident_mb": resident,
        "frames": measured,
        **checks.report(is_trained=plan.is_trained),
    }


def _stages(times: StageTimes, parts: StageTimes, frames: int) -> dict[str, dict[str, float | None]]:
    """Every stage; what of drawing is in no part of it is told apart, as a mean alone."""
    whole, inside = stages_of(times, frames), stages_of(parts, frames)
    known = {name: inside[name] for name in DRAWING_PARTS if name in inside}
    left = (times.total_ms()["draw"] - sum(parts.total_ms()[name] for name in known)) / frames
    rest: dict[str, float | None] = {"p50": None, "p95": None, "mean": round(left, 3)}
    before, after = ("packet read", "decode"), ("hand-over", "colour conversion", "JPEG for the page")
    return {
        **{name: whole[name] for name in before},
        **known,
        REST_OF_DRAWING: rest,
        **{name: whole[name] for name in after},
    }


def _plain_session(
    path: Path, _provider: str = "auto", _changing: frozenset[str] | None = None
) -> tuple[Session, str]:
    """As somebody who knows nothing of this program would open it."""
    return Session(str(path), providers=["CPUExecutionProvider"]), "cpu, as onnxruntime has it"
