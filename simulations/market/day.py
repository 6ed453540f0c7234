"""What a day truly brought, and what of it is known on which morning."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from simulations.market.events import BoolArray
from simulations.market.truth import Truth
from simulations.noise import FloatArray, IntArray
from simulations.scenarios import Scenario


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """What a day truly brought, before anybody has reported it; conversions are kept by their lag.

    A cell holds conversions of one ad, one kind and one lag. What is taken back later is a cell of its own, with
    negative conversions and value, at the lag at which it is taken back.

    Attributes:
        day: Its index.
        kinds: Y, the number of conversion definitions.
        spend: Charged, micros by ad, shape (A,).
        impressions, clicks: By ad, shape (A,).
        cell_ad, cell_kind, cell_lag, cell_count, cell_value: Ad, kind, lag in days, conversions and value in micros of
            each cell that has conversions, each of shape (cells,).
        cell_lost: Whether it came during a tracking outage and is never reported, shape (cells,).
        share: Expected impressions over those that the supply would have given, by campaign, shape (K,); nan where
            there were none. The rest was lost to the budget.
    """

    day: int
    kinds: int
    spend: IntArray
    impressions: IntArray
    clicks: IntArray
    cell_ad: IntArray
    cell_kind: IntArray
    cell_lag: IntArray
    cell_count: IntArray
    cell_value: IntArray
    cell_lost: BoolArray
    share: FloatArray = field(default_factory=lambda: np.zeros(0))

    def reported(self, on: int) -> tuple[IntArray, IntArray]:
        """Return conversions and value (micros) as the platform states them on the morning of day `on`.

        On the morning after the day itself, lag 0 is reported. Each is of shape (A, Y).
        """
        return self._sums(~self.cell_lost & (self.cell_lag < on - self.day))

    def matured(self) -> tuple[IntArray, IntArray]:
        """Return conversions and value (micros) once all are reported and returns taken back, each (A, Y)."""
        return self._sums(~self.cell_lost)

    def occurred(self) -> tuple[IntArray, IntArray]:
        """Return conversions and value (micros) that stand in the end, reported or not, each (A, Y)."""
        return self._sums(np.ones_like(self.cell_lost))

    def _sums(self, cells: npt.NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
        place = self.cell_ad[cells], self.cell_kind[cells]
        conversions, value = np.zeros((2, self.spend.size, self.kinds), dtype=np.int64)
        np.add.at(conversions, place, self.cell_count[cells])
        np.add.at(value, place, self.cell_value[cells])
        return conversions, value


def ages(scenario: Scenario) -> int:
    """Return how many mornings a day's conversions change on: one for each lag, and for each day of returns."""
    tracking = scenario.tracking
    returns = tracking.returned_after_days if tracking.returned_share > 0 else 0
    return tracking.restatement_days + 1 + returns


def by_age(truth: Truth, day: Day, mornings: int) -> IntArray:
    """Return conversions of all kinds as reported on the first mornings after the day, shape (K, mornings)."""
    known = ~day.cell_lost & (day.cell_lag < mornings)
    counts = np.zeros((truth.channel.size, mornings), dtype=np.int64)
    np.add.at(counts, (truth.ads.campaign[day.cell_ad[known]], day.cell_lag[known]), day.cell_count[known])
    return counts.cumsum(axis=1)
