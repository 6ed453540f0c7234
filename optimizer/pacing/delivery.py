"""Which share of a day's budgets platforms spend: learnt from the last weeks, with its spread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from optimizer.plan.snapshot import FloatArray

_USUAL: Final = 0.97
_USUAL_WIDTH: Final = 0.06
_PRIOR_DAYS: Final = 3.0
_HALF_LIFE_DAYS: Final = 10.0
_LEAST, _MOST, _WILD = 0.05, 1.5, 10.0
_ONE_IN_A_HUNDRED: Final = NormalDist().inv_cdf(0.99)


@dataclass(frozen=True, slots=True)
class Delivery:
    """The share of a day's budgets that is spent on it: log-normal, with a width of its own on either side.

    Attributes:
        mean: Expected; above 0.
        below, above: Root mean square distance of the logarithm from its middle, of days below and above it. A
            platform that makes up for yesterday goes far above; what is missed below is not of the same kind.

    Raises:
        ValueError: One of the three is not above zero.
    """

    mean: float
    below: float
    above: float

    def __post_init__(self) -> None:
        if not (self.mean > 0 and self.below > 0 and self.above > 0):
            raise ValueError(f"a share and its widths are above zero, not {self}")

    @property
    def low(self) -> float:
        """The share below which one day of a hundred stays."""
        return float(self.mean * np.exp(-_ONE_IN_A_HUNDRED * self.below))

    @property
    def high(self) -> float:
        """The share above which one day of a hundred goes."""
        return float(self.mean * np.exp(_ONE_IN_A_HUNDRED * self.above))

    def draws(self, shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
        """Return draws of the share, scaled to its mean."""
        normal = rng.standard_normal(shape)
        drawn = np.exp(np.where(normal < 0, self.below, self.above) * normal)
        return self.mean * drawn / _mean_of(self.below, self.above)


def _mean_of(below: float, above: float) -> float:
    """The mean of exp(w z) of a standard normal z, w being `below` where z < 0 and `above` elsewhere."""
    halves = [math.exp(w * w / 2) * NormalDist().cdf(sign * w) for w, sign in ((below, -1.0), (above, 1.0))]
    return sum(halves)


def delivery(share: FloatArray) -> Delivery:
    """Learn from the shares of past days, the newest last; nan where one is not known.

    The mean is weighed by 0.5^(age / 10 days), so that a campaign that died or woke up counts soon, next to three
    days of the usual .97; the squared widths likewise, next to three days of .06^2 on either side, and the error of
    the mean, its own width^2 / days, is added to them.

    Args:
        share: Spend over budget by day, shape (T,).
    """
    known = np.isfinite(share)
    weight = np.where(known, 0.5 ** (np.arange(share.size, 0, -1) / _HALF_LIFE_DAYS), 0.0)
    held = np.where(known, np.clip(share, _LEAST, _WILD), 1.0)
    days = float(weight.sum()) + _PRIOR_DAYS
    mean = float(np.clip((float((weight * held).sum()) + _PRIOR_DAYS * _USUAL) / days, _LEAST, _MOST))
    apart = np.log(held / mean)
    widths = []
    for side in (apart < 0, apart > 0):
        seen = float(weight[side].sum()) + _PRIOR_DAYS
        square = float((weight[side] * apart[side] ** 2).sum()) + _PRIOR_DAYS * _USUAL_WIDTH**2
        widths.append(math.sqrt(square / seen * (1.0 + 1.0 / days)))
    return Delivery(mean, *widths)
