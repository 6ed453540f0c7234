"""The last days of a portfolio as sums, for pictures and tables: pure, from a snapshot."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from optimizer.explain import EIGHTY
from optimizer.plan.snapshot import FloatArray, Snapshot


@dataclass(frozen=True, slots=True)
class Day:
    """One day of all budgets together; currency units and counts; nan where no row tells.

    Attributes:
        planned: The sum of the budgets in force, as far as they are known; nan where none is.
    """

    day: date
    spend: float
    conversions: float
    value: float
    clicks: float
    impressions: float
    planned: float

    @property
    def is_told(self) -> bool:
        """Whether there is any row of the day."""
        return not math.isnan(self.spend)


@dataclass(frozen=True, slots=True)
class Days:
    """Some days, oldest first, and the figures that their sums give."""

    all: tuple[Day, ...]

    def __iter__(self) -> Iterator[Day]:
        """The days."""
        return iter(self.all)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.all)

    @property
    def told(self) -> int:
        """Of how many days there are rows."""
        return sum(day.is_told for day in self.all)

    @property
    def spend(self) -> float:
        """What was spent."""
        return _sum(day.spend for day in self.all)

    @property
    def conversions(self) -> float:
        """As reported by now."""
        return _sum(day.conversions for day in self.all)

    @property
    def value(self) -> float:
        """As reported by now."""
        return _sum(day.value for day in self.all)

    @property
    def cpa(self) -> float | None:
        """Spend per conversion; None without one."""
        return _ratio(self.spend, self.conversions)

    @property
    def roas(self) -> float | None:
        """Value per unit spent; None where nothing was spent or no value is told."""
        return _ratio(self.value, self.spend) if self.value else None

    @property
    def cpa_interval(self) -> tuple[float, float] | None:
        """The 80% interval of the CPA that the number of conversions allows, as if they were Poisson.

        None for fewer than one.

        By the square-root transform: sqrt(n) has a standard deviation of a half (Bartlett, "The square root
        transformation in analysis of variance", JRSS Supplement 3, 1936).
        """
        if self.conversions < 1:
            return None
        root = math.sqrt(self.conversions)
        high, low = (root + 0.5 * EIGHTY) ** 2, max(root - 0.5 * EIGHTY, 0.1) ** 2
        return self.spend / high, self.spend / low

    @property
    def spends(self) -> FloatArray:
        """The days' spends, for a spark."""
        return np.array([day.spend for day in self.all])


def days(snapshot: Snapshot, count: int) -> Days:
    """Sum up the last days before the one that is planned.

    Args:
        snapshot: What is known.
        count: How many days at most.
    """
    panel = snapshot.panel
    since = max(panel.days - count, 0)
    sums = {
        name: _totals(getattr(panel, name)[:, since:]).tolist()
        for name in ("spend", "conversions", "value", "clicks", "impressions", "budget")
    }
    first = panel.first_day + timedelta(days=since)
    return Days(tuple(Day(first + timedelta(days=n), *told) for n, told in enumerate(zip(*sums.values(), strict=True))))


def _totals(measure: FloatArray) -> FloatArray:
    """The sum over the budgets, shape (T,); nan on days of which nothing is told."""
    told = ~np.isnan(measure)
    return np.where(told.any(axis=0), np.where(told, measure, 0.0).sum(axis=0), np.nan)


def _sum(values: Iterable[float]) -> float:
    return sum(value for value in values if not math.isnan(value))


def _ratio(over: float, under: float) -> float | None:
    return over / under if under > 0 else None
