"""Points of all coders on all clips in; PNG pictures of quality over rate, and of rate over a call's length, out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headgan.benchmarks.figure import new_figure, save_figure
from headgan.benchmarks.picture_judge import METRICS
from headgan.benchmarks.rate_coder import LOW_DELAY, SLOW
from headgan.benchmarks.rate_report import ENDLESS, SHOWN_SECONDS, Measured, curve, kbps_of, metrics_of

COMMAND = "rate-distortion"
_RATES_KBPS = np.geomspace(0.4, 80, 70)
_CALLS_S = np.geomspace(5, 1200, 30)
_TICKS_KBPS = (0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 60, 80)
_TICKS_S = (5, 10, 20, 60, 120, 300, 600, 1200)
_MARKS = "osD^vP"


def draw_curves(measured: Measured, projects: Sequence[str], path: Path) -> None:
    """A row for each mode of the classic codecs, an axis for each metric; means over the clips."""
    metrics, modes = metrics_of(measured), _modes(measured)
    figure = new_figure(COMMAND, 3.6 * len(metrics), 3.6 * len(modes))
    for row, mode in zip(figure.subplots(len(modes), len(metrics), squeeze=False), modes, strict=True):
        for axes, metric in zip(row, metrics, strict=True):
            for color, title in enumerate(_titles(measured, mode)):
                values = _mean_quality(measured, title, metric)
                axes.plot(_RATES_KBPS, values, color=f"C{color}", label=title.split(",")[0], linewidth=1.2)
            for mark, title in zip(_MARKS, projects, strict=False):
                for seconds, fill, name in (
                    (SHOWN_SECONDS, "full", title),
                    (ENDLESS, "none", "  memory filled"),
                ):
                    rates, values = _mean_points(measured, title, metric, seconds)
                    axes.plot(
                        rates, values, f"k{mark}-", label=name, markersize=5, linewidth=0.8, fillstyle=fill
                    )
            axes.set_xscale("log")
            axes.set_xlim(_RATES_KBPS[0], _RATES_KBPS[-1])
            axes.set_xticks(_TICKS_KBPS, [str(rate) for rate in _TICKS_KBPS])
            axes.minorticks_off()
            axes.set_xlabel(f"kbit/s, call of {SHOWN_SECONDS} s", fontsize=8)
            axes.set_title(f"{METRICS[metric].title}, {mode}", fontsize=9)
            axes.grid(alpha=0.3, which="both")
        row[0].legend(fontsize=6)
    save_figure(figure, path)


def draw_call_lengths(measured: Measured, project: str, path: Path) -> None:
    """Kbit/s for the quality of the project's last setting, by how long the call is; means over the clips."""
    metric, modes = metrics_of(measured)[0], _modes(measured)
    figure = new_figure(COMMAND, 4.8 * len(modes), 3.8)
    for axes, mode in zip(figure.subplots(1, len(modes), squeeze=False)[0], modes, strict=True):
        own = [
            _geometric([kbps_of(coders[project][-1], call_s) for coders in measured.values()])
            for call_s in _CALLS_S
        ]
        axes.plot(_CALLS_S, own, "k-", label=project)
        for color, title in enumerate(_titles(measured, mode)):
            needed = [_needed_kbps(measured, project, title, metric, float(call_s)) for call_s in _CALLS_S]
            axes.plot(_CALLS_S, needed, color=f"C{color}", label=title.split(",")[0])
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("seconds of the call")
        ticks = [rate for rate in _TICKS_KBPS if axes.get_ylim()[0] <= rate <= axes.get_ylim()[1]]
        axes.set_yticks(ticks, [str(rate) for rate in ticks])
        axes.set_xticks(_TICKS_S, [str(seconds) for seconds in _TICKS_S])
        axes.minorticks_off()
        axes.set_ylabel("kbit/s, first picture included", fontsize=8)
        axes.set_title(f"for equal {METRICS[metric].title[:-2]}, {mode}", fontsize=9)
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize=7)
    save_figure(figure, path)


def _modes(measured: Measured) -> list[str]:
    """Those that any coder has; low delay if none has one."""
    return [mode for mode in (LOW_DELAY, SLOW) if _titles(measured, mode)] or [LOW_DELAY]


def _titles(measured: Measured, mode: str) -> list[str]:
    return [title for title in next(iter(measured.values())) if title.endswith(f", {mode}")]


def _mean_quality(measured: Measured, title: str, metric: str) -> list[float]:
    """At each of the rates; no number where a clip has none."""
    sign = METRICS[metric].sign
    curves = [curve(coders[title], metric, SHOWN_SECONDS) for coders in measured.values()]
    values = [
        [_or_nan(None if one is None else one.quality_at(float(rate))) for rate in _RATES_KBPS]
        for one in curves
    ]
    return [sign * float(value) for value in np.mean(values, axis=0)]


def _mean_points(
    measured: Measured, title: str, metric: str, seconds: float
) -> tuple[list[float], list[float]]:
    settings = list(zip(*(coders[title] for coders in measured.values()), strict=True))
    rates = [float(np.mean([kbps_of(point, seconds) for point in points])) for points in settings]
    values = [float(np.mean([point["scores"][metric] for point in points])) for points in settings]
    return rates, values


def _needed_kbps(measured: Measured, project: str, title: str, metric: str, call_s: float) -> float:
    """What the coder needs for the project's quality; no number where it has none on a clip."""
    needed = []
    for coders in measured.values():
        wanted = METRICS[metric].sign * _score(coders[project][-1], metric)
        other = curve(coders[title], metric, call_s)
        needed.append(_or_nan(None if other is None else other.rate_at(wanted)))
    return _geometric(needed)


def _score(point: Mapping[str, Any], metric: str) -> float:
    return float(point["scores"][metric])


def _geometric(values: Sequence[float]) -> float:
    return float(np.exp(np.mean(np.log(values))))


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value
