"""How much of the total a plan leaves unspent, and what keeps the money from going anywhere."""

from __future__ import annotations

from typing import Final

import numpy as np

from optimizer.allocate.tables import BoolArray
from optimizer.plan.problem import TOTAL, Idle, Problem, Unspent
from optimizer.plan.snapshot import FloatArray, IntArray

_NOTHING: Final = 1e-6  # of the total, or of what a unit brings on average


def binding(problem: Problem, prices: FloatArray, slack: FloatArray) -> tuple[str, ...]:
    """Name the rows that hold the plan back: no room is left in them, and more of it would bring something."""
    return tuple(
        row.name
        for row, price, left in zip(problem.rows, prices, slack, strict=True)
        if price > 0.0 and left <= 1e-6 * max(abs(row.bound), float(np.abs(row.spend).max(initial=0.0)))
    )


def unspent(
    problem: Problem, spend: FloatArray, at: tuple[IntArray, FloatArray], slack: FloatArray, held: tuple[str, ...]
) -> Unspent | None:
    """Tell what a plan leaves of its row `total` and why; None where there is no such row or nothing is left.

    Args:
        problem: The problem.
        spend: The plan, shape (K,).
        at: Its grid points on the left and the shares of the way to the next, each (K,).
        slack: What each row leaves, shape (m,).
        held: The rows that bind.
    """
    place = next((i for i, row in enumerate(problem.rows) if row.name == TOTAL and row.credit is None), None)
    if place is None:
        return None
    amount, bound = float(slack[place]), problem.rows[place].bound
    if amount <= _NOTHING * max(abs(bound), 1e-12):
        return None
    room = spend < problem.grid[:, -1] - _NOTHING * np.maximum(problem.grid[:, -1], 1e-12)
    if not room.any():
        return Unspent(amount, Idle.FULL, f"{amount:,.2f} a day is left: every budget is as large as it may be")
    others = tuple(name for name in held if name != TOTAL)
    if others and _worth_more(problem, at[0], room):
        words = f"{amount:,.2f} a day is left: {', '.join(f'`{name}`' for name in others)} would be broken by more"
        return Unspent(amount, Idle.HELD, words)
    return Unspent(amount, Idle.WORTHLESS, f"{amount:,.2f} a day is left: one more unit would bring nothing or less")


def _worth_more(problem: Problem, left: IntArray, room: BoolArray) -> bool:
    """Whether some budget with room would bring more by itself if it went on to its next grid point."""
    rows = np.flatnonzero(room)
    last = problem.grid.shape[1] - 1
    here = np.minimum(left[rows], max(last - 1, 0))
    width = problem.grid[rows, np.minimum(here + 1, last)] - problem.grid[rows, here]
    gain = problem.objective[rows, np.minimum(here + 1, last)] - problem.objective[rows, here]
    size = np.abs(problem.objective[rows]).max(initial=0.0) / max(float(problem.grid[rows, -1].max()), 1e-12)
    return bool((gain > _NOTHING * size * width).any())
