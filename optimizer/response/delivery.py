"""What a platform delivers of a budget: a share of it, up to what the supply of auctions allows.

    spend = min(delta * budget, capacity)

by the posterior mode over a grid of both, with a Gaussian likelihood whose variance is profiled out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.plan.snapshot import FloatArray
from optimizer.response.history import History, blocks

WINDOW: Final = 56
HALF_LIFE: Final = 14.0
"""Days read, and the age in days at which one counts half: supply changes."""

SHARES: Final = np.round(np.arange(0.6, 1.21, 0.05), 2)
"""Delivered shares that are tried, prior log delta ~ N(0, .1^2)."""

LEVELS: Final = np.geomspace(0.1, 1.0, 20)[:-1]
"""Capacities that are tried, over the largest budget of the window."""

FINITE_PENALTY: Final = 2.0
"""Log prior odds against a capacity: without it noise alone would find one."""

LEAST_NOISE: Final = 0.02
LEAST_DAYS: Final = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Supply:
    """How a budget turns into spend.

    Attributes:
        share: delta, shape (K,); 1 where budgets are unknown.
        capacity: The most that is spent a day, shape (K,); infinite where the supply never ran out.
    """

    share: FloatArray
    capacity: FloatArray

    def times(self, factor: FloatArray) -> Supply:
        """Return the delivery of a day with so many times the usual supply, shape (K,)."""
        return Supply(self.share, self.capacity * factor)

    def delivered(self, budget: FloatArray) -> FloatArray:
        """Return the expected spend at budgets of shape (K, P)."""
        return np.minimum(self.share[:, None] * budget, self.capacity[:, None])


def learn_supply(history: History) -> Supply:
    """Estimate share and capacity from the days whose budget and spend are known.

    With a budget that never moved, a small shortfall is read as a share and a large one (about 20%) as exhausted
    supply: platforms spend what they are given when they can.
    """
    recent = history.last(WINDOW)
    known = np.isfinite(recent.spend) & (np.nan_to_num(recent.budget) > 0)
    budget = np.where(known, recent.budget, 0.0)
    top = np.maximum(budget.max(axis=1, initial=0.0), 1e-300)[:, None]
    days = _Days(
        weight=np.where(known, 0.5 ** (np.arange(recent.days, 0, -1) / HALF_LIFE), 0.0),
        budget=budget / top,
        spend=np.where(known, recent.spend, 0.0) / top,
    )
    share, level = days.mode()
    share, level = days.refine(share, level)
    enough = days.weight.sum(axis=1) >= LEAST_DAYS
    return Supply(np.where(enough, share, 1.0), np.where(enough, level, np.inf) * top[:, 0])


@dataclass(frozen=True, slots=True, eq=False)
class _Days:
    """Weights, budgets and spends over the window's largest budget, each of shape (K, T)."""

    weight: FloatArray
    budget: FloatArray
    spend: FloatArray

    def mode(self) -> tuple[FloatArray, FloatArray]:
        """Return the best share and capacity of the grid, each of shape (K,)."""
        total = self.weight.sum(axis=1)
        best = np.full(len(total), np.inf)
        share, level = np.ones(len(total)), np.full(len(total), np.inf)
        for part in blocks(len(total)):
            for trial in (np.inf, *LEVELS):
                cost = self._costs(part, total[part], trial)
                first = cost.argmin(axis=0)
                least = np.take_along_axis(cost, first[None], axis=0)[0]
                better = np.flatnonzero(least < best[part])
                rows = part.start + better
                best[rows], share[rows], level[rows] = least[better], SHARES[first[better]], trial
        return share, level

    def _costs(self, part: slice, total: FloatArray, level: float) -> FloatArray:
        """Return the negative log posterior of `SHARES` for some targets, the variance profiled out, (S, part)."""
        reached = np.minimum(SHARES[:, None, None] * self.budget[part], level)
        residual = np.subtract(self.spend[part], reached, out=reached)
        squares = np.einsum("kt,skt,skt->sk", self.weight[part], residual, residual)
        variance = squares / np.maximum(total, 1e-9) + LEAST_NOISE**2
        penalty = 0.5 * (np.log(SHARES) / 0.1) ** 2 + (FINITE_PENALTY if np.isfinite(level) else 0.0)
        cost: FloatArray = 0.5 * total * np.log(variance) + penalty[:, None]
        return cost

    def refine(self, share: FloatArray, level: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Move from the grid to the least-squares solution on each side of the kink."""
        beyond = share[:, None] * self.budget > level[:, None]
        free = self.weight * ~beyond
        bound = self.weight * beyond
        # Three days' worth of the grid's own value keep a side with little evidence where it was.
        share = ((free * self.spend * self.budget).sum(axis=1) + 3.0 * share) / (
            (free * self.budget**2).sum(axis=1) + 3.0
        )
        mean = (bound * self.spend).sum(axis=1) / np.maximum(bound.sum(axis=1), 1e-300)
        return share, np.where(bound.sum(axis=1) > 0, mean, level)
