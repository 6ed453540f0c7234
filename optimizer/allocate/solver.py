"""The allocator's one function: from a problem to a plan, its certificate, its prices, and what collides."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from optimizer.allocate.blocks import Prices, generate
from optimizer.allocate.branch import Found, plan_of, search
from optimizer.allocate.collision import KEPT, collide, least_excess, loosened
from optimizer.allocate.core import SPARE, converge, nearest
from optimizer.allocate.large import LARGE, enclose, settle
from optimizer.allocate.tables import BoolArray, Tables, between, closed, in_gap, locate, scaled
from optimizer.allocate.unspent import binding, unspent
from optimizer.plan.problem import Allocation, Collision, Problem, finite
from optimizer.plan.snapshot import FloatArray, IntArray

TOLERANCE: Final = 1e-4  # the relative gap below which a plan is called the best
MIDDLING: Final = 20_000  # grid points that are mixed at once under a single row
PENALTIES: Final = (1e3, 1e7)  # price of a broken row: gains of the whole portfolio's range per bound


def solve(problem: Problem) -> Allocation:
    """Find the plan with the largest objective that keeps every row, and prove how near it is to the best.

    The answer depends on the problem alone: there is no starting point and no randomness. Money is left unspent
    where one more unit would bring nothing or less. Where the rows cannot all hold, the plan is the best one under
    the nearest bounds that can (spending caps give way last), and `collision` tells which rows are at odds; its
    `upper_bound` and `prices` are those of the loosened problem.

    Raises:
        ValueError: There is no target, or a row's numbers or an outcome's table are unfit.
    """
    _check(problem)
    tables, found = _attempt(problem, PENALTIES[0])
    if _kept(tables, found):
        return _allocation(problem, tables, found, None)
    least = least_excess(tables, _search)
    collision = None if _kept(tables, least) else collide(problem, _search)
    loose = problem if collision is None else loosened(problem, tables, least)
    for penalty in PENALTIES:
        tables, found = _attempt(loose, penalty)
        if _kept(tables, found):
            return _allocation(problem, tables, found, collision)
    # Only curves that are hardly feasible lead here: the plan that breaks the rows least is one that keeps them.
    value = tables.evaluate(least.plan.spend)[0]
    found = replace(found, plan=replace(least.plan, value=value, multipliers=found.plan.multipliers))
    return _allocation(problem, tables, found, collision)


def _attempt(problem: Problem, penalty: float) -> tuple[Tables, Found]:
    tables = scaled(problem, penalty)
    return tables, _search(tables, int(np.clip(60_000 // tables.targets, 20, 300)))


def _search(tables: Tables, nodes: int) -> Found:
    """Settle what the prices settle, if there are many targets; decide on the others, or on all where that fails."""
    if tables.targets <= LARGE or np.isinf(tables.unit):
        return _decide(tables, *_start(tables), nodes)

    def small(part: Tables, start: Prices) -> Found:
        if np.isinf(start.bound):
            return _decide(part, *_start(part), nodes)
        return _decide(part, start, nearest(part, start.multipliers), nodes)

    if len(tables.bound) == 1:
        found: Found | None = enclose(tables, small)
    else:
        prices, kept = _start(tables)
        root = converge(tables, kept, prices, TOLERANCE / 2.0)
        found = settle(tables, root.prices, small, TOLERANCE)
    if found is not None and closed(found.plan.value, found.bound, TOLERANCE):
        return found
    return _decide(tables, *_start(tables), nodes)


def _decide(tables: Tables, prices: Prices, kept: BoolArray, nodes: int) -> Found:
    """Price the rows target by target, then branch, unless not even a mixture keeps the rows."""
    root = converge(tables, kept, prices, TOLERANCE / 10.0)
    if np.isfinite(tables.unit) and (root.mixture.excess > KEPT).any():
        return Found(plan_of(tables, root.mixture), root.prices.bound, root.prices.rounds, root.prices)
    return search(tables, root, TOLERANCE, nodes)


def _start(tables: Tables) -> tuple[Prices, BoolArray]:
    """Return first prices and the grid points to begin with; a small problem begins with all of them.

    So does a middling one under a single row, whose mixtures need no linear programme.
    """
    small = MIDDLING if len(tables.bound) == 1 else 2 * tables.targets + SPARE
    if np.count_nonzero(tables.usable) <= small:
        return Prices(np.zeros(len(tables.bound)), np.inf, 0), tables.usable
    prices = generate(tables, TOLERANCE / 5.0)
    return prices, nearest(tables, prices.multipliers)


def _kept(tables: Tables, found: Found) -> bool:
    """Whether the plan keeps every row, to a ten-millionth of its bound."""
    return bool((tables.evaluate(found.plan.spend)[1] <= KEPT).all())


def _allocation(problem: Problem, tables: Tables, found: Found, collision: Collision | None) -> Allocation:
    spend = np.clip(found.plan.spend, problem.grid[:, 0], problem.grid[:, -1])
    left, share = locate(problem.grid, spend)
    value = float(between(problem.objective, left, share).sum())
    answer = Allocation(
        spend=spend,
        value=value,
        upper_bound=max(found.bound * tables.unit, value),
        prices=found.plan.multipliers * tables.unit / tables.row_units,
        slack=np.zeros(len(problem.rows)),
        collision=collision,
        rounds=found.rounds,
    )
    return certified(problem, spend, answer)


def certified(problem: Problem, spend: FloatArray, answer: Allocation) -> Allocation:
    """Return an answer with another plan, (K,), whose value it has already, and all that follows from the plan."""
    left, share = locate(problem.grid, spend)
    slack = _slack(problem, spend, left, share)
    held = binding(problem, answer.prices, slack)
    left_over = unspent(problem, spend, (left, share), slack, held)
    bound = max(answer.upper_bound, answer.value)
    return replace(answer, spend=spend, slack=slack, binding=held, unspent=left_over, upper_bound=bound)


def kept(problem: Problem, spend: FloatArray) -> bool:
    """Whether a plan, shape (K,), keeps every row to a ten-millionth of its bound, and no budget stands in a gap."""
    tables = scaled(problem, 0.0)
    inside = not in_gap(tables, *locate(problem.grid, spend)).any()
    return inside and bool((tables.evaluate(spend)[1] <= KEPT).all())


def _slack(problem: Problem, spend: FloatArray, left: IntArray, share: FloatArray) -> FloatArray:
    slack = np.empty(len(problem.rows))
    for i, row in enumerate(problem.rows):
        slack[i] = row.bound - row.spend @ spend
        if row.outcome is not None and row.credit is not None:
            slack[i] += row.credit @ between(problem.outcomes[row.outcome], left, share)
    return slack


def _check(problem: Problem) -> None:
    """Refuse what the solver's proofs do not cover.

    Raises:
        ValueError: There is no target, or a row's numbers or an outcome's table are unfit.
    """
    if not problem.grid.size:
        raise ValueError("there is nothing to allocate: the problem has no target")
    for outcome, table in problem.outcomes.items():
        if table.shape != problem.grid.shape or not finite(table):
            raise ValueError(f"outcome {outcome} needs a finite number at every grid point {problem.grid.shape}")
    for row in problem.rows:
        credit = np.zeros(1) if row.credit is None else row.credit
        fits = row.credit is None or credit.shape == row.spend.shape
        if not (fits and np.isfinite(row.bound) and finite(row.spend) and finite(credit)):
            raise ValueError(f"row {row.name!r} needs a finite bound and a finite coefficient for every target")
        if (credit < 0).any():
            raise ValueError(f"row {row.name!r} has a negative credit; an outcome can only loosen a row")
