"""What a sender sent in, how long each stage of a receiver takes out: in one thread, without a network.

bytes ── ParamPacket ── FrameReader ── Reconstructor (prior, codes, F, R) ── the page's copy and JPEG
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from onnxruntime import SessionOptions
from tqdm import tqdm

from headgan.benchmarks.half_plans import ReceiverPlan
from headgan.benchmarks.own_process import Cost, resident_mb, stages_of, take_one_core
from headgan.benchmarks.picture_checks import PictureChecks, references_of
from headgan.benchmarks.sent_clip import RATE_FPS, SentClip
from headgan.benchmarks.stopwatches import DRAWING_PARTS, drawing_watched, replaced
from headgan.codec.stage_times import StageTimes
from headgan.models import frame_graphs, generator
from headgan.models.generator import OnnxGenerator
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import Reconstructor
from headgan.models.runtime import Session
from headgan.proto.errors import HeadganError
from headgan.proto.program import monotonic_ms
from headgan.proto.wire import ParamPacket
from headgan.receiver.display import ViewerStats
from headgan.receiver.frame_reader import FrameReader, ReadFrame
from headgan.receiver.viewer import Viewer, encode_jpeg, to_bgr

REST_OF_DRAWING = "warp, fuse, the rest of drawing"


def run_receiver(plan: ReceiverPlan) -> dict[str, Any]:
    """Times of a receiver, ready for JSON.

    Raises:
        HeadganError: the pictures are not what they have to be.
    """
    is_bound = plan.one_core and take_one_core()
    clip = SentClip.read(Path(plan.folder))
    with PictureChecks(clip, plan) as checks:
        with ExitStack() as stack:
            opens = _plain_alone if plan.one_core else _plain_session
            for module in (frame_graphs, generator) if plan.plain else ():
                stack.enter_context(replaced(module, "open_session", lambda _: opens))
            measured = _run(plan, clip, checks)
        told = {"is_bound": is_bound, "precision": plan.precision, "file": _short(plan.generator)}
        return {**measured, **told, **checks.report()}


def _short(path: str | None) -> str | None:
    """A file's folder and name: exports of one network have one name."""
    return None if path is None else "/".join(Path(path).resolve().parts[-2:])


def _run(plan: ReceiverPlan, clip: SentClip, checks: PictureChecks) -> dict[str, Any]:
    times = StageTimes(monotonic_ms)
    parts = StageTimes(monotonic_ms)
    viewer, stats = Viewer("127.0.0.1", 0), ViewerStats("live")
    reader, near, cost, drawn_from = FrameReader(has_drift=True), None, Cost(0.0, 0.0), 0
    with drawing_watched(parts):
        path = Path(plan.generator) if plan.generator else None
        drawer = OnnxGenerator(path, provider=plan.provider, precision=plan.precision)
        model = MorphableModel.load()
        drawing = {number: Reconstructor(model, drawer, image) for number, image in clip.references.items()}
        still, drawn = still_places(clip.packets), 0
        for place, data in enumerate(tqdm(clip.packets, desc="receiver", unit="frame", leave=False)):
            if place in still:
                near = ParamPacket.parse(data, near)
                if near is not None:
                    reader.read(near, place * 1000 / RATE_FPS)
                continue
            if drawn == plan.warm_up:
                times.clear()
                parts.clear()
                cost, drawn_from = Cost(0.0, 0.0), 0
            if drawn == plan.warm_up + plan.frames:
                break
            drawn += 1
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
                numbers = references_of(frames[0], plan.fused)
                best, *others = (drawing[number] for number in numbers)
                picture = best.draw(frames[0].params, *others)
            with times.measure("hand-over"):
                viewer.publish(picture, stats)
            with times.measure("colour conversion"):
                picture_bgr = to_bgr(picture)
            with times.measure("JPEG for the page"):
                encode_jpeg(picture_bgr)
            cost = cost.plus(Cost.now().since(before))
            checks.see(place, frames[0], picture)
            drawn_from += len(numbers)
    resident = resident_mb()
    measured = drawn - plan.warm_up
    if measured < 1:
        raise HeadganError("the clip moves too little to be measured; give a longer one")
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
        "references_a_frame": round(drawn_from / measured, 2),
    }


def still_places(packets: Sequence[bytes]) -> set[int]:
    """Places of the packets that say the same as the one before: what they show is not drawn again."""
    reader, near, still = FrameReader(has_drift=True), None, set()
    before: ReadFrame | None = None
    for place, data in enumerate(packets):
        near = ParamPacket.parse(data, near)
        if near is None:
            raise HeadganError("a packet cannot be read")
        (frame,) = reader.read(near, place * 1000 / RATE_FPS) or (None,)
        if before is not None and frame is not None and _is_same(frame, before):
            still.add(place)
        before = frame
    return still


def _is_same(frame: ReadFrame, before: ReadFrame) -> bool:
    one, two = frame.params, before.params
    if one is None or two is None or frame.references != before.references:
        return False
    return one.is_same(two)


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


def _plain_alone(
    path: Path, _provider: str = "auto", _changing: frozenset[str] | None = None
) -> tuple[Session, str]:
    """The same for one core: a second thread would spin there and hold up the first."""
    options = SessionOptions()
    options.intra_op_num_threads = 1
    return Session(str(path), options, ["CPUExecutionProvider"]), "cpu, as onnxruntime has it, one thread"
