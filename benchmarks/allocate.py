"""Time, certified gap, memory and value of the allocator, beside SLSQP and a linear programme on concave hulls.

    python benchmarks/allocate.py [--quick]

The largest portfolios and the plan over days run in a process of their own, whose peak memory is told; it includes the
making of the curves. Times are wall times of a second solve of the same problem.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from scipy.optimize import linprog, minimize
from scipy.sparse import csr_array

sys.path.insert(0, str(Path(__file__).parents[1]))

from optimizer.allocate import solve
from optimizer.allocate.periods import Carry, Horizon, Schedule, schedule
from optimizer.plan.problem import Allocation, Outcome, Problem, Row
from optimizer.plan.snapshot import FloatArray

SEEDS = (101, 102, 103)
POINTS = 64
ROWS = 30


def market(seed: int, targets: int, rows: int, points: int = POINTS) -> Problem:
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

    grid = np.linspace(0, 1, points) ** 1.5 * (5 * size)[:, None]
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
    parser.add_argument("--quick", action="store_true", help="one seed, the rivals on small problems only")
    parser.add_argument("--only", choices=sorted(LARGE), help="measure one of the largest, in this process")
    parser.add_argument("--seed", type=int, default=SEEDS[0], help="of --only")
    asked = parser.parse_args()
    if asked.only:
        print(json.dumps(asdict(LARGE[asked.only][0](asked.seed))))
        return
    quick = asked.quick
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
            hull = "-"
            if not quick or targets < 10_000:
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
    bars += large(seeds)
    print(json.dumps({"bars": bars}))
    sys.exit(0 if all(bar["holds"] for bar in bars) else 1)


@dataclass(frozen=True, slots=True)
class Large:
    """What a process of its own measured: wall and processor seconds, certified gap, peak memory in GB."""

    seconds: float
    cpu: float
    gap: float
    memory: float


def in_a_process(what: str, seed: int) -> Large:
    """Run one of `LARGE` in a process of its own, so that its memory is its own."""
    command = [sys.executable, __file__, "--only", what, "--seed", str(seed)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return Large(**json.loads(answer.stdout.splitlines()[-1]))


def _measured(solved: Callable[[], Allocation | Schedule]) -> Large:
    solved()
    cpu = time.process_time()
    answer, seconds = timed(solved)
    cpu = time.process_time() - cpu
    if isinstance(answer, Allocation) and answer.collision is not None:
        raise SystemExit(answer.collision.words)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Large(seconds, cpu, answer.gap, peak / (1e9 if sys.platform == "darwin" else 1e6))


def _rows(targets: int, rows: int, points: int, seed: int) -> Large:
    problem = market(seed, targets, max(rows, 6), points)
    problem = problem if rows > 1 else Problem(problem.grid, problem.objective, {}, problem.rows[:1])
    return _measured(lambda: solve(problem))


def month(seed: int, days: int, budgets: int, **changes: object) -> Horizon:
    """The same curves over days with a week's season and one sale that doubles everything; half is carried over."""
    problem = market(seed, budgets, 6)
    size = problem.grid[:, -1] / 5
    rng = np.random.default_rng(seed)
    day = np.arange(days)[:, None]
    factor = (1 + 0.3 * np.sin(2 * np.pi * (day / 7 + rng.random(budgets)))) * np.where(day == days // 2, 2.0, 1.0)
    plain = Horizon(
        grid=problem.grid, gain=problem.objective, factor=factor, money=float(days * size.sum()),
        lower=np.tile(0.1 * size, (days, 1)), upper=np.tile(5 * size, (days, 1)), carry=Carry.EFFECT,
        retention=np.full(budgets, 0.5), before=np.zeros(budgets), yesterday=size,
    )  # fmt: skip
    return replace(plain, **changes)


def _days(changes: Mapping[str, object], seed: int) -> Large:
    horizon = month(seed, 30, 300, **changes)
    return _measured(lambda: schedule(horizon))


LARGE: dict[str, tuple[Callable[[int], Large], float]] = {
    "100,000 campaigns x 30 rows": (partial(_rows, 100_000, 30, POINTS), 10.0),
    "1,000,000 campaigns x 1 row": (partial(_rows, 1_000_000, 1, 32), 3.0),
    "30 days x 300 campaigns": (partial(_days, {}), 5.0),
    "30 days x 300 campaigns, steps of 20%": (partial(_days, {"step": 0.2}), 5.0),
    "30 days x 300 campaigns, carried stock": (partial(_days, {"carry": Carry.STOCK}), 5.0),
}
"""By name, how to measure it and how many seconds it may take."""


def large(seeds: Sequence[int]) -> list[dict[str, object]]:
    """Measure the largest, print a row each, and return their bars."""
    print(f"\n{'':42}   time s   cpu s  certified gap   peak GB")
    bars = []
    for name, (_, limit) in LARGE.items():
        runs = [in_a_process(name, seed) for seed in seeds]
        seconds, gap = statistics.median(run.seconds for run in runs), max(run.gap for run in runs)
        memory = max(run.memory for run in runs)
        cpu = statistics.median(run.cpu for run in runs)
        print(f"{name:42} {seconds:8.3f} {cpu:7.3f} {100 * gap:12.5f} % {memory:9.2f}", flush=True)
        bars.append(_bar(f"{name}, median seconds", seconds, limit))
        bars.append(_bar(f"{name}, certified gap", gap, 1e-4))
        bars.append(_bar(f"{name}, peak GB", memory, 2.0))
    return bars


def _bar(name: str, value: float, bar: float) -> dict[str, object]:
    return {"name": name, "value": float(value), "bar": bar, "holds": bool(value <= bar)}


if __name__ == "__main__":
    main()
