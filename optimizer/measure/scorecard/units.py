"""The objective's unit: from conversions and their value to what a plan maximises. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.forecast import Forecast
from optimizer.goals import Goals
from optimizer.plan.recommendation import Objective
from optimizer.plan.snapshot import FloatArray, Panel
from optimizer.response import Belief


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """How goals count, on one belief; K targets."""

    wanted: Goals
    belief: Belief

    @property
    def _fixed(self) -> float | None:
        """Currency units that each conversion is counted as, None by its own value.

        1 where conversions are counted, or where what a customer brings multiplies them.
        """
        if self.wanted.objective is Objective.CONVERSIONS or self._forecast.customers is not None:
            return 1.0
        value = self.wanted.value_per_conversion
        return None if value is None else value.micros / 1e6

    @property
    def _margin(self) -> float:
        return self.wanted.margin if self.wanted.objective is Objective.PROFIT else 1.0

    @property
    def _forecast(self) -> Forecast:
        return Forecast(self.belief, self.wanted, np.zeros(len(self.belief.excess)))

    @property
    def mean(self) -> FloatArray:
        """What a conversion is expected to count before cost and what it counts, shape (K,)."""
        fixed, own = self._fixed, self.belief.worth.mean
        return self._margin * (own if fixed is None else np.full(len(own), fixed))

    def reported(self, panel: Panel) -> FloatArray:
        """Return what is reported of each day before cost and what it counts, shape (K, T)."""
        fixed = self._fixed
        return self._margin * (panel.value if fixed is None else fixed * panel.conversions)

    def worth(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw what a conversion counts before cost and what it counts, shape (n, K)."""
        fixed, worth = self._fixed, self.belief.worth
        if fixed is not None:
            return np.full((n, len(worth.mean)), self._margin * fixed)
        drawn = np.exp(worth.sd * rng.standard_normal((n, len(worth.sd))) - 0.5 * worth.sd**2)
        return self._margin * worth.mean * drawn

    def square(self, panel: Panel) -> FloatArray:
        """Return the mean square of what one conversion counts, shape (K,): the values of orders differ.

        Var(V - v y) = y v^2 c^2 over the days gives the coefficient of variation c, pooled over targets, with one
        conversion of prior at 1 (as `optimizer.response.worth`).
        """
        fixed, mean = self._fixed, self._margin * self.belief.worth.mean
        if fixed is not None:
            return np.full(len(mean), (self._margin * fixed) ** 2)
        count, value = np.nan_to_num(panel.conversions), np.nan_to_num(panel.value) * self._margin
        surplus = np.divide(value, mean[:, None], out=np.zeros_like(value), where=mean[:, None] > 0) - count
        surplus = np.where(np.isfinite(panel.value) & np.isfinite(panel.conversions), surplus, 0.0)
        return mean**2 * (1.0 + float(((surplus**2).sum() + 1.0) / (count.sum() + 1.0)))

    def cost(self, spend: FloatArray) -> FloatArray:
        """Return what of spends the objective takes off, of the same shape."""
        return spend if self.wanted.objective is Objective.PROFIT else np.zeros_like(spend)

    def counts(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw what an attributed conversion counts by tests, credit and customers, shape (n, K); one without them."""
        drawn = np.ones((n, len(self.belief.excess)))
        for counts in self._forecast.counted:
            drawn = drawn * counts.draws(n, rng)
        return drawn
