"""Two pictures in, how far apart their pixels are out."""

import numpy as np
from numpy.typing import NDArray

# Of equal pictures, so that a mean stays finite.
MAX_PSNR = 60.0


def l1(real: NDArray[np.uint8], drawn: NDArray[np.uint8]) -> float:
    """Mean absolute difference of two uint8 pictures of one shape, in levels, 0 to 255 (the paper's L1)."""
    return float(np.abs(real.astype(np.float32) - drawn.astype(np.float32)).mean())


def psnr(real: NDArray[np.uint8], drawn: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio of two uint8 pictures of one shape, in dB, at most 60."""
    error = float(np.mean((real.astype(np.float32) - drawn.astype(np.float32)) ** 2))
    return min(MAX_PSNR, 10 * float(np.log10(255**2 / error))) if error > 0 else MAX_PSNR


def flicker(
    real: NDArray[np.uint8],
    real_before: NDArray[np.uint8],
    drawn: NDArray[np.uint8],
    drawn_before: NDArray[np.uint8],
) -> float:
    """Mean absolute change of the error from one frame to the next, in levels, 0 to 510.

    An error that stays costs nothing here, and a face that moves as the real one does neither; what pops or trembles
    does. A still picture scores the real motion. All are uint8 of one shape.
    """
    error = drawn.astype(np.float32) - real.astype(np.float32)
    error_before = drawn_before.astype(np.float32) - real_before.astype(np.float32)
    return float(np.abs(error - error_before).mean())
