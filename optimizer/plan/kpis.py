"""Goals of the marketer as key performance indicators: a measure, a target and a deadline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from optimizer.plan.periods import Period, month_of


class Indicator(StrEnum):
    """What a KPI measures."""

    SPEND = "spend"
    IMPRESSIONS = "impressions"
    CLICKS = "clicks"
    CONVERSIONS = "conversions"
    VALUE = "value"
    PROFIT = "profit"
    CTR = "ctr"
    CPC = "cpc"
    CPM = "cpm"
    CONVERSION_RATE = "conversion_rate"
    CPA = "cpa"
    ROAS = "roas"


AT_MOST: Final = frozenset({Indicator.SPEND, Indicator.CPC, Indicator.CPM, Indicator.CPA})
"""Those of which the target is the most; of the others it is the least."""


class Standing(StrEnum):
    """How a KPI stands."""

    ON_TRACK = "on track"
    """It is met more likely than not."""
    BEHIND = "behind"
    MET = "met"
    MISSED = "missed"
    UNKNOWN = "unknown"
    """It cannot be told: no rows are of it, there are fewer than two weeks of them, or the measure is not defined."""


@dataclass(frozen=True, slots=True)
class Kpi:
    """A goal of the marketer.

    Attributes:
        name: For people.
        measure: What is measured.
        target: The least, or of what costs the most: units of currency or counts, or a ratio.
        by: The last day that counts; None for each calendar month.
        since: The first day that counts; by default the first of the month of `by`.
        definition: Only conversions of this definition count; None for all.
    """

    name: str
    measure: Indicator
    target: float
    by: date | None = None
    since: date | None = None
    definition: str | None = None

    def window(self, day: date) -> Period:
        """Return the days that count; of a monthly KPI those of the month of a day."""
        if self.by is None:
            return month_of(day)
        return Period(self.since or self.by.replace(day=1), self.by)
