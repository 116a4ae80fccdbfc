"""Rate and quality of a coder at several settings in, its rate at a quality that it was not set to out.

Between two settings the logarithm of the rate is taken to be linear in the quality. The BD-rate (Bjøntegaard, VCEG-M33)
is the mean difference of these logarithms over the qualities that both coders reach, as a share of the rate; he fits a
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
        quality: rising, such as a PSNR in dB.
        rate: at each of them, in bytes or kbit/s.
    """

    quality: tuple[float, ...]
    rate: tuple[float, ...]

    @classmethod
    def of(cls, points: Iterable[tuple[float, float]]) -> "Rates":
        """From quality and rate of each setting, in any order.

        Raises:
            HeadganError: fewer than two, two of equal quality, or a rate that is not above 0.
        """
        quality, rate = zip(*sorted(points), strict=True)
        if len(quality) < 2 or min(np.diff(quality)) <= 0 or min(rate) <= 0:
            raise HeadganError(f"no curve of rate over quality: {quality} at {rate}")
        return cls(quality, rate)

    @classmethod
    def best_of(cls, points: Iterable[tuple[float, float]]) -> "Rates | None":
        """The best that can be had of many settings, given as for `of`; None if that is one point only.

        The upper hull of the quality over the logarithm of the rate: no setting, and no line between two, is above it.
        """
        hull: list[tuple[float, float]] = []
        for quality, rate in sorted(points, key=lambda point: (point[1], -point[0])):
            if hull and quality <= hull[-1][0]:
                continue
            while len(hull) > 1 and _slope(hull[-2], hull[-1]) <= _slope(hull[-2], (quality, rate)):
                hull.pop()
            hull.append((quality, rate))
        return cls.of(hull) if len(hull) > 1 else None

    def rate_at(self, quality: float) -> float | None:
        """Rate at a quality; None where no setting is below, or none above."""
        if not self.quality[0] <= quality <= self.quality[-1]:
            return None
        return float(np.exp(self._logarithms(np.array([quality])))[0])

    def quality_at(self, rate: float) -> float | None:
        """Quality at a rate, for a curve of `best_of`; None where no setting is below, or none above."""
        if not self.rate[0] <= rate <= self.rate[-1]:
            return None
        return float(np.interp(np.log(rate), np.log(self.rate), self.quality))

    def bd_rate(self, other: "Rates") -> float | None:
        """How much more than `other` this one needs at equal quality, 0.1 for 10 %; None without overlap."""
        low = max(self.quality[0], other.quality[0])
        high = min(self.quality[-1], other.quality[-1])
        if low >= high:
            return None
        levels = np.linspace(low, high, _STEPS)
        return float(np.exp(np.mean(self._logarithms(levels) - other._logarithms(levels))) - 1)

    def _logarithms(self, levels: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.interp(levels, self.quality, np.log(self.rate))


def mean_change(changes: Iterable[float | None]) -> float | None:
    """Of shares such as a BD-rate the mean of the logarithms, so that twice and half even out; None is passed over."""
    known = [change for change in changes if change is not None]
    return float(np.expm1(np.mean(np.log1p(known)))) if known else None


def _slope(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Quality over the logarithm of the rate."""
    return (other[0] - one[0]) / float(np.log(other[1] / one[1])) if other[1] > one[1] else float("inf")
