"""What a platform has reported by each morning, kept as the arrays that policies read."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from connectors.money import MICROS
from simulations.market.play import Day, ages, by_age
from simulations.market.truth import Truth
from simulations.noise import FloatArray, IntArray
from simulations.policies.contract import BoolArray, Seen


class Diary:
    """The days of one world as they are reported, morning by morning.

    Whole arrays for all days are made once; a morning's `Seen` are read-only views of their first columns, and only the
    figures that the morning restates are written. So a view is good until the next one is asked for: then figures that
    were restated since stand in the older view, too.

    Args:
        truth: The world; of it nothing is shown but what a platform's reports tell.
        days: The most days that will be added.
    """

    def __init__(self, truth: Truth, days: int) -> None:
        self._truth = truth
        self._ages = ages(truth.scenario)
        self._today = 0
        shape = (truth.channel.size, days)
        self._budgets, self._spend, self._impressions, self._clicks, self._conversions, self._value = (
            np.zeros(shape) for _ in range(6)
        )
        self._share = np.full(shape, np.nan)
        self._by_age = np.full((*shape, self._ages), np.nan)
        # Conversions and value by age of the days that are still restated, oldest first.
        self._open: deque[tuple[IntArray, FloatArray]] = deque(maxlen=self._ages)

    def add(self, budgets: IntArray, day: Day) -> None:
        """Add the next day.

        Args:
            budgets: In force on it, micros, shape (K,).
            day: What it brought.

        Raises:
            ValueError: Another day was due, or no more days fit.
        """
        t = self._today
        if day.day != t or t >= self._budgets.shape[1]:
            raise ValueError(f"day {day.day} cannot be added: {t} of {self._budgets.shape[1]} days are there")
        self._budgets[:, t] = budgets / MICROS
        for kept, measure in (
            (self._spend, day.spend),
            (self._impressions, day.impressions),
            (self._clicks, day.clicks),
        ):
            kept[:, t] = self._by_campaign(measure)
        self._spend[:, t] /= MICROS
        if self._truth.scenario.delivery.impression_share:
            self._share[:, t] = day.share
        self._open.append((by_age(self._truth, day, self._ages), self._value_by_age(day)))
        self._today = t + 1
        self._report()

    def seen(self, live: IntArray) -> Seen:
        """Return what is known this morning.

        Args:
            live: The budgets as they stand, micros, shape (K,).
        """
        t = self._today
        return Seen(
            today=t,
            budgets=_view(self._budgets, t),
            spend=_view(self._spend, t),
            impressions=_view(self._impressions, t),
            clicks=_view(self._clicks, t),
            conversions=_view(self._conversions, t),
            value=_view(self._value, t),
            by_age=_view(self._by_age, t),
            impression_share=_view(self._share, t),
            live=_frozen(live / MICROS),
            runs=_runs(self._truth, t),
        )

    def _report(self) -> None:
        """Write what the open days are restated to this morning: the youngest at age 0."""
        for age, (conversions, value) in enumerate(reversed(self._open)):
            day = self._today - 1 - age
            self._by_age[:, day, age] = conversions[:, age]
            self._conversions[:, day] = conversions[:, age]
            self._value[:, day] = value[:, age]

    def _by_campaign(self, measure: IntArray) -> FloatArray:
        return np.bincount(self._truth.ads.campaign, measure, self._truth.channel.size)

    def _value_by_age(self, day: Day) -> FloatArray:
        """Reported value so far at each age, currency units, shape (K, ages)."""
        known = ~day.cell_lost
        place = self._truth.ads.campaign[day.cell_ad[known]] * self._ages + day.cell_lag[known]
        size = self._truth.channel.size * self._ages
        came = np.bincount(place, day.cell_value[known], size).reshape(-1, self._ages)
        return np.cumsum(came, axis=1) / MICROS


def _view[S: np.generic](array: npt.NDArray[S], days: int) -> npt.NDArray[S]:
    return _frozen(array[:, :days])


def _frozen[S: np.generic](array: npt.NDArray[S]) -> npt.NDArray[S]:
    array.flags.writeable = False
    return array


def _runs(truth: Truth, day: int) -> BoolArray:
    """Whether each campaign runs on a day; past the horizon as on its last day."""
    return _frozen(truth.runs[:, min(day, truth.runs.shape[1] - 1)].copy())
