"""What came of lines: what was observed, less what the old budgets would have brought on the same days. Pure.

For a line with n days at its new budget, y_d what is reported of a day and F_d the share of it that is reported by now,

    came = 1/n sum_d (y_d / F_d - c_d(x_old))

where c is believed on the morning of writing, from all that is known now of the days *before* it and none of those
after. The error of `came` is that of the level where the line stood, its wandering since, and the noise of the days;
the slope, of which a promise is made and by which a plan is chosen, has no part in it. docs/scorecard.md derives this,
and what a belief that has learnt from the days themselves says instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from connectors.money import MICROS
from optimizer.forecast import Forecast
from optimizer.measure.scorecard.spans import Span
from optimizer.measure.scorecard.units import Unit
from optimizer.plan.recommendation import Line
from optimizer.plan.snapshot import FloatArray, Snapshot
from optimizer.response import Belief
from optimizer.response.learning import VOLUME

DRAWS: Final = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Came:
    """What came of L lines, in the objective's unit a day, each of shape (L,); nan without a day that counts.

    Attributes:
        observed: What was observed.
        otherwise: What the old budgets would have brought.
        sd: Standard error of their difference.
    """

    observed: FloatArray
    otherwise: FloatArray
    sd: FloatArray

    @property
    def mean(self) -> FloatArray:
        """The estimate, shape (L,)."""
        return self.observed - self.otherwise


def came(known: Snapshot, then: Forecast, lines: Sequence[Line], days: Span, rng: np.random.Generator) -> Came:
    """Compare what was observed with what the old budgets would have brought.

    Args:
        known: What is known now.
        then: By the belief of the morning of writing, of the same targets, and the goals whose objective was promised.
        lines: The lines, as `days` has them.
        days: Their days.
        rng: For posterior draws.
    """
    unit, belief, rows, weight = Unit(then), then.belief, days.rows, days.weight
    owed, spent = unit.owed[rows], unit.spent[rows]
    counts, worth = unit.counts(DRAWS, rng)[:, rows], unit.worth(DRAWS, rng)[:, rows]
    factor = _factors(belief, days)

    number, value = _seen(known, unit, days, factor, rng)
    at = slice(days.start, days.start + len(days.days))
    delivered = (weight * np.nan_to_num(known.panel.spend[rows, at])).sum(axis=1)
    observed = counts * value - owed * number - spent * delivered

    worlds, held = belief.ordinary(DRAWS, rng), _budgets(known, lines, days)[:, None]
    count = worlds.at(held)[:, rows, 0] * (weight * factor).sum(axis=1)
    wander = np.sqrt(_wandering(weight * factor))
    count = count * np.exp(wander * rng.standard_normal(count.shape) - 0.5 * wander**2)
    otherwise = (counts * worth - owed) * count - spent * worlds.delivered(held)[:, rows, 0]
    return Came(observed.mean(axis=0), otherwise.mean(axis=0), (observed - otherwise).std(axis=0))


def believed(now: Forecast, lines: Sequence[Line], days: Span, rng: np.random.Generator) -> FloatArray:
    """Draw what the lines bring a day over their old budgets by a belief that knows their days, shape (n, L).

    Args:
        now: By what is believed today, and the goals whose objective was promised.
        lines: The lines, as `days` has them.
        days: Their days.
        rng: For posterior draws.
    """
    unit, belief, rows = Unit(now), now.belief, days.rows
    pair = np.zeros((len(belief.excess), 2))
    pair[rows] = [[line.current.micros / MICROS, line.proposed.micros / MICROS] for line in lines]
    worlds = belief.ordinary(DRAWS, rng)
    drawn, spend = worlds.at(pair)[:, rows], worlds.delivered(pair)[:, rows]
    shift = (drawn[..., 1] - drawn[..., 0]) * (days.weight * _factors(belief, days)).sum(axis=1)
    worth = unit.counts(DRAWS, rng)[:, rows] * unit.worth(DRAWS, rng)[:, rows]
    more = spend[..., 1] - spend[..., 0]
    gained: FloatArray = (worth - unit.owed[rows]) * shift - unit.spent[rows] * more
    return gained


def _seen(
    known: Snapshot, unit: Unit, days: Span, factor: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Draw conversions a day and what they count before cost, with the noise of the days, each of shape (n, L).

    What is reported of a day over the share of it that is reported has, of a negative binomial with mean m and excess
    phi, thinned to a share F, the variance m / F + phi m^2. By the belief and not by what was observed: a day that
    brought little would else seem to be a sure one. The values of orders differ on top.
    """
    rows, weight, then = days.rows, days.weight, unit.forecast.belief
    at = slice(days.start, days.start + len(days.days))
    mean = then.curves.raw_moments(np.nan_to_num(known.panel.spend[:, at]))[0][rows] * factor
    noise = np.sqrt((weight**2 * (mean / days.complete + then.excess[rows, None] * mean**2)).sum(axis=1))
    beside = noise * rng.standard_normal((DRAWS, len(rows)))
    number, value = (
        (weight * np.nan_to_num(told[rows, at]) / days.complete).sum(axis=1)
        for told in (known.panel.conversions, unit.reported(known.panel))
    )
    drawn = value + unit.mean[rows] * beside
    between = unit.between(known.panel)
    if between is not None:
        orders = np.sqrt(between[rows] * (weight**2 * mean / days.complete).sum(axis=1))
        drawn = drawn + orders * rng.standard_normal(drawn.shape)
    return number + beside, drawn


def _factors(belief: Belief, days: Span) -> FloatArray:
    """What each day is expected to bring over an ordinary one, shape (L, D)."""
    if not days.days:
        return np.ones_like(days.counted)
    factor: FloatArray = belief.factor(days.days).T[days.rows]
    return factor


def _budgets(known: Snapshot, lines: Sequence[Line], days: Span) -> FloatArray:
    """The budgets with the lines as they were, currency units, shape (K,)."""
    budget = known.current.copy()
    budget[days.rows] = [line.current.micros / MICROS for line in lines]
    return budget


def _wandering(weight: FloatArray) -> FloatArray:
    """Variance of the mean log level since the morning of writing: q sum_ij w_i w_j min(i, j) of days i, j after."""
    share = weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-300)
    age = np.arange(2.0, share.shape[1] + 2.0)  # the first day that counts is the second one after the evidence
    variance: FloatArray = VOLUME.drift * ((share @ np.minimum(age[:, None], age)) * share).sum(axis=1)
    return variance
