"""A measurer in; the curve of bits over error, what losses do, and how strategies compare, out."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from tqdm import tqdm

from headgan.benchmarks.param_line import WEIGHED, Coding, LineSettings, Strategy
from headgan.benchmarks.param_measure import DAMPINGS, ParamMeasurer, name_of, value_at
from headgan.benchmarks.param_naive import naive_curve
from headgan.codec.quantizer import STEPS

# Each second step of the ladder.
QUALITIES = tuple(1 - place / (len(STEPS) - 1) for place in range(0, len(STEPS) - 2, 2))
ERRORS_PX = (0.27, 0.3, 0.5, 0.75)
RATES_KBPS = (0.8, 1.2)
LOSSES = (0.0, 0.01, 0.05, 0.10, 0.20, 0.30)
BURST = 4.0
ROUND_TRIPS_MS = (40.0, 100.0, 200.0)
STRATEGIES = {
    "weighed": WEIGHED,
    "acknowledged": Strategy(only_certain=True),
    "key each 5": Strategy(key_every=5),
    "key each 25": Strategy(key_every=25),
}
STRATEGY_LOSSES = (0.05, 0.10, 0.20)
STRATEGY_QUALITIES = (0.89, 0.79, 0.68, 0.57, 0.46, 0.36)
STRATEGY_RATES_KBPS = (1.0, 1.5)
STRATEGY_ROUND_TRIP_MS = 100.0
FRAMES_PER_PACKET = (1, 2, 3, 4)


def measure_curve(measurer: ParamMeasurer) -> dict[str, Any]:
    """Points of the codec and of a naive coder, and what lies between them."""
    points = []
    for quality in tqdm(QUALITIES, desc="curve", unit="run"):
        points.append({"quality": round(quality, 2)} | measurer.run(Coding(quality), LineSettings()))
    naive = measurer.kept("naive_coder", {}, lambda: {"points": naive_curve(measurer)})["points"]
    rates = [(point["kbps"], point["px"]) for point in points]
    return {
        "points": points,
        "naive": naive,
        "default": measurer.run(Coding(), LineSettings()),
        "kbps_at_px": {f"{px:g}": _rates_at(points, naive, px) for px in ERRORS_PX},
        "px_at_kbps": {f"{kbps:g}": value_at(rates, kbps) for kbps in RATES_KBPS},
    }


def _rates_at(
    points: Sequence[dict[str, Any]], naive: Sequence[dict[str, Any]], px: float
) -> dict[str, float | None]:
    curves = {
        "codec": [(one["px"], one["kbps"]) for one in points],
        "naive": [(one["px"], one["kbps"]) for one in naive],
        "naive_bytes": [(one["px"], one["byte_kbps"]) for one in naive],
    }
    return {name: value_at(curve, px) for name, curve in curves.items()}


def measure_losses(measurer: ParamMeasurer) -> list[dict[str, Any]]:
    """A result for each loss, burst and round trip; without loss only one kind."""
    lines = list(_lines())
    results = []
    for line in tqdm(lines, desc="losses", unit="run"):
        about = {"loss": line.loss, "burst": line.burst, "round_trip_ms": line.round_trip_ms}
        results.append(about | measurer.run(Coding(), line, hides=line.loss > 0))
    return results


def _lines() -> Iterator[LineSettings]:
    for burst, loss, round_trip_ms in product((0.0, BURST), LOSSES, ROUND_TRIPS_MS):
        if loss or not burst:
            yield LineSettings(loss, burst, round_trip_ms)


def hidden_errors(losses: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean error of the frames that are hidden, over all runs that have some, by damping, for each kind of loss."""
    report = {}
    for burst, kind in ((0.0, "random"), (BURST, "in bursts")):
        runs = [run["hidden"] for run in losses if run["burst"] == burst and run["loss"]]
        runs = [run for run in runs if all("hidden_px" in values for values in run.values())]
        report[kind] = {
            name_of(damping): round(float(np.mean([run[name_of(damping)]["hidden_px"] for run in runs])), 4)
            for damping in DAMPINGS
            if runs
        }
    return report


def measure_strategies(measurer: ParamMeasurer) -> dict[str, dict[str, Any]]:
    """By loss and strategy: `points` of rate and error, and `px_at_kbps`, the error at equal rates."""
    report: dict[str, dict[str, Any]] = {}
    every = list(product(STRATEGY_LOSSES, STRATEGIES.items(), STRATEGY_QUALITIES))
    for loss, (name, strategy), quality in tqdm(every, desc="strategies", unit="run"):
        line = LineSettings(loss, round_trip_ms=STRATEGY_ROUND_TRIP_MS)
        result = measurer.run(Coding(quality, strategy), line)
        entry = report.setdefault(f"{loss:g}", {}).setdefault(name, {"points": []})
        entry["points"].append({"quality": quality} | result)
    for by_name in report.values():
        for entry in by_name.values():
            points = [(one["kbps"], one["px"]) for one in entry["points"]]
            entry["px_at_kbps"] = {f"{kbps:g}": value_at(points, kbps) for kbps in STRATEGY_RATES_KBPS}
    return report


def measure_bundles(measurer: ParamMeasurer) -> dict[str, dict[str, Any]]:
    """What packets of several frames carry, by how many."""
    return {
        f"{frames}": measurer.run(Coding(frames_per_packet=frames), LineSettings())
        for frames in FRAMES_PER_PACKET
    }
