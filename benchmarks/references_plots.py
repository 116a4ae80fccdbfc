"""A curve over the sizes of a memory, or the courses of a call at several rates, in; a PNG picture out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from headgan.benchmarks.figure import new_figure, save_figure
from headgan.benchmarks.references_course import FIRST_ONLY, QUALITY, Course
from headgan.benchmarks.references_curve import SCORES, WAYS
from headgan.models.metrics.evaluation import JUDGED
from headgan.models.metrics.score_clip import REAL

# In a longer clip a mean over some seconds is drawn over the noise of the single ones.
_LONG_S, _MEAN_S = 30, 5


def draw_curve(report: Mapping[str, Any], path: Path) -> None:
    """Writes the picture of a `curve_report`: an axis for each score, a line for each way and group of clips."""
    names = [name for name in SCORES if name in report["all"]["1"][JUDGED]]
    figure = new_figure("references", 3.2 * len(names), 3.4)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for color, (way, title) in enumerate(WAYS.items()):
            for group, style in (("all", "o-"), ("long", "s--")):
                if group in report:
                    sizes = [int(size) for size in report[group]]
                    values = [ways[way][name] for ways in report[group].values()]
                    label = title if group == "all" else f"{title}, long clips"
                    axes.plot(sizes, values, style, color=f"C{color}", label=label, markersize=4)
        if name == "csim":
            real = report["all"]["1"][REAL][name]
            axes.axhline(real, color="0.6", linestyle=":", label="two real frames")
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.set_xlabel("references held")
        axes.set_title(SCORES[name][0], fontsize=10)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    save_figure(figure, path)


def draw_courses(name: str, courses: list[Course], path: Path) -> None:
    """Writes the picture of a clip: a line for each rate, qualities above, bits and references held below."""
    figure = new_figure("references", 12, 2.1 * (len(QUALITY) + 2))
    above_and_below = figure.subplots(len(QUALITY) + 2, 1, sharex=True)
    bits, held = above_and_below[-2:]
    for color, course in enumerate(courses):
        is_first_only = course.kbps == FIRST_ONLY
        look = {"color": "0.6", "linestyle": ":"} if is_first_only else {"color": f"C{color - 1}"}
        label = "the first picture alone" if is_first_only else f"{course.kbps:g} kbit/s"
        middle_s = [second + 0.5 for second in range(len(course.second_kbit))]
        for axes, quality in zip(above_and_below, QUALITY, strict=False):
            values = _with_gaps(course.seconds(quality))
            if len(values) > _LONG_S:
                axes.plot(middle_s, values, linewidth=0.8, alpha=0.3, **look)
                values = _running_mean(values)
            axes.plot(middle_s, values, label=label, linewidth=1.2, **look)
        if not is_first_only:
            bits.plot(middle_s, course.second_kbit, linewidth=1.2, **look)
            held.plot(middle_s, _with_gaps(course.held()), linewidth=1.2, **look)
    for axes, title in zip(
        above_and_below, [*QUALITY.values(), "references sent, kbit/s", "references held"], strict=True
    ):
        axes.set_ylabel(title, fontsize=8)
        axes.grid(alpha=0.3)
        axes.margins(x=0.01)
    above_and_below[0].legend(fontsize=7, ncols=len(courses))
    first_kbit = courses[0].sent_bytes[0] * 8 / 1000
    above_and_below[0].set_title(
        f"{name}; the first picture, sent before, {first_kbit:.0f} kbit", fontsize=10
    )
    held.set_xlabel("seconds of the call")
    save_figure(figure, path)


def _with_gaps(values: list[Any]) -> list[float]:
    return [float("nan") if value is None else float(value) for value in values]


def _running_mean(values: list[float]) -> list[float]:
    """Over the seconds around each that have a value."""
    known = np.isfinite(values)
    window = np.ones(_MEAN_S)
    counts = np.convolve(known, window, "same")
    sums = np.convolve(np.where(known, values, 0), window, "same")
    return [
        float(total / count) if count else float("nan") for total, count in zip(sums, counts, strict=True)
    ]
