"""A problem in the solver's own units: objective and rows scaled to about one, and what a set of prices makes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from optimizer.plan.problem import Outcome, Problem
from optimizer.plan.snapshot import FloatArray, IntArray

BoolArray = npt.NDArray[np.bool_]
CHUNK: Final = 2048  # targets priced at once: their tables stay in the processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class Credit:
    """What the rows that count one outcome subtract: `coefficients` (r, K) times `table` (K, P), in the rows `rows`."""

    table: FloatArray
    coefficients: FloatArray
    rows: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Priced:
    """What the rows' prices cost a unit of each target's spend, (K,), and give for each credit's outcome, (K,) each."""

    spend: FloatArray
    credits: tuple[FloatArray, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """maximise sum gain(x) - penalty.s  subject to  spend x - credit outcome(x) - s <= bound, s >= 0.

    The gain is what the objective exceeds its target's first grid point by, over `unit`. The large tables are the
    problem's own: what is worked out from them is never held for all targets at once, but by `CHUNK`.

    Attributes:
        grid: Spends, shape (K, P).
        objective: As the problem has it, shape (K, P).
        spend: Coefficients of the rows, scaled, shape (m, K).
        credits: One for each outcome that a row counts.
        bound: Scaled, shape (m,).
        penalty: Price of a unit of slack; no multiplier exceeds it, shape (m,).
        usable: The grid points to choose from, shape (K, P); one that repeats its left neighbour never is.
        apart: Targets that spend either their first grid point or at least their second, shape (K,).
        offset: The scaled objective with every target at its first grid point.
        unit: Objective of the problem per scaled unit; infinite where nothing is aimed at.
        row_units: Row unit of the problem per scaled unit, shape (m,).
    """

    grid: FloatArray
    objective: FloatArray
    spend: FloatArray
    credits: tuple[Credit, ...]
    bound: FloatArray
    penalty: FloatArray
    usable: BoolArray
    apart: BoolArray
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

    def gains(self, part: slice | IntArray) -> FloatArray:
        """Return the gain of some targets at all their grid points, shape (part, P)."""
        table = self.objective[part]
        gain: FloatArray = table - table[:, :1]
        gain *= 1.0 / self.unit
        return gain

    def gain_at(self, target: IntArray, point: IntArray) -> FloatArray:
        """Return the gain of columns (target, grid point), shape (columns,)."""
        gain: FloatArray = (self.objective[target, point] - self.objective[target, 0]) * (1.0 / self.unit)
        return gain

    def gain_between(self, left: IntArray, share: FloatArray) -> FloatArray:
        """Return every target's gain at a located spend, shape (K,)."""
        gain: FloatArray = (between(self.objective, left, share) - self.objective[:, 0]) * (1.0 / self.unit)
        return gain

    def priced(self, prices: FloatArray) -> Priced:
        """Return what the rows' prices make of each target's spend and outcomes."""
        return Priced(prices @ self.spend, tuple(prices[c.rows] @ c.coefficients for c in self.credits))

    def reduced(self, priced: Priced, part: slice) -> FloatArray:
        """Return what each grid point of some targets is worth after paying the rows' prices, shape (part, P)."""
        worth = self.gains(part)
        worth -= priced.spend[part, None] * self.grid[part]
        for credit, weight in zip(self.credits, priced.credits, strict=True):
            if weight[part].any():
                worth += weight[part, None] * credit.table[part]
        np.copyto(worth, -np.inf, where=~self.usable[part])
        return worth

    def answer(self, prices: FloatArray) -> tuple[IntArray, float]:
        """Return each target's best grid point at these prices, shape (K,), and the Lagrangian upper bound.

        Weak duality: prices.bound + sum_k max_j reduced(prices)_kj bounds every feasible plan, and since the curves
        are linear between grid points the maximum over the points is the maximum over the curve.
        """
        best = np.empty(self.targets, dtype=np.int64)
        total = self.offset + float(prices @ self.bound)
        priced = self.priced(prices)
        for start in range(0, self.targets, CHUNK):
            part = slice(start, start + CHUNK)
            worth = self.reduced(priced, part)
            best[part] = worth.argmax(axis=1)
            total += float(np.take_along_axis(worth, best[part, None], axis=1).sum())
        return best, total

    def shortfall(self, prices: FloatArray) -> tuple[FloatArray, float]:
        """Return how much worse than its target's best each grid point is, >= 0, shape (K, P), and the upper bound."""
        priced = self.priced(prices)
        worth = np.concatenate([self.reduced(priced, slice(s, s + CHUNK)) for s in range(0, self.targets, CHUNK)])
        best = worth.max(axis=1, keepdims=True)
        return best - worth, self.offset + float(prices @ self.bound) + float(best.sum())

    def usage(self, target: IntArray, point: IntArray) -> FloatArray:
        """Return what columns (target, grid point) use of each row, shape (m, columns)."""
        used: FloatArray = self.spend[:, target] * self.grid[target, point]
        for credit in self.credits:
            used[credit.rows] -= credit.coefficients[:, target] * credit.table[target, point]
        return used

    def used(self, point: IntArray, starts: IntArray) -> FloatArray:
        """Return what blocks of targets use of each row at one grid point each, (K,); blocks begin at `starts`."""
        rows = np.arange(self.targets)
        spend = self.grid[rows, point]
        outcomes = [credit.table[rows, point] for credit in self.credits]
        used = np.empty((len(self.bound), len(starts)))
        for block, (start, end) in enumerate(pairwise([*starts.tolist(), self.targets])):
            used[:, block] = self.spend[:, start:end] @ spend[start:end]
            for credit, outcome in zip(self.credits, outcomes, strict=True):
                used[credit.rows, block] -= credit.coefficients[:, start:end] @ outcome[start:end]
        return used

    def only(self, targets: IntArray, point: IntArray) -> Tables:
        """Return the problem of some targets, ascending, with all others fixed at a grid point each, shape (K,)."""
        everybody = np.arange(self.targets)
        left = self.bound - self.used(point, np.zeros(1, dtype=np.int64))[:, 0] + self._used_by(targets, point)
        gain = self.gain_at(everybody, point)
        return Tables(
            grid=self.grid[targets],
            objective=self.objective[targets],
            spend=self.spend[:, targets],
            credits=tuple(Credit(c.table[targets], c.coefficients[:, targets], c.rows) for c in self.credits),
            bound=left,
            penalty=self.penalty,
            usable=self.usable[targets],
            apart=self.apart[targets],
            offset=self.offset + float(gain.sum()) - float(gain[targets].sum()),
            unit=self.unit,
            row_units=self.row_units,
        )

    def _used_by(self, targets: IntArray, point: IntArray) -> FloatArray:
        return self.usage(targets, point[targets]).sum(axis=1)

    def evaluate(self, plan: FloatArray) -> tuple[float, FloatArray]:
        """Return the objective (less penalties) and the excess over each row's bound, shape (m,), of a plan (K,)."""
        left, share = locate(self.grid, plan)
        value = self.offset + float(self.gain_between(left, share).sum())
        excess = self.spend @ plan - self.bound
        for credit in self.credits:
            excess[credit.rows] -= credit.coefficients @ between(credit.table, left, share)
        excess = np.maximum(excess, 0.0)
        return value - float(self.penalty @ excess), excess


def closed(value: float, bound: float, tolerance: float) -> bool:
    """Whether a value is within a relative tolerance of its bound; a scaled objective's range is 1."""
    return bound - value <= tolerance * max(abs(bound), 1e-6)


def scaled(problem: Problem, penalty: float) -> Tables:
    """Scale a problem: the objectives' ranges sum to 1, every row's bound is about 1."""
    grid = np.ascontiguousarray(problem.grid, dtype=np.float64)
    objective = np.ascontiguousarray(problem.objective, dtype=np.float64)
    unit = float((objective.max(axis=1) - objective.min(axis=1)).sum()) or 1.0
    spend = np.array([row.spend for row in problem.rows], dtype=np.float64).reshape(len(problem.rows), grid.shape[0])
    bound = np.array([row.bound for row in problem.rows], dtype=np.float64)
    counted = _credits(problem)
    units = np.maximum(np.abs(bound), 1e-3 * _reach(grid, spend, counted))
    units[units == 0.0] = 1.0
    spend /= units[:, None]
    usable = np.ones(grid.shape, dtype=np.bool_)
    np.greater(grid[:, 1:], grid[:, :-1], out=usable[:, 1:])
    return Tables(
        grid=grid,
        objective=objective,
        spend=spend,
        credits=tuple(Credit(c.table, c.coefficients / units[c.rows, None], c.rows) for c in counted),
        bound=bound / units,
        penalty=np.full(len(problem.rows), penalty),
        usable=usable,
        apart=np.zeros(len(grid), dtype=np.bool_) if problem.apart is None else problem.apart,
        offset=float(objective[:, 0].sum()) / unit,
        unit=unit,
        row_units=units,
    )


def _reach(grid: FloatArray, spend: FloatArray, counted: list[Credit]) -> FloatArray:
    """The most that all targets together could use of each row, shape (m,)."""
    reach: FloatArray = np.array([np.abs(row) @ grid[:, -1] for row in spend], dtype=np.float64)
    for credit in counted:
        reach[credit.rows] += credit.coefficients @ np.abs(credit.table).max(axis=1)
    return reach


def without_objective(tables: Tables, weights: FloatArray) -> Tables:
    """Return the problem of breaking the rows as little as possible: the least weights.s, weights of shape (m,).

    Where no row counts an outcome, spends between the ends of the grid are mixtures of both and not needed.
    """
    usable = tables.usable
    if not tables.credits:
        usable = np.zeros_like(usable)
        usable[:, 0] = True
        usable[tables.apart, 1] = tables.usable[tables.apart, 1]
        usable[np.arange(tables.targets), tables.grid.argmax(axis=1)] = True
    return replace(tables, unit=np.inf, offset=0.0, penalty=weights, usable=usable)


def _credits(problem: Problem) -> list[Credit]:
    found = []
    for outcome in Outcome:
        rows = [i for i, row in enumerate(problem.rows) if row.outcome is outcome]
        if rows:
            coefficients = np.array([problem.rows[i].credit for i in rows], dtype=np.float64)
            table = np.asarray(problem.outcomes[outcome], dtype=np.float64)
            found.append(Credit(table, coefficients, np.array(rows, dtype=np.int64)))
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


def in_gap(tables: Tables, left: IntArray, share: FloatArray) -> BoolArray:
    """Return which targets stand, at a located spend, between the first two points of a grid that they may not be."""
    within: BoolArray = tables.apart & (left == 0) & (share > 1e-12) & (share < 1.0 - 1e-12)
    return within


def between(table: FloatArray, left: IntArray, share: FloatArray) -> FloatArray:
    """Return a table's values at located spends, shape (K,): linear between grid points, which defines the curve."""
    rows = np.arange(len(left))
    value: FloatArray = table[rows, left] * (1.0 - share)
    if table.shape[1] > 1:
        value += table[rows, left + 1] * share
    return value
