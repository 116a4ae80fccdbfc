"""Points of all coders on all clips in, what they mean out: BD-rates, rates at equal quality, a table.

A coder's curve of a clip is the best of all its settings and variants, for each metric by itself: the upper hull of the
quality over the logarithm of the rate. The rate is that of a call of so many seconds, first picture included.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from headgan.benchmarks.picture_judge import METRICS
from headgan.benchmarks.rate_coder import call_kbps
from headgan.benchmarks.rate_curve import Rates, mean_change
from headgan.benchmarks.rate_points import Point
from headgan.codec.param_encoder import DEFAULT_QUALITY

# Without end: the memory is filled, and the first picture forgotten.
ENDLESS = float("inf")
CALL_SECONDS = (10, 60, 600, ENDLESS)
SHOWN_SECONDS = 60
ANCHOR = "VP9, low delay"

# Points by clip and coder.
Measured = Mapping[str, Mapping[str, Sequence[Point]]]


def kbps_of(point: Point, seconds: float) -> float:
    """Of a point in a call of so many seconds."""
    return call_kbps(point["first_bytes"], point["later_kbps"], point.get("reference_kbps", 0.0), seconds)


def curve(points: Sequence[Point], metric: str, seconds: float) -> Rates | None:
    """The best of the points; the quality has the metric's sign, so that more is better. None without two."""
    sign = METRICS[metric].sign
    return Rates.best_of((sign * point["scores"][metric], kbps_of(point, seconds)) for point in points)


def metrics_of(measured: Measured) -> list[str]:
    """Those that were measured."""
    points = next(iter(next(iter(measured.values())).values()))
    return [name for name in METRICS if name in points[0]["scores"]]


def summarise(measured: Measured, projects: Sequence[str]) -> dict[str, Any]:
    """For calls of each length: `bd_rate` to the anchors, `points` of the project, `equal` quality.

    Args:
        measured: all points.
        projects: names of the project's own coders.
    """
    return {
        str(seconds): {
            "bd_rate": _bd_rates(measured, [ANCHOR, *projects], seconds),
            "points": {name: _mean_points(measured, name, seconds) for name in projects},
            "equal": {name: _at_equal_quality(measured, name, seconds) for name in projects},
        }
        for seconds in CALL_SECONDS
    }


def _bd_rates(measured: Measured, anchors: Sequence[str], seconds: float) -> dict[str, Any]:
    """By metric, anchor and coder: `change` of the rate, 0.1 for 10 % more, and of how many `clips`."""
    titles = list(next(iter(measured.values())))
    report: dict[str, Any] = {}
    for metric in metrics_of(measured):
        curves = {
            clip: {title: curve(points, metric, seconds) for title, points in coders.items()}
            for clip, coders in measured.items()
        }
        report[metric] = {anchor: {} for anchor in anchors if anchor in titles}
        for anchor, by_title in report[metric].items():
            for title in titles:
                changes = [_change(by_coder[title], by_coder[anchor]) for by_coder in curves.values()]
                change = mean_change(changes)
                if change is not None and title != anchor:
                    clips = sum(one is not None for one in changes)
                    by_title[title] = {"change": change, "clips": clips}
    return report


def _change(one: Rates | None, other: Rates | None) -> float | None:
    return None if one is None or other is None else one.bd_rate(other)


def _mean_points(measured: Measured, title: str, seconds: float) -> list[dict[str, Any]]:
    """Means over the clips of each setting of a coder that stops at none."""
    rows = zip(*(coders[title] for coders in measured.values()), strict=True)
    return [
        {
            "variant": points[0]["variant"],
            "quality": points[0]["quality"],
            "kbps": float(np.mean([kbps_of(point, seconds) for point in points])),
            "later_kbps": float(np.mean([point["later_kbps"] for point in points])),
            "reference_kbps": float(np.mean([point.get("reference_kbps", 0.0) for point in points])),
            "first_bytes": float(np.mean([point["first_bytes"] for point in points])),
            "scores": {
                metric: float(np.mean([point["scores"][metric] for point in points]))
                for metric in metrics_of(measured)
            },
        }
        for points in rows
    ]


def _at_equal_quality(measured: Measured, project: str, seconds: float) -> list[dict[str, Any]]:
    """For each setting of the project, by metric and coder: what the other needs, as a share of the project's rate.

    `ratio` is the mean of the logarithms over the `clips` on which the other coder has such a quality; on those that
    are `below` all its settings are better than the project's, on those `above` all are worse.
    """
    settings = []
    for number in range(len(next(iter(measured.values()))[project])):
        found: dict[str, Any] = {}
        for metric in metrics_of(measured):
            found[metric] = {
                title: _compared(measured, (project, number), title, metric, seconds)
                for title in next(iter(measured.values()))
                if title != project
            }
        settings.append(found)
    return settings


def _compared(
    measured: Measured, point: tuple[str, int], title: str, metric: str, seconds: float
) -> dict[str, Any]:
    ratios = []
    counts = {"clips": 0, "below": 0, "above": 0}
    for coders in measured.values():
        own = coders[point[0]][point[1]]
        quality = METRICS[metric].sign * own["scores"][metric]
        other = curve(coders[title], metric, seconds)
        rate = None if other is None else other.rate_at(quality)
        if rate is not None:
            ratios.append(rate / kbps_of(own, seconds))
            counts["clips"] += 1
        elif other is not None:
            counts["below" if quality < other.quality[0] else "above"] += 1
    return {**({"ratio": float(np.exp(np.mean(np.log(ratios))))} if ratios else {}), **counts}


def table(measured: Measured, summary: Mapping[str, Any], missing: Mapping[str, str]) -> str:
    """Markdown: the project's points, what others need for the same, and BD-rates; for calls of a minute."""
    shown = summary[str(SHOWN_SECONDS)]
    metrics = metrics_of(measured)
    titles = " | ".join(METRICS[metric].title for metric in metrics)
    lines = [
        f"{len(measured)} clips. One key frame, the first; a line that loses nothing; bytes without headers. "
        "A classic codec's curve is the best of its frame rates and sizes at each rate, for each metric by itself; "
        "the metrics look at single pictures, so half the frame rate costs little in them.",
        "",
        f"| coder | quality | kbit/s of parameters | first picture, bytes | kbit/s in calls of "
        f"{', '.join(f'{seconds:g}' for seconds in CALL_SECONDS[:-1])} s | {titles} |",
        "| --- " * (5 + len(metrics)) + "|",
    ]
    for name, points in shown["points"].items():
        for number, point in enumerate(points):
            rates = [
                f"{summary[str(seconds)]['points'][name][number]['kbps']:.1f}"
                for seconds in CALL_SECONDS[:-1]
            ]
            scores = " | ".join(f"{point['scores'][one]:.{METRICS[one].digits}f}" for one in metrics)
            lines.append(
                f"| {name}, {point['variant']} | {point['quality']:g} "
                f"| {point['later_kbps'] - point['reference_kbps']:.2f} | {point['first_bytes']:.0f} | "
                f"{', '.join(rates)} | {scores} |"
            )
    lengths = {f"calls of {SHOWN_SECONDS} s": shown, "the memory filled": summary[str(ENDLESS)]}
    for length, at_length in lengths.items():
        for name, settings in at_length["equal"].items():
            number = _shown_setting(at_length["points"][name])
            point = at_length["points"][name][number]
            what = f"What others need for the quality of {name} at {point['quality']:g}"
            lines += _block(
                f"{what} ({point['kbps']:.2f} kbit/s), as multiples of that, {length}",
                settings[number],
                metrics,
                _ratio,
            )
    for length, at_length in lengths.items():
        lines += _by_setting(at_length, metrics[0], length)
    for anchor in dict.fromkeys(anchor for by_anchor in shown["bd_rate"].values() for anchor in by_anchor):
        by_metric = {metric: shown["bd_rate"][metric][anchor] for metric in metrics}
        if any(by_metric.values()):
            lines += _block(f"BD-rate to {anchor}, calls of {SHOWN_SECONDS} s", by_metric, metrics, _percent)
    lines += ["", *(f"Not measured: {title}: {reason}." for title, reason in missing.items())]
    return "\n".join(lines).rstrip() + "\n"


def _by_setting(at_length: Mapping[str, Any], metric: str, length: str) -> list[str]:
    """A table with a row for each setting of the project: what each other coder needs for the same by one metric."""
    rows = [
        (f"{name} | {point['quality']:g} | {point['kbps']:.2f}", setting[metric])
        for name, settings in at_length["equal"].items()
        for point, setting in zip(at_length["points"][name], settings, strict=True)
    ]
    titles = dict.fromkeys(title for _, by_title in rows for title in by_title)
    others = [title for title in titles if title not in at_length["equal"]]
    if not others:
        return []
    return [
        "",
        f"What others need for the {METRICS[metric].title} of each setting, as multiples of its rate, {length}; in "
        "brackets how many clips have a value:",
        "",
        f"| coder | quality | kbit/s | {' | '.join(others)} |",
        "| --- " * (3 + len(others)) + "|",
        *(f"| {row} | {' | '.join(_ratio(by_title[one]) for one in others)} |" for row, by_title in rows),
    ]


def _shown_setting(points: Sequence[Mapping[str, Any]]) -> int:
    """The setting that is nearest to what a call uses."""
    return min(range(len(points)), key=lambda number: abs(points[number]["quality"] - DEFAULT_QUALITY))


def _block(
    heading: str,
    by_metric: Mapping[str, Mapping[str, Mapping[str, Any]]],
    metrics: Sequence[str],
    cell: Callable[[Mapping[str, Any]], str],
) -> list[str]:
    """A table with a row for each coder; in brackets, of how many clips a value is."""
    titles = dict.fromkeys(title for values in by_metric.values() for title in values)
    lines = [
        "",
        f"{heading}; in brackets how many clips have a value:",
        "",
        f"| coder | {' | '.join(METRICS[metric].title for metric in metrics)} |",
        "| --- " * (1 + len(metrics)) + "|",
    ]
    for title in titles:
        cells = [cell(by_metric[metric].get(title, {})) for metric in metrics]
        if any(cells):
            lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def _ratio(value: Mapping[str, Any]) -> str:
    if "ratio" in value:
        return f"×{value['ratio']:.2f} ({value['clips']})"
    counts = [f"{word} in {value[key]}" for key, word in _OUTSIDE.items() if value.get(key)]
    return ", ".join(counts)


_OUTSIDE = {"below": "always better", "above": "never as good"}


def _percent(value: Mapping[str, Any]) -> str:
    return f"{value['change']:+.0%} ({value['clips']})" if "change" in value else ""
