"""How demand moves: weekdays, the year, holidays, a random walk, and breaks."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from simulations.noise import FloatArray, IntArray
from simulations.scenarios import Holiday, Scenario

_YEAR = 365.25


def draw_demand(
    scenario: Scenario, channel: IntArray, start: date, rng: np.random.Generator, year: np.random.Generator
) -> FloatArray:
    """Draw the factors on impressions and supply, shape (K, H).

    Args:
        scenario: The distribution over worlds.
        channel: Index of each campaign's channel, shape (K,).
        start: The date of day 0.
        rng: The source of weekdays, walks and breaks.
        year: The source of the day on which the year's wave peaks.
    """
    season = _weekdays(scenario, channel, start.weekday(), rng)
    walk = np.exp(_drift(scenario, channel.size, rng))
    return season * walk * _breaks(scenario, channel.size, rng) * _calendar(scenario, start, year)


def _weekdays(scenario: Scenario, channel: IntArray, first: int, rng: np.random.Generator) -> FloatArray:
    knobs = scenario.demand
    week = knobs.season_sd * rng.standard_normal(7)
    weeks = week + knobs.season_channel_sd * rng.standard_normal((len(scenario.channels), 7))
    factors = np.exp(weeks)
    factors /= factors.mean(axis=1, keepdims=True)
    by_day: FloatArray = factors[channel][:, (first + np.arange(scenario.horizon_days)) % 7]
    return by_day


def _drift(scenario: Scenario, k: int, rng: np.random.Generator) -> FloatArray:
    steps = scenario.demand.drift_sd * rng.standard_normal((k, scenario.horizon_days))
    walk = np.empty_like(steps)
    level = np.zeros(k)
    for day in range(scenario.horizon_days):
        level = (1.0 - scenario.demand.drift_reversion) * level + steps[:, day]
        walk[:, day] = level
    return walk


def _breaks(scenario: Scenario, k: int, rng: np.random.Generator) -> FloatArray:
    knobs = scenario.shocks
    breaks = rng.random(k) < knobs.break_probability
    first, last = knobs.break_days
    day = rng.integers(first, last + 1, size=k)
    factor = np.where(breaks, rng.choice(np.array(knobs.break_factors), size=k), 1.0)
    return np.where(np.arange(scenario.horizon_days) >= day[:, None], factor[:, None], 1.0)


def _calendar(scenario: Scenario, start: date, rng: np.random.Generator) -> FloatArray:
    """The year's wave and its holidays, shape (H,)."""
    knobs, days = scenario.demand, scenario.horizon_days
    peak = rng.uniform(0.0, _YEAR)
    phase = 2.0 * np.pi * (start.toordinal() + np.arange(days) - peak) / _YEAR
    factor = 1.0 + knobs.year_amplitude * np.cos(phase)
    for holiday in knobs.holidays:
        for first in _occurrences(holiday, start, days):
            factor[max(first, 0) : max(first + holiday.days, 0)] *= holiday.factor
    return factor


def _occurrences(holiday: Holiday, start: date, days: int) -> list[int]:
    """The days on which a holiday begins, counted from the start; 29 February only in leap years."""
    last = start + timedelta(days=days)
    found = []
    for year in range(start.year - 1, last.year + 1):
        try:
            found.append((date(year, holiday.month, holiday.day) - start).days)
        except ValueError:
            continue
    return found
