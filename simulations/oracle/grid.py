"""Curves tabulated with a proof of what lies between the points.

Where |f''| <= c on [a, b], f lies at most c (b - a)^2 / 8 above its chord; with x^2 |f''(x)| <= bend f(x) (`Portfolio`)
and f increasing, c = bend f(b) / a^2 will do. And whatever the curve, f - p x is never above f(b) - p a. So the lesser
of bend f(b) (b / a - 1)^2 / 8 and f(b) - f(a) is the cell's error: within it f - p x exceeds its greater end by no
more, for every price p >= 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulations.noise import FloatArray
from simulations.oracle.hull import BoolArray
from simulations.oracle.portfolio import Portfolio, Rows

_SMALLEST: Final = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """What campaigns bring alone, at N budgets each.

    Attributes:
        x: Budgets, not decreasing along each row, from the lower to the upper bound, shape (K, N).
        f: What they bring, shape (K, N).
        use: False where a budget is the one before it once more, shape (K, N).
        error: Of the cell between a budget and the next, shape (K, N - 1).
    """

    x: FloatArray
    f: FloatArray
    use: BoolArray
    error: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """Part of each row of a table, both ends included.

    Attributes:
        first, last: Positions, shape (K,).
    """

    first: Rows
    last: Rows

    def points(self, count: int) -> BoolArray:
        """Return which of `count` points lie within, shape (K, count)."""
        at = np.arange(count)
        inside: BoolArray = (at >= self.first[:, None]) & (at <= self.last[:, None])
        return inside


def tabulate(portfolio: Portfolio, lower: FloatArray, upper: FloatArray, points: int) -> Table:
    """Return a table at budgets that grow by a constant factor, and at the corners of the curves.

    Args:
        portfolio: The curves.
        lower: Least budget by campaign, shape (K,).
        upper: Greatest budget by campaign, shape (K,).
        points: Budgets by campaign, without the corners.
    """
    start = np.maximum(np.maximum(lower, _SMALLEST * upper), 1e-300)
    growth = np.log(np.maximum(upper, start) / start)
    x = start[:, None] * np.exp(growth[:, None] * np.linspace(0.0, 1.0, points))
    corners = np.concatenate([lower[:, None], portfolio.kinks, upper[:, None]], axis=1)
    x = np.sort(np.concatenate([x, corners], axis=1).clip(lower[:, None], upper[:, None]), axis=1)
    f = portfolio.curve(portfolio.rows, x)
    use = np.ones(x.shape, dtype=np.bool_)
    use[:, 1:] = x[:, 1:] > x[:, :-1]
    return Table(x, f, use, _error(x[:, :-1], x[:, 1:], f[:, :-1], f[:, 1:], portfolio.bend[:, None]))


def _error(a: FloatArray, b: FloatArray, fa: FloatArray, fb: FloatArray, bend: FloatArray) -> FloatArray:
    ratio = np.divide(b, a, out=np.full_like(a, np.inf), where=a > 0)
    with np.errstate(invalid="ignore"):
        return np.fmin(bend * fb * (ratio - 1.0) ** 2 / 8.0, fb - fa).clip(0.0)


def suprema(table: Table, ranges: Ranges, weight: FloatArray, price: float) -> FloatArray:
    """Return, for each campaign, a bound on weight f(x) - price x over part of its budgets, shape (K,).

    Args:
        table: See `tabulate`.
        ranges: The part.
        weight: Multiplies each curve, shape (K,).
        price: Of money, >= 0.
    """
    inside = ranges.points(table.x.shape[1])
    net = weight[:, None] * table.f - price * table.x
    cells = np.maximum(net[:, 1:], net[:, :-1]) + weight[:, None] * table.error
    best: FloatArray = np.where(inside[:, 1:] & inside[:, :-1], cells, -np.inf).max(axis=1)
    return np.maximum(best, net[np.arange(best.size), ranges.first])


def finer_suprema(
    portfolio: Portfolio, table: Table, ranges: Ranges, weight: FloatArray, price: float, slack: float
) -> FloatArray:
    """Return the bounds of `suprema` again, each at most `slack` > 0 above a value that is reached.

    Cells that may hold more are halved until none may.
    """
    inside = ranges.points(table.x.shape[1])
    best = np.where(inside, weight[:, None] * table.f - price * table.x, -np.inf).max(axis=1)
    owner, cell = np.nonzero(inside[:, 1:] & inside[:, :-1])
    a, b, fa, fb = table.x[owner, cell], table.x[owner, cell + 1], table.f[owner, cell], table.f[owner, cell + 1]
    error = table.error[owner, cell]
    while True:
        top = np.maximum(weight[owner] * fa - price * a, weight[owner] * fb - price * b) + weight[owner] * error
        go = np.flatnonzero(top > best[owner] + slack)
        if not go.size:
            return best + slack
        owner, a, b, fa, fb = owner[go], a[go], b[go], fa[go], fb[go]
        middle = (a + b) / 2.0
        at = portfolio.curve(owner, middle)
        np.maximum.at(best, owner, weight[owner] * at - price * middle)
        owner = np.tile(owner, 2)
        a, b = np.concatenate([a, middle]), np.concatenate([middle, b])
        fa, fb = np.concatenate([fa, at]), np.concatenate([at, fb])
        error = _error(a, b, fa, fb, portfolio.bend[owner])
