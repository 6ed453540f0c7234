"""An estimate with its standard error, and the intervals that are read from it. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

from optimizer.plan.recommendation import Effect

_Z95 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Figure:
    """An estimate and its standard error, in a unit that whoever holds it names; both are finite."""

    mean: float
    sd: float

    def interval(self, level: float) -> tuple[float, float]:
        """Return the central interval of a probability, by the normal distribution."""
        half = NormalDist().inv_cdf(0.5 + level / 2) * self.sd
        return self.mean - half, self.mean + half

    def holds(self, value: float, level: float) -> bool:
        """Whether a value lies within the interval of a probability."""
        low, high = self.interval(level)
        return low <= value <= high

    def times(self, factor: float) -> Figure:
        """The same in another unit."""
        return Figure(self.mean * factor, self.sd * abs(factor))


def together(figures: Iterable[Figure]) -> Figure:
    """Return the sum of estimates whose errors are independent."""
    known = tuple(figures)
    return Figure(math.fsum(f.mean for f in known), math.sqrt(math.fsum(f.sd**2 for f in known)))


def promised(effect: Effect) -> Figure:
    """Return a promise as an estimate: its mean, and the standard error that its 95% interval says."""
    return Figure(effect.mean, (effect.high95 - effect.low95) / (2 * _Z95))
