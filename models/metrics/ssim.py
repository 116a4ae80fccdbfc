"""Two pictures in, their structural similarity out (Wang, Bovik, Sheikh and Simoncelli, TIP 2004)."""

import cv2
import numpy as np
from numpy.typing import NDArray

WINDOW, SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def ssim(real: NDArray[np.uint8], drawn: NDArray[np.uint8]) -> float:
    """Mean structural similarity, -1 to 1, 1 for equal pictures.

    Gaussian window of 11x11 with sigma 1.5, each colour on its own, averaged over the places where the window lies
    inside; this is the form that most papers report, though some take the luminance only.

    Args:
        real: uint8 [H, W, 3], at least 11x11.
        drawn: uint8, of the same shape.
    """
    one, other = real.astype(np.float32), drawn.astype(np.float32)
    mean_one, mean_other = _windowed(one), _windowed(other)
    variance_one = _windowed(one * one) - mean_one**2
    variance_other = _windowed(other * other) - mean_other**2
    covariance = _windowed(one * other) - mean_one * mean_other
    light = (2 * mean_one * mean_other + _C1) / (mean_one**2 + mean_other**2 + _C1)
    structure = (2 * covariance + _C2) / (variance_one + variance_other + _C2)
    return float((light * structure).mean(dtype=np.float64))


def _windowed(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weighted means of all windows that lie inside, [H - 10, W - 10, 3]."""
    edge = WINDOW // 2
    blurred: NDArray[np.float32] = cv2.GaussianBlur(values, (WINDOW, WINDOW), SIGMA)[edge:-edge, edge:-edge]
    return blurred
