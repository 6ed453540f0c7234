"""Which trials a plan makes (`optimizer.trials`), within the share of the spend that may stand on hope."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from optimizer import knowledge
from optimizer.decide import linear
from optimizer.decide.case import Case
from optimizer.decide.promises import uncertain_rows
from optimizer.goals import Because, Box, Explore
from optimizer.knowledge import HORIZON
from optimizer.plan.problem import Allocation, Row
from optimizer.plan.recommendation import Finding, Severity
from optimizer.plan.snapshot import FloatArray
from optimizer.trials import Trial, worthwhile

SHARE: Final = 2.0 / 3.0
"""The part of `explore_limit` that trials may take; the rest is for hope that is not planned."""

_TRIED: Final = Because("trial", "it is on trial there")

_ALIKE: Final = 1e-6
"""By how much, as a share, sums that are reckoned in two ways may differ."""

_THERE: Final = 0.05
"""How near a budget is to where its trial goes, as a share, once it has arrived."""


def may_try(case: Case) -> bool:
    """Whether trials are thought of.

    They are not where nothing may be hoped for or chance explores, where risk is averse, and where a ROAS floor or CPA
    ceiling is promised: what a trial may cost then has no price.
    """
    goals = case.goals
    hopes = case.forecast.hopes and goals.explore is not Explore.THOMPSON and goals.explore_limit > 0.0
    return hopes and goals.risk_aversion == 0.0 and not uncertain_rows(case)


def worth_trying(case: Case, box: Box, sober: Allocation) -> tuple[Trial, ...]:
    """Return the trials that pay by themselves, the best for its cost first; none where less than two budgets may move.

    Args:
        case: What is decided on.
        box: Where budgets may be if steps did not matter.
        sober: The aim of the expected curves alone, which has the money's price.
    """
    if np.count_nonzero(box.upper > box.lower) < 2:
        return ()  # what is learnt of a budget is worth something to those that could trade with it
    at = knowledge.spaced(box.lower, box.upper)
    return worthwhile(case.forecast.question(at, _price(case, sober)))


def _price(case: Case, sober: Allocation) -> FloatArray:
    """What a unit of each target's budget takes from the others, shape (K,)."""
    price = np.zeros(len(case.snapshot.current))
    for row, worth in zip(case.rows, sober.prices, strict=True):
        if row.outcome is None:
            price = price + worth * row.spend
    return np.maximum(price, 0.0)


def admitted(
    case: Case, box: Box, rows: Sequence[Row], trials: Sequence[Trial], sober: Allocation
) -> tuple[Trial, ...]:
    """Return the trials that find room in today's share of the spend, and leave the money a place, the best first.

    A trial upward takes what stands above the sober aim after one more step; one downward withholds what then stands
    below it. Each direction has the whole room, since what the one takes the other frees. With budgets closed where
    trials go to, the others must still be able to spend what the sober aim spends within the linear rows: else each
    trial would count on another to take the money that it saves, and none would.

    Args:
        case: What is decided on.
        box: Where budgets may be if steps did not matter.
        rows: Of the aim.
        trials: Those that pay, the best for its cost first.
        sober: The aim of the expected curves alone.
    """
    fits = _fitting(case, trials, sober)
    spent = float(sober.spend.sum()) * (1.0 - _ALIKE)
    if _spendable(pinned(box, fits), rows) >= spent:
        return fits
    found: tuple[Trial, ...] = ()
    for trial in fits:
        if _spendable(pinned(box, (*found, trial)), rows) >= spent:
            found = (*found, trial)
    return found


def _fitting(case: Case, trials: Sequence[Trial], sober: Allocation) -> tuple[Trial, ...]:
    room = SHARE * case.goals.explore_limit * case.forecast.hope * case.ceiling.micros / 1e6
    left, current, found = np.array([room, room]), case.snapshot.current, []
    up, down = 1.0 + case.goals.largest_step, case.goals.least(case.goals.largest_step)
    for trial in trials:
        now, stands = float(current[trial.target]), float(sober.spend[trial.target])
        moved = np.maximum([min(trial.budget, now * up) - stands, stands - max(trial.budget, now * down)], 0.0)
        if (moved <= left).all():
            left -= moved
            found.append(trial)
    return tuple(found)


def _spendable(box: Box, rows: Sequence[Row]) -> float:
    """The most that budgets of a box may be together within the linear rows; below zero where none keep these."""
    kept = [row for row in rows if row.outcome is None]
    bounds = np.array([row.bound + _ALIKE * max(abs(row.bound), 1.0) for row in kept])
    most = linear.most_together(linear.sides(box), kept, bounds)
    return -1.0 if most is None else most


def pinned(box: Box, trials: Sequence[Trial]) -> Box:
    """Return the box with every budget on trial closed at where it goes to."""
    return box.closed({t.target: (float(np.clip(t.budget, box.lower[t.target], box.upper[t.target])), _TRIED)
                       for t in trials})  # fmt: skip


def under_way(case: Case, trials: Sequence[Trial], budget: FloatArray) -> tuple[Trial, ...]:
    """Return the trials that the budgets (K,) go to or stay on: limits and today's steps may send one elsewhere."""
    current = case.snapshot.current
    return tuple(
        t for t in trials
        if _arrived(t, budget) or (t.budget - current[t.target]) * (budget[t.target] - current[t.target]) > 0.0
    )  # fmt: skip


def _arrived(trial: Trial, budget: FloatArray) -> bool:
    return abs(float(budget[trial.target]) - trial.budget) <= _THERE * trial.budget


def daily_worth(trials: Sequence[Trial]) -> float:
    """Return what trials are worth a day of their horizon, in the objective's unit."""
    return sum(trial.worth for trial in trials) / HORIZON


def told(case: Case, trials: Sequence[Trial], proposed: FloatArray) -> tuple[Finding, ...]:
    """Return a finding for each trial: what is tried, for how long, what it may cost, and when it stops.

    Args:
        case: What is decided on.
        trials: Those of the plan.
        proposed: The proposed budgets, shape (K,).
    """
    found, current = [], case.snapshot.current
    for trial in under_way(case, trials, proposed):
        target = case.snapshot.targets[trial.target]
        now = float(current[trial.target])
        where = f"towards {trial.budget:,.2f} a day from {now:,.2f}, for about {trial.days:.0f} days"
        if _arrived(trial, current):
            where = f"at {trial.budget:,.2f} a day, where it stays while what it may still show is worth its cost"
        words = (
            f"{target.budget.name} is on trial: {where}. Until it ends it is expected to cost {trial.cost:,.1f} "
            f"{case.counted}, and what is learnt to bring {trial.gain:,.2f} a day after it. It is judged anew each "
            f"morning, and stops when what it showed makes it worth less than it still costs over {HORIZON:.0f} days."
        )
        mend = 'Pin the budget to end the trial, or set explore = "none".'
        found.append(Finding("trial", Severity.INFO, str(target.key), words, mend))
    return tuple(found)
