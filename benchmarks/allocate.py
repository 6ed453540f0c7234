"""Time, certified gap and value of the allocator, beside SLSQP and a linear programme on concave hulls.

Run: python benchmarks/allocate.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.optimize import linprog, minimize
from scipy.sparse import csr_array

sys.path.insert(0, str(Path(__file__).parents[1]))

from optimizer.allocate import solve
from optimizer.plan.problem import Outcome, Problem, Row
from optimizer.plan.snapshot import FloatArray

SEEDS = (101, 102, 103)
POINTS = 64
ROWS = 30


def market(seed: int, targets: int, rows: int) -> Problem:
    """60% concave and 40% Hill curves of power 1.5 to 3; a total, groups, a tag, a ROAS floor and a CPA ceiling.

    A reference plan keeps every row, so that a plan exists; whether a row binds is as the market has it.
    """
    rng = np.random.default_rng(seed)
    size = rng.lognormal(4, 1, targets)
    power = np.where(rng.random(targets) < 0.6, 1.0, rng.uniform(1.5, 3, targets))
    half = size * rng.lognormal(0.3, 0.6, targets)
    top = size * rng.lognormal(-1.5, 0.7, targets)
    worth = rng.lognormal(1, 0.4, targets)

    def conversions(spend: FloatArray) -> FloatArray:
        return np.asarray(top * spend**power / (spend**power + half**power))

    grid = np.linspace(0, 1, POINTS) ** 1.5 * (5 * size)[:, None]
    brought = conversions(grid.T).T
    value = brought * worth[:, None]
    plan = size * np.clip(rng.lognormal(0, 0.3, targets), 0.6, 1.6)
    total = float(plan.sum())
    found = [Row("total", "total", np.ones(targets), total)]
    group = rng.integers(0, min((rows - 4) // 2, max(targets // 5, 1)), targets)
    for g in np.unique(group):
        member = (group == g).astype(float)
        found.append(Row(f"ceiling:{g}", "", member, 1.15 * float(member @ plan)))
        found.append(Row(f"floor:{g}", "", -member, -0.8 * float(member @ plan)))
    tag = (rng.random(targets) < 0.3).astype(float)
    found.append(Row("tag", "", tag, max(0.35 * total, 1.2 * float(tag @ plan))))
    brings = conversions(plan)
    roas, cpa = float(brings @ worth) / total, total / float(brings.sum())
    found.append(Row("roas", "", np.full(targets, roas), 0.0, Outcome.VALUE, np.ones(targets)))
    found.append(Row("cpa", "", np.ones(targets), 0.0, Outcome.CONVERSIONS, np.full(targets, cpa)))
    return Problem(grid, value, {Outcome.VALUE: value, Outcome.CONVERSIONS: brought}, tuple(found))


def read(problem: Problem, table: FloatArray, spend: FloatArray) -> FloatArray:
    """Curves of a table at a plan, shape (K,)."""
    return np.array([np.interp(x, grid, row) for x, grid, row in zip(spend, problem.grid, table, strict=True)])


def room(problem: Problem, spend: FloatArray) -> FloatArray:
    """What each row leaves, relative to its size."""
    left = []
    for row in problem.rows:
        used = row.spend @ spend
        if row.outcome is not None and row.credit is not None:
            used -= row.credit @ read(problem, problem.outcomes[row.outcome], spend)
        left.append((row.bound - used) / (abs(row.bound) + np.abs(row.spend) @ problem.grid[:, -1]))
    return np.array(left)


def slsqp(problem: Problem) -> FloatArray:
    """SciPy's SLSQP from one start, a fifth of every upper end."""
    scale = float(problem.objective[:, -1].sum())
    result = minimize(
        lambda x: -float(read(problem, problem.objective, x).sum()) / scale,
        problem.grid[:, -1] / 5,
        bounds=list(zip(problem.grid[:, 0], problem.grid[:, -1], strict=True)),
        constraints=[{"type": "ineq", "fun": lambda x: room(problem, x)}],
        method="SLSQP",
        options={"maxiter": 100},
    )
    return np.asarray(result.x)


def hulls(problem: Problem) -> FloatArray:
    """One linear programme that mixes each target's hull vertices out of 24 grid points."""
    columns = [(k, j) for k in range(len(problem.grid)) for j in _hull(problem.grid[k], problem.objective[k])]
    target, point = np.array(columns).T
    usage = np.array([row.spend[target] * problem.grid[target, point] for row in problem.rows])
    for i, row in enumerate(problem.rows):
        if row.outcome is not None and row.credit is not None:
            usage[i] -= row.credit[target] * problem.outcomes[row.outcome][target, point]
    one = csr_array((np.ones(len(target)), (target, np.arange(len(target)))))
    bounds = [row.bound for row in problem.rows]
    gain = problem.objective[target, point]
    result = linprog(-gain, csr_array(usage), bounds, one, np.ones(one.shape[0]), method="highs-ipm")
    if result.x is None:
        return np.full(len(problem.grid), np.nan)
    return np.bincount(target, result.x * problem.grid[target, point])


def _hull(x: FloatArray, y: FloatArray) -> list[int]:
    hull: list[int] = []
    for j in np.linspace(0, len(x) - 1, 24).astype(int):
        while len(hull) > 1:
            a, b = hull[-2:]
            if (y[b] - y[a]) * (x[j] - x[a]) > (y[j] - y[a]) * (x[b] - x[a]):
                break
            hull.pop()
        hull.append(int(j))
    return hull


def timed[T](work: Callable[[], T]) -> tuple[T, float]:
    """Return what the work gives and its wall time."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def shortfall(problem: Problem, spend: FloatArray, bound: float) -> str:
    """How far a plan stays below the proven bound, in per cent; `breaks rows` if it does."""
    if np.isnan(spend).any():
        return "no plan"
    if room(problem, spend).min() < -1e-6:
        return "breaks rows"
    return f"{100 * (1 - read(problem, problem.objective, spend).sum() / bound):.3f} %"


def reordered(problem: Problem, seed: int) -> Problem:
    """The same problem with its targets shuffled."""
    order = np.random.default_rng(seed).permutation(len(problem.grid))
    rows = tuple(
        replace(r, spend=r.spend[order], credit=None if r.credit is None else r.credit[order]) for r in problem.rows
    )
    tables = {outcome: table[order] for outcome, table in problem.outcomes.items()}
    return Problem(problem.grid[order], problem.objective[order], tables, rows)


def main() -> None:
    """Measure, print the table and the bars."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed, SLSQP up to 10 campaigns only")
    quick = parser.parse_args().quick
    seeds, slsqp_up_to = (SEEDS[:1], 10) if quick else (SEEDS, 100)
    print(f"seeds {seeds}, {POINTS} grid points, up to {ROWS} rows; shortfall below the proven bound")
    print("campaigns  seed  rows   time s   cpu s  certified gap  reordered   SLSQP (s)           hull LP (s)")
    gaps, moved, times, behind = [], [], [], []
    for targets in (10, 100, 1_000, 10_000):
        for seed in seeds:
            problem = market(seed, targets, ROWS)
            solve(problem)
            cpu = time.process_time()
            runs = [timed(lambda p=problem: solve(p)) for _ in range(3)]  # type: ignore[misc]  # the loop's own problem
            cpu = (time.process_time() - cpu) / len(runs)
            answer, seconds = runs[0][0], statistics.median(run[1] for run in runs)
            if answer.collision is not None:
                raise SystemExit(f"seed {seed}: {answer.collision.words}")
            other = solve(reordered(problem, seed))
            change = abs(other.value - answer.value) / abs(answer.upper_bound)
            gaps.append(answer.gap)
            moved.append(change)
            if targets == 10_000:
                times.append(seconds)
            local = "-"
            if targets <= slsqp_up_to:
                plan, took = timed(lambda p=problem: slsqp(p))  # type: ignore[misc]  # the loop's own problem
                local = f"{shortfall(problem, plan, answer.upper_bound)} ({took:.2f})"
                if room(problem, plan).min() >= -1e-6:
                    behind.append(read(problem, problem.objective, plan).sum() / answer.value - 1)
            plan, took = timed(lambda p=problem: hulls(p))  # type: ignore[misc]  # the loop's own problem
            hull = f"{shortfall(problem, plan, answer.upper_bound)} ({took:.2f})"
            print(
                f"{targets:9,} {seed:5} {len(problem.rows):5} {seconds:8.3f} {cpu:7.3f} {100 * answer.gap:11.5f} %"
                f" {100 * change:9.5f} %  {local:18}  {hull}"
            )
    bars = [
        _bar("10,000 campaigns x 30 rows, median seconds", statistics.median(times), 1.0),
        _bar("largest certified gap", max(gaps), 1e-4),
        _bar("largest change of value when the targets are reordered", max(moved), 1e-4),
        _bar("largest lead of SLSQP from one start", max(behind, default=0.0), 1e-4),
    ]
    print(json.dumps({"bars": bars}))
    sys.exit(0 if all(bar["holds"] for bar in bars) else 1)


def _bar(name: str, value: float, bar: float) -> dict[str, object]:
    return {"name": name, "value": float(value), "bar": bar, "holds": bool(value <= bar)}


if __name__ == "__main__":
    main()
