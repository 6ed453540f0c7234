"""Rows that cannot hold together: which ones, and the nearest bounds with which a plan exists.

The least weighted excess is itself an allocation problem, with no objective. Its multipliers show which rows take
part (Farkas' lemma); loosening one of them alone, with all others held, gives that row's nearest bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from optimizer.allocate.branch import Found
from optimizer.allocate.tables import Tables, scaled, without_objective
from optimizer.plan.problem import TOTAL, Collision, Problem, Row
from optimizer.plan.snapshot import FloatArray

KEPT: Final = 1e-7  # a row is kept when it is exceeded by no more than this share of its bound
TOLD: Final = 5  # rows for which the nearest bound is worked out
_CAP: Final = 100.0
_UNIT_OF_REACH: Final = 0.01
_HELD: Final = 1e4
_NODES: Final = 8
_MARGIN: Final = 1e-6

Search = Callable[[Tables, int], Found]


def least_excess(tables: Tables, search: Search) -> Found:
    """Find the plan that breaks the rows least, each excess relative to its bound.

    A cap on spending weighs a hundred times what another row does. A row without a bound of its own to measure by
    (a ROAS floor) is measured by what all targets could use of it.
    """
    caps = (tables.spend >= 0).all(axis=1)
    for credit in tables.credits:
        caps[credit.rows] &= ~(credit.coefficients > 0).any(axis=1)
    weights = np.where(tables.bound == 0.0, _UNIT_OF_REACH, 1.0) * np.where(caps, _CAP, 1.0)
    return search(without_objective(tables, weights), _NODES)


def loosened(problem: Problem, tables: Tables, least: Found) -> Problem:
    """Return the problem with each row's bound moved to where the plan of least excess keeps it."""
    excess = tables.evaluate(least.plan.spend)[1]
    rows = tuple(
        replace(row, bound=row.bound + float(more) * (1 + _MARGIN)) if more > KEPT else row
        for row, more in zip(problem.rows, excess * tables.row_units, strict=True)
    )
    return replace(problem, rows=rows)


def collide(problem: Problem, search: Search) -> Collision:
    """Report the rows at odds, the most exceeded first, with nearest bounds.

    Where the rows that count no outcome are at odds by themselves, whatever the curves, only those are reported.
    """
    linear = tuple(row for row in problem.rows if row.credit is None)
    part = replace(problem, rows=linear)
    tables = scaled(part, _HELD)
    least = least_excess(tables, search)
    excess = tables.evaluate(least.plan.spend)[1]
    if (excess <= KEPT).all():
        part, tables = problem, scaled(problem, _HELD)
        least = least_excess(tables, search)
        excess = tables.evaluate(least.plan.spend)[1]
    return _report(part, tables, _AtOdds(excess, least.plan.multipliers), search)


@dataclass(frozen=True, slots=True, eq=False)
class _AtOdds:
    """Each row's least excess, and its multiplier: how much a looser bound would lessen the excess, both (m,)."""

    excess: FloatArray
    multipliers: FloatArray

    def rows(self) -> list[int]:
        """Indices of the rows that take part, the most exceeded first."""
        involved = (self.excess > KEPT) | (self.multipliers > 1e-6)
        return [int(i) for i in np.lexsort((-self.multipliers, -self.excess)) if involved[i]]


def _report(problem: Problem, tables: Tables, odds: _AtOdds, search: Search) -> Collision:
    indices = odds.rows()
    if any(problem.rows[i].share > 0.0 for i in indices):  # more of the total would loosen it
        indices += [i for i, row in enumerate(problem.rows) if row.name == TOTAL and i not in indices]
    likely = sorted(indices, key=lambda i: -odds.multipliers[i])[:TOLD]
    alone = {i: bound for i in likely if (bound := _alone(problem, i, tables, search)) is not None}
    money = next((i for i in indices if problem.rows[i].name == TOTAL), None)
    if money is not None and money not in likely and (bound := _alone(problem, money, tables, search)):
        alone[money] = bound
    together = {i: float(problem.rows[i].bound + odds.excess[i] * tables.row_units[i]) for i in indices}
    nearest = alone or {i: bound for i, bound in together.items() if odds.excess[i] > KEPT}
    mend = (", or " if alone else " and ").join(_change(problem.rows[i], bound) for i, bound in nearest.items())
    told = [problem.rows[i].words for i in sorted(indices, key=lambda i: i not in nearest)]
    more = [f"{len(told) - TOLD} more"] if len(told) > TOLD else []
    start = "These cannot hold together" if len(told) > 1 else "This cannot hold with the room that the budgets have"
    return Collision(
        rows=tuple(problem.rows[i].name for i in indices),
        words=f"{start}: {'; '.join(told[:TOLD] + more)}. A plan exists with {mend}.",
        nearest={problem.rows[i].name: bound for i, bound in nearest.items()},
        budget=None if money is None else alone.get(money),
    )


def _alone(problem: Problem, index: int, tables: Tables, search: Search) -> float | None:
    """The row's nearest bound if every other row is held, or None where that is not enough."""
    row = problem.rows[index]
    if row.name == TOTAL and any(other.share for other in problem.rows):
        return _with_shares(problem, index, search)
    weights = np.full(len(tables.bound), _HELD)
    weights[index] = 1.0
    found = search(without_objective(tables, weights), _NODES)
    excess = tables.evaluate(found.plan.spend)[1]
    others = np.delete(excess, index)
    return float(row.bound + excess[index] * tables.row_units[index]) if (others <= KEPT).all() else None


def _with_shares(problem: Problem, index: int, search: Search) -> float | None:
    """The nearest total, of which other rows are shares, if all rows are held; None where no total is enough.

    One target more stands for what the total is raised by: it loosens the total and the ceilings that are shares of
    it, tightens the floors that are, and costs what it spends. Shares are rounded down, so that a ceiling is taken to
    be a grain lower.
    """
    total, most = problem.rows[index].bound, float(problem.grid[:, -1].sum())
    wide = most / min([row.share for row in problem.rows if row.share > 0.0], default=1.0)
    raised = np.linspace(0.0, max(wide - total, 1.0), problem.grid.shape[1])
    rows = []
    for i, row in enumerate(problem.rows):
        bound = row.bound
        if row.share:
            bound = min(bound, row.share * total - (row.grain if row.share > 0.0 else 0.0))
        credit = None if row.credit is None else np.append(row.credit, 0.0)
        spend = np.append(row.spend, -1.0 if i == index else -row.share)
        rows.append(replace(row, spend=spend, bound=bound, credit=credit))
    nothing = np.zeros_like(raised)
    wider = Problem(
        grid=np.vstack([problem.grid, raised]),
        objective=np.vstack([np.zeros_like(problem.grid), -raised]),
        outcomes={outcome: np.vstack([table, nothing]) for outcome, table in problem.outcomes.items()},
        rows=tuple(rows),
        apart=None if problem.apart is None else np.append(problem.apart, False),
    )
    tables = scaled(wider, _HELD)
    plan = search(tables, _NODES).plan.spend
    kept = (tables.evaluate(plan)[1] <= KEPT).all()
    return float(total + plan[-1]) if kept else None


def _change(row: Row, bound: float) -> str:
    """Say a row's nearest bound, rounded to its looser side; a floor's bound is stated as the sum that it asks for."""
    if row.credit is not None:
        return f"`{row.name}` missed by {math.ceil((bound - row.bound) * 100) / 100:,.2f} a day"
    return f"`{row.name}` at {abs(math.ceil(bound * 100) / 100):,.2f} instead of {abs(row.bound):,.2f}"
