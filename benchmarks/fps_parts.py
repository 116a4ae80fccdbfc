"""What a user wants to know of a machine in, what `headgan-bench fps` measures one after the other out.

sender                 all cores, and one
receiver.PROVIDER      as calls draw there
  cpu.fused            the same from three references
  cpu.one_core         as calls draw, on one core
  cpu.float32          in single precision
  cpu.plain            the naive baseline: one graph, as onnxruntime runs it by default; and on one core
  cpu.geometry, paper  other networks
codec                  what a classic codec needs
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headgan.benchmarks.codec_costs import CODECS, missing_codec
from headgan.benchmarks.half_plans import CodecPlan, Plan, ReceiverPlan, SenderPlan
from headgan.benchmarks.kept import file_state
from headgan.benchmarks.paper_generator import paper_generator, why_no_paper
from headgan.models.generator import PRIOR_GENERATOR, SHIPPED_GENERATOR, OnnxGenerator
from headgan.models.morphable import MorphableModel
from headgan.models.precision import chosen_precision
from headgan.models.weights import weights_path
from headgan.receiver.choose_generator import MAX_FUSED

CPU = "cpu"
# Networks of the paper's size take seconds a frame on a processor.
_PAPER_FRAMES, _PAPER_WARM_UP = 5, 1


@dataclass(frozen=True)
class Wishes:
    """What to measure.

    Attributes:
        clip: with a face in every frame.
        frames: to measure.
        generator: another than the one that ships, or None.
        baseline: another export to be the naive baseline, or None for the generator.
    """

    clip: Path
    frames: int
    generator: Path | None
    baseline: Path | None


@dataclass(frozen=True)
class Part:
    """One thing to measure.

    Attributes:
        name: such as `receiver.cpu`.
        plan: makes what the child is told; it may take a while.
        depends: JSON; what else than the plan decides about it.
    """

    name: str
    plan: Callable[[], Plan]
    depends: Mapping[str, Any]


def fps_parts(wishes: Wishes, sent: Path, providers: list[str]) -> tuple[list[Part], dict[str, str]]:
    """What is to be measured, in that order, and why the rest is not.

    Args:
        wishes: the user's.
        sent: folder of what the sender leaves for the others.
        providers: that work here.
    """
    clip, folder, frames = str(wishes.clip), str(sent), wishes.frames
    parts = [
        _part("sender", SenderPlan(clip, frames, folder)),
        _part("sender.one_core", SenderPlan(clip, frames, None, True)),
    ]
    own = str(wishes.generator) if wishes.generator else None
    for provider in providers:
        if provider == CPU:
            parts += _on_processor(wishes, folder)
        else:
            plan = ReceiverPlan(folder, frames, provider, own)
            parts.append(_part(f"receiver.{provider}", plan, wishes.generator))
    missing = {f"codec.{codec}": why for codec in CODECS if (why := missing_codec(codec)) is not None}
    parts += [
        _part(f"codec.{codec}", CodecPlan(folder, frames, codec))
        for codec in CODECS
        if f"codec.{codec}" not in missing
    ]
    for provider in providers:
        if (why := why_no_paper()) is not None:
            missing[f"receiver.{provider}.paper"] = why
        else:
            parts.append(_paper(sent, frames, provider))
    return parts, missing


def _on_processor(wishes: Wishes, folder: str) -> Iterator[Part]:
    """Receivers on the processor."""
    path, own = wishes.generator or weights_path(SHIPPED_GENERATOR), wishes.generator
    precision = chosen_precision(MorphableModel.load(), path)
    fuses = OnnxGenerator(path, provider=CPU, precision=precision).fuses

    def plan(generator: Path | None, **more: Any) -> ReceiverPlan:  # noqa: ANN401
        return ReceiverPlan(folder, wishes.frames, CPU, str(generator) if generator else None, **more)

    yield _part("receiver.cpu", plan(own, precision=precision), own)
    if fuses:
        yield _part("receiver.cpu.fused", plan(own, precision=precision, fused=MAX_FUSED), own)
    yield _part("receiver.cpu.one_core", plan(own, precision=precision, one_core=True), own)
    yield _part("receiver.cpu.float32", plan(own), own)
    naive = wishes.baseline or own
    yield _part("receiver.cpu.plain", plan(naive, plain=True), naive)
    yield _part("receiver.cpu.plain_one_core", plan(naive, plain=True, one_core=True), naive)
    yield _part("receiver.cpu.geometry", plan(weights_path(PRIOR_GENERATOR), is_trained=False))


def _paper(sent: Path, frames: int, provider: str) -> Part:
    """Networks of the paper's size."""
    count, warm_up = (_PAPER_FRAMES, _PAPER_WARM_UP) if provider == CPU else (frames, 20)

    def plan() -> Plan:
        path = str(paper_generator(sent))
        return ReceiverPlan(str(sent), count, provider, path, is_trained=False, warm_up=warm_up)

    return Part(f"receiver.{provider}.paper", plan, {"provider": provider, "frames": count})


def _part(name: str, plan: Plan, generator: Path | None = None) -> Part:
    depends = {"plan": asdict(plan), "generator": None if generator is None else file_state(generator)}
    return Part(name, lambda: plan, depends)
