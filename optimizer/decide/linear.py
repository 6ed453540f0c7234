"""Linear programmes over budgets, by SciPy's HiGHS: the cheapest in a room under rows, and rows moved within reach."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linprog

from optimizer.goals import Box
from optimizer.plan.problem import Row
from optimizer.plan.snapshot import FloatArray


def sides(box: Box) -> FloatArray:
    """Return the least and the most that each budget of a box may be, shape (K, 2); nothing, where it may be paused."""
    return np.stack([np.where(box.pausable, 0.0, box.lower), box.upper], axis=1)


def cheapest(cost: FloatArray, room: FloatArray, rows: Sequence[Row], bounds: FloatArray) -> FloatArray | None:
    """Return the budgets of least cost, shape (K,), within linear rows; None where no budgets of the room keep them.

    Args:
        cost: Of a unit of each budget, shape (K,).
        room: The least and the most of each budget, shape (K, 2).
        rows: Those that are kept; what they say of outcomes is not looked at.
        bounds: What each row may sum to, shape (R,), instead of its own bound.
    """
    return _solved(cost, _matrix(rows, len(cost)), bounds, room)


def most_together(room: FloatArray, rows: Sequence[Row], bounds: FloatArray) -> float | None:
    """Return the most that budgets may be together within linear rows; None where none of the room keep them.

    Where every row weighs all budgets alike, as a total does, that needs no solver.
    """
    low, high = (float(side) for side in room.sum(axis=0))
    weights = _matrix(rows, len(room))
    if (weights == weights[:, :1]).all():
        for weight, bound in zip(weights[:, 0].tolist(), bounds.tolist(), strict=True):
            if weight > 0.0:
                high = min(high, bound / weight)
            elif weight < 0.0:
                low = max(low, bound / weight)
            elif bound < 0.0:
                return None
        return high if low <= high else None
    found = cheapest(-np.ones(len(room)), room, rows, bounds)
    return None if found is None else float(found.sum())


def loosening(
    room: FloatArray, hard: Sequence[Row], soft: Sequence[Row], cost: FloatArray, spare: float = 0.0
) -> FloatArray | None:
    """Return by how much soft rows give way, at the least cost, so that some budgets keep all rows.

    Args:
        room: The least and the most of each budget, shape (K, 2).
        hard: Rows that do not give way.
        soft: Rows that do.
        cost: Of a unit by which each soft row is loosened, shape (len(soft),).
        spare: What every row is given more, since sums are not exact.

    Returns:
        One number for each soft row, not below zero; None where no loosening helps.
    """
    count, rows = len(room), [*hard, *soft]
    give = np.zeros((len(rows), len(soft)))
    give[len(hard) :] = -np.eye(len(soft))
    found = _solved(
        np.concatenate([np.zeros(count), cost]),
        np.hstack([_matrix(rows, count), give]),
        np.array([row.bound + spare for row in rows]),
        np.concatenate([room, np.tile([0.0, np.inf], (len(soft), 1))]),
    )
    return None if found is None else found[count:]


def _matrix(rows: Sequence[Row], count: int) -> FloatArray:
    return np.stack([row.spend for row in rows]) if rows else np.zeros((0, count))


def _solved(cost: FloatArray, matrix: FloatArray, bounds: FloatArray, room: FloatArray) -> FloatArray | None:
    result = linprog(cost, A_ub=matrix, b_ub=bounds, bounds=room, method="highs")
    return None if result.x is None else np.asarray(result.x, dtype=np.float64)
