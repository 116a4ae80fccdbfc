"""`headgan-bench references`: clips in, what a reference memory brings out, by its size and in the course of a call."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from headgan.benchmarks.figure import new_figure
from headgan.benchmarks.kept import Kept, file_state, shipped_networks
from headgan.benchmarks.number_list import numbers_in
from headgan.benchmarks.references_course import FIRST_ONLY, QUALITY, Course, play_course
from headgan.benchmarks.references_curve import (
    CurveSettings,
    curve_report,
    curve_table,
    measure_curve,
    seconds_of,
)
from headgan.benchmarks.references_plots import draw_courses, draw_curve
from headgan.benchmarks.report_files import make_folder, write_text
from headgan.codec.memory import check_capacity
from headgan.codec.reference_planner import DEFAULT_KBPS
from headgan.models.generator import OnnxGenerator
from headgan.models.machine import describe_run
from headgan.models.metrics.clip_frames import SeenClip, find_clips, see_clip
from headgan.models.metrics.face_tools import FaceTools
from headgan.models.metrics.sheet import clip_row, draw_sheet, read_row
from headgan.models.runtime import PROVIDER_CHOICES
from headgan.proto.errors import UsageError
from headgan.proto.options import argument, option, required

# Pictures of each course on its sheet.
_SHOWN = 6


@dataclass(frozen=True)
class ReferencesOptions:
    """Options of `headgan-bench references`."""

    clips: tuple[Path, ...] = argument("clips, or folders of them", many=True)
    output: Path = required("folder for the report", flag="-o", metavar="DIR")
    references: str = option(
        "1,2,4,8,16,32", "sizes of the memory for the curve, 1 among them", metavar="N,N,..."
    )
    kbps: float = option(DEFAULT_KBPS, "kbit/s that filling the memory may cost, for the curve")
    every: int = option(50, "for the curve, compare each so many-th frame", metavar="N")
    perceptual: int = option(3, "of them, frames a clip for the perceptual distance; 0: none")
    longest: int = option(3, "how many clips, the longest, to follow second by second; 0: none", metavar="N")
    budgets: str = option("2,4,8,16", "kbit/s to follow them at, with 16 references", metavar="K,K,...")
    step: int = option(5, "draw each so many-th frame of them", metavar="N")
    provider: str = option("auto", "what runs the networks", choices=PROVIDER_CHOICES)


def bench_references(options: ReferencesOptions) -> int:
    """Writes metrics.json, table.md, curve.png, and for each clip that is followed course_NAME.png and its sheet."""
    sizes, budgets = _checked(options)
    new_figure("references", 1, 1)
    clips = find_clips(options.clips)
    make_folder(options.output)
    settings = CurveSettings(options.kbps, options.every, options.perceptual, options.provider)
    curve = curve_report(measure_curve(clips, sizes, settings, options.output))
    draw_curve(curve, options.output / "curve.png")
    followed = _follow(options, {name: clips[name] for name in curve["clips"]}, budgets)
    report = {
        "run": describe_run(),
        "settings": {
            name: value for name, value in asdict(options).items() if name not in ("clips", "output")
        },
        "curve": curve,
        "courses": {
            name: {f"{course.kbps:g}": course.to_json() | {"spans": course.spans()} for course in courses}
            for name, courses in followed.items()
        },
    }
    text = curve_table(curve) + "\n" + course_table(followed)
    write_text(options.output / "metrics.json", json.dumps(report, indent=2, allow_nan=False) + "\n")
    write_text(options.output / "table.md", text)
    sys.stdout.write(text)
    return 0


def course_table(followed: Mapping[str, list[Course]]) -> str:
    """A Markdown table: for each clip, rate and span of the call, what references cost and what quality was had."""
    if not followed:
        return ""
    lines = [
        "Second by second, 16 references; the first picture is sent before the call and counts in none of the spans:",
        "",
        f"| clip | budget, kbit/s | span | kbit/s of references | {' | '.join(QUALITY.values())} |",
        "| --- " * (4 + len(QUALITY)) + "|",
    ]
    for name, courses in followed.items():
        for course in courses:
            budget = "first alone" if course.kbps == FIRST_ONLY else f"{course.kbps:g}"
            for span, values in course.spans().items():
                cells = " | ".join(f"{values[key]:.2f}" if key in values else "" for key in QUALITY)
                lines.append(f"| {name} | {budget} | {span} | {values['kbps']:.2f} | {cells} |")
    return "\n".join(lines) + "\n"


def _follow(
    options: ReferencesOptions, clips: Mapping[str, Path], budgets: list[float]
) -> dict[str, list[Course]]:
    """The courses of the longest clips by name, the one without a budget first; draws them."""
    longest = sorted(clips, key=lambda name: -seconds_of(clips[name]))[: options.longest]
    player = _Player(options)
    followed = {}
    with tqdm(total=len(longest) * (1 + len(budgets)), desc="calls", unit="call") as bar:
        for name in longest:
            played = []
            for kbps in (FIRST_ONLY, *budgets):
                played.append(player.course(name, clips[name], kbps))
                bar.update()
            followed[name] = played
            draw_courses(name, played, options.output / f"course_{name}.png")
            player.draw_sheet(name, played, options.output / f"course_{name}_sheet.png")
    return followed


class _Player:
    """Plays calls, and keeps what came of them."""

    def __init__(self, options: ReferencesOptions) -> None:
        self._options = options
        self._faces = FaceTools()
        self._kept = Kept(options.output / "courses")
        self._seen: tuple[Path, SeenClip] | None = None

    def course(self, name: str, path: Path, kbps: float) -> Course:
        """A call over the clip at `kbps`; a row of its pictures is kept beside it."""
        result = f"{name}_{kbps:g}"
        depends = {"clip": file_state(path), "step": self._options.step, "networks": shipped_networks()}

        def measure() -> dict[str, Any]:
            seen = self._see(path)
            shown = sorted(set(np.linspace(0, len(seen.taken) - 1, _SHOWN).astype(int).tolist()))
            course, pictures = play_course(self._faces.model, self._generator, seen, kbps, shown)
            real = [seen.frames[seen.taken[place]].picture_rgb for place in shown]
            row = clip_row(
                seen.frames[0].picture_rgb,
                [{"real": one, "drawn": other} for one, other in zip(real, pictures, strict=True)],
            )
            cv2.imwrite(str(self._kept.picture_path(result)), row[..., ::-1])
            return course.to_json()

        return Course(**self._kept.get(result, depends, measure, with_picture=True))

    def draw_sheet(self, name: str, courses: list[Course], path: Path) -> None:
        """Puts the rows of all courses of a clip above each other."""
        rows = {}
        for course in courses:
            title = "the first picture alone" if course.kbps == FIRST_ONLY else f"{course.kbps:g} kbit/s"
            rows[title] = read_row(self._kept.picture_path(f"{name}_{course.kbps:g}"))
        draw_sheet(rows, ["first frame", *(["real", "drawn"] * _SHOWN)], path)

    def _see(self, path: Path) -> SeenClip:
        if self._seen is None or self._seen[0] != path:
            hears = self._generator.needs("audio")
            seen = see_clip(path, self._options.step, self._faces.tracker, self._faces.model, hears=hears)
            self._seen = path, seen
        return self._seen[1]

    @cached_property
    def _generator(self) -> OnnxGenerator:
        return OnnxGenerator(provider=self._options.provider)


def _checked(options: ReferencesOptions) -> tuple[list[int], list[float]]:
    """Sizes and budgets, in rising order."""
    for name, lowest in (("every", 1), ("step", 1), ("perceptual", 0), ("longest", 0)):
        if getattr(options, name) < lowest:
            raise UsageError(f"--{name} {getattr(options, name)}: give {lowest} or more")
    sizes = numbers_in("references", options.references, int)
    budgets = numbers_in("budgets", options.budgets, float)
    for size in sizes:
        check_capacity(size)
    if 1 not in sizes:
        raise UsageError(f"--references {options.references}: 1 has to be among them, to compare with")
    for kbps in (options.kbps, *budgets):
        if not 0 < kbps < float("inf"):
            raise UsageError(f"{kbps:g} kbit/s: give more than 0 for --kbps and --budgets")
    return sizes, budgets
