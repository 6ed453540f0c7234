"""What a stretch of days brought, against leaving the budgets alone and against the clairvoyant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from connectors.money import MICROS
from simulations.market.play import Carry, play
from simulations.market.truth import Truth, unharvested
from simulations.noise import FloatArray, IntArray, KeyArray
from simulations.oracle import Expected, Goal, expected, optimum
from simulations.policies.contract import Bounds


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Three ways through the same days of the same world; each array has shape (T,), one figure a day.

    Attributes:
        goal: What is counted, at full maturity, in conversions or currency units.
        actual, unchanged, best: Expected outcome of what was done, of the budgets before, of the clairvoyant's.
        bound: No budgets within the bounds bring more than this in expectation.
        incremental, incremental_unchanged: What of the expected outcome of what was done, and of the budgets before,
            would not have happened anyway.
        realised, realised_unchanged: What was done and the budgets before brought under the same noise, on the days on
            which it lands; of a goal that is incremental, what their own campaigns caused, whoever claims it.
        spend, spend_unchanged: Expected delivery of both, currency units.
    """

    goal: Goal
    actual: FloatArray
    unchanged: FloatArray
    best: FloatArray
    bound: FloatArray
    incremental: FloatArray
    incremental_unchanged: FloatArray
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
    carry: Carry,
    budgets: IntArray,
    before: IntArray,
    bounds: Bounds,
    goal: Goal = "conversions",
    ran: Sequence[Truth] | None = None,
) -> Comparison:
    """Compare the budgets of T days with leaving them alone and with the best possible.

    Args:
        truth: The world.
        key: Of its noise.
        carry: The state of the market on the morning of the first day.
        budgets: In force on each day, micros, shape (T, K).
        before: What "leaving them alone" would have kept, micros, shape (K,).
        bounds: The clairvoyant's box and total; it chooses every day anew, whatever the step.
        goal: What is counted.
        ran: The world on each day with the ads that ran then, length T; None: those of `truth` ran, as they would have
            if all had been left alone. The clairvoyant chooses budgets, and has the ads that ran.

    Raises:
        HorizonEnded: The days go beyond the scenario's horizon.
        Impossible: The bounds cannot be kept.
    """
    days = range(carry.day, carry.day + len(budgets))
    kept = np.tile(before, (len(budgets), 1))
    played = [truth] * len(budgets) if ran is None else list(ran)
    done = [expected(world, row / MICROS, day) for world, row, day in zip(played, budgets, days, strict=True)]
    left = [expected(truth, row / MICROS, day) for row, day in zip(kept, days, strict=True)]
    best = [
        optimum(world, day, total=bounds.total, lower=bounds.lower, upper=bounds.upper, goal=goal)
        for world, day in zip(played, days, strict=True)
    ]
    caused: Goal = "incremental-value" if goal.endswith("value") else "incremental"
    return Comparison(
        goal=goal,
        actual=_sums(done, goal),
        unchanged=_sums(left, goal),
        best=np.array([day.value for day in best]),
        bound=np.array([day.upper_bound for day in best]),
        incremental=_sums(done, caused),
        incremental_unchanged=_sums(left, caused),
        realised=_realised(played, key, carry, budgets, goal),
        realised_unchanged=_realised([truth] * len(kept), key, carry, kept, goal),
        spend=np.array([day.spend.sum() for day in done]),
        spend_unchanged=np.array([day.spend.sum() for day in left]),
    )


def _sums(days: list[Expected], goal: Goal) -> FloatArray:
    return np.array([day.of(goal).sum() for day in days])


def _realised(truths: Sequence[Truth], key: KeyArray, carry: Carry, budgets: IntArray, goal: Goal) -> FloatArray:
    """What the days' rows state in the end, shape (T,); for what was incremental, as if nobody harvested.

    Of conversions that stand with the campaign that caused them the campaign's own share is known.
    """
    weight = np.ones(truths[0].ads.campaign.size) if truths else np.ones(0)
    if goal.startswith("incremental") and truths:
        weight = truths[0].incrementality[truths[0].ads.campaign]
        truths = [unharvested(truth) for truth in truths]
    totals = []
    for truth, row in zip(truths, budgets, strict=True):
        day, carry = play(truth, key, carry, row)
        conversions, value = day.matured()
        counted = value.sum(axis=1) / MICROS if goal.endswith("value") else conversions.sum(axis=1)
        totals.append(float((counted * weight).sum()))
    return np.array(totals)
