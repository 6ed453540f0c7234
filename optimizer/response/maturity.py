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

LATE: Final = (0.01, 0.03, 0.1, 0.2, 0.4, 0.6, 0.8)
SLOW: Final = (1.0, 2.0, 4.0, 8.0)
"""The laws of delay that are thought of: F(l) = 1 - a exp(-(l - 1) / tau), each a with each tau in days."""

GROUP_WEIGHT: Final = 15.0
"""Pseudo-count, in conversions, of the laws in a group's hazards."""

ALIKE: Final = 2.0
"""Weight of what each other group makes of the laws, against the plain prior."""

MOST_SEEN: Final = 300.0
"""Conversions of a lag that count at most when laws are weighed: none of them is true to the last digit."""


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


def hazards(late: FloatArray, slow: FloatArray, lags: int) -> FloatArray:
    """Return the reversed hazards of laws F(l) = 1 - a exp(-(l - 1) / tau).

    Args:
        late: a, the share that is missing a day after, shape (N,).
        slow: tau in days, shape (N,).
        lags: L.

    Returns:
        h_l for l = 0..L-1, shape (N, L); h_0 is 1, all that shows at lag 0 is new.
    """
    lag = np.arange(-1.0, lags)
    completeness = 1.0 - np.minimum(late[:, None] * np.exp(-(lag - 1.0) / slow[:, None]), 1.0)
    hazard: FloatArray = 1.0 - completeness[:, :-1] / np.maximum(completeness[:, 1:], 1e-12)
    hazard[:, 0] = 1.0
    return hazard


def laws() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return a, tau and the prior of each law, (N,) each: most platforms are nearly, but not fully, mature.

    log a ~ N(log .05, 1), log tau ~ N(log 2, .6^2): 88% the day after, 97% four days after, 99% a week after. Where
    nothing is restated this believes the last days too high by so much, where conversions are late too low, until
    restatements tell.
    """
    late, slow = (grid.ravel() for grid in np.meshgrid(LATE, SLOW, indexing="ij"))
    prior = np.exp(-0.5 * np.log(late / 0.05) ** 2 - 0.5 * (np.log(slow / 2.0) / 0.6) ** 2)
    return late, slow, prior / prior.sum()


def learn_maturity(triangles: Sequence[DelayTriangle], targets: int) -> Maturity:
    """Estimate completeness by lag for each group.

    Hazards are shrunk towards the laws of delay, which reach to lags that nobody saw yet: each law counts by its
    likelihood for the group's own hazards, and by what each other group makes of it.

    Args:
        triangles: Restatement histories, their last lag the last at which the platform restates. A group none of
            whose days was seen at two ages takes what the others make of the laws.
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
    hazard = (new + GROUP_WEIGHT * _by_laws(new, seen)) / (seen + GROUP_WEIGHT)
    for row, triangle in enumerate(triangles):
        # Nothing is restated after the last lag that a platform's triangle has.
        if triangle.cumulative.shape[1] > 1:
            hazard[row, triangle.cumulative.shape[1] :] = 0.0
    # A platform may take conversions back: a hazard below zero says so, within reason.
    survive = 1.0 - np.clip(hazard, -0.5, 0.95)
    later = np.cumprod(survive[:, :0:-1], axis=1)[:, ::-1]
    return Maturity(np.column_stack([later, np.ones(len(later))]), group)


def _by_laws(new: FloatArray, seen: FloatArray) -> FloatArray:
    """Return the hazards that each group is expected to have by the laws of delay, shape (G, L)."""
    late, slow, prior = laws()
    hazard = hazards(late, slow, new.shape[1])
    inner = np.clip(hazard[:, 1:], 1e-9, 1.0 - 1e-9)
    counted = MOST_SEEN / np.maximum(seen[:, 1:], MOST_SEEN)
    gained = np.clip(new[:, 1:], 0.0, seen[:, 1:]) * counted
    likelihood = gained @ np.log(inner).T + (seen[:, 1:] * counted - gained) @ np.log1p(-inner).T
    likelihood = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
    own = likelihood * prior
    own *= (seen[:, 1:].sum(axis=1) > 0)[:, None] / own.sum(axis=1, keepdims=True)
    shared = likelihood * (prior + ALIKE * (own.sum(axis=0) - own))
    expected: FloatArray = (shared / shared.sum(axis=1, keepdims=True)) @ hazard
    return expected


def _counts(cumulative: FloatArray) -> FloatArray:
    """Return N_l and C_l over the days on which both lags l - 1 and l were observed, shape (2, L)."""
    known = np.isfinite(cumulative)
    both = np.zeros_like(known)
    both[:, 1:] = known[:, 1:] & known[:, :-1]
    level = np.where(known, cumulative, 0.0)
    gain = np.diff(level, axis=1, prepend=0.0)
    return np.stack([np.where(both, gain, 0.0).sum(axis=0), np.where(both, level, 0.0).sum(axis=0)])
