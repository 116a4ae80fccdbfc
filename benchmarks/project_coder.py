"""A clip in, what a call of this project shows of it and what it sends out.

frames ─ moments ─ fill_memory ─┬─ references ── bytes
                                ├─ used ─┐
         params ─ code_params ──┴────────┴─ GeneratorDrawer ── pictures
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from headgan.benchmarks.bench_clip import RATE_FPS, BenchClip, Picture
from headgan.benchmarks.kept import shipped_networks
from headgan.benchmarks.rate_coder import PROJECT, Coded, Ladder
from headgan.benchmarks.references_course import check_causal
from headgan.codec.memory import DEFAULT_CAPACITY
from headgan.codec.param_code import shipped_code
from headgan.codec.param_decoder import ParamDecoder
from headgan.codec.param_encoder import Face, ParamEncoder
from headgan.codec.params import FaceParams, identity_to_bytes
from headgan.codec.reference_params import code_reference_params
from headgan.codec.reference_planner import DEFAULT_KBPS
from headgan.models.fitting import project
from headgan.models.generator import Generator
from headgan.models.metrics.clip_drift import with_drift
from headgan.models.metrics.clip_frames import ClipFrames, SeenFrame
from headgan.models.metrics.clip_memory import ClipMemory, MemorySettings, fill_memory
from headgan.models.metrics.drawers import GeneratorDrawer
from headgan.models.morphable import MorphableModel
from headgan.models.pncc import to_pixels
from headgan.proto.errors import HeadganError
from headgan.receiver.choose_generator import MAX_FUSED

_NO_LIMIT = float("inf")
# Of what a result holds.
_VERSION = 3
# Of the parameters, from the lowest rate.
QUALITIES = (0.25, 0.46, 0.57, 0.71, 0.82)


@dataclass(frozen=True, eq=False)
class CodedParams:
    """Face parameters of one frame.

    Attributes:
        params: as the other side has them.
        size_bytes: what was sent.
    """

    params: FaceParams
    size_bytes: int


# Codes the faces of all frames that have one, at a quality; the same number comes back.
ParamsCoder = Callable[[Sequence[Face], float], list[CodedParams]]


def coded_params(faces: Sequence[Face], quality: float) -> list[CodedParams]:
    """As a call over a line without loss and with a round trip of one frame codes them.

    Raises:
        HeadganError: the decoder reads another face than was coded, or none.
    """
    encoder = ParamEncoder(quality=quality, has_drift=True)
    decoder = ParamDecoder(has_drift=True)
    coded = []
    for number, face in enumerate(faces):
        records = encoder.encode(number, [face])
        encoder.arrived(number)
        read = decoder.decode(number, [True], records)
        if len(read) != 1 or read[0].references != face.references:
            raise HeadganError(f"frame {number} was not read as it was coded")
        coded.append(CodedParams(read[0].params, len(records)))
    return coded


class ProjectCoder:
    """A call without loss and without its sound; see `Coder`.

    The quality of a setting is what its parameters are coded at.
    """

    mode = PROJECT

    def __init__(
        self,
        model: MorphableModel,
        generator: Generator,
        memory: MemorySettings,
        *,
        code_params: ParamsCoder = coded_params,
        qualities: tuple[float, ...] = QUALITIES,
    ) -> None:
        """Args: code_params: of the parameters; qualities: that it knows, the lowest rate first."""
        self._model, self._generator = model, generator
        self._memory = memory
        self._code_params = code_params
        self.name = f"headgan, {memory.references} reference{'s' * (memory.references > 1)}"
        self._variant = f"{memory.kbps:g} kbit/s of references" if memory.references > 1 else "one picture"
        self.ladders = (Ladder(self._variant, qualities, _NO_LIMIT),)

    @property
    def depends(self) -> Mapping[str, Any]:
        """Networks and settings."""
        return {
            "version": _VERSION,
            "networks": shipped_networks(),
            "references": self._memory.references,
            "kbps": self._memory.kbps,
            "fused": self._memory.fused,
            "params": f"{self._code_params.__name__} {shipped_code().code_id.hex()}",
        }

    def code(self, clip: BenchClip, variant: str, quality: float, places: Collection[int]) -> Coded:  # noqa: ARG002
        """Plays a call, and draws the pictures that are asked for; see `Coder`."""
        moments = clip.moments
        memory = fill_memory(self._model, clip.identity, list(moments.values()), self._memory)
        check_causal(memory, list(moments.values()), self._memory.kbps)
        params, references = [moment.params for moment in moments.values()], memory.references
        if self._memory.references > 1:
            params, references = with_drift(
                self._model, list(moments.values()), memory.used, references, memory.originals
            )
        memory = replace(memory, references=references)
        named = memory.used if self._memory.references > 1 else ((),) * len(memory.used)
        faces = [Face(one, used) for one, used in zip(params, named, strict=True)]
        coded = self._code_params(faces, quality)
        later = [0] * len(clip.frames)
        for place, one in zip(moments, coded, strict=True):
            later[place] += one.size_bytes
        # Each reference travels with its parameters, the first with the identity besides.
        first = memory.sent_bytes[0] + len(references[0].params.to_bytes())
        others = [
            size + len(code_reference_params(reference.params)[0])
            for size, reference in zip(memory.sent_bytes[1:], references[1:], strict=True)
        ]
        for sent_ms, size in zip(memory.sent_ms[1:], others, strict=True):
            later[round(sent_ms * RATE_FPS / 1000)] += size
        return Coded(
            first + len(identity_to_bytes(clip.identity)),
            tuple(later),
            len(clip.frames),
            self._draw(clip, memory, dict(zip(moments, coded, strict=True)), places),
            sum(others),
        )

    def _draw(
        self, clip: BenchClip, memory: ClipMemory, coded: Mapping[int, CodedParams], places: Collection[int]
    ) -> dict[int, Picture]:
        """A frame without parameters shows what the one before it showed."""
        used = dict(zip(coded, memory.used, strict=True))
        start = min(coded)
        points = to_pixels(project(self._model, clip.identity, coded[start].params))
        drawer = GeneratorDrawer(
            self._model,
            self._generator,
            ClipFrames(memory.references, points, [], rate_fps=RATE_FPS, memory=memory),
        )
        frame = SeenFrame(memory.originals[0].picture_rgb, points, coded[start].params)
        pictures = {}
        for place in places:
            shown = max((known for known in coded if known <= place), default=start)
            pictures[place] = drawer.draw(replace(frame, params=coded[shown].params, references=used[shown]))
        return pictures


def project_coders(model: MorphableModel, generator: Generator) -> list[ProjectCoder]:
    """A call as it is: with one reference, and with a memory of 16, of which as many are fused as receivers fuse."""
    memories = (MemorySettings(1), MemorySettings(DEFAULT_CAPACITY, DEFAULT_KBPS, MAX_FUSED))
    return [ProjectCoder(model, generator, memory) for memory in memories]
