"""Two faces in, how differently they are posed out."""

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import EXPRESSION_SIZE


def pose_distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """How differently two faces, float32 [37], are posed: turn, expression and place, roughly in equal parts."""
    quaternion = slice(EXPRESSION_SIZE, EXPRESSION_SIZE + 4)
    # Rounding takes the product of two equal rotations above one.
    turned = max(0.0, 1 - abs(float(one[quaternion] @ other[quaternion])))
    moved = np.abs(
        one[EXPRESSION_SIZE + 4 : EXPRESSION_SIZE + 7] - other[EXPRESSION_SIZE + 4 : EXPRESSION_SIZE + 7]
    )
    face = np.linalg.norm(one[:EXPRESSION_SIZE] - other[:EXPRESSION_SIZE])
    return float(2 * np.sqrt(turned) + moved.sum() + face)
