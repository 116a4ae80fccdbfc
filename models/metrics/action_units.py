"""Blendshape scores in, which of 12 facial action units are active out; and two such sets in, their distance out.

It stands in for the paper's AU-H, whose detector of action units is in no public package. An action unit is active
where the stronger of its blendshapes is above a threshold, about the 80th percentile of that score over frames of 69
people in talk, so that each unit is active in about one frame of five. The network sees no cheek raiser, nose wrinkler
or wide-open eye (its scores for these stay near 0), so AU 5, 6 and 9 are missing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headgan.models.blendshapes import BLENDSHAPE_NAMES


@dataclass(frozen=True)
class ActionUnit:
    """One action unit of the Facial Action Coding System.

    Attributes:
        number: as FACS numbers it.
        blendshapes: whose strongest score counts.
        threshold: from this score on it is active.
    """

    number: int
    blendshapes: tuple[str, ...]
    threshold: float


ACTION_UNITS = (
    ActionUnit(1, ("browInnerUp",), 0.25),  # inner brow raiser
    ActionUnit(2, ("browOuterUpLeft", "browOuterUpRight"), 0.25),  # outer brow raiser
    ActionUnit(4, ("browDownLeft", "browDownRight"), 0.25),  # brow lowerer
    ActionUnit(7, ("eyeSquintLeft", "eyeSquintRight"), 0.6),  # lid tightener
    ActionUnit(10, ("mouthUpperUpLeft", "mouthUpperUpRight"), 0.05),  # upper lip raiser
    ActionUnit(12, ("mouthSmileLeft", "mouthSmileRight"), 0.2),  # lip corner puller
    ActionUnit(17, ("mouthShrugLower",), 0.05),  # chin raiser
    ActionUnit(18, ("mouthPucker",), 0.1),  # lip pucker
    ActionUnit(24, ("mouthPressLeft", "mouthPressRight"), 0.15),  # lip pressor
    ActionUnit(25, ("mouthLowerDownLeft", "mouthLowerDownRight"), 0.05),  # lips part
    ActionUnit(26, ("jawOpen",), 0.15),  # jaw drop
    ActionUnit(45, ("eyeBlinkLeft", "eyeBlinkRight"), 0.4),  # blink
)
_THRESHOLDS = np.array([unit.threshold for unit in ACTION_UNITS])


def active_units(scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Bool [12]: whether each of `ACTION_UNITS` is active; scores: float32 [52] of `BlendshapeNet`."""
    strengths = [
        max(scores[BLENDSHAPE_NAMES.index(name)] for name in unit.blendshapes) for unit in ACTION_UNITS
    ]
    return np.array(strengths) >= _THRESHOLDS


def hamming_distance(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Share of action units that differ, 0 to 1; both are bool [12] or [N, 12]."""
    return float((one != other).mean())
