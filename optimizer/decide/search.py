"""The search for the plan: first the aim, then what today allows on the way to it (docs/decision.md)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from optimizer import goals, guardrails
from optimizer.allocate import solve
from optimizer.decide.case import Case
from optimizer.goals import Because, Box, Explore, GoalsError
from optimizer.guardrails import BoolArray
from optimizer.plan.problem import Allocation, Collision, Problem, Row
from optimizer.plan.recommendation import Finding, Severity
from optimizer.plan.snapshot import FloatArray

_WIDE_POINTS: Final = 64
_STEP_POINTS: Final = 33
_CREDIT_HALVINGS: Final = 6
_LEAST_CREDIT: Final = 0.25
_PRUNINGS: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Budgets in currency units, shape (K,), and how they were found.

    Attributes:
        box: What today allows each budget.
        aim: The solver's answer without steps, with its certificate; it counts uncertainty as `explore` says.
        prices: What each row's room is worth by the expected curves alone, shape (rows,).
        findings: What was noticed on the way.
    """

    budget: FloatArray
    box: Box
    aim: Allocation
    prices: FloatArray
    findings: tuple[Finding, ...]


def search(case: Case, rng: np.random.Generator) -> Plan:
    """Find today's budgets.

    Raises:
        GoalsError: A line that a person fixed breaks a limit of its own.
    """
    targets, current = case.snapshot.targets, case.snapshot.current
    wide = _closed(case, goals.wide_box(case.goals, targets, current, case.snapshot.today))
    aim = _aim(case, wide, rng)
    step = guardrails.room(case.snapshot, case.goals, case.guards, case.now)
    _check_fixed(case, step)
    step = _closed(case, step)
    budget, findings = _approach(case, aim, step)
    budget = _fewer_moves(case, aim, step, budget)
    return Plan(budget, step, aim.answer, _expected_prices(case, wide, aim), (*aim.findings, *findings))


@dataclass(frozen=True, slots=True, eq=False)
class _Aim:
    """Where the money should be if steps did not matter, and the rows that keep the promises on the way."""

    answer: Allocation
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]


def _aim(case: Case, box: Box, rng: np.random.Generator) -> _Aim:
    """Solve for the best budgets without the step limit; ROAS and CPA rows are met with the asked probability.

    The rows count expected outcomes times a credit at most 1, halved in on until the share of posterior draws
    that meet every row is `confidence`: the largest credit, and so the best plan, that keeps the promise.
    """
    grid = _grid(box, _WIDE_POINTS)
    problem = Problem(grid, case.forecast.utility(grid, rng), case.forecast.outcomes(grid), case.rows)
    answer = solve(problem)
    if answer.collision is not None:
        return _Aim(answer, case.rows, (_contradiction(answer.collision),))
    uncertain = uncertain_rows(case)
    if not uncertain or probability(case, answer.spend, uncertain, rng) >= case.goals.confidence:
        return _Aim(answer, case.rows, ())
    return _careful_aim(case, problem, uncertain, rng) or _Aim(answer, case.rows, (_unsure(case, uncertain),))


def _expected_prices(case: Case, box: Box, aim: _Aim) -> FloatArray:
    """The multipliers of the rows when only expectation counts: hope has no place in a price that a person reads."""
    if case.goals.explore is Explore.NONE:
        return aim.answer.prices
    grid = _grid(box, _WIDE_POINTS)
    return solve(Problem(grid, case.forecast.moments(grid)[0], case.forecast.outcomes(grid), aim.rows)).prices


def _careful_aim(case: Case, problem: Problem, uncertain: list[Row], rng: np.random.Generator) -> _Aim | None:
    low, high, best = _LEAST_CREDIT, 1.0, None
    for _ in range(_CREDIT_HALVINGS):
        credit = (low + high) / 2
        rows = tuple(_credited(row, credit) for row in case.rows)
        tried = solve(replace(problem, rows=rows))
        met = tried.collision is None and probability(case, tried.spend, uncertain, rng) >= case.goals.confidence
        best, low, high = (_Aim(tried, rows, ()), credit, high) if met else (best, low, credit)
    return best


def uncertain_rows(case: Case) -> list[Row]:
    """The rows that count outcomes, and so are kept only with a probability."""
    return [row for row in case.rows if row.outcome is not None]


def probability(case: Case, budget: FloatArray, rows: list[Row], rng: np.random.Generator) -> float:
    """Return the share of posterior draws in which budgets, shape (K,), keep every one of the rows."""
    spend = case.forecast.belief.delivered(budget[:, None])[:, 0]
    n = case.draw_count
    kept = np.ones(n, dtype=np.bool_)
    for row in rows:
        if row.outcome is None or row.credit is None:
            continue
        brought = case.forecast.outcome_draws(budget[:, None], row.outcome, n, rng)[..., 0] @ row.credit
        kept &= row.spend @ spend - brought <= row.bound + 1e-9
    return float(kept.mean())


def _credited(row: Row, credit: float) -> Row:
    return row if row.credit is None else replace(row, credit=row.credit * credit)


def _approach(case: Case, aim: _Aim, box: Box) -> tuple[FloatArray, tuple[Finding, ...]]:
    """Find the budgets nearest to the aim within today's box, all rows kept and as much spent as the aim spends.

    Nearness is -sum_k (x_k - aim_k)^2 / current_k: every budget gives way in proportion to its size.
    """
    goal, current = aim.answer.spend, case.snapshot.current
    grid = _grid(box, _STEP_POINTS)
    weight = np.maximum(current, 1e-6 * max(float(current.max()), 1e-6))[:, None]
    nearness = -((grid - goal[:, None]) ** 2) / weight
    spent = min(float(goal.sum()), float(box.upper.sum()))
    whole = Row("spent", "the plan spends as much as its aim", -np.ones(len(goal)), -spent)
    outcomes = case.forecast.outcomes(grid)
    answer = solve(Problem(grid, nearness, outcomes, (*aim.rows, whole)))
    if answer.collision is not None:
        answer = solve(Problem(grid, nearness, outcomes, aim.rows))
    return answer.spend, () if answer.collision is None else (_out_of_reach(answer.collision),)


def _fewer_moves(case: Case, aim: _Aim, box: Box, budget: FloatArray) -> FloatArray:
    """Solve again with the moves left out that are too small to be worth a platform's learning, or too many."""
    current = case.snapshot.current
    for _ in range(_PRUNINGS):
        size = np.abs(budget - current) / np.maximum(current, 1e-9)
        left = (size > 0) & ((size < case.guards.smallest_step) | _beyond_count(case, budget))
        left &= (box.lower <= current) & (current <= box.upper)
        if not left.any():
            break
        box = replace(box, lower=np.where(left, current, box.lower), upper=np.where(left, current, box.upper))
        budget = _approach(case, aim, box)[0]
    return budget


def _beyond_count(case: Case, budget: FloatArray) -> BoolArray:
    """Moves beyond the largest `max_changes`, by the money that they move."""
    size = np.abs(budget - case.snapshot.current)
    rank = np.argsort(np.argsort(-size, kind="stable"), kind="stable")
    beyond: BoolArray = rank >= (case.guards.max_changes or len(budget))
    return beyond


def _grid(box: Box, points: int) -> FloatArray:
    """Spends from the box's lower to its upper ends, shape (K, points), denser below, where curves bend most."""
    share = np.linspace(0.0, 1.0, points) ** 1.5
    grid: FloatArray = box.lower[:, None] + (box.upper - box.lower)[:, None] * share
    return grid


def _check_fixed(case: Case, box: Box) -> None:
    index = {target.key: k for k, target in enumerate(case.snapshot.targets)}
    for key, amount in case.fixed.items():
        if key not in index:
            raise GoalsError(f"there is no budget {key}. Mend: name one of the recommendation's lines")
        k, units_ = index[key], amount.micros / 1e6
        slack = case.snapshot.targets[k].budget.quantum_micros / 1e6
        if not box.lower[k] - slack <= units_ <= box.upper[k] + slack:
            side = box.upper_because[k] if units_ > box.upper[k] else box.lower_because[k]
            why = "; ".join(because.words for because in side)
            raise GoalsError(
                f"{key} cannot be {amount}: {why}. Mend: choose between {box.lower[k]:,.2f} and {box.upper[k]:,.2f}"
            )


def _contradiction(collision: Collision) -> Finding:
    return Finding("contradiction", Severity.BLOCK, "portfolio", collision.words,
                   "Change one of these limits in config.toml.")  # fmt: skip


def _out_of_reach(collision: Collision) -> Finding:
    return Finding("out-of-reach", Severity.WARNING, "portfolio",
                   f"Not within today's steps: {collision.words} The plan goes as far as it may.",
                   "Let the next plans go on, or allow a larger step.")  # fmt: skip


def _unsure(case: Case, rows: list[Row]) -> Finding:
    promises = " and ".join(row.words for row in rows)
    return Finding("confidence", Severity.WARNING, "portfolio",
                   f"No plan keeps {promises} with a probability of {case.goals.confidence:.0%}.",
                   "Lower the confidence or the limit, or wait for more evidence.")  # fmt: skip


def _closed(case: Case, box: Box) -> Box:
    """The box with every budget that a person fixed, or that a guard holds, closed around its amount."""
    at: dict[int, tuple[float, Because]] = {}
    for k, target in enumerate(case.snapshot.targets):
        hold, amount = case.held[k], case.fixed.get(target.key)
        if amount is not None:
            at[k] = (amount.micros / 1e6, Because("fixed", f"set to {amount} by hand"))
        elif hold is not None:
            at[k] = (float(case.snapshot.current[k]), Because(hold.code, hold.words))
    return box.closed(at)
