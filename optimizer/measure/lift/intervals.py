"""Intervals that cover by the lot that was drawn, and nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from optimizer.plan.lift_tests import LEAST_PAIRS, MOST_PAIRS, LiftTestError
from optimizer.plan.snapshot import FloatArray


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and how sure it is.

    Attributes:
        estimate: In the middle of what is believed.
        low, high: The interval.
        se: Standard deviation of a normal belief of the same width, as a likelihood takes it.
    """

    estimate: float
    low: float
    high: float
    se: float

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.estimate, self.low, self.high, self.se))) or self.low > self.high:
            raise ValueError(f"not an interval: {self.low!r} to {self.high!r} around {self.estimate!r}")

    @property
    def found(self) -> bool:
        """Whether it leaves out zero."""
        return self.low > 0 or self.high < 0

    def times(self, factor: float) -> Interval:
        """The interval of so many times as much, `factor` above zero."""
        return Interval(*(factor * number for number in (self.estimate, self.low, self.high, self.se)))


def typical_interval(differences: FloatArray, level: float) -> Interval:
    """Return the mean difference of pairs whose sign a lot drew, and its exact interval.

    Under the lot each difference less the effect is as likely to be positive as negative. Then the effect lies between
    any two neighbours of the 2^n - 1 ordered means of subsets with the same probability, 2^-n (Hartigan, Using
    Subsample Values as Typical Values, JASA 64, 1969); what is between two of these means is interpolated. No shape
    of the noise, no independence of days is asked for.

    Args:
        differences: High less low of each pair, shape (n,), n from `LEAST_PAIRS` to `MOST_PAIRS`.
        level: Coverage, between 0 and 1.

    Returns:
        The mean, the interval, and as standard error that of the mean times sqrt((n - 1) / (n - 3)): a normal belief
        then has the variance of Student's t.

    Raises:
        LiftTestError: There are too few pairs for the level, or too many.
    """
    n = differences.size
    if not LEAST_PAIRS <= n <= MOST_PAIRS:
        raise LiftTestError(f"an interval needs {LEAST_PAIRS} to {MOST_PAIRS} pairs of blocks, not {n}")
    place = 0.5 * (1.0 - level) * 2**n
    if place < 1.0:
        raise LiftTestError(
            f"{n} pairs of blocks give no interval of {level:.0%}: at most {1 - 2 / 2**n:.1%}. Mend: plan more pairs"
        )
    means = np.sort(_subsets(n) @ differences)
    # The k-th of them, counted from 1, has the effect below it with probability k / 2^n.
    low, high = np.interp([place, 2**n - place], np.arange(1, 2**n), means)
    se = float(differences.std(ddof=1)) / math.sqrt(n) * math.sqrt((n - 1) / (n - 3))
    return Interval(float(differences.mean()), float(low), float(high), max(se, 1e-12))


@lru_cache(maxsize=MOST_PAIRS)
def _subsets(n: int) -> FloatArray:
    """Weights of the mean of each subset but the empty one, shape (2^n - 1, n)."""
    chosen = ((np.arange(1, 2**n)[:, None] >> np.arange(n)) & 1).astype(np.float64)
    weights: FloatArray = chosen / chosen.sum(axis=1, keepdims=True)
    return weights
