"""What stands behind each line, to be drawn: the days that were seen, and what the budget would bring at each spend."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import numpy as np

from connectors.contract import BudgetKey
from optimizer import guardrails
from optimizer.forecast import Forecast
from optimizer.goals import Goals, owed
from optimizer.plan.calendar import Occasion
from optimizer.plan.snapshot import FloatArray, Snapshot
from optimizer.response import learn

SEEN_DAYS: Final = 90
"""Days of history that are shown; older ones say little of what a budget brings today."""

_POINTS: Final = 33
_BEYOND: Final = 1.6  # the curve goes so far past the largest spend that was seen or is proposed
_DRAWN_NUMBERS: Final = 2_000_000  # draws x targets x points held at once: 16 MB
_QUANTILES: Final = (0.025, 0.1, 0.9, 0.975)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The last days of one budget, oldest first; each of shape (T,), nan where no row tells.

    Attributes:
        first_day: The first of them.
        spend: Currency units.
        conversions: As reported by then.
        matured: The same divided by the share of the eventual conversions that is reported of such a day.
        value: Currency units, as reported; nan throughout where the platform tells none.
    """

    first_day: date
    spend: FloatArray
    conversions: FloatArray
    matured: FloatArray
    value: FloatArray

    @property
    def days(self) -> tuple[date, ...]:
        """The dates."""
        return tuple(self.first_day + timedelta(days=n) for n in range(len(self.spend)))


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """The objective a day as a function of one daily budget; each of shape (P,).

    Attributes:
        budget: Currency units a day, rising from 0.
        mean: The posterior mean.
        low95, low80, high80, high95: Ends of the central intervals, point by point, of posterior draws.
    """

    budget: FloatArray
    mean: FloatArray
    low95: FloatArray
    low80: FloatArray
    high80: FloatArray
    high95: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What stands behind one line."""

    key: BudgetKey
    seen: Seen
    curve: Curve


def pictures(
    snapshot: Snapshot, wanted: Goals, occasions: tuple[Occasion, ...], reach: dict[BudgetKey, float], seed: int
) -> tuple[Picture, ...]:
    """Draw what `decide` saw and believed of each daily budget; the same input gives the same pictures.

    Args:
        snapshot: The evidence, as `decide` was given it.
        wanted: The goals.
        occasions: Known events.
        reach: A spend by budget that the curve must reach at least, currency units a day.
        seed: Of the draws that the intervals are quantiles of.
    """
    known, _ = guardrails.daily(replace(snapshot, occasions=occasions))
    if not known.targets:
        return ()
    belief = learn(known)
    days = known.panel.days
    mature = belief.maturity(np.arange(days, 0, -1))
    seen = [_seen(known, k, mature[k]) for k in range(len(known.targets))]
    ends = [
        max(reach.get(target.key, 0.0), current, float(np.nanmax(shown.spend, initial=0.0)), 1.0)
        for target, current, shown in zip(known.targets, known.current, seen, strict=True)
    ]
    grid = np.array(ends)[:, None] * _BEYOND * np.linspace(0.0, 1.0, _POINTS)
    forecast = Forecast(belief, wanted, known.current, owed=owed(wanted, known.targets, belief.worth.mean))
    count = int(np.clip(_DRAWN_NUMBERS // grid.size, 200, 2_000))
    drawn = forecast.draws(grid, count, np.random.default_rng(seed))
    ends_of = np.quantile(drawn, _QUANTILES, axis=0)
    mean = forecast.moments(grid)[0]
    return tuple(
        Picture(target.key, seen[k], Curve(grid[k], mean[k], *(end[k] for end in ends_of)))
        for k, target in enumerate(known.targets)
    )


def _seen(snapshot: Snapshot, k: int, mature: FloatArray) -> Seen:
    panel = snapshot.panel
    since = max(panel.days - SEEN_DAYS, 0)
    told = panel.conversions[k, since:]
    return Seen(
        first_day=panel.first_day + timedelta(days=since),
        spend=panel.spend[k, since:],
        conversions=told,
        matured=told / np.maximum(mature[since:], 1e-9),
        value=panel.value[k, since:],
    )
