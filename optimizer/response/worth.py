"""What one conversion is worth: a log-normal mean per target, shrunk towards the portfolio's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.plan.snapshot import FloatArray
from optimizer.response.history import BoolArray, History

HALF_LIFE: Final = 60.0
"""Age in days at which a day's value counts half."""

LEAST_SPREAD, MOST_SPREAD = 0.05, 1.0
"""Bounds on the standard deviation of log value between targets."""


@dataclass(frozen=True, slots=True, eq=False)
class Worth:
    """Value per conversion: mean * exp(sd z - sd^2 / 2), z ~ N(0, 1), so that `mean` is its expectation.

    Attributes:
        mean: Currency units per conversion, shape (K,); zero where no target of the portfolio reports value.
        sd: Of its logarithm, shape (K,).
        reported: Targets whose own conversions came with a value, shape (K,); the others take the pool's.
    """

    mean: FloatArray
    sd: FloatArray
    reported: BoolArray

    @property
    def square(self) -> FloatArray:
        """The second moment, shape (K,)."""
        return self.mean**2 * np.exp(self.sd**2)


def learn_worth(history: History) -> Worth:
    """Estimate value per conversion by discounted ratio; sampling variance from days, spread from targets.

    Var(V - v y) = y v^2 c^2 gives the coefficient of variation c of one conversion's value, pooled over targets;
    a target's log mean then has variance c^2 / y, and the pool's spread follows by moments.
    """
    both = np.isfinite(history.value) & np.isfinite(history.conversions)
    age = np.where(both, 0.5 ** (np.arange(history.days, 0, -1) / HALF_LIFE), 0.0)
    value = (age * np.where(both, history.value, 0.0)).sum(axis=1)
    count = (age * np.where(both, history.conversions, 0.0)).sum(axis=1)
    reported = (value > 0) & (count > 0)
    if not reported.any():
        return Worth(np.zeros(len(value)), np.zeros(len(value)), reported)
    log_own = np.log(np.where(reported, value, 1.0) / np.where(reported, count, 1.0))
    variance = _variation(history, both & reported[:, None], np.exp(log_own)) / np.where(reported, count, np.inf)
    pool, spread = _pool(log_own[reported], variance[reported])
    trust = np.where(reported, spread**2 / (spread**2 + variance), 0.0)
    log_mean = pool + trust * (np.where(reported, log_own, pool) - pool)
    return Worth(np.exp(log_mean), spread * np.sqrt(1.0 - trust), reported)


def _variation(history: History, both: BoolArray, own: FloatArray) -> float:
    """Return the squared coefficient of variation of one conversion's value, one conversion of prior at 1."""
    y = np.where(both, history.conversions, 0.0)
    surplus = np.where(both, history.value, 0.0) / own[:, None] - y
    return float(((surplus**2).sum() + 1.0) / (y.sum() + 1.0))


def _pool(log_own: FloatArray, variance: FloatArray) -> tuple[float, float]:
    """Return mean and standard deviation between targets of log value, by moments."""
    weight = 1.0 / (variance + 0.25)
    mean = float((weight * log_own).sum() / weight.sum())
    if len(log_own) < 3:
        return mean, MOST_SPREAD
    excess = float((weight * ((log_own - mean) ** 2 - variance)).sum() / weight.sum())
    return mean, float(np.clip(np.sqrt(max(excess, 0.0)), LEAST_SPREAD, MOST_SPREAD))
