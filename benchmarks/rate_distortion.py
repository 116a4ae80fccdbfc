"""`headgan-bench rate-distortion`: clips in, quality over rate of this project and of the classic codecs out."""

import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from headgan.benchmarks.bench_clip import Picture
from headgan.benchmarks.classic_codecs import ENCODERS
from headgan.benchmarks.classic_coder import ClassicCoder
from headgan.benchmarks.figure import new_figure
from headgan.benchmarks.picture_judge import METRICS
from headgan.benchmarks.project_coder import project_coders
from headgan.benchmarks.rate_coder import LOW_DELAY, PROJECT, SLOW, Coder
from headgan.benchmarks.rate_plots import COMMAND, draw_call_lengths, draw_curves
from headgan.benchmarks.rate_points import Measuring, Point, PointMeasurer, picture_halves, title_of
from headgan.benchmarks.rate_report import (
    CALL_SECONDS,
    SHOWN_SECONDS,
    Measured,
    kbps_of,
    metrics_of,
    summarise,
    table,
)
from headgan.benchmarks.report_files import make_folder, write_text
from headgan.benchmarks.run_encoder import why_missing
from headgan.models.generator import OnnxGenerator
from headgan.models.machine import describe_run
from headgan.models.metrics.clip_frames import find_clips
from headgan.models.metrics.sheet import clip_row, draw_sheet
from headgan.models.morphable import MorphableModel
from headgan.models.runtime import PROVIDER_CHOICES
from headgan.proto.errors import FaceError, UsageError
from headgan.proto.options import argument, option, required

log = logging.getLogger(__name__)

_EFFORTS = ("both", "low-delay", "slow")


@dataclass(frozen=True)
class RateDistortionOptions:
    """Options of `headgan-bench rate-distortion`."""

    clips: tuple[Path, ...] = argument("clips, or folders of them", many=True)
    output: Path = required("folder for the report", flag="-o", metavar="DIR")
    seconds: float = option(8.0, "code the first so many seconds of each clip, from its first face")
    every: int = option(9, "judge each so many-th frame; odd", metavar="N")
    perceptual: int = option(4, "of them, frames a clip for the perceptual distance; 0: none", metavar="N")
    codecs: str = option("all", "classic codecs, such as x264,VP9; all: every one there is", metavar="NAMES")
    effort: str = option("both", "how long the classic codecs may take", choices=_EFFORTS)
    sheet_kbps: float = option(20.0, "rate that the sheet of frames is drawn at", metavar="KBPS")
    jobs: int = option(0, "coders that run at a time; 0: one for each core", metavar="N")
    provider: str = option("auto", "what runs the networks", choices=PROVIDER_CHOICES)


def bench_rate_distortion(options: RateDistortionOptions) -> int:
    """Writes rate_distortion.json, rate_distortion.md, curves.png, call_lengths.png and sheet.png."""
    _check(options)
    new_figure(COMMAND, 1, 1)
    classic, missing = _classic_coders(options)
    clips = find_clips(options.clips)
    folder = make_folder(options.output)
    model = MorphableModel.load()
    own = project_coders(model, OnnxGenerator(provider=options.provider, in_halves=True))
    coders: list[Coder] = [*own, *classic]
    jobs = options.jobs or os.cpu_count() or 1
    how = Measuring(options.seconds, options.every, options.perceptual, jobs, options.provider)
    measurer = PointMeasurer(how, folder / "points", model)
    measured: dict[str, dict[str, list[Point]]] = {}
    skipped: dict[str, str] = {}
    for name, path in tqdm(clips.items(), desc=COMMAND, unit="clip"):
        try:
            measured[name] = measurer.measure(name, path, coders)
        except FaceError as error:
            log.warning("%s is left out: %s", name, error)
            skipped[name] = str(error)
    if not measured:
        raise FaceError("no clip shows a face; see the messages above")
    projects = [title_of(coder) for coder in coders if coder.mode == PROJECT]
    _write(options, measured, projects, missing, skipped)
    draw_curves(measured, projects, folder / "curves.png")
    draw_call_lengths(measured, projects[-1], folder / "call_lengths.png")
    _draw_sheet(measured, measurer, options.sheet_kbps, folder / "sheet.png")
    return 0


def _write(
    options: RateDistortionOptions,
    measured: Measured,
    projects: Sequence[str],
    missing: dict[str, str],
    skipped: dict[str, str],
) -> None:
    summary = summarise(measured, projects)
    text = table(measured, summary, missing)
    settings = {name: value for name, value in asdict(options).items() if name not in ("clips", "output")}
    report = {
        "run": describe_run(),
        "settings": settings,
        "call_seconds": [str(seconds) for seconds in CALL_SECONDS],
        "encoders": [asdict(encoder) for encoder in ENCODERS],
        "missing": missing,
        "skipped": skipped,
        "summary": summary,
        "clips": measured,
    }
    write_text(options.output / "rate_distortion.json", json.dumps(report, indent=2, allow_nan=False) + "\n")
    write_text(options.output / "rate_distortion.md", text)
    sys.stdout.write(text)


def _check(options: RateDistortionOptions) -> None:
    if options.every < 1 or options.every % 2 == 0:
        raise UsageError(
            f"--every {options.every}: give an odd number, so that half the frame rate is judged fairly"
        )
    for name, lowest in (("perceptual", 0), ("jobs", 0)):
        if getattr(options, name) < lowest:
            raise UsageError(f"--{name} {getattr(options, name)}: give {lowest} or more")
    if not 1 <= options.seconds <= 3600:
        raise UsageError(f"--seconds {options.seconds:g}: give 1 to 3600")
    if not 0 < options.sheet_kbps < float("inf"):
        raise UsageError(f"--sheet-kbps {options.sheet_kbps:g}: give more than 0")


def _classic_coders(options: RateDistortionOptions) -> tuple[list[Coder], dict[str, str]]:
    """Those that were asked for and that there are, and why others are not."""
    names = list(dict.fromkeys(encoder.name for encoder in ENCODERS))
    wanted = names if options.codecs == "all" else options.codecs.split(",")
    if unknown := sorted(set(wanted) - set(names)):
        raise UsageError(f"--codecs {options.codecs}: {unknown[0]} is unknown; there are {', '.join(names)}")
    modes = {"both": (LOW_DELAY, SLOW), "low-delay": (LOW_DELAY,), "slow": (SLOW,)}[options.effort]
    coders: list[Coder] = []
    missing = {}
    for encoder in ENCODERS:
        if encoder.name not in wanted or encoder.mode not in modes:
            continue
        coder = ClassicCoder(encoder)
        reason = why_missing(encoder)
        if reason is None:
            coders.append(coder)
        else:
            log.warning("%s is left out: %s", title_of(coder), reason)
            missing[title_of(coder)] = reason
    return coders, missing


def _draw_sheet(measured: Measured, measurer: PointMeasurer, kbps: float, path: Path) -> None:
    """A row for each clip and mode: what is real, and each coder's best picture at the rate, with its rate."""
    metric = metrics_of(measured)[0]
    coders = list(next(iter(measured.values())))
    modes = [mode for mode in (LOW_DELAY, SLOW) if any(title.endswith(mode) for title in coders)] or [""]
    rows, columns = {}, 0
    for clip, by_coder in measured.items():
        for mode in modes:
            shown = {title: points for title, points in by_coder.items() if _is_shown(title, mode)}
            chosen = {title: _nearest(points, metric, kbps) for title, points in shown.items()}
            halves = {title: picture_halves(measurer.picture_path(point)) for title, point in chosen.items()}
            real = next(iter(halves.values()))[0]
            tiles = {
                title: _labelled(
                    drawn, f"{title.removesuffix(f', {mode}')} {kbps_of(chosen[title], SHOWN_SECONDS):.1f}"
                )
                for title, (_, drawn) in halves.items()
            }
            rows[f"{clip}, {mode}: each coder's setting for at most {kbps:g} kbit/s, or its cheapest"] = (
                clip_row(real, [tiles])
            )
            columns = max(columns, 1 + len(tiles))
    draw_sheet(rows, ["real", *[""] * (columns - 1)], path)


def _is_shown(title: str, mode: str) -> bool:
    return title.endswith(mode) or not title.endswith((LOW_DELAY, SLOW))


def _nearest(points: Sequence[Point], metric: str, kbps: float) -> Point:
    """The best of those within the rate; the cheapest if there is none."""
    within = [point for point in points if kbps_of(point, SHOWN_SECONDS) <= kbps]
    if within:
        return max(within, key=lambda point: METRICS[metric].sign * point["scores"][metric])
    return min(points, key=lambda point: kbps_of(point, SHOWN_SECONDS))


def _labelled(picture: Picture, text: str) -> Picture:
    """With what it is and its kbit/s at the lower edge."""
    labelled = picture.copy()
    labelled[-22:] //= 4
    cv2.putText(labelled, text, (6, 249), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    return np.asarray(labelled, np.uint8)
