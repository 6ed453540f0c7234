"""What a platform delivers of a budget: a share of it, up to what the supply of auctions allows.

    spend = min(delta budget, C day)

The usual capacity C is not known: it is kept as equally likely values (`capacities` and `auctions` learn them). Nor are
days alike, so that what a budget near the supply brings bends instead of breaking off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.plan.snapshot import FloatArray, IntArray

NOISE: Final = 0.08
"""Standard deviation of a day's log supply around what is usual on its weekday."""

NODES: Final = 16
"""Equally likely capacities that are kept."""

_DAYS: Final = np.array([-1.0, 0.0, 1.0]) * np.sqrt(1.5)
"""Three equally likely standardised days with mean 0 and variance 1."""

LEAST_FACTOR: Final = 1e-3
"""Weekday factors below it count as so much: their logarithm is taken."""


@dataclass(frozen=True, slots=True, eq=False)
class Supply:
    """How a budget turns into spend.

    Attributes:
        share: delta, shape (K,); 1 where budgets are unknown.
        capacity: The most that is spent on a usual day: equally likely values in ascending order, shape (K, Q);
            infinite where the supply never ran out.
        days: Supply of equally likely days of a week over it, ascending, shape (K, D).
    """

    share: FloatArray
    capacity: FloatArray
    days: FloatArray

    def times(self, factor: FloatArray) -> Supply:
        """Return the delivery of a day with so many times the usual supply, shape (K,)."""
        return Supply(self.share, self.capacity * factor[:, None], self.days)

    def wanted(self, budget: FloatArray) -> FloatArray:
        """Return what budgets (K, P) would spend if the supply never ended, shape (K, P)."""
        return self.share[:, None] * budget

    def within_reach(self, budget: FloatArray) -> IntArray:
        """Return the rows of the targets whose supply may end before their largest budget (K, P) is spent."""
        least = self.capacity[:, 0] * self.days[:, 0]
        rows: IntArray = np.flatnonzero(least < self.wanted(budget).max(axis=1, initial=0.0))
        return rows

    def ends(self, rows: IntArray) -> FloatArray:
        """Return where supplies of some targets end: equally likely spends, shape (rows, Q D)."""
        return (self.capacity[rows, :, None] * self.days[rows, None, :]).reshape(rows.size, -1)

    def delivered(self, budget: FloatArray) -> FloatArray:
        """Return the spend to be expected at budgets of shape (K, P), over the days and over what is believed."""
        spend = self.wanted(budget)
        rows = self.within_reach(budget)
        if rows.size:
            spend[rows] = averaged(spend[rows], self.ends(rows))
        return spend

    def sample(self, n: int, rng: np.random.Generator) -> Deliveries:
        """Draw n usual capacities of each target."""
        targets, nodes = self.capacity.shape
        if np.isinf(self.capacity).all():
            return Deliveries(self, np.full((n, targets), np.inf))
        return Deliveries(self, self.capacity[np.arange(targets), rng.integers(nodes, size=(n, targets))])


def averaged(wanted: FloatArray, ends: FloatArray) -> FloatArray:
    """Return the mean over equally likely ends of what comes of spends, where less comes of none.

    Args:
        wanted: What comes of each spend if the supply does not end before it, shape (R, P).
        ends: What comes of the spend at which it ends, shape (R, N).

    Returns:
        Shape (R, P); sums are taken in one order, so that no larger spend brings less by rounding.
    """
    total = np.zeros_like(wanted)
    for end in ends.T:
        total += np.minimum(wanted, end[:, None])
    mean: FloatArray = total / ends.shape[1]
    return mean


@dataclass(frozen=True, slots=True, eq=False)
class Deliveries:
    """n drawn deliveries of each of K targets.

    Attributes:
        supply: What they are drawn from.
        capacity: Shape (n, K).
    """

    supply: Supply
    capacity: FloatArray

    def on_days(self, budget: FloatArray, rows: IntArray) -> Iterator[FloatArray]:
        """Yield the spends of some targets at all their budgets (K, P) on each of the days, (n, rows, P)."""
        wanted = self.supply.wanted(budget)[rows]
        for day in self.supply.days[rows].T:
            yield np.minimum(wanted, (self.capacity[:, rows] * day)[:, :, None])

    def delivered(self, budget: FloatArray) -> FloatArray:
        """Return what budgets (K, P) spend a day, shape (n, K, P)."""
        spend = np.repeat(self.supply.wanted(budget)[None], len(self.capacity), axis=0)
        rows = self.supply.within_reach(budget)
        if rows.size:
            spend[:, rows] = sum(self.on_days(budget, rows)) / self.supply.days.shape[1]
        return spend


def days_of_week(season: FloatArray) -> FloatArray:
    """Return the supply of equally likely days over a usual one, from weekday factors (K, 7), shape (K, D)."""
    log_season = np.log(np.maximum(season, LEAST_FACTOR))
    spread = np.sqrt(NOISE**2 + log_season.var(axis=1))
    days: FloatArray = np.exp(log_season.mean(axis=1)[:, None] + spread[:, None] * _DAYS)
    return days
