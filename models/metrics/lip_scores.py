"""What a judge of lips said of a clip and what was heard in, how well the lips can be read out.

Sync is measured as in SyncNet: how far lips and sound are from each other, as a mean over the clip, for each offset of
up to 15 pictures. `distance` is the smallest (LSE-D), `confidence` by how much it is smaller than the median (LSE-C).
The vectors have length 1 here, so that distances are 0 to 2: the figures of other judges have other units.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headgan.models.metrics.lip_sound import RATE_FPS, SOUND
from headgan.models.speech_classes import REST

# Pictures that the sound may be early or late.
OFFSETS = np.arange(-15, 16)
WINDOWS_S = (0.4, 1.0, 2.0)
# An offset is right within so many pictures.
_NEAR = 1
# A window with fewer sounds, as a share of its pictures, is silence, which nobody can place.
_SPOKEN = 0.25
_CLOSED = 0


@dataclass(frozen=True, eq=False)
class Told:
    """The N pictures at which there is a sound.

    Attributes:
        heard: int [N], the sound there is, 0 to 25.
        likeliest: int [N], what is seen most of the 26.
        closed: float [N], how much of closed lips (p, b, m) is seen, 0 to 1.
    """

    heard: NDArray[np.intp]
    likeliest: NDArray[np.intp]
    closed: NDArray[np.float64]

    def scores(self) -> dict[str, float]:
        """`told`, the share of sounds that were the likeliest; `balanced`, its mean over classes; `closed`, an AUC.

        The last one: how often a sound with closed lips looks more like one than another sound does.
        What cannot be measured is left out.
        """
        if not len(self.heard):
            return {}
        is_right = self.likeliest == self.heard
        each = [is_right[self.heard == sound].mean() for sound in np.unique(self.heard)]
        scores = {"told": float(is_right.mean()), "balanced": float(np.mean(each))}
        one, other = self.closed[self.heard == _CLOSED], self.closed[self.heard != _CLOSED]
        if len(one) and len(other):
            scores["closed"] = _more(one, other)
        return scores


def told(seen: NDArray[np.float32], shares: NDArray[np.float32]) -> Told:
    """What was told of the sounds of a clip.

    Args:
        seen: float32 [T, 27], what the judge sees.
        shares: float32 [T, 27], what is heard.
    """
    spoken = 1 - shares[:, REST] >= SOUND
    sounds = seen[spoken, :REST].astype(np.float64)
    closed = sounds[:, _CLOSED] / np.maximum(sounds.sum(axis=1), 1e-9)
    return Told(shares[spoken, :REST].argmax(axis=1), sounds.argmax(axis=1), closed)


def together(parts: Sequence[Told]) -> Told:
    """Of several clips as if they were one."""
    return Told(
        np.concatenate([part.heard for part in parts]),
        np.concatenate([part.likeliest for part in parts]),
        np.concatenate([part.closed for part in parts]),
    )


def distances(lips: NDArray[np.float32], sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """Float64 [31, T]: of the lips at each moment and the sound 15 pictures before to 15 after; NaN beyond the clip.

    `np.nanmean(..., axis=1)` is the course that `sync` takes.

    Args:
        lips: float32 [T, D], unit vectors.
        sound: float32 [T, D].
    """
    count = len(lips)
    found = np.full((len(OFFSETS), count), np.nan)
    for row, offset in zip(found, OFFSETS.tolist(), strict=True):
        places = np.arange(max(0, -offset), min(count, count - offset))
        cosines = (lips[places] * sound[places + offset]).sum(axis=1)
        row[places] = np.sqrt(np.maximum(0, 2 - 2 * cosines))
    return found


def sync(course: NDArray[np.float64]) -> dict[str, float]:
    """`confidence`, `distance` and `offset_ms`, above 0 where the sound is late; course: float [31], a mean a row."""
    best = int(course.argmin())
    return {
        "confidence": float(np.median(course) - course[best]),
        "distance": float(course[best]),
        "offset_ms": float(OFFSETS[best] * 1000 / RATE_FPS),
    }


def placed(
    apart: NDArray[np.float64], shares: NDArray[np.float32], seconds: float, offset: int = 0
) -> tuple[int, int]:
    """How many stretches of a clip are best at their own time, within a picture, and how many there are.

    Stretches begin every picture, and lie where every offset can be had; those of silence are left out.

    Args:
        apart: of `distances`.
        shares: float32 [T, 27], what is heard.
        seconds: how long a stretch is.
        offset: by how many pictures the sound of the clip is late as it is.
    """
    length, reach = round(seconds * RATE_FPS), int(OFFSETS[-1])
    whole = apart[:, reach : apart.shape[1] - reach]
    if whole.shape[1] < length:
        return 0, 0
    sums = np.cumsum(np.pad(whole, ((0, 0), (1, 0))), axis=1)
    best = OFFSETS[(sums[:, length:] - sums[:, :-length]).argmin(axis=0)]
    spoken = (1 - shares[:, REST] >= SOUND)[reach : len(shares) - reach]
    counted = np.cumsum(np.pad(spoken.astype(int), (1, 0)))
    is_speech = counted[length:] - counted[:-length] >= _SPOKEN * length
    return int((np.abs(best[is_speech] - offset) <= _NEAR).sum()), int(is_speech.sum())


def _more(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """How often a number of `one` is larger than one of `other`; equal ones count half."""
    ordered = np.sort(other)
    below = np.searchsorted(ordered, one, "left") + np.searchsorted(ordered, one, "right")
    return float(below.mean() / (2 * len(other)))
