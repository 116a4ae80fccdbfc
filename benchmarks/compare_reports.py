"""`headgan-bench compare`: reports of `headgan evaluate` on the same frames in, a table and a picture of them out."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgan.models.machine import describe_run
from headgan.models.metrics.report import Column, cells, columns_of
from headgan.proto.errors import DeviceError, UsageError
from headgan.proto.options import argument, required

_JUDGED, _YARDSTICKS = "model", ("prior", "repeat")
# What has to be the same for figures to compare.
_SAME = ("driving", "reference", "every", "frames", "perceptual", "smoothing")
# In this order; every Fréchet distance follows them.
_SHOWN = ("l1", "psnr", "ssim", "perceptual", "csim", "mouth", "ard", "au_h", "flicker")


@dataclass(frozen=True)
class CompareOptions:
    """Options of `headgan-bench compare`."""

    reports: tuple[Path, ...] = argument(
        "folders of headgan evaluate, each named for what it measured", many=True
    )
    output: Path = required("folder for the comparison", flag="-o", metavar="DIR")


def bench_compare(options: CompareOptions) -> int:
    """Writes compare.json, compare.md and compare.png."""
    try:
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise UsageError("compare needs matplotlib; run: pip install 'headgan[bench]'") from exc
    rows = read_rows(options.reports)
    columns = _columns(rows)
    text = markdown(rows, columns)
    options.output.mkdir(parents=True, exist_ok=True)
    report = {"run": describe_run(), "mean": rows}
    (options.output / "compare.json").write_text(json.dumps(report, indent=2) + "\n")
    (options.output / "compare.md").write_text(text)
    figure = Figure(figsize=(2.2 * len(columns), 0.35 * len(rows) + 1.2), layout="constrained")
    for axes, (name, title, digits) in zip(
        figure.subplots(1, len(columns), sharey=True), columns, strict=True
    ):
        values = [row.get(name, 0.0) for row in rows.values()]
        bars = axes.barh(list(rows), values, color="0.7")
        axes.bar_label(bars, fmt=f"%.{digits}f", fontsize=7, label_type="center")
        axes.set_title(title.replace("frechet", "Fréchet"), fontsize=8)
        axes.tick_params(labelsize=7)
    figure.axes[0].invert_yaxis()
    figure.savefig(options.output / "compare.png", dpi=120)
    sys.stdout.write(text)
    return 0


def read_rows(folders: tuple[Path, ...]) -> dict[str, dict[str, float]]:
    """Means by name of the folder, then those of the prior and of the still, which are the same in all reports.

    Raises:
        UsageError: a folder has no report, two have one name, or they measured different frames.
        DeviceError: a report is damaged.
    """
    rows: dict[str, dict[str, float]] = {}
    first: dict[str, Any] | None = None
    for folder in folders:
        report = _read(folder / "metrics.json")
        name = folder.resolve().name
        if name in rows:
            raise UsageError(f"two reports are called {name}; rename a folder")
        first = first or report
        if difference := _difference(first, report):
            raise UsageError(
                f"{folder} and {folders[0]} do not compare: {difference}; evaluate both in the same way"
            )
        rows[name] = report["mean"][_JUDGED]
    assert first is not None  # The options ask for one folder or more.
    return rows | {way: first["mean"][way] for way in _YARDSTICKS if way in first["mean"]}


def markdown(rows: dict[str, dict[str, float]], columns: list[Column]) -> str:
    """A table with a line for each of `rows`."""
    lines = [f"| | {' | '.join(title for _, title, _ in columns)} |", "| --- " * (len(columns) + 1) + "|"]
    for name, row in rows.items():
        lines.append(f"| {name} | {cells(row, columns)} |")
    return "\n".join(lines) + "\n"


def _columns(rows: dict[str, dict[str, float]]) -> list[Column]:
    by_name = {column[0]: column for column in columns_of(name for row in rows.values() for name in row)}
    names = [name for name in _SHOWN if name in by_name]
    names += [name for name in by_name if name.startswith(("frechet", "fid"))]
    return [by_name[name] for name in names]


def _read(path: Path) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads(path.read_text())
        _ = report["mean"][_JUDGED], report["config"], report["clips"]
    except OSError as exc:
        raise UsageError(f"{path} cannot be read ({exc.strerror}); give folders of headgan evaluate") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise DeviceError(f"{path} is no report of headgan evaluate ({exc!r}); evaluate again") from exc
    return report


def _difference(one: dict[str, Any], other: dict[str, Any]) -> str | None:
    """What keeps two reports from comparing."""
    frames = [{name: clip["frames"] for name, clip in report["clips"].items()} for report in (one, other)]
    if frames[0] != frames[1]:
        return "they are of other clips or frames"
    for name in _SAME:
        values = [report["config"].get(name) for report in (one, other)]
        if values[0] != values[1]:
            return f"--{name} {values[0]} and {values[1]}"
    return None
