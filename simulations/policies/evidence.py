"""What the past says of each campaign's curve, brought to one footing: conversions per day of exposure, by spend.

A day's exposure is the part of an average day that it stands for: its weekday's factor x the share of its conversions
that is reported by now. Spends are in units of the average budget and rounded to one of 32 levels, so that all the past
is two numbers per campaign and level, whatever its length.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np

from simulations.noise import FloatArray, IntArray
from simulations.policies.contract import BoolArray, Seen, Setting
from simulations.policies.lateness import matured
from simulations.policies.steps import unit_of

POINTS: Final = 32
"""How many levels of spend are told apart."""

_LONGEST: Final = 240
_RIPE: Final = 0.5
_SHORT_DAYS: Final = 3
_LEAST_SIZE, _MOST_SIZE = 3.0, 1000.0


@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """The past by campaign and day; K campaigns, n days, the last of them yesterday.

    Attributes:
        levels: Spends that are told apart, units of the average budget, shape (P,).
        level: Which of them a day's spend is nearest to, shape (K, n).
        counts: Conversions as reported so far, shape (K, n).
        exposure: See the module; 0 where a day says nothing (nothing spent, or unknown), shape (K, n).
        today: Weekday factor of the day to be planned.
        size: Negative-binomial size R of a day's conversions, all campaigns together.
    """

    levels: FloatArray
    level: IntArray
    counts: FloatArray
    exposure: FloatArray
    today: float
    size: float


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The past by campaign and level; sums over days, each weighted by its age and its overdispersion.

    A day of mean m weighs 1 / (1 + m / R) of a Poisson day: with that, Poisson formulae give the quasi-likelihood of a
    negative binomial (McCullagh, Nelder 1989, section 9.2).

    Attributes:
        levels: See `Days`, shape (P,).
        counts, exposure: Weighted sums, shape (K, P).
        scale: Level of each campaign's curve if it were `trend`, shape (K,).
    """

    levels: FloatArray
    counts: FloatArray
    exposure: FloatArray
    scale: FloatArray

    @property
    def trended(self) -> FloatArray:
        """Expected conversions of an average day by `scale` x `trend`, shape (K, P)."""
        return self.scale[:, None] * trend(self.levels)

    def rate(self, days: float) -> FloatArray:
        """Conversions of an average day by level, drawn towards the trend with the weight of so many days."""
        return (self.counts + days * self.trended) / (self.exposure + days)


def trend(spend: FloatArray) -> FloatArray:
    """Return the shape that a curve is thought to have before data: x / (1 + x), x in average budgets."""
    return spend / (1.0 + spend)


def gather(setting: Setting, seen: Seen) -> Days:
    """Return the past, at most its last 240 days, on one footing; at least one day must have passed.

    Args:
        setting: Of the comparison.
        seen: What is known this morning.
    """
    days = min(seen.today, _LONGEST)
    first = seen.today - days
    unit = unit_of(setting.bounds)
    share = matured(seen.by_age, setting.channel)
    ages = np.minimum(np.arange(days - 1, -1, -1), share.shape[1] - 1)
    ripe = share[:, ages][setting.channel]
    spend, counts = seen.spend[:, first:] / unit, seen.conversions[:, first:]
    usable = np.isfinite(spend) & np.isfinite(counts) & (spend > 0)
    spend, counts = np.where(usable, spend, 0.0), np.where(usable, counts, 0.0).clip(0.0)
    weekday = ((setting.start + timedelta(days=first)).weekday() + np.arange(days + 1)) % 7
    season = weekday_factors(_per_day(counts, ripe, usable), weekday[:-1])
    exposure = np.where(usable, ripe * season[weekday[:-1]], 0.0)
    levels = _levels(setting)
    place = np.log(np.maximum(spend, levels[0]) / levels[0]) / np.log(levels[1] / levels[0])
    level = np.minimum(np.rint(place), POINTS - 1).astype(np.int64)
    return Days(levels, level, counts, exposure, float(season[weekday[-1]]), _size(counts, exposure, ripe))


def tabulate(days: Days, weight: FloatArray) -> Table:
    """Sum the past by level.

    Args:
        days: See `Days`.
        weight: Of each day, such as a power of its age, shape (K, n) or (n,).
    """
    plain = _sums(days, np.broadcast_to(weight, days.counts.shape))
    mean = np.take_along_axis(plain.rate(2.0), days.level, axis=1) * days.exposure
    return _sums(days, weight / (1.0 + mean / days.size))


def worth(setting: Setting, seen: Seen) -> FloatArray:
    """Return what one conversion of each campaign counts: 1, or under the goal of value its mean value, shape (K,).

    The mean of the last 60 days, drawn towards that of all campaigns with the weight of 5 conversions.
    """
    if setting.goal == "conversions":
        return np.ones(len(setting.names))
    count = np.nansum(seen.conversions[:, -60:], axis=1).clip(0.0)
    value = np.nansum(seen.value[:, -60:], axis=1).clip(0.0)
    if value.sum() <= 0 or count.sum() <= 0:
        return np.ones(len(setting.names))
    mean = value.sum() / count.sum()
    each: FloatArray = (value + 5.0 * mean) / (count + 5.0) / mean
    return each


def deliverable(setting: Setting, seen: Seen) -> FloatArray:
    """Return the most that each campaign can be thought to spend, units of the average budget, shape (K,).

    A twentieth more than it has spent on any of the last 28 days, if on three of these it spent less than four fifths
    of its budget (the last days of a month, when charges are capped, are fewer); else no end is in sight.
    """
    spend, budget = seen.spend[:, -28:], seen.budgets[:, -28:]
    spent = np.where(np.isfinite(spend), spend, 0.0)
    short = ((spent > 0) & (spent < 0.8 * budget)).sum(axis=1) >= _SHORT_DAYS
    most = 1.05 * spent.max(axis=1, initial=0.0) / unit_of(setting.bounds)
    return np.where(short, most, np.inf)


def weekday_factors(per_day: FloatArray, weekday: IntArray) -> FloatArray:
    """Return seven factors with mean 1, Monday first: day over centred week, drawn to 1 with the weight of two days.

    Args:
        per_day: Eventual conversions of all campaigns, NaN where unknown, shape (n,).
        weekday: 0 for Monday, shape (n,).
    """
    if per_day.size < 7:
        return np.ones(7)
    centre = np.convolve(per_day, np.ones(7) / 7.0, mode="valid")
    inner = slice(3, per_day.size - 3)
    good = np.isfinite(centre) & (np.nan_to_num(centre) > 0)
    ratio = np.divide(per_day[inner], centre, out=np.zeros_like(centre), where=good)
    total = np.bincount(weekday[inner][good], ratio[good], 7)
    number = np.bincount(weekday[inner][good], minlength=7)
    factors: FloatArray = np.maximum((total + 2.0) / (number + 2.0), 0.1)
    return factors / factors.mean()


def ageing(days: int, forget: float) -> FloatArray:
    """Return forget ** age of so many past days, the last of age 0, shape (days,)."""
    powers: FloatArray = forget ** np.arange(days - 1, -1, -1, dtype=np.float64)
    return powers


def _levels(setting: Setting) -> FloatArray:
    unit = unit_of(setting.bounds)
    least = max(0.8 * float(setting.bounds.lower.min()) / unit, 0.02)
    most = max(float(setting.bounds.upper.max()) / unit, 2.0 * least)
    return np.geomspace(least, most, POINTS)


def _per_day(counts: FloatArray, ripe: FloatArray, usable: BoolArray) -> FloatArray:
    """Eventual conversions of all campaigns by day; NaN where much is yet to come, or no campaign spent."""
    known = usable & (ripe > _RIPE)
    complete = (known.sum(axis=0) == usable.sum(axis=0)) & usable.any(axis=0)
    total = (counts / ripe).sum(axis=0)
    return np.where(complete, total, np.nan)


def _size(counts: FloatArray, exposure: FloatArray, ripe: FloatArray) -> float:
    """Negative-binomial size by moments of the differences of successive days, which drift hardly touches."""
    good = (exposure > 0) & (ripe > _RIPE)
    pair = good[:, 1:] & good[:, :-1]
    rate = np.divide(counts, exposure, out=np.zeros_like(counts), where=good)
    mean = (rate[:, 1:] + rate[:, :-1]) / 2.0
    thin = np.divide(1.0, exposure, out=np.zeros_like(counts), where=good)
    expected = mean * (thin[:, 1:] + thin[:, :-1]) / 2.0
    excess = float(np.where(pair, np.diff(rate, axis=1) ** 2 / 2.0 - expected, 0.0).sum())
    square = float(np.where(pair, mean**2, 0.0).sum())
    return float(np.clip(square / max(excess, 1e-12), _LEAST_SIZE, _MOST_SIZE))


def _sums(days: Days, weight: FloatArray) -> Table:
    campaigns = len(days.counts)
    cell = (days.level + POINTS * np.arange(campaigns)[:, None]).ravel()
    counts, exposure = (
        np.bincount(cell, (weight * what).ravel(), campaigns * POINTS).reshape(campaigns, POINTS)
        for what in (days.counts, days.exposure)
    )
    basis = exposure @ trend(days.levels)
    pooled = (counts.sum() + 1.0) / (basis.sum() + 1.0)
    scale = (counts.sum(axis=1) + 1.0) / (basis + 1.0 / pooled)
    return Table(days.levels, counts, exposure, scale)
