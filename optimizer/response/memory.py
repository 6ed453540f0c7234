"""Spend that is felt later: the stock of advertising, where the slow tier knows how long a channel's spend is felt.

    a_t = (1 - theta) x_t + theta a_{t-1}

so that a spend that stays the same is felt as it is (Jin, Wang, Sun, Chan and Koehler, Bayesian Methods for Media Mix
Modeling with Carryover and Shape Effects, Google 2017). A curve over felt spend is a curve over budgets that are held.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.plan.snapshot import FloatArray, Snapshot
from optimizer.response.history import BoolArray, History


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What is left of earlier spend.

    Attributes:
        retention: theta, shape (K,); 0 where nothing is known to be felt later.
        stock: a of the day before `today`, currency units, shape (K,).
    """

    retention: FloatArray
    stock: FloatArray

    def felt(self, spend: FloatArray) -> FloatArray:
        """Return the spend that is felt today if so much is spent, shape (K,)."""
        value: FloatArray = (1.0 - self.retention) * spend + self.retention * self.stock
        return value


def retention(snapshot: Snapshot, late: BoolArray) -> FloatArray:
    """Return theta of each target, shape (K,): its channel's carry-over where its curve is of conversions.

    Impressions and clicks come on the day of the spend; only conversions are felt later.

    Args:
        snapshot: With the priors of the slow tier.
        late: Targets whose volume is conversions, shape (K,).
    """
    found = np.zeros(len(late))
    for k, target in enumerate(snapshot.targets):
        prior = None if snapshot.priors is None else snapshot.priors.of(target.channel)
        if late[k] and prior is not None and prior.carry_over is not None:
            found[k] = max(prior.carry_over.mean, 0.0)
    return found


def remember(history: History, theta: FloatArray) -> tuple[FloatArray, Memory]:
    """Return felt spend by day, shape (K, T), and what is left of it; before the first day spend was as on it."""
    spend = np.nan_to_num(history.spend)
    felt = spend.copy()
    for day in range(1, spend.shape[1] if theta.any() else 0):
        felt[:, day] = (1.0 - theta) * spend[:, day] + theta * felt[:, day - 1]
    stock = felt[:, -1].copy() if spend.shape[1] else np.zeros(len(theta))
    return felt, Memory(theta, stock)
