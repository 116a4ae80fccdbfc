"""A judge of lips and people it has never seen in, how well it reads their real lips out: what its word is worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headgan.models.metrics.lip_judge import LipJudge
from headgan.models.metrics.lip_scores import (
    OFFSETS,
    WINDOWS_S,
    Told,
    distances,
    placed,
    sync,
    together,
    told,
)
from headgan.models.metrics.mouth_view import MOUTH_HEIGHT, MOUTH_WIDTH
from headgan.models.train.lip_set import LipClip

_NEAR_MS = 40.0


@dataclass(frozen=True, eq=False)
class LipValidation:
    """What a judge is worth.

    Attributes:
        clips: how many were looked at.
        sounds: pictures with a sound.
        told: scores of `Told`.
        shuffled: the same, where it was shown the pictures of half the clip later.
        commonest: `told` of one who always says the commonest sound.
        windows: by seconds, the share of stretches that were put where they belong, and how many there are.
        sync: means of `sync` over the clips, and `near`, the share whose offset is at most a picture.
    """

    clips: int
    sounds: int
    told: dict[str, float]
    shuffled: dict[str, float]
    commonest: float
    windows: dict[float, tuple[float, int]]
    sync: dict[str, float]

    def table(self) -> str:
        """Markdown."""
        lines = [
            f"{self.clips} clips, {self.sounds} sounds",
            "",
            "| | of the lips | of the lips half a clip later | chance |",
            "| --- | --- | --- | --- |",
            _row("sounds told", self.told["told"], self.shuffled["told"], self.commonest),
            _row("mean over classes", self.told["balanced"], self.shuffled["balanced"], 1 / 26),
            _row("p b m against others, AUC", self.told["closed"], self.shuffled["closed"], 0.5),
            "",
            "| stretch, s | put within a picture of its time, of 31 offsets | stretches |",
            "| --- | --- | --- |",
        ]
        lines += [
            f"| {seconds:g} | {share:.1%} | {count} |" for seconds, (share, count) in self.windows.items()
        ]
        lines.append(f"| whole clips | {self.sync['near']:.1%} | {self.clips} |")
        lines += ["", f"Chance: {3 / len(OFFSETS):.1%}. Confidence {self.sync['confidence']:.3f}, "]
        return "\n".join(lines) + f"distance {self.sync['distance']:.3f}.\n"


def validate_lips(judge: LipJudge, clips: Sequence[LipClip]) -> LipValidation:
    """Lets the judge look at the real lips of `clips`."""
    seen: list[Told] = []
    shuffled: list[Told] = []
    windows = {seconds: np.zeros(2, int) for seconds in WINDOWS_S}
    courses: list[dict[str, float]] = []
    for clip in clips:
        look = judge.look(_middle(clip), clip.sound)
        shares = clip.sound.shares
        seen.append(told(look.shares, shares))
        shuffled.append(told(np.roll(look.shares, len(shares) // 2, axis=0), shares))
        apart = distances(look.lips, look.sound)
        courses.append(sync(np.nanmean(apart, axis=1)))
        for seconds, counts in windows.items():
            counts += placed(apart, shares, seconds)
    everything = together(seen)
    means: dict[str, Any] = {
        name: float(np.mean([course[name] for course in courses])) for name in ("confidence", "distance")
    }
    means["near"] = float(np.mean([abs(course["offset_ms"]) <= _NEAR_MS for course in courses]))
    return LipValidation(
        len(clips),
        len(everything.heard),
        everything.scores(),
        together(shuffled).scores(),
        float(np.bincount(everything.heard).max() / len(everything.heard)),
        {seconds: (float(right / max(count, 1)), int(count)) for seconds, (right, count) in windows.items()},
        means,
    )


def _middle(clip: LipClip) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Uint8 [T, 48, 64]: what a judge sees of the larger pictures that training has."""
    _, height, width = clip.mouths.shape
    top, left = (height - MOUTH_HEIGHT) // 2, (width - MOUTH_WIDTH) // 2
    return clip.mouths[:, top : top + MOUTH_HEIGHT, left : left + MOUTH_WIDTH]


def _row(name: str, seen: float, shuffled: float, chance: float) -> str:
    return f"| {name} | {seen:.3f} | {shuffled:.3f} | {chance:.3f} |"
