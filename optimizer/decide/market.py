"""What the allocator is given: spends to choose from, what they bring, what moving there costs, and the risk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from optimizer.allocate import Risk, solve, solve_averse
from optimizer.decide.case import Case
from optimizer.goals import Box
from optimizer.guardrails import BoolArray
from optimizer.plan.problem import Allocation, Problem, Row
from optimizer.plan.recommendation import Objective
from optimizer.plan.snapshot import FloatArray

_RISK_NUMBERS: Final = 12_000_000  # draws x targets x points that risk aversion holds at once: 100 MB
_RISK_DRAWS: Final = (50, 400)


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """What is to be solved, and what of the uncertainty counts against a plan; None if nothing does."""

    problem: Problem
    risk: Risk | None

    def solve(self, rows: tuple[Row, ...] | None = None) -> Allocation:
        """Solve it, or the same under other rows."""
        problem = self.problem if rows is None else replace(self.problem, rows=rows)
        return solve(problem) if self.risk is None else solve_averse(problem, self.risk)


def market(case: Case, box: Box, points: int, rows: tuple[Row, ...], rng: np.random.Generator) -> Market:
    """Tabulate what budgets within a box bring, less what moving them there costs."""
    choice = space(box, points, case.snapshot.current)
    moving = _moving(case, choice.grid)
    utility = case.forecast.utility(choice.grid) - moving
    problem = tabulated(case, choice, utility, rows)
    if case.goals.risk_aversion == 0.0:
        return Market(problem, None)
    count = int(np.clip(_RISK_NUMBERS // choice.grid.size, *_RISK_DRAWS))
    draws = case.forecast.draws(choice.grid, count, rng)
    draws -= moving
    return Market(problem, Risk(draws, case.goals.risk_aversion, case.goals.risk_tail))


def tabulated(case: Case, choice: Space, objective: FloatArray, rows: tuple[Row, ...]) -> Problem:
    """The problem over spends to choose from, with those outcomes alone that some row counts."""
    counted = {row.outcome for row in rows if row.outcome is not None}
    return Problem(choice.grid, objective, case.forecast.outcomes(choice.grid, counted), rows, choice.apart)


def _moving(case: Case, grid: FloatArray) -> FloatArray:
    """What it costs to move each budget to each spend, in the objective's unit, shape (K, P).

    `switching_cost` times what a unit brings on average now, half of it where the unit leaves and half where it
    arrives: a kink at the present budget, so that a plan moves only for more than that, and small gains leave it be.
    """
    current = case.snapshot.current[:, None]
    spent = float(case.forecast.spend(current).sum())
    if case.goals.switching_cost == 0.0 or spent <= 0.0:
        return np.zeros_like(grid)
    brought = float(case.forecast.moments(current)[0].sum())
    if case.goals.objective is Objective.PROFIT:
        brought += spent  # the return, before the spend is taken off it
    cost: FloatArray = 0.5 * case.goals.switching_cost * max(brought / spent, 0.0) * np.abs(grid - current)
    return cost


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """Spends to choose from, shape (K, P), and the budgets of which the first one stands apart, (K,): it is a pause."""

    grid: FloatArray
    apart: BoolArray


def space(box: Box, points: int, current: FloatArray) -> Space:
    """Return spends from the box's lower to its upper ends, denser below, where curves bend most.

    The present one is among them, and 0 stands before all others where a budget may be paused.
    """
    apart = box.pausable
    whole, part = (np.linspace(0.0, 1.0, n) ** 1.5 for n in (points, points - 1))
    share = np.where(apart[:, None], np.concatenate([[0.0], part]), whole)
    grid: FloatArray = box.lower[:, None] + (box.upper - box.lower)[:, None] * share
    grid[apart, 0] = 0.0
    inner = grid[:, 2:-1]
    place = 2 + np.abs(inner - current[:, None]).argmin(axis=1)
    rows = np.flatnonzero((box.lower < current) & (current < box.upper) & (grid[:, 1] < current))
    grid[rows, place[rows]] = current[rows]
    return Space(grid, apart)
