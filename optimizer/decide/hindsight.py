"""One past morning judged by what came of it: the forecast, the advice, and how far the evidence reached. Pure.

The forecast is judged given the spend that really happened, so that a wrong budget is not taken for a wrong curve.
What the advice would have brought was never observed; only the model's own claim stands here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import numpy as np

from connectors.contract import BudgetKey, zone
from optimizer import guardrails
from optimizer.decide.decision import choose, tell
from optimizer.goals import Goals
from optimizer.guardrails import BoolArray, Guardrails
from optimizer.plan.recommendation import Decision, Effect
from optimizer.plan.snapshot import FloatArray, Panel, Snapshot
from optimizer.response import Belief
from optimizer.response.scores import Predictive

LEVELS: Final = (0.5, 0.8, 0.9)
"""Probabilities of the central intervals that are checked."""

RIVALS: Final = (7, 28)
"""Days whose conversions per currency unit the rivals of the model take for the next day's."""

WEEK: Final = 7
_DRAWS: Final = 500
_LEAST: Final = 0.5  # conversions that a rival takes a window without any for: a count of zero forbids no day


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """The scores of the model and its rivals on one day, model first, then as in `RIVALS`; nan where not scored.

    Attributes:
        log, crps, error: Log score, CRPS and absolute error of the mean, shape (1 + rivals, K).
        inside: Of the model's intervals, in the order of `LEVELS`, shape (levels, K).
    """

    log: FloatArray
    crps: FloatArray
    error: FloatArray
    inside: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Advice:
    """What was advised for the day, what was done, and what had been tried before.

    Attributes:
        current, recommended, done: Budgets in currency units a day, shape (K,). `done` is nan where it is unknown.
        recorded: Whether `done` is a budget that was read; else it is the mean spend of the days that followed.
        delivered: Spend to be expected at the recommended budget, shape (K,).
        least, most: The range of the daily spends seen so far, days without spend left out; nan without one.
        proposed: Whether anything was to be changed.
        claim: The effect that the model claimed, in `unit`.
    """

    current: FloatArray
    recommended: FloatArray
    done: FloatArray
    recorded: BoolArray
    delivered: FloatArray
    least: FloatArray
    most: FloatArray
    proposed: bool
    claim: Effect
    unit: str


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One morning, over its K daily budgets."""

    day: date
    keys: tuple[BudgetKey, ...]
    names: tuple[str, ...]
    marks: Marks
    advice: Advice


def judge(
    known: Snapshot, later: Snapshot, wanted: Goals, guards: Guardrails, now: datetime, rng: np.random.Generator
) -> Judged:
    """Forecast and decide as on the morning of `known.today`, and compare with what is known of that day later.

    Args:
        known: What was known on the morning.
        later: What is known now; its panel reaches over the day.
        wanted: The goals.
        guards: The written limits.
        now: The morning, aware UTC; cool-downs count from it.
        rng: For posterior draws.

    Raises:
        GoalsError: The goals cannot hold with the budgets of that morning.
    """
    planned, _ = guardrails.daily(known)
    came = _came(planned, later)
    choice = choose(planned, wanted, guards, now, rng)
    belief = choice.case.forecast.belief
    decision = tell(choice, rng)
    return Judged(
        day=known.today,
        keys=tuple(target.key for target in planned.targets),
        names=tuple(target.budget.name for target in planned.targets),
        marks=_marks(planned, belief, came, rng),
        advice=_advice(planned, belief, came, decision),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Came:
    """What came of the day, each of shape (K,) and nan where it is not known; `age` in whole days."""

    spend: FloatArray
    conversions: FloatArray
    budget: FloatArray
    spend_after: FloatArray
    age: int


def _came(planned: Snapshot, later: Snapshot) -> _Came:
    place = {target.key: k for k, target in enumerate(later.targets)}
    rows = np.array([place.get(target.key, -1) for target in planned.targets], dtype=np.int64)
    at = (planned.today - later.panel.first_day).days

    def column(measure: FloatArray) -> FloatArray:
        return np.where(rows >= 0, measure[rows, at], np.nan)

    after = later.panel.spend[rows, at : at + WEEK]
    days = np.isfinite(after).sum(axis=1)
    total = np.nansum(after, axis=1)
    return _Came(
        spend=column(later.panel.spend),
        conversions=column(later.panel.conversions),
        budget=column(later.panel.budget),
        spend_after=np.where((rows >= 0) & (days > 0), total / np.maximum(days, 1), np.nan),
        age=(later.known_at.astimezone(zone(later.time_zone)).date() - planned.today).days,
    )


def _marks(planned: Snapshot, belief: Belief, came: _Came, rng: np.random.Generator) -> Marks:
    """Score the forecasts of the conversions of the day that are reported by now.

    Of eventual conversions, each is reported by now with probability F: a negative binomial thinned so keeps its
    excess, and its mean is multiplied by F. Rivals are given the same F and the same excess. A budget is scored where
    it spent on the day and in the windows of all rivals.
    """
    rates = np.stack([_rate(planned.panel, days) for days in RIVALS])
    scored = (came.spend > 0) & (came.conversions >= 0) & np.isfinite(rates).all(axis=0)
    kept = np.flatnonzero(scored)
    spend, count = np.where(scored, came.spend, 0.0), came.conversions[kept]
    complete = belief.maturity(np.array([max(came.age, 0)], dtype=np.int64))[:, 0]
    drawn = belief.expected(spend, planned.today, _DRAWS, rng) * complete
    means = [drawn, *(np.broadcast_to(rate * spend * complete, drawn.shape) for rate in rates)]
    forecasts = [Predictive(mean[:, kept], belief.excess[kept]) for mean in means]
    return Marks(
        log=_spread([forecast.log_score(count) for forecast in forecasts], scored),
        crps=_spread([forecast.crps(count, rng) for forecast in forecasts], scored),
        error=_spread([np.abs(forecast.expected - count) for forecast in forecasts], scored),
        inside=_spread([forecasts[0].inside(count, level) for level in LEVELS], scored),
    )


def _rate(panel: Panel, days: int) -> FloatArray:
    """Conversions per currency unit over the last days, as reported then, shape (K,); nan without spend."""
    spend, conversions = panel.spend[:, -days:], panel.conversions[:, -days:]
    counted = (np.nan_to_num(spend) > 0) & np.isfinite(conversions)
    paid = np.where(counted, spend, 0.0).sum(axis=1)
    got = np.maximum(np.where(counted, conversions, 0.0).sum(axis=1), _LEAST)
    rate: FloatArray = np.divide(got, paid, out=np.full_like(got, np.nan), where=paid > 0)
    return rate


def _spread(scores: list[FloatArray], scored: BoolArray) -> FloatArray:
    """Put the scores of the scored budgets in their places, shape (n, K)."""
    table = np.full((len(scores), len(scored)), np.nan)
    table[:, scored] = scores
    return table


def _advice(planned: Snapshot, belief: Belief, came: _Came, decision: Decision) -> Advice:
    proposed = {line.key: line.proposed.micros / 1e6 for line in decision.lines}
    recommended = np.array([proposed[target.key] for target in planned.targets], dtype=np.float64)
    recorded = np.isfinite(came.budget)
    least, most = _tried(planned.panel.spend)
    return Advice(
        current=planned.current,
        recommended=recommended,
        done=np.where(recorded, came.budget, came.spend_after),
        recorded=recorded,
        delivered=belief.delivered(recommended[:, None])[:, 0],
        least=least,
        most=most,
        proposed=decision.moves,
        claim=decision.total,
        unit=decision.unit,
    )


def _tried(spend: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the least and the largest daily spend above zero, each of shape (K,); nan where nothing was spent."""
    paid = np.nan_to_num(spend) > 0
    seen = paid.any(axis=1)
    least = np.where(paid, spend, np.inf).min(axis=1, initial=np.inf)
    most = np.where(paid, spend, 0.0).max(axis=1, initial=0.0)
    return np.where(seen, least, np.nan), np.where(seen, most, np.nan)
