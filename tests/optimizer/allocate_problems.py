"""Problems for the allocator's tests: seeded markets of concave and S-shaped curves, and their small parts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from optimizer.plan.problem import Outcome, Problem, Row
from optimizer.plan.snapshot import FloatArray


def market(seed: int, targets: int, points: int, *, s_shaped: float = 0.4, strict: float = 1.0) -> Problem:
    """A total, two groups with floor and ceiling, a ROAS floor; a reference plan keeps them all if strict <= 1."""
    rng = np.random.default_rng(seed)
    size = rng.lognormal(4, 1, targets)
    power = np.where(rng.random(targets) < s_shaped, rng.uniform(1.5, 3, targets), 1.0)
    half = size * rng.lognormal(0.3, 0.6, targets)
    top = size * rng.lognormal(0, 0.7, targets)

    def brought(spend: FloatArray) -> FloatArray:
        return np.asarray(top * spend**power / (spend**power + half**power))

    grid = np.linspace(0, 1, points) ** 1.5 * (5 * size)[:, None]
    value = brought(grid.T).T
    group = (np.arange(targets) % 2 == 0).astype(float)
    roas = strict * brought(size).sum() / size.sum()
    rows = (
        linear("total", 1.0, size.sum(), targets),
        Row("ceiling", "even ones at most", group, float(1.1 * (group @ size))),
        Row("floor", "even ones at least", -group, float(-0.8 * (group @ size))),
        Row("roas", "ROAS at least", np.full(targets, roas), 0.0, Outcome.VALUE, np.ones(targets)),
    )
    return Problem(grid, value, {Outcome.VALUE: value, Outcome.CONVERSIONS: value / 3}, rows)


def linear(name: str, coefficient: float, bound: float, targets: int) -> Row:
    return Row(name, f"{name} words", np.full(targets, coefficient), float(bound))


def plain(curves: Sequence[Sequence[float]], rows: Sequence[Row] = (), end: float = 1.0) -> Problem:
    """Curves on equal grids from 0 to `end`, which are also their value."""
    table = np.array(curves, dtype=np.float64)
    grid = np.tile(np.linspace(0, end, table.shape[1]), (len(table), 1))
    return Problem(grid, table, {Outcome.VALUE: table}, tuple(rows))


def read(problem: Problem, table: FloatArray, spend: FloatArray) -> FloatArray:
    """A table's curves at a plan, by NumPy's own interpolation."""
    return np.array([np.interp(x, grid, row) for x, grid, row in zip(spend, problem.grid, table, strict=True)])


def excess(problem: Problem, spend: FloatArray) -> FloatArray:
    """By how much each row is exceeded, relative to what it is made of."""
    over = []
    for row in problem.rows:
        used = row.spend @ spend
        size = abs(row.bound) + np.abs(row.spend) @ problem.grid[:, -1]
        if row.outcome is not None:
            used -= row.credit @ read(problem, problem.outcomes[row.outcome], spend)
        over.append((used - row.bound) / size)
    return np.array(over)


def exact_milp(problem: Problem) -> float:
    """The optimum by the textbook's mixed-integer programme: one binary for each segment of every curve."""
    targets, points = problem.grid.shape
    segments = points - 1
    count = targets * segments
    tables = {o: [] for o in (None, "f", *problem.outcomes)}
    for k in range(targets):
        for a, b in pairwise(range(points)):
            tables[None] += [problem.grid[k, a], problem.grid[k, b]]
            tables["f"] += [problem.objective[k, a], problem.objective[k, b]]
            for outcome, table in problem.outcomes.items():
                tables[outcome] += [table[k, a], table[k, b]]
    arrays = {name: np.array(values) for name, values in tables.items()}
    owner = np.repeat(np.arange(targets), 2 * segments)
    usage = []
    for row in problem.rows:
        line = row.spend[owner] * arrays[None]
        if row.outcome is not None:
            line = line - row.credit[owner] * arrays[row.outcome]
        usage.append(np.concatenate([line, np.zeros(count)]))
    pairs = np.hstack([np.kron(np.eye(count), np.ones((1, 2))), -np.eye(count)])
    one = np.hstack([np.zeros((targets, 2 * count)), np.kron(np.eye(targets), np.ones((1, segments)))])
    bounds = [row.bound for row in problem.rows]
    result = milp(
        np.concatenate([-arrays["f"], np.zeros(count)]),
        integrality=np.repeat([0, 1], [2 * count, count]),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(np.array(usage), -np.inf, bounds),
            LinearConstraint(pairs, 0, 0),
            LinearConstraint(one, 1, 1),
        ],
        options={"mip_rel_gap": 1e-7},
    )
    assert result.success, result.message
    return float(-result.fun)
