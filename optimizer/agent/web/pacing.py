"""The month so far and how it would end: pure, from a snapshot."""

from __future__ import annotations

import calendar
import math
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from optimizer.agent.web.days import Day, days
from optimizer.plan.snapshot import FloatArray, Snapshot

_LEARNT: Final = 28
_DRAWS: Final = 2_000
_QUANTILES: Final = (0.1, 0.5, 0.9)


@dataclass(frozen=True, slots=True, eq=False)
class Pace:
    """One month of all budgets together, day by day; currency units.

    Attributes:
        month: Its days.
        known: How many of them are over, as far as rows go; the others are forecast.
        planned: Cumulative sum of the budgets: those in force, and from now on the current ones; shape (T,).
        spent: Cumulative spend of the days that are known, shape (known,).
        low, middle, high: The 10th, 50th and 90th percentile of the cumulative spend of every day, shape (T,).
        over: Probability that the month ends above what is planned.
    """

    month: tuple[date, ...]
    known: int
    planned: FloatArray
    spent: FloatArray
    low: FloatArray
    middle: FloatArray
    high: FloatArray
    over: float


def pace(snapshot: Snapshot, rng: np.random.Generator) -> Pace | None:
    """Tell how the month of `snapshot.today` goes; None where nothing is known of it.

    What is to come is drawn: each remaining day spends its budget times the share of the budgets that a day of the last
    four weeks, drawn at random, had spent. So days that over- or underspend are as frequent as they were.

    Args:
        snapshot: What is known.
        rng: Of the draws.
    """
    first = snapshot.today.replace(day=1)
    length = calendar.monthrange(first.year, first.month)[1]
    month = tuple(first + timedelta(days=n) for n in range(length))
    lately = days(snapshot, snapshot.panel.days).all
    current = float(snapshot.current.sum())
    share = _shares(lately[-_LEARNT:], current)
    if not share.size or not current:
        return None
    last = max((day.day for day in lately if day.is_told), default=first)
    over = [day for day in lately if first <= day.day <= last]
    budgets = [current if math.isnan(day.planned) else day.planned for day in over]
    planned = np.cumsum([*budgets, *[current] * (length - len(over))])
    spent = np.cumsum([0.0 if math.isnan(day.spend) else day.spend for day in over])
    so_far = float(spent[-1]) if over else 0.0
    to_come = current * rng.choice(share, size=(_DRAWS, length - len(over)))
    paths = np.concatenate([np.tile(spent, (_DRAWS, 1)), so_far + np.cumsum(to_come, axis=1)], axis=1)
    low, middle, high = np.quantile(paths, _QUANTILES, axis=0)
    return Pace(month, len(over), planned, spent, low, middle, high, float((paths[:, -1] > planned[-1]).mean()))


def _shares(lately: tuple[Day, ...], current: float) -> FloatArray:
    """What share of the budgets each day spent; of the current ones where those of the day are not known."""
    planned = [current if math.isnan(day.planned) else day.planned for day in lately]
    return np.array([day.spend / of for day, of in zip(lately, planned, strict=True) if day.is_told and of > 0])
