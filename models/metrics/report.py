"""Scores of all clips in, their means and a table out."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from headgan.models.metrics.frechet import frechet_distance
from headgan.models.metrics.score_clip import REAL
from headgan.models.metrics.tally import Score

# Name, title with the good direction, digits.
Column = tuple[str, str, int]
_COLUMNS: tuple[Column, ...] = (
    ("l1", "L1 ↓", 2),
    ("psnr", "PSNR ↑", 2),
    ("psnr_face", "on the face ↑", 2),
    ("outside", "error beyond it", 2),
    ("ssim", "SSIM ↑", 3),
    ("perceptual", "ST-LPIPS ↓", 3),
    ("csim", "CSIM ↑", 3),
    ("ard", "ARD ↓", 2),
    ("au_h", "AU-H ↓", 3),
    ("are", "ARE ↓", 2),
    ("flicker", "flicker ↓", 2),
    ("mouth", "mouth ↓", 2),
    ("lost", "lost ↓", 3),
)
# The first of these that was measured tells the worst clip; -1 where less is better.
_ORDER = (("perceptual", -1), ("psnr", 1), ("csim", 1))


def mean_scores(clips: Sequence[Mapping[str, Score]], embedder: str) -> dict[str, dict[str, float]]:
    """Metrics by way to draw: means over the clips, and the Fréchet distances of all clips together.

    Args:
        clips: the scores of each clip by way, `real` among them.
        embedder: name of the network of the embeddings.
    """
    means: dict[str, dict[str, float]] = {}
    for way in clips[0]:
        names = dict.fromkeys(name for clip in clips for name in clip[way].values)
        means[way] = {
            name: float(np.mean([clip[way].values[name] for clip in clips if name in clip[way].values]))
            for name in names
        }
        if way != REAL:
            means[way] |= _frechet(clips, way, embedder)
    return means


def _frechet(clips: Sequence[Mapping[str, Score]], way: str, embedder: str) -> dict[str, float]:
    """Of the faces, of how they change from frame to frame, and of the pictures if there are features of them."""
    pairs = {
        f"frechet_{embedder}": [(clip[REAL].embeddings, clip[way].embeddings) for clip in clips],
        f"frechet_video_{embedder}": [
            (np.diff(clip[REAL].embeddings, axis=0), np.diff(clip[way].embeddings, axis=0)) for clip in clips
        ],
        "fid": [(clip[REAL].features, clip[way].features) for clip in clips],
    }
    distances = {
        name: frechet_distance(*(np.concatenate(side) for side in zip(*sides, strict=True)))
        for name, sides in pairs.items()
        if sides[0][0].shape[1]
    }
    return {name: distance for name, distance in distances.items() if not np.isnan(distance)}


def table(
    clips: Mapping[str, Mapping[str, Score]], means: Mapping[str, Mapping[str, float]], judged: str
) -> str:
    """A Markdown table: the clips as `judged` draws them, worst first, and the means of all ways."""
    names = {name for values in means.values() for name in values}
    columns = columns_of(names)
    lines = [
        f"| clip | frames | {' | '.join(title for _, title, _ in columns)} |",
        "| --- " * (len(columns) + 2) + "|",
    ]
    by, sign = next((name, sign) for name, sign in _ORDER if name in means[judged])
    worst_first = sorted(clips, key=lambda clip: sign * clips[clip][judged].values[by])
    for clip in worst_first:
        score = clips[clip][judged]
        lines.append(_row(clip, str(len(score.embeddings)), score.values, columns))
    total = str(sum(len(scores[judged].embeddings) for scores in clips.values()))
    lines += [_row(f"**mean, {way}**", total, values, columns) for way, values in means.items()]
    return "\n".join(lines) + "\n"


def columns_of(names: Iterable[str]) -> list[Column]:
    """Name, title and digits of the metrics `names`, the Fréchet distances last."""
    present = set(names)
    columns = [column for column in _COLUMNS if column[0] in present]
    frechet = sorted(name for name in present if name.startswith(("frechet", "fid")))
    return columns + [(name, f"{name} ↓", 3) for name in frechet]


def cells(values: Mapping[str, float], columns: Sequence[Column]) -> str:
    """The cells of a Markdown row, without its ends; empty where a metric was not measured."""
    return " | ".join(f"{values[key]:.{digits}f}" if key in values else "" for key, _, digits in columns)


def _row(name: str, frames: str, values: Mapping[str, float], columns: Sequence[Column]) -> str:
    return f"| {name} | {frames} | {cells(values, columns)} |"
