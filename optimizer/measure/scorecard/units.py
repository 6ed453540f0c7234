"""The objective's unit: from conversions and their value to what a plan maximises. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.forecast import Forecast
from optimizer.plan.problem import Outcome
from optimizer.plan.recommendation import Objective
from optimizer.plan.snapshot import FloatArray, Panel


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """How the goals of a forecast count what is reported; K targets."""

    forecast: Forecast

    @property
    def _by_value(self) -> bool:
        """Whether conversions are counted by their own values, and not all alike."""
        return self.forecast.outcome is Outcome.VALUE

    @property
    def mean(self) -> FloatArray:
        """What a conversion is expected to count before cost and what it counts, shape (K,)."""
        own = self.forecast.belief.worth.mean
        return self.forecast.scale * (own if self._by_value else np.ones(len(own)))

    def reported(self, panel: Panel) -> FloatArray:
        """Return what is reported of each day before cost and what it counts, shape (K, T).

        Where a value is asked for and none is told, conversions count what is expected of one, as in plans.
        """
        by_number = self.mean[:, None] * panel.conversions
        if not self._by_value:
            return by_number
        return np.where(np.isfinite(panel.value), self.forecast.scale * panel.value, by_number)

    def worth(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw what a conversion counts before cost and what it counts, shape (n, K)."""
        if not self._by_value:
            return np.broadcast_to(self.mean, (n, len(self.mean)))
        sd = self.forecast.belief.worth.sd
        drawn: FloatArray = self.mean * np.exp(sd * rng.standard_normal((n, len(sd))) - 0.5 * sd**2)
        return drawn

    def between(self, panel: Panel) -> FloatArray | None:
        """Return the variance of what one conversion counts, shape (K,); None where all count alike.

        Var(V - v y) = y v^2 c^2 over the days gives the coefficient of variation c, pooled over targets, with one
        conversion of prior at 1 (as `optimizer.response.worth`).
        """
        if not self._by_value:
            return None
        mean = self.mean
        count, value = np.nan_to_num(panel.conversions), np.nan_to_num(panel.value) * self.forecast.scale
        surplus = np.divide(value, mean[:, None], out=np.zeros_like(value), where=mean[:, None] > 0) - count
        surplus = np.where(np.isfinite(panel.value) & np.isfinite(panel.conversions), surplus, 0.0)
        variance: FloatArray = mean**2 * float(((surplus**2).sum() + 1.0) / (count.sum() + 1.0))
        return variance

    @property
    def owed(self) -> FloatArray:
        """What the objective takes off for each claimed conversion, shape (K,); 0 where nothing is paid by outcomes."""
        rates, paid = self.forecast.owed, self.forecast.by_outcome[:, 0]
        return np.zeros(len(paid)) if rates is None else np.where(paid, rates, 0.0)

    @property
    def spent(self) -> FloatArray:
        """Share of what is delivered that the objective takes off, 0 or 1, shape (K,)."""
        paid = self.forecast.by_outcome[:, 0]
        return np.where(paid, 0.0, float(self.forecast.goals.objective is Objective.PROFIT))

    def counts(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw what an attributed conversion counts by tests, credit and customers, shape (n, K); one without them."""
        drawn = np.ones((n, len(self.forecast.belief.excess)))
        for counts in self.forecast.counted:
            drawn = drawn * counts.draws(n, rng)
        return drawn
