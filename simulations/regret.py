"""What a stretch of days brought, against leaving the budgets alone and against the clairvoyant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from connectors.money import MICROS
from simulations.market import play
from simulations.noise import FloatArray, IntArray, KeyArray
from simulations.oracle import Goal, expected, optimum
from simulations.truth import Truth


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the clairvoyant must keep to, in currency units a day.

    Attributes:
        total: For all campaigns together.
        lower, upper: For each campaign.
    """

    total: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Three ways through the same days of the same world; each array has shape (T,), one figure a day.

    Attributes:
        goal: What is counted, conversions or value in currency units, at full maturity.
        actual, unchanged, best: Expected outcome of what was done, of the budgets before, of the clairvoyant's.
        bound: No budgets within the bounds bring more than this in expectation.
        realised, realised_unchanged: What was done and the budgets before brought under the same noise.
        spend, spend_unchanged: Expected spend of both, currency units.
    """

    goal: Goal
    actual: FloatArray
    unchanged: FloatArray
    best: FloatArray
    bound: FloatArray
    realised: FloatArray
    realised_unchanged: FloatArray
    spend: FloatArray
    spend_unchanged: FloatArray

    @property
    def of_best(self) -> float:
        """Expected outcome over all days as a share of the clairvoyant's."""
        return float(self.actual.sum() / self.best.sum())

    @property
    def unchanged_of_best(self) -> float:
        """The same of leaving the budgets alone."""
        return float(self.unchanged.sum() / self.best.sum())


def compare(
    truth: Truth,
    key: KeyArray,
    first_day: int,
    budgets: IntArray,
    before: IntArray,
    bounds: Bounds,
    goal: Goal = "conversions",
) -> Comparison:
    """Compare the budgets of T days with leaving them alone and with the best possible.

    Args:
        truth: The world.
        key: Of its noise.
        first_day: Index of the first day.
        budgets: In force on each day, micros, shape (T, K).
        before: What "leaving them alone" would have kept, micros, shape (K,).
        bounds: The clairvoyant's constraints.
        goal: What is counted.

    Raises:
        HorizonEnded: The days go beyond the scenario's horizon.
        Impossible: The bounds cannot be kept.
    """
    days = range(first_day, first_day + len(budgets))
    done = [expected(truth, row / MICROS, day) for row, day in zip(budgets, days, strict=True)]
    left = [expected(truth, before / MICROS, day) for day in days]
    lower, upper = np.full(before.size, bounds.lower), np.full(before.size, bounds.upper)
    best = [optimum(truth, day, total=bounds.total, lower=lower, upper=upper, goal=goal) for day in days]
    return Comparison(
        goal=goal,
        actual=np.array([getattr(day, goal).sum() for day in done]),
        unchanged=np.array([getattr(day, goal).sum() for day in left]),
        best=np.array([day.value for day in best]),
        bound=np.array([day.upper_bound for day in best]),
        realised=_realised(truth, key, first_day, budgets, goal),
        realised_unchanged=_realised(truth, key, first_day, np.tile(before, (len(budgets), 1)), goal),
        spend=np.array([day.spend.sum() for day in done]),
        spend_unchanged=np.array([day.spend.sum() for day in left]),
    )


def _realised(truth: Truth, key: KeyArray, first_day: int, budgets: IntArray, goal: Goal) -> FloatArray:
    outcomes = (play(truth, key, first_day + i, row).matured() for i, row in enumerate(budgets))
    return np.array(
        [conversions.sum() if goal == "conversions" else value.sum() / MICROS for conversions, value in outcomes]
    )
