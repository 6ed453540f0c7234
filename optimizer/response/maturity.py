"""How complete the reported conversions of a day are, learnt from how earlier days were restated.

Conversions arrive late. A nonparametric estimate that uses days of every age is the reversed-time hazard of
right-truncated data (Lagakos, Barraj and De Gruttola, Biometrika 1988; Kalbfleisch and Lawless, JASA 1989): with
N_l the conversions that first showed at lag l, and C_l all that showed at lag l or before, both summed over the
days on which lags l - 1 and l were both observed,

    h_l = N_l / C_l,    F(l) = prod_{m > l} (1 - h_m).

A day's whole history need not be known: a store that began last week still learns every lag that it saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.plan.snapshot import DelayTriangle, FloatArray, IntArray

HORIZON: Final = 35
"""Lags, in days, after which a day of a group without a triangle is complete."""

GROUP_WEIGHT: Final = 50.0
POOL_WEIGHT: Final = 30.0
"""Pseudo-counts, in conversions: of the pool in a group's hazards, and of the default in the pool's."""


@dataclass(frozen=True, slots=True, eq=False)
class Maturity:
    """Completeness by lag for each group, and which group each target is in.

    Attributes:
        curves: F(l) for l = 0..L-1, shape (G, L); one from L on. The last row is that of targets without a group.
        group: Row of `curves` for each target, shape (K,).
    """

    curves: FloatArray
    group: IntArray

    def at(self, lag: IntArray) -> FloatArray:
        """Return the expected share of eventual conversions reported `lag` days after the day.

        Args:
            lag: Whole days >= 0, shape (D,).

        Returns:
            Shape (K, D).
        """
        complete = np.column_stack([self.curves, np.ones(len(self.curves))])
        return complete[:, np.minimum(lag, complete.shape[1] - 1)][self.group]

    def history(self, days: int) -> FloatArray:
        """Return completeness of the last `days` days as known today, oldest first, shape (K, days)."""
        return self.at(np.arange(days, 0, -1))


def default_hazard(lags: int) -> FloatArray:
    """Return the reversed hazards that stand until restatements are seen: F(l) = 1 - .1 exp(-(l - 1) / 2).

    Nearly mature but not fully: 84% the same day, 90% a day after, 98% four days after. Where nothing is restated
    this believes the last days too high by so much, where conversions are late too low.

    Returns:
        h_l for l = 0..lags-1, shape (lags,); h_0 is 1, all that shows at lag 0 is new.
    """
    completeness = 1.0 - 0.1 * np.exp(-(np.arange(-1.0, lags) - 1.0) / 2.0)
    hazard: FloatArray = 1.0 - completeness[:-1] / completeness[1:]
    hazard[0] = 1.0
    return hazard


def learn_maturity(triangles: Sequence[DelayTriangle], targets: int) -> Maturity:
    """Estimate completeness by lag for each group, shrunk towards the pool of all groups and that to the default.

    Args:
        triangles: Restatement histories, their last lag the last at which the platform restates. A group none of
            whose days was seen at two ages takes the pool's curve.
        targets: K.

    Raises:
        ValueError: A triangle names a target that there is not.
    """
    lags = max([HORIZON, *(t.cumulative.shape[1] for t in triangles)])
    new, seen = np.zeros((len(triangles) + 1, lags)), np.zeros((len(triangles) + 1, lags))
    group = np.full(targets, len(triangles), dtype=np.int64)
    for row, triangle in enumerate(triangles):
        if triangle.targets.size and not (0 <= triangle.targets.min() <= triangle.targets.max() < targets):
            raise ValueError(f"delay group {triangle.group!r} names targets outside 0..{targets - 1}")
        group[triangle.targets] = row
        counts = _counts(triangle.cumulative)
        new[row, : counts.shape[1]], seen[row, : counts.shape[1]] = counts
    prior = default_hazard(lags)
    pool = (new.sum(axis=0) + POOL_WEIGHT * prior) / (seen.sum(axis=0) + POOL_WEIGHT)
    hazard = (new + GROUP_WEIGHT * pool) / (seen + GROUP_WEIGHT)
    for row, triangle in enumerate(triangles):
        # Nothing is restated after the last lag that a platform's triangle has.
        if triangle.cumulative.shape[1] > 1:
            hazard[row, triangle.cumulative.shape[1] :] = 0.0
    # A platform may take conversions back: a hazard below zero says so, within reason.
    survive = 1.0 - np.clip(hazard, -0.5, 0.95)
    later = np.cumprod(survive[:, :0:-1], axis=1)[:, ::-1]
    return Maturity(np.column_stack([later, np.ones(len(later))]), group)


def _counts(cumulative: FloatArray) -> FloatArray:
    """Return N_l and C_l over the days on which both lags l - 1 and l were observed, shape (2, L)."""
    known = np.isfinite(cumulative)
    both = np.zeros_like(known)
    both[:, 1:] = known[:, 1:] & known[:, :-1]
    level = np.where(known, cumulative, 0.0)
    gain = np.diff(level, axis=1, prepend=0.0)
    return np.stack([np.where(both, gain, 0.0).sum(axis=0), np.where(both, level, 0.0).sum(axis=0)])
