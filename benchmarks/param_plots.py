"""The report of `headgan-bench parameters` in, PNG pictures out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headgan.benchmarks.figure import new_figure, save_figure

_COMMAND = "parameters"
_ERRORS = {"px": "all vertices", "lips_px": "lips", "lids_px": "eyelids"}


def draw_curve(curve: Mapping[str, Any], path: Path) -> None:
    """Error over rate: all vertices, lips and lids of the codec, all vertices of a naive coder."""
    figure = new_figure(_COMMAND, 7, 4.5)
    axes = figure.subplots()
    for name, label in _ERRORS.items():
        _line(axes, curve["points"], "kbps", name, "o-", label)
    _line(axes, curve["points"], "packet_kbps", "px", "o:", "all vertices, headers of packets included")
    _line(axes, curve["naive"], "kbps", "px", "s--", "a naive coder, all vertices")
    default = curve["default"]
    axes.plot(default["kbps"], default["px"], "k*", markersize=13, label="quality of calls", zorder=5)
    _log_axes(axes, "kbit/s of records", "mean error, px of 256")
    save_figure(figure, path)


def draw_losses(runs: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Error and rate over loss, a line for each kind and round trip."""
    figure = new_figure(_COMMAND, 13, 4)
    shown = {
        "px": "error of what is shown, mean, px",
        "px_p95": "95th percentile, px",
        "kbps": "kbit/s of records",
        "missing": "share of frames missing",
    }
    for axes, (name, title) in zip(figure.subplots(1, len(shown)), shown.items(), strict=True):
        for color, round_trip_ms in enumerate(sorted({run["round_trip_ms"] for run in runs})):
            for is_burst, style in ((False, "o-"), (True, "s--")):
                chosen = [
                    run
                    for run in runs
                    if run["round_trip_ms"] == round_trip_ms
                    and (bool(run["burst"]) == is_burst or not run["loss"])
                ]
                label = f"{round_trip_ms:.0f} ms, {'bursts' if is_burst else 'random'}"
                losses = [100 * run["loss"] for run in chosen]
                values = [run[name] for run in chosen]
                axes.plot(losses, values, style, color=f"C{color}", label=label, markersize=4)
        axes.set_xlabel("loss, %")
        axes.set_title(title, fontsize=10)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=7, title="round trip", title_fontsize=7)
    save_figure(figure, path)


def draw_strategies(report: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Error over rate for each loss, a line for each strategy."""
    figure = new_figure(_COMMAND, 4.3 * len(report), 4)
    for axes, (loss, by_name) in zip(
        figure.subplots(1, len(report), squeeze=False)[0], report.items(), strict=True
    ):
        for name, entry in by_name.items():
            _line(axes, entry["points"], "kbps", "px", "o-", name)
        axes.set_title(f"{float(loss):.0%} lost", fontsize=10)
        _log_axes(axes, "kbit/s of records", "error of what is shown, mean, px")
    save_figure(figure, path)


def draw_rates(report: Mapping[str, Mapping[str, Any]], frame_ms: float, path: Path) -> None:
    """The rate of the sliding second over the longest track, a line for each rate that is held."""
    figure = new_figure(_COMMAND, 9, 3.6)
    axes = figure.subplots()
    for color, (kbps, held) in enumerate(report.items()):
        name, course = max(held["courses"].items(), key=lambda entry: len(entry[1]))
        seconds = [1 + place * frame_ms / 1000 for place in range(len(course))]
        axes.plot(seconds, course, color=f"C{color}", label=f"{kbps} kbit/s asked for", linewidth=1.2)
        axes.axhline(float(kbps), color=f"C{color}", linestyle=":", linewidth=1)
        axes.set_title(name, fontsize=10)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("end of the second, s")
    axes.set_ylabel("kbit/s of records")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    save_figure(figure, path)


def _line(
    axes: Any,  # noqa: ANN401
    points: Sequence[Mapping[str, Any]],
    over: str,
    name: str,
    style: str,
    label: str,
) -> None:
    places, values = [point[over] for point in points], [point[name] for point in points]
    axes.plot(places, values, style, label=label, markersize=4)


def _log_axes(axes: Any, place: str, value: str) -> None:  # noqa: ANN401
    """Both logarithmic, with numbers that can be read."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis, ticks in ((axes.xaxis, (0.25, 0.5, 1, 2, 4)), (axes.yaxis, (0.1, 0.2, 0.5, 1, 2))):
        axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.set_ticks([], minor=True)
    axes.set_xlabel(place)
    axes.set_ylabel(value)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
