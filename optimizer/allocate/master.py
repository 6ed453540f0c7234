"""The master of column generation: the best mixture of given columns that keeps the rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array

from optimizer.allocate.single import fill
from optimizer.plan.snapshot import FloatArray, IntArray

_A_LITTLE: Final = 1e-6  # room in a scaled row, ten times what the programme does not tell from none


@dataclass(frozen=True, slots=True, eq=False)
class Mixed:
    """Weights of the columns, shape (n,), their objective less penalties, multipliers and excess of the rows, (m,)."""

    weight: FloatArray
    value: float
    multipliers: FloatArray
    excess: FloatArray


def best_mixture(gain: FloatArray, usage: FloatArray, owner: IntArray, bound: FloatArray, penalty: FloatArray) -> Mixed:
    """Maximise gain.w - penalty.s subject to usage w - s <= bound, the weights of each owner summing to one.

    The slack s >= 0 keeps the programme feasible whatever the rows ask for. HiGHS solves it; one row alone is filled
    without it, many times faster. Where a row is just full by what cannot be left out, its multiplier is what more
    room would bring, not the penalty, though both prove the value.

    Args:
        gain: Of each column, shape (n,).
        usage: Of each row by each column, shape (m, n).
        owner: Whose column it is, numbered from 0 without a gap, shape (n,).
        bound: Of each row, shape (m,).
        penalty: Price of each row's slack, shape (m,).

    Raises:
        ArithmeticError: HiGHS could not solve it, which only numbers of absurdly different size can bring about.
    """
    rows, count = usage.shape
    owners = int(owner.max(initial=-1)) + 1
    if not rows + count:
        return Mixed(np.zeros(0), 0.0, np.zeros(0), np.zeros(0))
    if rows == 1 and count:
        weight, multiplier, excess = fill(gain, usage[0], owner, float(bound[0]), float(penalty[0]))
        value = float(gain @ weight) - float(penalty[0]) * excess
        return Mixed(weight, value, np.array([multiplier]), np.array([excess]))
    whose = csr_array((np.ones(count), (owner, np.arange(count))), shape=(owners, count + rows))
    mixed = _solved(gain, usage, whose, bound, penalty)
    full = (mixed.multipliers >= penalty) & (mixed.excess <= 0.0)
    if not full.any():
        return mixed
    return replace(mixed, multipliers=_solved(gain, usage, whose, bound + _A_LITTLE * full, penalty).multipliers)


def _solved(gain: FloatArray, usage: FloatArray, whose: csr_array, bound: FloatArray, penalty: FloatArray) -> Mixed:
    rows, count = usage.shape
    result = linprog(
        np.concatenate([-gain, penalty]),
        A_ub=np.concatenate([usage, -np.eye(rows)], axis=1),
        b_ub=bound,
        A_eq=whose,
        b_eq=np.ones(whose.shape[0]),
        method="highs-ds",
    )
    if result.x is None:
        raise ArithmeticError(f"the mixture of {count} columns under {rows} rows was not found: {result.message}")
    multipliers = np.clip(-result.ineqlin.marginals, 0.0, penalty)
    return Mixed(result.x[:count], -float(result.fun), multipliers, result.x[count:])
