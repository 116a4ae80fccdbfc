"""`headgan evaluate`: clips in, how well a generator draws the people in them out, beside the prior and a still."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headgan.codec.memory import check_capacity
from headgan.codec.reference_planner import DEFAULT_KBPS
from headgan.models.frame_graphs import PRECISIONS
from headgan.models.machine import describe_run
from headgan.models.metrics.clip_frames import Sampling, find_clips
from headgan.models.metrics.clip_memory import MemorySettings
from headgan.models.metrics.evaluation import JUDGED, Evaluation, Settings
from headgan.models.metrics.report import mean_scores, table
from headgan.models.metrics.tally import Score
from headgan.models.runtime import PROVIDER_CHOICES
from headgan.models.smoothing import smoothing_settings
from headgan.proto.errors import DeviceError, UsageError
from headgan.proto.options import argument, option, required


@dataclass(frozen=True)
class EvaluateOptions:
    """Options of `headgan evaluate`."""

    clips: tuple[Path, ...] = argument("clips, or folders of them", many=True)
    output: Path = required("folder for the report", flag="-o", metavar="DIR")
    model: Path | None = option(None, "another generator than the one that ships, ONNX", metavar="FILE")
    driving: str = option(
        "self",
        "whose motion: self, the person's own; cross, the next clip's, of another folder if there is one",
        choices=("self", "cross"),
    )
    reference: str = option("first", "the reference: first frame, or best of all", choices=("first", "best"))
    references: int = option(1, "size of the reference memory, filled while the clip goes on", metavar="N")
    kbps: float = option(DEFAULT_KBPS, "kbit/s that filling the memory may cost")
    fused: int = option(1, "references that draw a frame together, the nearest ones", metavar="K")
    every: int = option(1, "compare each so many-th frame", metavar="N")
    frames: int = option(0, "compare at most so many frames a clip; 0: all", metavar="MAX")
    perceptual: int = option(20, "frames a clip for the perceptual distance, half a second each; 0: none")
    smoothing: float = option(0.0, "calms the tracked face, 0 (off) to 1 (strong)")
    identity_model: Path | None = option(None, "ArcFace as ONNX, 112x112, for the CSIM", metavar="FILE")
    inception: Path | None = option(None, "Inception as pytorch-fid has it, as ONNX, for FID", metavar="FILE")
    provider: str = option("auto", "what runs the networks", choices=PROVIDER_CHOICES)
    precision: str = option(
        "float32", "how a processor computes the generator that is judged", choices=tuple(PRECISIONS)
    )
    limits: bool = option(
        False, "also say what the generator would be worth if it knew the true flow, or the true face"
    )
    deaf: bool = option(False, "do not let networks that were trained with sound hear the clips")
    drift: bool = option(
        False, "move what is no face as a call does; without it only the face's numbers draw"
    )
    uncoded: bool = option(
        False, "draw from references as they were before they were coded: what their few bytes cost"
    )
    videos: bool = option(False, "also write each clip, real and drawn beside each other")


def evaluate(options: EvaluateOptions) -> int:
    """Scores every clip and writes metrics.json, table.md and sheet.png into the folder."""
    settings = _settings(options)
    clips = find_clips(options.clips)
    if options.driving == "cross" and len(clips) < 2:
        raise UsageError("--driving cross moves each person by the next clip: give two clips or more")
    if options.driving == "cross" and options.limits:
        raise UsageError("--limits compares with the truth, and --driving cross has none: leave one out")
    if options.references > 1 and (options.driving == "cross" or options.reference == "best"):
        raise UsageError(
            "--references fills a memory as a call does, from the person's own frames and the first one on: "
            "leave out --driving cross and --reference best"
        )
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise DeviceError(f"-o {options.output}: the folder cannot be made ({exc.strerror})") from exc
    evaluation = Evaluation(settings, clips, options.output)
    scores = evaluation.run()
    means = mean_scores(list(scores.values()), evaluation.embedder_name)
    text = table(scores, means, JUDGED)
    _write(
        options.output / "metrics.json",
        json.dumps(_report(options, evaluation, scores, means), indent=2) + "\n",
    )
    _write(options.output / "table.md", text)
    evaluation.draw_sheet(list(scores), options.output / "sheet.png")
    sys.stdout.write(text)
    return 0


def _settings(options: EvaluateOptions) -> Settings:
    for name, lowest in (("every", 1), ("frames", 0), ("perceptual", 0)):
        if getattr(options, name) < lowest:
            raise UsageError(f"--{name} {getattr(options, name)}: give {lowest} or more")
    check_capacity(options.references)
    if not 1 <= options.fused <= options.references:
        raise UsageError(f"--fused {options.fused}: give 1 to the number of --references")
    if not options.kbps > 0:
        raise UsageError(f"--kbps {options.kbps:g}: give more than 0")
    if options.drift and options.driving == "cross":
        raise UsageError(
            "--drift: another person's surroundings do not move as those of the clip; leave it out"
        )
    for name in ("model", "identity_model", "inception"):
        path = getattr(options, name)
        if path is not None and not path.is_file():
            raise UsageError(f"--{name.replace('_', '-')} {path}: there is no such file")
    return Settings(
        sampling=Sampling(
            options.every,
            options.frames,
            options.reference == "best",
            smoothing_settings(options.smoothing),
            MemorySettings(options.references, options.kbps, options.fused, uncoded=options.uncoded),
            options.drift,
        ),
        model=options.model,
        is_cross=options.driving == "cross",
        perceptual_frames=options.perceptual if options.driving == "self" else 0,
        identity_model=options.identity_model,
        inception=options.inception,
        provider=options.provider,
        precision=options.precision,
        videos=options.videos,
        limits=options.limits,
        deaf=options.deaf,
    )


def _report(
    options: EvaluateOptions,
    evaluation: Evaluation,
    scores: dict[str, dict[str, Score]],
    means: dict[str, dict[str, float]],
) -> dict[str, Any]:
    machine = describe_run()
    commit = machine.pop("commit")
    config = {name: _plain(value) for name, value in asdict(options).items()}
    clips = {
        name: {
            **{way: _rounded(score.values) for way, score in ways.items()},
            "frames": len(ways[JUDGED].embeddings),
            "driven_by": evaluation.driving_clip(name),
        }
        for name, ways in scores.items()
    }
    return {
        "machine": machine,
        "commit": commit,
        "config": {**config, "sha256": evaluation.digests, "skipped": evaluation.skipped},
        "mean": {way: _rounded(values) for way, values in means.items()},
        "clips": clips,
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - an option's value may be anything
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 5) for name, value in values.items()}


def _write(path: Path, text: str) -> None:
    """Writes beside `path` and renames, so that nobody meets half a report."""
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)
