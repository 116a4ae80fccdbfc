"""Bytes and quality of a coder at several settings in, its bytes at a quality that it was not set to out.

Between two settings the logarithm of the bytes is taken to be linear in the PSNR. The BD-rate (Bjøntegaard, VCEG-M33)
is the mean difference of these logarithms over the qualities that both coders reach, as a share of the bytes; he fits a
cubic, this is exact at the settings.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headgan.proto.errors import HeadganError

_STEPS = 200


@dataclass(frozen=True)
class Rates:
    """A coder's curve.

    Attributes:
        psnr_db: rising.
        size_bytes: at each of them.
    """

    psnr_db: tuple[float, ...]
    size_bytes: tuple[float, ...]

    @classmethod
    def of(cls, points: Iterable[tuple[float, float]]) -> "Rates":
        """From PSNR and bytes of each setting, in any order.

        Raises:
            HeadganError: fewer than two, two of equal PSNR, or a size that is not above 0.
        """
        psnr_db, size_bytes = zip(*sorted(points), strict=True)
        if len(psnr_db) < 2 or min(np.diff(psnr_db)) <= 0 or min(size_bytes) <= 0:
            raise HeadganError(f"no curve of bytes over quality: {psnr_db} dB at {size_bytes} bytes")
        return cls(psnr_db, size_bytes)

    def bytes_at(self, psnr_db: float) -> float | None:
        """Bytes at a quality; None where no setting is below, or none above."""
        if not self.psnr_db[0] <= psnr_db <= self.psnr_db[-1]:
            return None
        return float(np.exp(self._logarithms(np.array([psnr_db])))[0])

    def bd_rate(self, other: "Rates") -> float | None:
        """How much larger than `other` this one's pictures are at equal quality, 0.1 for 10 %; None without overlap."""
        low = max(self.psnr_db[0], other.psnr_db[0])
        high = min(self.psnr_db[-1], other.psnr_db[-1])
        if low >= high:
            return None
        levels = np.linspace(low, high, _STEPS)
        return float(np.exp(np.mean(self._logarithms(levels) - other._logarithms(levels))) - 1)

    def _logarithms(self, levels: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.interp(levels, self.psnr_db, np.log(self.size_bytes))
