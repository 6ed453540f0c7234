"""The clairvoyant's problem for one day, on plain increasing curves: what campaigns bring alone, and in their pools."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulations.noise import FloatArray, IntArray

Rows = npt.NDArray[np.intp]
Curve = Callable[[Rows, FloatArray], FloatArray]
"""Expected outcome a day of campaigns `rows`, each alone, at budgets of shape (rows, ...)."""


class Impossible(ValueError):  # noqa: N818 - it is the constraints that are impossible
    """No budgets meet the bounds and the total."""


@dataclass(frozen=True, slots=True, eq=False)
class Portfolio:
    """What every budget of one day brings; K campaigns, P pools of people, each campaign in one of them.

    Campaigns that would bring S together, each alone, bring S (1 + o) / (1 + o S / R) in one pool: concave in S, R at
    S = R, and S itself for o = 0.

    Attributes:
        curve: What campaigns bring alone; never decreasing, not negative.
        kinks: Budgets at which a curve has a corner, shape (K, any).
        bend: b such that each curve f has b^2 |f''(b)| <= bend f(b) between its corners, shape (K,).
        pool: Index of each campaign's pool, shape (K,).
        reference: R by pool, shape (P,).
        overlap: o.
    """

    curve: Curve
    kinks: FloatArray
    bend: FloatArray
    pool: IntArray
    reference: FloatArray
    overlap: float

    @property
    def rows(self) -> Rows:
        """All campaigns."""
        return np.arange(self.pool.size)

    def value(self, budgets: FloatArray) -> float:
        """Return what budgets of shape (K,) bring together."""
        return float(self.together(self.pooled(self.curve(self.rows, budgets))).sum())

    def pooled(self, alone: FloatArray) -> FloatArray:
        """Return the sums by pool of what campaigns bring alone, shape (P,)."""
        return np.bincount(self.pool, alone, self.reference.size)

    def together(self, alone: FloatArray, pool: IntArray | slice = slice(None)) -> FloatArray:
        """Return what pools bring whose campaigns would bring `alone`, shape of `pool`."""
        return alone * (1.0 + self.overlap) / (1.0 + self.overlap * alone / self.reference[pool])

    def marginal(self, alone: FloatArray) -> FloatArray:
        """Return the derivative of `together` by pool, shape (P,)."""
        slope: FloatArray = (1.0 + self.overlap) / (1.0 + self.overlap * alone / self.reference) ** 2
        return slope

    def weights(self, budgets: FloatArray) -> FloatArray:
        """Return what a little more of a campaign's own outcome adds to its pool's, at budgets of shape (K,)."""
        return self.marginal(self.pooled(self.curve(self.rows, budgets)))[self.pool]


def check_box(lower: FloatArray, upper: FloatArray, total: float) -> None:
    """Refuse bounds that no budgets can meet.

    Raises:
        Impossible: The bounds cross, or the least budgets exceed the total.
    """
    crossed = np.flatnonzero((lower > upper) | (lower < 0))
    if crossed.size:
        k = int(crossed[0])
        raise Impossible(f"each campaign needs 0 <= lower <= upper; number {k} has {lower[k]:.2f} and {upper[k]:.2f}")
    if lower.sum() > total * (1 + 1e-9):
        raise Impossible(f"the least budgets sum to {lower.sum():.2f}, more than the total of {total:.2f}")
