"""The panel as the filter reads it: which days count, how mature they are, on which weekday they fell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt

from optimizer.plan.snapshot import FloatArray, IntArray, Panel, Snapshot

BoolArray = npt.NDArray[np.bool_]

WEEK: Final = 7

BLOCK: Final = 512
"""Targets that are taken together where a table is passed over many times: its part stays in the processor's cache."""


def blocks(targets: int) -> Iterator[slice]:
    """Yield slices of at most `BLOCK` of so many targets."""
    return (slice(low, low + BLOCK) for low in range(0, targets, BLOCK))


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """K targets over T consecutive days that end on the day before `today`.

    Attributes:
        today: The day after the last column.
        spend: Delivered spend, shape (K, T); nan on days without a row.
        conversions: Reported so far, not below zero, shape (K, T); nan where nothing was reported.
        value: Reported so far, shape (K, T); nan where nothing was reported.
        clicks, impressions: Shape (K, T); nan where nothing was reported.
        budget: The daily budget in force, shape (K, T); nan where unknown.
        weekday: 0 is Monday, shape (T,).
        lost: Impressions lost to the budget over those that were won, shape (K, T); nan where nobody says. None where
            no row does.
    """

    today: date
    spend: FloatArray
    conversions: FloatArray
    value: FloatArray
    clicks: FloatArray
    impressions: FloatArray
    budget: FloatArray
    weekday: IntArray
    lost: FloatArray | None = None

    @property
    def days(self) -> int:
        """T, the number of days."""
        return int(self.spend.shape[1])

    @property
    def counted(self) -> BoolArray:
        """Days that speak about the curve: there was spend and conversions were reported, shape (K, T).

        A day without spend says nothing about a curve that starts at zero, and conversions on such a day are not
        of that day's making.
        """
        return (self.spend > 0) & np.isfinite(self.conversions)  # nan is not above zero

    def last(self, days: int) -> History:
        """Return the last `days` days, or all if there are fewer."""
        start = max(self.days - days, 0)
        return History(
            today=self.today,
            spend=self.spend[:, start:],
            conversions=self.conversions[:, start:],
            value=self.value[:, start:],
            clicks=self.clicks[:, start:],
            impressions=self.impressions[:, start:],
            budget=self.budget[:, start:],
            weekday=self.weekday[start:],
            lost=None if self.lost is None else self.lost[:, start:],
        )

    def without(self, days: BoolArray) -> History:
        """Return the history with no budget known on some days, shape (K, T): they say nothing of delivery."""
        if not days.any():
            return self
        lost = None if self.lost is None else np.where(days, np.nan, self.lost)
        return replace(self, budget=np.where(days, np.nan, self.budget), lost=lost)


def quantile(values: FloatArray, share: float) -> FloatArray:
    """Return a quantile of each row without its nan, linear between values, shape (K,); nan of a row without any.

    As `numpy.nanquantile` has it, which takes the rows one by one.
    """
    if not values.shape[1]:
        return np.full(len(values), np.nan)
    rising = np.sort(values, axis=1)  # nan come last
    place = share * (np.isfinite(values).sum(axis=1) - 1)
    low = np.floor(place).astype(np.int64)
    part = (place - low)[:, None]
    low_high = np.take_along_axis(rising, np.stack([low, np.ceil(place).astype(np.int64)], axis=1), axis=1)
    first, last = low_high[:, :1], low_high[:, 1:]
    found: FloatArray = np.where(part < 0.5, first + (last - first) * part, last - (last - first) * (1.0 - part))
    return found[:, 0]


def read(snapshot: Snapshot) -> History:
    """Return the history before `today`, stretched with empty days where the panel ends earlier.

    Raises:
        ValueError: The panel and the targets differ in number.
    """
    panel = snapshot.panel
    if panel.spend.shape[0] != len(snapshot.targets):
        raise ValueError(f"the panel has {panel.spend.shape[0]} targets, the snapshot names {len(snapshot.targets)}")
    days = max((snapshot.today - panel.first_day).days, 0)
    return History(
        today=snapshot.today,
        spend=_fit(panel.spend, days),
        conversions=np.maximum(_fit(panel.conversions, days), 0.0),
        value=_fit(panel.value, days),
        clicks=_fit(panel.clicks, days),
        impressions=_fit(panel.impressions, days),
        budget=_fit(panel.budget, days),
        weekday=(panel.first_day.weekday() + np.arange(days, dtype=np.int64)) % WEEK,
        lost=_lost(panel, days),
    )


def _lost(panel: Panel, days: int) -> FloatArray | None:
    if panel.eligible is None or panel.lost is None:
        return None
    lost, won = _fit(panel.lost, days), _fit(panel.impressions, days)
    ratio: FloatArray = np.divide(lost, won, out=np.full(lost.shape, np.nan), where=won > 0)
    return ratio


def _fit(measure: FloatArray, days: int) -> FloatArray:
    """Return the first `days` columns, padded with nan to that many."""
    known = measure[:, :days]
    if known.shape[1] == days:
        return known
    return np.pad(known, ((0, 0), (0, days - known.shape[1])), constant_values=np.nan)
