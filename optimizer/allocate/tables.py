"""A problem in the solver's own units: objective and rows scaled to about one, and what a set of prices makes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from optimizer.plan.problem import Outcome, Problem
from optimizer.plan.snapshot import FloatArray, IntArray

BoolArray = npt.NDArray[np.bool_]
CHUNK: Final = 2048  # targets priced at once: their tables stay in the processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class Credit:
    """What the rows that count one outcome subtract: `coefficients` (m, K) times `table` (K, P)."""

    table: FloatArray
    coefficients: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """maximise sum objective(x) - penalty.s  subject to  spend x - credit outcome(x) - s <= bound, s >= 0.

    Attributes:
        grid: Spends, shape (K, P).
        objective: Gain over each target's first grid point, scaled, shape (K, P).
        spend: Coefficients of the rows, scaled, shape (m, K).
        credits: One for each outcome that a row counts.
        bound: Scaled, shape (m,).
        penalty: Price of a unit of slack; no multiplier exceeds it, shape (m,).
        usable: The grid points to choose from, shape (K, P); one that repeats its left neighbour never is.
        offset: The scaled objective with every target at its first grid point.
        unit: Objective of the problem per scaled unit.
        row_units: Row unit of the problem per scaled unit, shape (m,).
    """

    grid: FloatArray
    objective: FloatArray
    spend: FloatArray
    credits: tuple[Credit, ...]
    bound: FloatArray
    penalty: FloatArray
    usable: BoolArray
    offset: float
    unit: float
    row_units: FloatArray

    @property
    def targets(self) -> int:
        """K."""
        return int(self.grid.shape[0])

    @property
    def points(self) -> int:
        """P."""
        return int(self.grid.shape[1])

    def reduced(self, prices: FloatArray, part: slice) -> FloatArray:
        """Return what each grid point of some targets is worth after paying the rows' prices, shape (part, P)."""
        worth: FloatArray = self.objective[part] - (prices @ self.spend[:, part])[:, None] * self.grid[part]
        for credit in self.credits:
            weight = prices @ credit.coefficients[:, part]
            if weight.any():
                worth += weight[:, None] * credit.table[part]
        worth[~self.usable[part]] = -np.inf
        return worth

    def answer(self, prices: FloatArray) -> tuple[IntArray, float]:
        """Return each target's best grid point at these prices, shape (K,), and the Lagrangian upper bound.

        Weak duality: prices.bound + sum_k max_j reduced(prices)_kj bounds every feasible plan, and since the curves
        are linear between grid points the maximum over the points is the maximum over the curve.
        """
        best = np.empty(self.targets, dtype=np.int64)
        total = self.offset + float(prices @ self.bound)
        for start in range(0, self.targets, CHUNK):
            part = slice(start, start + CHUNK)
            worth = self.reduced(prices, part)
            best[part] = worth.argmax(axis=1)
            total += float(np.take_along_axis(worth, best[part, None], axis=1).sum())
        return best, total

    def shortfall(self, prices: FloatArray) -> tuple[FloatArray, float]:
        """Return how much worse than its target's best each grid point is, >= 0, shape (K, P), and the upper bound."""
        worth = np.concatenate([self.reduced(prices, slice(s, s + CHUNK)) for s in range(0, self.targets, CHUNK)])
        best = worth.max(axis=1, keepdims=True)
        return best - worth, self.offset + float(prices @ self.bound) + float(best.sum())

    def usage(self, target: IntArray, point: IntArray) -> FloatArray:
        """Return what columns (target, grid point) use of each row, shape (m, columns)."""
        used: FloatArray = self.spend[:, target] * self.grid[target, point]
        for credit in self.credits:
            used -= credit.coefficients[:, target] * credit.table[target, point]
        return used

    def evaluate(self, plan: FloatArray) -> tuple[float, FloatArray]:
        """Return the objective (less penalties) and the excess over each row's bound, shape (m,), of a plan (K,)."""
        left, share = locate(self.grid, plan)
        value = self.offset + float(between(self.objective, left, share).sum())
        excess = self.spend @ plan - self.bound
        for credit in self.credits:
            excess -= credit.coefficients @ between(credit.table, left, share)
        excess = np.maximum(excess, 0.0)
        return value - float(self.penalty @ excess), excess


def closed(value: float, bound: float, tolerance: float) -> bool:
    """Whether a value is within a relative tolerance of its bound; a scaled objective's range is 1."""
    return bound - value <= tolerance * max(abs(bound), 1e-6)


def scaled(problem: Problem, penalty: float) -> Tables:
    """Scale a problem: the objectives' ranges sum to 1, every row's bound is about 1."""
    grid = np.ascontiguousarray(problem.grid, dtype=np.float64)
    gain = problem.objective - problem.objective[:, :1]
    unit = float(np.ptp(gain, axis=1).sum()) or 1.0
    spend = np.array([row.spend for row in problem.rows], dtype=np.float64).reshape(len(problem.rows), grid.shape[0])
    bound = np.array([row.bound for row in problem.rows], dtype=np.float64)
    counted = tuple(_credits(problem))
    reach = np.abs(spend) @ grid[:, -1]
    for credit in counted:
        reach += credit.coefficients @ np.abs(credit.table).max(axis=1)
    units = np.maximum(np.abs(bound), 1e-3 * reach)
    units[units == 0.0] = 1.0
    usable = np.ones(grid.shape, dtype=np.bool_)
    usable[:, 1:] = np.diff(grid, axis=1) > 0
    return Tables(
        grid=grid,
        objective=gain / unit,
        spend=spend / units[:, None],
        credits=tuple(Credit(c.table, c.coefficients / units[:, None]) for c in counted),
        bound=bound / units,
        penalty=np.full(len(problem.rows), penalty),
        usable=usable,
        offset=float(problem.objective[:, 0].sum()) / unit,
        unit=unit,
        row_units=units,
    )


def without_objective(tables: Tables, weights: FloatArray) -> Tables:
    """Return the problem of breaking the rows as little as possible: the least weights.s, weights of shape (m,).

    Where no row counts an outcome, spends between the ends of the grid are mixtures of both and not needed.
    """
    usable = tables.usable
    if not tables.credits:
        usable = np.zeros_like(usable)
        usable[:, 0] = True
        usable[np.arange(tables.targets), tables.grid.argmax(axis=1)] = True
    nothing = np.zeros_like(tables.objective)
    return replace(tables, objective=nothing, offset=0.0, penalty=weights, usable=usable)


def _credits(problem: Problem) -> list[Credit]:
    found = []
    for outcome in Outcome:
        rows = [row.credit if row.outcome is outcome else None for row in problem.rows]
        if any(credit is not None for credit in rows):
            zero = np.zeros(problem.grid.shape[0])
            coefficients = np.array([zero if credit is None else credit for credit in rows], dtype=np.float64)
            found.append(Credit(np.asarray(problem.outcomes[outcome], dtype=np.float64), coefficients))
    return found


def locate(grid: FloatArray, plan: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return for each target the grid point on the left of its spend and the share of the way to the next one."""
    points = grid.shape[1]
    if points == 1:
        return np.zeros(len(plan), dtype=np.int64), np.zeros(len(plan))
    left = np.clip((grid <= plan[:, None]).sum(axis=1) - 1, 0, points - 2)
    start = np.take_along_axis(grid, left[:, None], axis=1)[:, 0]
    width = np.take_along_axis(grid, left[:, None] + 1, axis=1)[:, 0] - start
    share = np.divide(plan - start, width, out=np.zeros(len(plan)), where=width > 0)
    return left, np.clip(share, 0.0, 1.0)


def between(table: FloatArray, left: IntArray, share: FloatArray) -> FloatArray:
    """Return a table's values at located spends, shape (K,): linear between grid points, which defines the curve."""
    rows = np.arange(len(left))
    value: FloatArray = table[rows, left] * (1.0 - share)
    if table.shape[1] > 1:
        value += table[rows, left + 1] * share
    return value
