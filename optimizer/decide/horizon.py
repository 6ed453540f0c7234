"""From a forecast to the days of `optimizer.allocate.periods`: weekdays, known events, and spend that is felt later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from optimizer.allocate.periods import Carry, Horizon
from optimizer.forecast import Forecast
from optimizer.plan.snapshot import FloatArray


def horizon(
    forecast: Forecast, days: Sequence[date], money: float, grid: FloatArray, lower: FloatArray, upper: FloatArray
) -> Horizon:
    """Lay out the days of a plan that sums to an amount, by what is believed.

    The gain is the objective's on an ordinary day, before its cost: over the days the money is given. Where the slow
    tier knows how long a channel's spend is felt, the stock of advertising is carried over, from what was spent so
    far on.

    Args:
        forecast: What budgets would bring; K targets.
        days: The T days, consecutive, from `forecast.belief.today` on.
        money: For all days and budgets together, currency units.
        grid: Spends a day at which curves are read, ascending, shape (K, P).
        lower: Least spend of each day, shape (T, K).
        upper: Largest spend of each day, shape (T, K).

    Raises:
        ValueError: Something has the wrong shape or lies out of its range.
    """
    belief = forecast.belief
    ordinary = replace(forecast, belief=replace(belief, events=None, crowds=None))
    return Horizon(
        grid=grid,
        gain=ordinary.brought(grid),
        factor=belief.factor(days),
        money=money,
        lower=lower,
        upper=upper,
        carry=Carry.STOCK if belief.memory.retention.any() else Carry.EFFECT,
        retention=belief.memory.retention,
        before=belief.memory.stock * (belief.memory.retention > 0),
    )
