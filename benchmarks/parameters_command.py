"""`headgan-bench parameters`: clips in, what the codec of face parameters costs and how good what it shows is out."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from headgan.benchmarks.figure import new_figure
from headgan.benchmarks.kept import Kept
from headgan.benchmarks.param_curves import (
    hidden_errors,
    measure_bundles,
    measure_curve,
    measure_losses,
    measure_strategies,
)
from headgan.benchmarks.param_measure import ParamMeasurer
from headgan.benchmarks.param_mutations import mutate_packets
from headgan.benchmarks.param_pictures import measure_pictures
from headgan.benchmarks.param_plots import draw_curve, draw_losses, draw_rates, draw_strategies
from headgan.benchmarks.param_rate import RATES_KBPS, hold_rate
from headgan.benchmarks.param_speed import measure_speed
from headgan.benchmarks.param_tables import shortcomings, tables, wire_rows
from headgan.benchmarks.param_tracks import FRAME_MS, find_tracks, load_tracks
from headgan.benchmarks.report_files import make_folder, write_text
from headgan.models.machine import describe_run
from headgan.models.morphable_data import CLIP_SUFFIXES
from headgan.models.runtime import PROVIDER_CHOICES
from headgan.proto.errors import UsageError
from headgan.proto.options import argument, option, required


@dataclass(frozen=True)
class ParametersOptions:
    """Options of `headgan-bench parameters`."""

    clips: tuple[Path, ...] = argument(
        "clips, .npz files that headgan track wrote, or folders of them", many=True
    )
    output: Path = required("folder for the report", flag="-o", metavar="DIR")
    seconds: float = option(20.0, "of each clip, at most; 0 for all", metavar="S")
    mutations: int = option(100_000, "mutated packets to decode; 0: none", metavar="N")
    pictures: int = option(0, "frames a clip to draw from coded and from uncoded faces; 0: none", metavar="N")
    seed: int = option(0, "of all that is by chance", metavar="N")
    provider: str = option("auto", "what runs the networks that draw", choices=PROVIDER_CHOICES)


def bench_parameters(options: ParametersOptions) -> int:
    """Writes metrics.json, table.md and four plots; exit code 1 if something is not as it has to be."""
    found = _checked(options)
    new_figure("parameters", 1, 1)
    make_folder(options.output)
    tracks = load_tracks(found, options.output / "tracks", options.seconds)
    measurer = ParamMeasurer(tracks, Kept(options.output / "runs"), options.seed)
    curve = measure_curve(measurer)
    losses = measure_losses(measurer)
    clips = {name: path for name, path in found.items() if path.suffix.lower() in CLIP_SUFFIXES}
    pictures = options.pictures and measure_pictures(measurer, clips, options.pictures, options.provider)
    rates = {f"{kbps:g}": hold_rate(measurer, kbps) for kbps in tqdm(RATES_KBPS, desc="rates", unit="run")}
    report: dict[str, Any] = {
        "run": describe_run(),
        "settings": {
            name: value for name, value in asdict(options).items() if name not in ("clips", "output")
        },
        "tracks": {track.name: len(track.params) for track in tracks},
        "curve": curve,
        "wire": wire_rows(measure_bundles(measurer)),
        "losses": losses,
        "damping": hidden_errors(losses),
        "strategies": measure_strategies(measurer),
        "rates": rates,
        "speed": measure_speed(tracks, options.seed),
        "mutations": options.mutations and mutate_packets(tracks, options.mutations, options.seed).report(),
        "pictures": pictures,
    }
    report["shortcomings"] = shortcomings(report)
    text = tables(report)
    write_text(options.output / "metrics.json", json.dumps(report, indent=2, allow_nan=False) + "\n")
    write_text(options.output / "table.md", text)
    draw_curve(curve, options.output / "curve.png")
    draw_losses(losses, options.output / "losses.png")
    draw_strategies(report["strategies"], options.output / "strategies.png")
    draw_rates(rates, FRAME_MS, options.output / "rates.png")
    sys.stdout.write(text)
    return 1 if report["shortcomings"] else 0


def _checked(options: ParametersOptions) -> dict[str, Path]:
    """The clips and tracks by name.

    Raises:
        UsageError: something that was given cannot work.
    """
    for name in ("mutations", "pictures"):
        if getattr(options, name) < 0:
            raise UsageError(f"--{name} {getattr(options, name)}: give 0 or more")
    if not 0 <= options.seconds < float("inf"):
        raise UsageError(f"--seconds {options.seconds:g}: give 0 or more")
    found = find_tracks(options.clips)
    if options.pictures and not any(path.suffix.lower() in CLIP_SUFFIXES for path in found.values()):
        raise UsageError("--pictures: there are no pictures in .npz files; give clips")
    return found
