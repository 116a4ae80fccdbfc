"""Clips and sizes of a reference memory in, what each size is worth out: `headgan evaluate`, size after size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from headgan.codec.video import probe_video
from headgan.models.metrics.clip_frames import Sampling
from headgan.models.metrics.clip_memory import MemorySettings
from headgan.models.metrics.evaluation import JUDGED, PRIOR, Evaluation, Settings
from headgan.models.metrics.report import mean_scores
from headgan.models.metrics.score_clip import REAL
from headgan.models.metrics.tally import Score
from headgan.proto.errors import HeadganError

# A shorter clip is over before much of a memory has been sent.
LONG_S = 8.0
# Scores that are compared, how to call them, digits, and whether a ratio says more than a difference.
SCORES = {
    "psnr": ("PSNR ↑", 2, False),
    "perceptual": ("ST-LPIPS ↓", 3, True),
    "mouth": ("mouth ↓", 2, False),
    "csim": ("CSIM ↑", 3, False),
    "flicker": ("flicker ↓", 2, False),
}
WAYS = {JUDGED: "with R", PRIOR: "warped only"}
# Pictures of people vary by tens of levels.
FLAT = 2.0


@dataclass(frozen=True)
class CurveSettings:
    """How to measure the curve.

    Attributes:
        kbps: kbit/s that filling the memory may cost.
        every: compare each so many-th frame.
        perceptual: frames a clip for the perceptual distance.
        provider: what runs the networks.
    """

    kbps: float
    every: int
    perceptual: int
    provider: str


@dataclass(frozen=True, eq=False)
class Curve:
    """Scores by size of the memory.

    Attributes:
        scores: by size, clip and way.
        long_clips: names of the clips that are longer than 8 s.
        skipped: why a clip has no scores, by its name.
        embedder: name of the network behind the CSIM.
    """

    scores: dict[int, dict[str, dict[str, Score]]]
    long_clips: tuple[str, ...]
    skipped: dict[str, str]
    embedder: str

    def means(self, references: int, group: str) -> dict[str, dict[str, float]]:
        """Means by way, `real` among them; group: `all` clips or the `long` ones."""
        clips = self.scores[references]
        chosen = [score for name, score in clips.items() if group == "all" or name in self.long_clips]
        return mean_scores(chosen, self.embedder)

    @property
    def groups(self) -> tuple[str, ...]:
        """Those that have clips."""
        return ("all", "long") if self.long_clips else ("all",)


def measure_curve(
    clips: Mapping[str, Path], sizes: Sequence[int], settings: CurveSettings, folder: Path
) -> Curve:
    """Scores all clips with every size, and writes a sheet of pictures for each; what is in `folder` is not repeated.

    Raises:
        FaceError: no clip shows a face.
        HeadganError: a score or a picture cannot be right.
    """
    scores: dict[int, dict[str, dict[str, Score]]] = {}
    for references in tqdm(sizes, desc="sizes of the memory", unit="size"):
        sampling = Sampling(
            settings.every, memory=MemorySettings(references, settings.kbps), drift=references > 1
        )
        place = folder / f"references_{references}"
        place.mkdir(parents=True, exist_ok=True)
        wanted = Settings(sampling, perceptual_frames=settings.perceptual, provider=settings.provider)
        evaluation = Evaluation(wanted, clips, place)
        scores[references] = evaluation.run()
        check_scores(scores[references], place)
        evaluation.draw_sheet(list(scores[references]), place / "sheet.png")
    long_clips = tuple(name for name in scores[sizes[0]] if seconds_of(clips[name]) > LONG_S)
    return Curve(scores, long_clips, evaluation.skipped, evaluation.embedder_name)


def seconds_of(path: Path) -> float:
    """How long a clip says it is."""
    info = probe_video(path)
    return info.duration_s or info.frames_estimate / info.rate_fps


def check_scores(clips: Mapping[str, Mapping[str, Score]], folder: Path) -> None:
    """Raises HeadganError where a score of the ways is missing or no number, or all pictures of a clip are flat."""
    for name, ways in clips.items():
        for way in WAYS:
            values = ways[way].values
            if not all(np.isfinite(value) for value in values.values()) or "psnr" not in values:
                raise HeadganError(f"{name}, {way}: {values} are no scores; delete {folder} and run again")
        row = cv2.imread(str(folder / "clips" / f"{name}.png"))
        if row is None or any(tile.std(axis=(0, 1)).max() < FLAT for tile in _drawn_tiles(row)):
            raise HeadganError(f"{name}: a drawn picture is flat or missing; delete {folder} and run again")


def _drawn_tiles(row: NDArray[np.generic]) -> list[NDArray[np.generic]]:
    """Of a row of the sheet: the reference, and for each moment what is real and what the two ways drew."""
    tiles = np.split(row, range(row.shape[0], row.shape[1], row.shape[0]), axis=1)
    return [tile for place, tile in enumerate(tiles[1:]) if place % (1 + len(WAYS)) > 0]


def compared(values: Mapping[str, float], single: Mapping[str, float]) -> dict[str, float]:
    """What a memory changes: `NAME_change` for every score of `SCORES`, as a ratio or a difference to `single`."""
    return {
        f"{name}_change": values[name] / single[name] if is_ratio else values[name] - single[name]
        for name, (_, _, is_ratio) in SCORES.items()
        if name in values and name in single
    }


def curve_report(curve: Curve) -> dict[str, Any]:
    """JSON: by group, size and way the means and what the memory changes; every clip's scores."""
    report: dict[str, Any] = {"long_clips": list(curve.long_clips), "skipped": curve.skipped}
    for group in curve.groups:
        single = curve.means(1, group)
        report[group] = {}
        for references in curve.scores:
            means = curve.means(references, group)
            report[group][str(references)] = {
                REAL: means[REAL],
                **{way: means[way] | compared(means[way], single[way]) for way in WAYS},
            }
    report["clips"] = {
        name: {
            str(references): {way: clips[name][way].values for way in (REAL, *WAYS)}
            for references, clips in curve.scores.items()
        }
        for name in next(iter(curve.scores.values()))
    }
    return report


def curve_table(report: Mapping[str, Any]) -> str:
    """A Markdown table for each group of a `curve_report`: a line for each way and size."""
    lines = []
    for group in ("all", "long"):
        if group not in report:
            continue
        clips = len(report["clips"] if group == "all" else report["long_clips"])
        names = [name for name in SCORES if name in report[group]["1"][JUDGED]]
        titles = " | ".join(SCORES[name][0] for name in names)
        which = "" if group == "all" else f" longer than {LONG_S:g} s"
        lines += [
            f"{clips} clips{which}; in brackets, against one reference:",
            "",
            f"| drawn | references | {titles} | sent | kB, first | kB, later |",
            "| --- " * (len(names) + 5) + "|",
        ]
        for way, title in WAYS.items():
            for references, ways in report[group].items():
                cells = " | ".join(_cell(name, ways[way]) for name in names)
                lines.append(f"| {title} | {references} | {cells} | {_costs(ways[REAL])} |")
        lines.append("")
    return "\n".join(lines)


def _cell(name: str, values: Mapping[str, float]) -> str:
    _, digits, is_ratio = SCORES[name]
    change = values[f"{name}_change"]
    return f"{values[name]:.{digits}f} ({f'×{change:.2f}' if is_ratio else f'{change:+.{digits}f}'})"


def _costs(real: Mapping[str, float]) -> str:
    if "references" not in real:
        return "1 | | "
    later = real.get("reference_bytes_later")
    kilobytes = f"{later / 1000:.2f}" if later is not None else ""
    return f"{real['references']:.1f} | {real['reference_bytes'] / 1000:.1f} | {kilobytes}"
