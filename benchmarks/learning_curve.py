"""`headgan-bench learning-curve`: folders of training runs in, scores of held-out people against hours out."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgan.benchmarks.figure import new_figure
from headgan.models.machine import describe_run
from headgan.proto.errors import DeviceError, UsageError
from headgan.proto.options import argument, required

# Scores of a validation, and how to call them.
_SCORES = {
    "psnr_db": "PSNR, dB",
    "perceptual": "ST-LPIPS (lower is better)",
    "mouth_l1": "mouth error, levels of 255 (lower is better)",
}
_YARDSTICKS = {"prior": "flow prior", "repeat": "repeating the reference"}


@dataclass(frozen=True)
class LearningCurveOptions:
    """Options of `headgan-bench learning-curve`."""

    runs: tuple[Path, ...] = argument(
        "folders of headgan train, in order: each begins where the one before ended", many=True
    )
    output: Path = required("folder for the curve", flag="-o", metavar="DIR")


@dataclass(frozen=True)
class Point:
    """A validation.

    Attributes:
        run: name of the run's folder.
        hours: of training until then, those of the runs before included.
        step: of this run.
        scores: by method, then by name.
    """

    run: str
    hours: float
    step: int
    scores: dict[str, dict[str, float]]


def bench_learning_curve(options: LearningCurveOptions) -> int:
    """Writes learning_curve.json and learning_curve.png."""
    figure = new_figure("learning-curve", 12, 3.6)
    points = read_points(options.runs)
    options.output.mkdir(parents=True, exist_ok=True)
    report = {
        "run": describe_run(),
        "points": [
            {"run": point.run, "hours": round(point.hours, 4), "step": point.step, "scores": point.scores}
            for point in points
        ],
    }
    (options.output / "learning_curve.json").write_text(json.dumps(report, indent=2) + "\n")
    for axes, (name, title) in zip(figure.subplots(1, len(_SCORES)), _SCORES.items(), strict=True):
        _draw(axes, points, name, title)
    figure.savefig(options.output / "learning_curve.png", dpi=120)
    for point in points:
        values = "  ".join(f"{name} {point.scores['model'][name]:.3f}" for name in _SCORES)
        sys.stdout.write(f"{point.run:12} {point.hours:6.2f} h  {values}\n")
    return 0


def read_points(runs: tuple[Path, ...]) -> list[Point]:
    """The validations in the runs' progress.jsonl.

    Raises:
        UsageError: a folder has no such file, or none of them has a validation.
        DeviceError: a file is damaged.
    """
    points: list[Point] = []
    before = 0.0
    for folder in runs:
        path = folder / "progress.jsonl"
        hours = 0.0
        try:
            lines = path.read_text().splitlines()
        except OSError as exc:
            raise UsageError(
                f"{path} cannot be read ({exc.strerror}); give folders of headgan train"
            ) from exc
        for number, line in enumerate(lines, 1):
            try:
                entry: dict[str, Any] = json.loads(line)
                hours = float(entry["hours"])
                if "scores" in entry:
                    scored = {name: entry["scores"]["model"][name] for name in _SCORES}
                    others = {name: entry["scores"][name] for name in _YARDSTICKS}
                    points.append(
                        Point(folder.name, before + hours, int(entry["step"]), {"model": scored, **others})
                    )
            except (ValueError, KeyError, TypeError) as exc:
                raise DeviceError(f"{path}, line {number} is no report of headgan train ({exc!r})") from exc
        before += hours
    if not points:
        raise UsageError("no validation in these runs yet; one comes every [run] validate_minutes")
    return points


def _draw(axes: Any, points: list[Point], name: str, title: str) -> None:  # noqa: ANN401
    for run in dict.fromkeys(point.run for point in points):
        mine = [point for point in points if point.run == run]
        axes.plot(
            [point.hours for point in mine], [point.scores["model"][name] for point in mine], "o-", label=run
        )
    for method, label in _YARDSTICKS.items():
        level = points[-1].scores[method][name]
        axes.axhline(level, color="0.5", linestyle=":" if method == "repeat" else "--", label=label)
    axes.set_xlabel("hours of training")
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
