"""`headgan-bench fps`: a clip in, how long each stage of a frame takes on this machine, and what a frame costs, out.

clip ── sender half, a process ── what is sent ── receiver half, a process for each way to draw (`fps_parts`)
                                       └─ crops ── x264 and VP8, for comparison
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from headgan.benchmarks.figure import new_figure
from headgan.benchmarks.fps_parts import Part, Wishes, fps_parts
from headgan.benchmarks.fps_report import fps_figures, stage_table
from headgan.benchmarks.half_process import measure_apart
from headgan.benchmarks.kept import Kept, file_state, shipped_networks
from headgan.benchmarks.performance import Performance, write_performance
from headgan.benchmarks.report_files import make_folder, write_text
from headgan.benchmarks.sent_clip import SentClip
from headgan.benchmarks.stage_bars import draw_bars
from headgan.models.generator import SHIPPED_GENERATOR
from headgan.models.runtime import PROVIDER_CHOICES, open_session
from headgan.models.weights import weights_path
from headgan.proto.errors import DeviceError, UsageError
from headgan.proto.options import argument, option, required
from headgan.proto.program import check_writable

PROVIDERS = tuple(name for name in PROVIDER_CHOICES if name != "auto")
ALL = "all"
_VERSION = 3


@dataclass(frozen=True)
class FpsOptions:
    """Options of `headgan-bench fps`."""

    clip: Path = argument("a clip with a face in every frame; it is played over and over")
    output: Path = required("folder for the report", flag="-o", metavar="DIR")
    provider: str = option(
        ALL,
        f"what runs the networks: {', '.join(PROVIDERS)}, several of them with commas between, or all that work here",
        metavar="P[,P...]",
    )
    frames: int = option(200, "frames to measure")
    generator: Path | None = option(None, "another generator than the one that ships, ONNX", metavar="FILE")
    baseline: Path | None = option(
        None,
        "another export of the networks, ONNX, to be the one graph that onnxruntime runs by default",
        metavar="FILE",
    )
    json: Path | None = option(None, "the numbers by their keys alone, JSON", metavar="FILE")


def bench_fps(options: FpsOptions) -> int:
    """Writes fps.json, fps.md, fps_stages.md and fps.png; exit code 1 if pictures are not what they have to be."""
    if not 20 <= options.frames <= 100_000:
        raise UsageError(f"--frames {options.frames}: give 20 to 100000")
    if not options.clip.is_file():
        raise DeviceError(f"{options.clip} is no file; give a clip with a face")
    if options.baseline is not None and not options.baseline.is_file():
        raise DeviceError(f"--baseline {options.baseline}: there is no such file; headgan export writes one")
    check_writable(options.json, "--json")
    new_figure("fps", 1, 1)
    providers, skipped = chosen_providers(options.provider)
    sent = make_folder(options.output / "sent")
    wishes = Wishes(options.clip, options.frames, options.generator, options.baseline)
    parts, missing = fps_parts(wishes, sent, providers)
    kept = Kept(options.output / "parts")
    if not SentClip.is_in(sent):
        kept.forget("sender")  # what is kept of it would leave nothing for a receiver
    depends = {"clip": file_state(options.clip), "networks": shipped_networks(), "version": _VERSION}
    results: dict[str, dict[str, Any]] = {}
    for part in tqdm(parts, desc="fps", unit="part"):

        def measure(part: Part = part) -> dict[str, Any]:
            return measure_apart(part.plan(), options.output, part.name)

        results[part.name] = kept.get(part.name, {**depends, **part.depends}, measure)
    skipped |= missing
    notes = [f"{name} was not measured: {why}." for name, why in skipped.items()]
    details = {"clip": options.clip.name, "frames": options.frames, "parts": results, "skipped": skipped}
    measured = Performance("headgan-bench fps", fps_figures(results), details, notes)
    write_performance(measured, options.output / "fps.json", options.json)
    write_text(options.output / "fps_stages.md", stage_table(results))
    bars = {
        name: {stage: values["mean"] for stage, values in result["stages_ms"].items()}
        for name, result in results.items()
        if not name.endswith("paper")  # beside it the others would be a line
    }
    draw_bars("fps", bars, options.output / "fps.png", "milliseconds of each stage, mean over frames")
    sys.stdout.write(measured.table + "\n" + stage_table(results))
    return 0


def chosen_providers(wanted: str) -> tuple[list[str], dict[str, str]]:
    """Which of the providers that were asked for run here, and why the others do not.

    Raises:
        UsageError: one is unknown, or one that was asked for by its name does not work.
    """
    names = PROVIDERS if wanted == ALL else tuple(dict.fromkeys(wanted.split(",")))
    unknown = [name for name in names if name not in PROVIDERS]
    if unknown:
        raise UsageError(f"--provider {wanted}: choose of {', '.join(PROVIDERS)}, or {ALL}")
    works, skipped = [], {}
    for name in names:
        try:
            open_session(weights_path(SHIPPED_GENERATOR), name)
        except UsageError as exc:
            if wanted != ALL:
                raise
            skipped[f"receiver.{name}"] = str(exc)
        else:
            works.append(name)
    return works, skipped
