"""What a judge of lips said of each clip and way in, means over the clips, a table and pictures out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.benchmarks.figure import new_figure, save_figure
from headgan.benchmarks.lips_measure import DEAF, HEARING, ORIGINAL
from headgan.benchmarks.markdown import markdown_table
from headgan.models.metrics.lip_scores import OFFSETS, WINDOWS_S, Told, sync, together
from headgan.models.metrics.lip_sound import RATE_FPS

Clips = Mapping[str, Mapping[str, Mapping[str, Any]]]
_HEADS = {
    "told": "sounds told",
    "balanced": "mean over classes",
    "closed": "p b m, AUC",
    "confidence": "confidence",
    "distance": "distance",
    "as_original": "offset as the original's",
    "placed": "1 s placed",
    "mouth": "mouth, levels",
}
_SHARES = ("told", "balanced", "as_original", "placed")
_NEAR_MS = 40.0
_LABEL = 18


def scores_of(result: Mapping[str, Any]) -> dict[str, float]:
    """Of one clip and way."""
    scores = _told([result]).scores() | sync(np.array(result["course"]))
    return scores | ({"mouth": result["mouth"]} if "mouth" in result else {})


def mean_scores(clips: Clips, way: str) -> dict[str, float]:
    """Of one way: sounds and stretches of all clips together, means over the clips of what is measured of a clip."""
    results = [ways[way] for ways in clips.values()]
    each = [scores_of(result) for result in results]
    means = {
        name: float(np.mean([scores[name] for scores in each]))
        for name in ("confidence", "distance", "mouth")
        if all(name in scores for scores in each)
    }
    for seconds in WINDOWS_S:
        counts = np.sum([result["placed"][f"{seconds:g}"] for result in results], axis=0)
        means[f"placed_{seconds:g}s"] = float(counts[0] / max(counts[1], 1))
    offsets_ms = np.array([scores["offset_ms"] for scores in each])
    true_ms = np.array([scores_of(ways[ORIGINAL])["offset_ms"] for ways in clips.values()])
    means["in_time"] = float((np.abs(offsets_ms) <= _NEAR_MS).mean())
    means["as_original"] = float((np.abs(offsets_ms - true_ms) <= _NEAR_MS).mean())
    return _told(results).scores() | means


def hearing_against_deaf(clips: Clips, people: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """By what hearing changes scores, as mean over the people with its standard error; empty without both or two.

    Args:
        clips: results by clip.
        people: who is seen in each clip.
    """
    of_people: dict[str, list[tuple[dict[str, float], dict[str, float]]]] = {}
    for clip, ways in clips.items():
        if HEARING in ways:
            pair = scores_of(ways[HEARING]), scores_of(ways[DEAF])
            of_people.setdefault(people[clip], []).append(pair)
    if len(of_people) < 2:
        return {}
    changes = {}
    for name in ("told", "confidence", "distance", "mouth"):
        rises = np.array(
            [np.mean([hearing[name] - deaf[name] for hearing, deaf in pairs]) for pairs in of_people.values()]
        )
        changes[name] = {
            "mean": float(rises.mean()),
            "error": float(rises.std(ddof=1) / np.sqrt(len(rises))),
        }
    return changes


def lips_table(means: Mapping[str, Mapping[str, float]], changes: Mapping[str, Mapping[str, float]]) -> str:
    """Markdown."""
    rows = []
    for way, scores in means.items():
        values = dict(scores) | {"placed": scores["placed_1s"]}
        rows.append([way, *(_cell(name, values.get(name)) for name in _HEADS)])
    lines = markdown_table(["", *_HEADS.values()], rows)
    if changes:
        told = ", ".join(
            f"{_HEADS[name]} {change['mean']:+.4f} ± {change['error']:.4f}"
            for name, change in changes.items()
        )
        lines += ["", f"Hearing less deaf, mean over the people and its standard error: {told}."]
    return "\n".join(lines) + "\n"


def draw_lips(clips: Clips, means: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Bars of what is told, of the stretches that are placed, and the distance over the offset of the sound."""
    figure = new_figure("lips", 13, 3.8)
    told, where, course = figure.subplots(1, 3)
    ways = list(means)
    places = np.arange(len(ways))
    for shift, name in ((-0.2, "told"), (0.2, "balanced")):
        told.bar(places + shift, [means[way].get(name, 0) for way in ways], 0.38, label=_HEADS[name])
    for shift, seconds in zip((-0.27, 0, 0.27), WINDOWS_S, strict=True):
        shares = [means[way][f"placed_{seconds:g}s"] for way in ways]
        where.bar(places + shift, shares, 0.26, label=f"{seconds:g} s")
    where.axhline(3 / len(OFFSETS), color="grey", lw=0.8, ls="--")
    for way in ways:
        course.plot(
            OFFSETS * 1000 / RATE_FPS, _course(clips, way), label=way, lw=2 if way == ORIGINAL else 1.2
        )
    for axes in (told, where):
        axes.set_xticks(places, ways, rotation=20)
    told.margins(y=0.3)  # room for the legend
    told.set_title("sounds told from the lips")
    where.set_title("stretches put at their time")
    course.set_title("distance of lips and sound")
    course.set_xlabel("sound later than it is with the original's lips, ms")
    for axes in (told, where, course):
        axes.legend(fontsize=8)
        axes.grid(alpha=0.3)
    save_figure(figure, path)


def draw_sheet(rows: Mapping[str, NDArray[np.uint8]], ways: Mapping[str, list[str]], path: Path) -> None:
    """Writes the PNG `path`: the mouths of each clip under its name and the ways that its lines show, from above."""
    width = max(row.shape[1] for row in rows.values())
    strips = []
    for name, row in rows.items():
        label = np.full((_LABEL, width), 255, np.uint8)
        text = f"{name}, from above: {', '.join(ways[name])}"
        cv2.putText(label, text, (4, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 0, 1, cv2.LINE_AA)
        strips += [label, np.pad(row, ((0, 0), (0, width - row.shape[1])), constant_values=255)]
    part = path.with_suffix(".part.png")
    cv2.imwrite(str(part), np.vstack(strips))
    part.replace(path)


def _course(clips: Clips, way: str) -> NDArray[np.float64]:
    """Float64 [31]: the mean distance over the clips, each on the clock of its original; NaN where none has it."""
    moved = np.full((len(clips), len(OFFSETS)), np.nan)
    for row, ways in zip(moved, clips.values(), strict=True):
        late = int(OFFSETS[np.argmin(ways[ORIGINAL]["course"])])
        places = np.arange(max(0, -late), min(len(OFFSETS), len(OFFSETS) - late))
        row[places] = np.array(ways[way]["course"])[places + late]
    mean = np.ma.masked_invalid(moved).mean(axis=0)
    return np.asarray(np.ma.filled(mean, np.nan), np.float64)


def _told(results: list[Mapping[str, Any]]) -> Told:
    parts = [
        Told(
            np.array(result["heard"], np.intp),
            np.array(result["likeliest"], np.intp),
            np.array(result["closed"], np.float64),
        )
        for result in results
    ]
    return together(parts)


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return ""
    if name in _SHARES:
        return f"{value:.1%}"
    return f"{value:.2f}" if name == "mouth" else f"{value:.3f}"
