"""Goals as key performance indicators: a measure, a target and a deadline, and how likely it is to be met. Pure.

What the remaining days bring is forecast by whole weeks that are drawn from the last eight (Efron's bootstrap with
weeks as blocks, which keeps weekdays and the measures of a day together): the weeks to come, and once more for what is
not known of their level. So it says where things stand if nothing changes, neither season nor budgets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Final

import numpy as np

from connectors.contract import Series
from optimizer.measure.metrics.figures import Daily, Figure, quantiles
from optimizer.measure.metrics.table import Question, daily
from optimizer.plan.kpis import AT_MOST, Indicator, Kpi, Standing
from optimizer.plan.performance import BoolArray, Performance
from optimizer.plan.periods import Period
from optimizer.plan.snapshot import FloatArray, IntArray

HISTORY_DAYS: Final = 56
"""Days that the forecast draws weeks from."""

_WEEK: Final = 7
_LEAST_WEEKS: Final = 2
_DRAWS: Final = 4_000
_LIKELY: Final = 0.5
_DAY: Final = timedelta(days=1)
_NAMES: Final = tuple(field.name for field in fields(Daily))


_ONLY_GROW: Final = frozenset({Indicator.SPEND, Indicator.IMPRESSIONS, Indicator.CLICKS})


@dataclass(frozen=True, slots=True)
class State:
    """A KPI on one morning.

    Attributes:
        kpi: Which.
        window: The days that count.
        standing: In a word.
        so_far: Of the days that are over, what is still to come of them included; None where it is not defined.
        forecast: At the end of the window, with its 95% interval; None where it cannot be told.
        probability: Of meeting the target; None likewise, and once the window is over.
    """

    kpi: Kpi
    window: Period
    standing: Standing
    so_far: float | None
    forecast: Figure | None
    probability: float | None


def state(
    kpi: Kpi,
    window: Period,
    told: Performance,
    come: IntArray,
    asked: Question,
    today: date,
    rng: np.random.Generator,
    only: Callable[[Series], bool] | None = None,
) -> State:
    """Say how a KPI stands.

    Args:
        kpi: Which.
        window: The days that count, as `Kpi.window` tells them.
        told: The rows of the window and of the `HISTORY_DAYS` before `today`.
        come: What is still to come of each, shape (N, 2).
        asked: With the margin and worth that count.
        today: The first day that is not over.
        rng: For the draws of the forecast.
        only: Which series the KPI is about; by default all.
    """
    question = Question(window, (), asked.margin, asked.worth, kpi.definition)
    if not any(_is_about(kpi, series, only) for series in told.series):
        return State(kpi, window, Standing.UNKNOWN, None, None, None)
    _, over = daily(told, come, question, only)
    so_far = np.array([getattr(over, name).sum() for name in _NAMES])
    reached = _defined(_value(kpi.measure, so_far, asked.margin))
    if window.until < today:
        standing = Standing.UNKNOWN if reached is None else _ended(kpi, reached)
        return State(kpi, window, standing, reached, None if reached is None else Figure(reached), None)
    weeks = _weeks(told, come, question, today, only)
    first = max(today, window.since)
    ahead, weeks = (window.until - first).days + 1, np.roll(weeks, -((first - today).days % _WEEK), axis=1)
    if len(weeks) < _LEAST_WEEKS:
        return State(kpi, window, Standing.UNKNOWN, reached, None, None)
    drawn = _value(kpi.measure, so_far + _ahead(weeks, ahead, rng), asked.margin)
    if not np.isfinite(drawn).all():
        return State(kpi, window, Standing.UNKNOWN, reached, None, None)
    # One draw of each kind more than there were: of what is to come nothing is certain.
    probability = (int(_meets(kpi, drawn).sum()) + 1) / (len(drawn) + 2)
    standing = _standing(kpi, reached, probability)
    return State(kpi, window, standing, reached, quantiles(float(np.median(drawn)), drawn), probability)


def _is_about(kpi: Kpi, series: Series, only: Callable[[Series], bool] | None) -> bool:
    counted = kpi.definition in (None, series.conversion_definition)
    return counted and (only is None or only(series))


def _ended(kpi: Kpi, reached: float) -> Standing:
    return Standing.MET if _meets(kpi, np.array([reached]))[0] else Standing.MISSED


def _standing(kpi: Kpi, reached: float | None, probability: float) -> Standing:
    """In the midst of its days a KPI is decided only where a sum that can but grow is past its target."""
    if reached is not None and kpi.measure in _ONLY_GROW:
        if kpi.measure in AT_MOST and reached > kpi.target:
            return Standing.MISSED
        if kpi.measure not in AT_MOST and reached >= kpi.target:
            return Standing.MET
    return Standing.ON_TRACK if probability >= _LIKELY else Standing.BEHIND


def _meets(kpi: Kpi, values: FloatArray) -> BoolArray:
    met: BoolArray = values <= kpi.target if kpi.measure in AT_MOST else values >= kpi.target
    return met


def _weeks(
    told: Performance,
    come: IntArray,
    question: Question,
    today: date,
    only: Callable[[Series], bool] | None,
) -> FloatArray:
    """Return the sums of the last whole weeks, day by day, shape (W, 7, C), the first day of each a weekday of today's.

    Days before the first row of what the KPI is about are none; later days without rows brought nothing.
    """
    past = Period(today - HISTORY_DAYS * _DAY, today - _DAY)
    asked = Question(past, (), question.margin, question.worth, question.definition)
    days, sums = daily(told, come, asked, only)
    if not len(days):
        return np.zeros((0, _WEEK, len(_NAMES)))
    grid = np.zeros((HISTORY_DAYS, len(_NAMES)))
    grid[days - past.since.toordinal()] = np.stack([getattr(sums, name) for name in _NAMES], axis=1)
    weeks = grid.reshape(-1, _WEEK, len(_NAMES))
    whole = (today.toordinal() - int(days[0])) // _WEEK
    return weeks[len(weeks) - whole :]


def _ahead(weeks: FloatArray, days: int, rng: np.random.Generator) -> FloatArray:
    """Return draws of the sums of the days to come, shape (n, C)."""
    whole, rest = divmod(days, _WEEK)
    total = weeks.sum(axis=1)
    drawn = total[rng.integers(len(weeks), size=(_DRAWS, whole))].sum(axis=1)
    drawn += weeks[:, :rest].sum(axis=1)[rng.integers(len(weeks), size=_DRAWS)]
    level = total[rng.integers(len(weeks), size=(_DRAWS, len(weeks)))].mean(axis=1) - total.mean(axis=0)
    found: FloatArray = np.maximum(drawn + days / _WEEK * level, 0.0)
    return found


def _value(measure: Indicator, sums: FloatArray, margin: float) -> FloatArray:
    """Return a measure of sums (..., C); nan where it is not defined."""
    at = dict(zip(_NAMES, np.moveaxis(sums, -1, 0), strict=True))
    if measure is Indicator.PROFIT:
        told = np.isclose(at["spend_valued"], at["spend"])
        return np.where(told, margin * at["value"] - at["spend"], np.nan)
    if measure in _SUMS:
        return np.asarray(at[_SUMS[measure]])
    over, under, scale = _RATIOS[measure]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(at[under] > 0.0, scale * at[over] / at[under], np.nan)


_SUMS: Final = {
    Indicator.SPEND: "spend",
    Indicator.IMPRESSIONS: "shown_paid",
    Indicator.CLICKS: "clicks",
    Indicator.CONVERSIONS: "conversions",
    Indicator.VALUE: "value",
}
_RATIOS: Final = {
    Indicator.CTR: ("clicked", "shown", 1.0),
    Indicator.CPC: ("spend_clicked", "clicks", 1.0),
    Indicator.CPM: ("spend_shown", "shown_paid", 1000.0),
    Indicator.CONVERSION_RATE: ("converted", "clicks", 1.0),
    Indicator.CPA: ("spend", "conversions", 1.0),
    Indicator.ROAS: ("value", "spend_valued", 1.0),
}


def _defined(value: FloatArray) -> float | None:
    return float(value) if np.isfinite(value) else None
