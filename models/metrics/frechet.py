"""Two sets of embeddings in, the Fréchet distance of the Gaussians fitted to them out.

With Inception's features this is FID (Heusel and others, NeurIPS 2017), with other features it is another number that
ranks in the same way. It grows as the sets shrink: compare only values of equally many frames.
"""

import numpy as np
from numpy.typing import NDArray


def frechet_distance(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """|m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½) of two sets, [N, D] and [M, D]; NaN for fewer than two of either."""
    if min(len(one), len(other)) < 2:
        return float("nan")
    mean_one, mean_other = one.mean(axis=0, dtype=np.float64), other.mean(axis=0, dtype=np.float64)
    root_one, root_other = _covariance_root(one - mean_one), _covariance_root(other - mean_other)
    # For C = RᵀR the trace of (C1 C2)^½ is the sum of the singular values of R1 R2ᵀ: no root of a matrix is needed.
    shared = float(np.linalg.svd(root_one @ root_other.T, compute_uv=False).sum())
    spread = float((root_one**2).sum() + (root_other**2).sum()) - 2 * shared
    return float(((mean_one - mean_other) ** 2).sum() + max(spread, 0.0))


def _covariance_root(centered: NDArray[np.floating]) -> NDArray[np.float64]:
    """A matrix R of at most D rows with RᵀR = the covariance of `centered` [N, D]."""
    scaled: NDArray[np.float64] = centered.astype(np.float64) / np.sqrt(len(centered) - 1)
    return scaled if len(scaled) <= scaled.shape[1] else np.linalg.qr(scaled).R
