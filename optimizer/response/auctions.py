"""What a platform tells of the auctions that it lost to the budget: how far the supply reaches beyond the spend.

Where impressions were lost to the budget, the day was limited by it; where none were, the supply ran out. A day that
won I impressions and lost L to its budget would have won I + L with a larger one, and the spend at which it would have
is where the curve of the target is higher by that factor:

    V(capacity) = V(spend) (I + L) / I
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtri

from optimizer.plan.snapshot import FloatArray
from optimizer.response.capacities import HALF_LIFE, LEAST_DAYS, WINDOW
from optimizer.response.delivery import NODES, Supply
from optimizer.response.history import History

EXHAUSTED: Final = 0.01
"""Impressions lost to the budget over those won, below which the supply is said to have run out."""

NEAR, FAR = 0.1, 0.5
"""Standard deviation of the log capacity that a day tells: at the capacity itself, and more per log distance."""

STANDS: Final = 0.05
"""Standard deviation of the log capacity that many days leave: it moves from one week to the next."""

REACH: Final = 5.0
"""Capacities beyond so many times a day's spend are not told by it."""


@dataclass(frozen=True, slots=True, eq=False)
class Volumes:
    """Curves of volume, each known at the same G ascending spends over the target's reference.

    Attributes:
        reference: x_ref, shape (K,).
        log_u: Log of the spends over x_ref, shape (G,).
        log_volume: Shape (K, G), not falling.
    """

    reference: FloatArray
    log_u: FloatArray
    log_volume: FloatArray

    def beyond(self, spend: FloatArray, factor: FloatArray) -> FloatArray:
        """Return the spends at which volume is so many times that at `spend`, (K, T); inf where it never gets there."""
        found = np.full(spend.shape, np.inf)
        for k, row in enumerate(self.log_volume):
            rising = np.maximum.accumulate(row) + 1e-9 * np.arange(row.size)
            here = np.interp(np.log(np.maximum(spend[k], 1e-300) / self.reference[k]), self.log_u, rising)
            there = np.interp(here + np.log(factor[k]), rising, self.log_u, right=np.inf)
            found[k] = self.reference[k] * np.exp(there)
        return found


def told_supply(history: History, guessed: Supply, volumes: Volumes, season: FloatArray) -> Supply:
    """Return what is delivered of a budget, where the platform tells what it lost; else what was guessed.

    Args:
        history: K targets.
        guessed: From budgets and spend alone.
        volumes: Their curves.
        season: Weekday factors of the volume and so of the supply, Monday first, shape (K, 7).
    """
    recent = history.last(WINDOW)
    if recent.lost is None:
        return guessed
    told = np.isfinite(recent.lost) & (np.nan_to_num(recent.spend) > 0)
    spend, lost = np.where(told, recent.spend, 1.0), np.where(told, np.maximum(recent.lost, 0.0), 0.0)
    age = np.where(told, 0.5 ** (np.arange(recent.days, 0, -1) / HALF_LIFE), 0.0)
    most = np.where(lost > EXHAUSTED, volumes.beyond(spend, 1.0 + lost), spend)
    ahead = np.log(np.minimum(most / spend, REACH))
    usual = np.log(spend) + ahead - np.log(season[:, recent.weekday])
    weight = age / (NEAR + FAR * ahead) ** 2 * (most < REACH * spend)
    total = weight.sum(axis=1)
    capacity = np.exp((weight * usual).sum(axis=1) / np.maximum(total, 1e-300))
    within = (age * (most < REACH * spend)).sum(axis=1) >= 0.5 * age.sum(axis=1)
    capacity = np.where((total > 0) & within, capacity, np.inf)
    known = age.sum(axis=1) >= LEAST_DAYS
    # How far a curve is off beyond what was spent is the same on all days.
    reach = (weight * ahead).sum(axis=1) / np.maximum(total, 1e-300)
    deviation = np.sqrt(NEAR**2 / np.maximum(age.sum(axis=1), 1.0) + (FAR * reach) ** 2 + STANDS**2)
    unsure = np.exp(deviation[:, None] * ndtri((np.arange(NODES) + 0.5) / NODES))
    return Supply(
        np.where(known, _share(recent, age * (lost > EXHAUSTED), guessed), guessed.share),
        np.where(known[:, None], capacity[:, None] * unsure, guessed.capacity),
        guessed.days,
    )


def _share(recent: History, weight: FloatArray, guessed: Supply) -> FloatArray:
    """Return spend over budget on the days that the budget limited; three days count for what was guessed."""
    weight = weight * (np.nan_to_num(recent.budget) > 0)
    budget, spend = (np.where(weight > 0, measure, 0.0) for measure in (recent.budget, recent.spend))
    scale = np.maximum((weight * budget**2).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-300), 1e-300)
    top = (weight * budget * spend).sum(axis=1) / scale + 3.0 * guessed.share
    share: FloatArray = top / (weight.sum(axis=1) + 3.0)
    return share
