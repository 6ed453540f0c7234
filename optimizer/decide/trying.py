"""Which trials a plan makes (`optimizer.trials`), within the share of the spend that may stand on hope."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from optimizer.decide.case import Case
from optimizer.decide.promises import uncertain_rows
from optimizer.goals import Because, Box, Explore
from optimizer.plan.problem import Allocation
from optimizer.plan.recommendation import Finding, Severity
from optimizer.plan.snapshot import FloatArray
from optimizer.trials import CELLS, HORIZON, POINTS, Question, Trial, worthwhile

SHARE: Final = 2.0 / 3.0
"""The part of `explore_limit` that trials may take; the rest is for hope that is not planned."""

_TRIED: Final = Because("trial", "it is on trial there")
_LEAST_STEP, _MOST_FALL = 0.02, 0.9


def may_try(case: Case) -> bool:
    """Whether trials are thought of.

    They are not where nothing may be hoped for or chance explores, where risk is averse, and where a ROAS floor or CPA
    ceiling is promised: what a trial may cost then has no price.
    """
    goals = case.goals
    hopes = case.forecast.hopes and goals.explore is not Explore.THOMPSON and goals.explore_limit > 0.0
    return hopes and goals.risk_aversion == 0.0 and not uncertain_rows(case)


def worth_trying(case: Case, box: Box, sober: Allocation) -> tuple[Trial, ...]:
    """Return the trials that pay by themselves, the best for its cost first.

    Args:
        case: What is decided on.
        box: Where budgets may be if steps did not matter.
        sober: The aim of the expected curves alone, which has the money's price.
    """
    goals, current = case.goals, case.snapshot.current
    high = np.maximum(box.upper, 1e-9)
    low = np.maximum(box.lower, 1e-3 * high)
    at = low[:, None] * (high / low)[:, None] ** np.linspace(0.0, 1.0, POINTS)
    curves, chance, noise = case.forecast.likeliest(at, CELLS)
    step = max(goals.largest_step, _LEAST_STEP)
    asked = Question(
        at=at,
        curves=curves,
        chance=chance,
        cost=case.forecast.cost(at),
        noise=noise,
        price=_price(case, sober),
        current=np.maximum(current, 1e-9),
        steps=(step, min(step, _MOST_FALL)),
        free=(current > 0.0) & (box.lower < box.upper),
    )
    return worthwhile(asked)


def _price(case: Case, sober: Allocation) -> FloatArray:
    """What a unit of each target's budget takes from the others, shape (K,)."""
    price = np.zeros(len(case.snapshot.current))
    for row, worth in zip(case.rows, sober.prices, strict=True):
        if row.outcome is None:
            price = price + worth * row.spend
    return np.maximum(price, 0.0)


def admitted(case: Case, trials: Sequence[Trial], sober: Allocation) -> tuple[Trial, ...]:
    """Return the trials that find room in today's share of the spend, the best for its cost first.

    A trial takes what stands above the sober aim today: its budget after one more step.
    """
    room = SHARE * case.goals.explore_limit * case.forecast.hope * case.ceiling.micros / 1e6
    current, found = case.snapshot.current, []
    for trial in trials:
        step = current[trial.target] * (1.0 + case.goals.largest_step)
        taken = max(min(trial.budget, float(step)) - float(sober.spend[trial.target]), 0.0)
        if taken <= room:
            room -= taken
            found.append(trial)
    return tuple(found)


def pinned(box: Box, trials: Sequence[Trial]) -> Box:
    """Return the box with every budget on trial closed at where it goes to."""
    return box.closed({t.target: (float(np.clip(t.budget, box.lower[t.target], box.upper[t.target])), _TRIED)
                       for t in trials})  # fmt: skip


def under_way(case: Case, trials: Sequence[Trial], budget: FloatArray) -> tuple[Trial, ...]:
    """Return the trials that the budgets (K,) go towards: limits and today's steps may send one elsewhere."""
    current = case.snapshot.current
    return tuple(t for t in trials if (t.budget - current[t.target]) * (budget[t.target] - current[t.target]) > 0.0)


def daily_worth(trials: Sequence[Trial]) -> float:
    """Return what trials are worth a day of their horizon, in the objective's unit."""
    return sum(trial.worth for trial in trials) / HORIZON


def told(case: Case, trials: Sequence[Trial], proposed: FloatArray) -> tuple[Finding, ...]:
    """Return a finding for each trial that moves its budget: what is tried, how long, what it may cost, when it stops.

    Args:
        case: What is decided on.
        trials: Those of the plan.
        proposed: The proposed budgets, shape (K,).
    """
    found = []
    for trial in under_way(case, trials, proposed):
        target = case.snapshot.targets[trial.target]
        now = float(case.snapshot.current[trial.target])
        words = (
            f"{target.budget.name} is on trial: towards {trial.budget:,.2f} a day from {now:,.2f}, for about "
            f"{trial.days:.0f} days. Until then it is expected to cost {trial.cost:,.1f} {case.counted}, and what is "
            f"learnt to bring {trial.gain:,.2f} a day after it. It is judged anew each morning, and stops when what it "
            f"showed makes it worth less than it still costs over {HORIZON:.0f} days."
        )
        mend = 'Pin the budget to end the trial, or set explore = "none".'
        found.append(Finding("trial", Severity.INFO, str(target.key), words, mend))
    return tuple(found)
