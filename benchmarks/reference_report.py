"""Bytes and quality of every reference by way of coding in, bytes at equal quality, a table and a picture out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from headgan.benchmarks.figure import save_figure
from headgan.benchmarks.rate_curve import Rates, mean_change

# What the other ways are compared with.
ANCHOR = "VP9 chain"
LEVELS_DB = (36.0, 38.0)
# All pictures, or those after the first, which for most of the ways is coded alike.
PARTS = {"all": 0, "later": 1}
_STILLS = ("WebP", "AVIF")

# By way and quality: `bytes` and `psnr` of each picture, and the medians `encode_ms` and `decode_ms`.
Measured = Mapping[str, Mapping[str, Mapping[str, Any]]]


def summarise(measured: Mapping[str, Measured], skip: int) -> dict[str, dict[str, float]]:
    """By way: `bytes_at_36` and so on where all ways have such a quality, `bd_rate` to the VP9 chain, milliseconds.

    Args:
        measured: by clip.
        skip: how many pictures of each clip to leave out.
    """
    ways = list(next(iter(measured.values())))
    rates = {clip: {way: _rates(results[way], skip) for way in ways} for clip, results in measured.items()}
    summary: dict[str, dict[str, float]] = {way: {} for way in ways}
    for level in LEVELS_DB:
        found = {
            clip: {way: curve.rate_at(level) for way, curve in by_way.items()}
            for clip, by_way in rates.items()
        }
        whole = [by_way for by_way in found.values() if None not in by_way.values()]
        for way in ways:
            sizes = [size for by_way in whole if (size := by_way[way]) is not None]
            if sizes:
                summary[way] |= {
                    f"bytes_at_{level:g}": float(np.mean(sizes)),
                    f"clips_at_{level:g}": len(sizes),
                }
    for way in ways:
        changes = [by_way[way].bd_rate(by_way[ANCHOR]) for by_way in rates.values()]
        if (change := mean_change(changes)) is not None:
            summary[way]["bd_rate"] = change
        for name in ("encode_ms", "decode_ms"):
            summary[way][name] = float(
                np.median([result[name] for clip in measured.values() for result in clip[way].values()])
            )
    return summary


def table(measured: Mapping[str, Measured], summary: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """A Markdown table: a line for each way."""
    counts = [len(next(iter(clip[ANCHOR].values()))["bytes"]) for clip in measured.values()]
    anchors = summary["all"][ANCHOR], summary["later"][ANCHOR]
    reached = [_pair(*anchors, f"clips_at_{level:g}", "{:g}") or "no" for level in LEVELS_DB]
    titles = [
        f"bytes at {level:g} dB, {count} clips" for level, count in zip(LEVELS_DB, reached, strict=True)
    ]
    lines = [
        f"{sum(counts)} references of {len(counts)} clips; a picture on average, and in brackets after the first one:",
        "",
        f"| | {' | '.join(titles)} | BD-rate to the {ANCHOR} | encode, ms | decode, ms |",
        "| --- " * (len(titles) + 4) + "|",
    ]
    for way, values in summary["all"].items():
        later = summary["later"][way]
        cells = [_pair(values, later, f"bytes_at_{level:g}", "{:.0f}") for level in LEVELS_DB]
        cells.append(_pair(values, later, "bd_rate", "{:+.0%}"))
        cells += [f"{values[name]:.1f}" for name in ("encode_ms", "decode_ms")]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw_rates(figure: Any, measured: Mapping[str, Measured], path: Path) -> None:  # noqa: ANN401
    """Draws mean bytes against mean PSNR over the clips on a matplotlib figure, for both parts; writes a PNG."""
    for axes, (part, skip) in zip(figure.subplots(1, len(PARTS)), PARTS.items(), strict=True):
        for way in next(iter(measured.values())):
            points = [
                [
                    (np.mean(result["bytes"][skip:]), np.mean(result["psnr"][skip:]))
                    for result in clip[way].values()
                ]
                for clip in measured.values()
            ]
            sizes, gains = np.mean(points, axis=0).T
            is_chain = way not in _STILLS
            axes.plot(sizes, gains, "o-" if is_chain else "s:", label=way, markersize=4)
        axes.set_xscale("log")
        axes.set_xlabel("bytes a picture")
        axes.set_ylabel("PSNR, dB")
        axes.set_title("all references" if part == "all" else "without the first", fontsize=10)
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize=7)
    save_figure(figure, path)


def _rates(results: Mapping[str, Mapping[str, Any]], skip: int) -> Rates:
    return Rates.of(
        (float(np.mean(result["psnr"][skip:])), float(np.mean(result["bytes"][skip:])))
        for result in results.values()
    )


def _pair(values: Mapping[str, float], later: Mapping[str, float], name: str, form: str) -> str:
    if name not in values:
        return ""
    return form.format(values[name]) + (f" ({form.format(later[name])})" if name in later else "")
