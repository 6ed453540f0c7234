"""From the best mixture to the best plan: branch and bound over the curves that are not concave.

A mixture of two grid points of one target is a plan only where its curve is concave between them: there the curve
lies above the mixture. Elsewhere (on an S-curve between nothing and its tangent point) the mixture promises what no
spend brings. Such a target is split at a grid point into `at most` and `at least`, and both halves are solved again
(Falk and Soland 1969, doi:10.1287/mnsc.15.9.550). Every half keeps a Lagrangian bound over all its points, so the
largest bound left open bounds every plan.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from optimizer.allocate.core import Mixture, Relaxed, converge
from optimizer.allocate.tables import BoolArray, Tables, between, closed, locate
from optimizer.plan.snapshot import FloatArray, IntArray

DIVES: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Spends, shape (K,), their scaled objective less penalties, and the rows' multipliers where it was found."""

    spend: FloatArray
    value: float
    multipliers: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The best plan that was met, a bound on all plans, scaled, and the linear programmes that were solved."""

    plan: Plan
    bound: float
    rounds: int


@dataclass(frozen=True, slots=True, eq=False)
class _Node:
    """A part of the problem, by the grid points that it may use (K, P), and its relaxation."""

    usable: BoolArray
    relaxed: Relaxed


@dataclass(frozen=True, slots=True, eq=False)
class _Broken:
    """Targets whose mixture no spend brings, worst first, and the grid point left of each mean, both (v,)."""

    target: IntArray
    left: IntArray


def search(tables: Tables, root: Relaxed, tolerance: float, nodes: int) -> Found:
    """Find a plan within `tolerance` (relative) of the bound on all plans, or the best after about `nodes` nodes."""
    runs = concave_runs(tables)
    plan = _dive(tables, root, runs, tolerance)
    heap = [(-root.prices.bound, 0, _Node(tables.usable, root))]
    count, rounds = 0, root.prices.rounds
    while heap and count < nodes and not closed(plan.value, -heap[0][0], tolerance):
        parent = heap[0][2].relaxed
        broken = _broken(tables, parent.mixture)
        if not len(broken.target):
            break
        bound, _, node = heapq.heappop(heap)
        for half in _halves(node, runs, broken):
            count += 1
            part = replace(tables, usable=half)
            child = converge(part, parent.kept | _corners(half, broken.target[:1]), parent.prices, tolerance / 10.0)
            rounds += child.prices.rounds - parent.prices.rounds
            if child.prices.bound > plan.value:
                plan = max(plan, _dive(part, child, runs, tolerance), key=_worth)
                heapq.heappush(heap, (max(-child.prices.bound, bound), count, _Node(half, child)))
    return Found(plan, max(plan.value, -heap[0][0]) if heap else plan.value, rounds)


def concave_runs(tables: Tables) -> IntArray:
    """Number the concave runs of every curve: of the segment between points j and j + 1, shape (K, P - 1).

    A new run begins where the slope of the objective, or of an outcome that a row counts, goes up.
    """
    width = np.diff(tables.grid, axis=1)
    kinks = np.zeros((tables.targets, max(tables.points - 2, 0)), dtype=np.bool_)
    for table in (tables.objective, *(credit.table for credit in tables.credits)):
        slope = np.divide(np.diff(table, axis=1), width, out=np.zeros_like(width), where=width > 0)
        noise = 1e-9 * np.abs(slope).max(axis=1, keepdims=True, initial=0.0)
        kinks |= np.diff(slope, axis=1) > noise
    runs = np.zeros(width.shape, dtype=np.int64)
    runs[:, 1:] = np.cumsum(kinks, axis=1)
    return runs


def _worth(plan: Plan) -> float:
    return plan.value


def plan_of(tables: Tables, mixture: Mixture) -> Plan:
    """Return the plan that spends each target's mean, valued on its curve."""
    spend = mixture.mean(tables.grid)
    return Plan(spend, tables.evaluate(spend)[0], mixture.multipliers)


def _broken(tables: Tables, mixture: Mixture) -> _Broken:
    """Compare each target's mixture with its curve at the mean spend, in the objective and in what rows count."""
    left, share = locate(tables.grid, mixture.mean(tables.grid))
    loss = mixture.mean(tables.objective) - between(tables.objective, left, share)
    loss[loss < 1e-9 / tables.targets] = 0.0
    for credit in tables.credits:
        short = mixture.mean(credit.table) - between(credit.table, left, share)
        missed = short > 1e-9 * np.abs(credit.table).max(axis=1)
        # A row with no price yet still counts: at the true outcome it may be broken.
        loss = np.maximum(loss, missed * np.maximum(mixture.multipliers @ (credit.coefficients * short), 1e-12))
    order = np.argsort(-loss, kind="stable")
    order = order[loss[order] > 0]
    return _Broken(order, left[order])


def _halves(node: _Node, runs: IntArray, broken: _Broken) -> tuple[BoolArray, BoolArray]:
    """Split the worst broken target where its curve turns, else beside the mean of its mixture."""
    target, left = int(broken.target[0]), int(broken.left[0])
    mixture = node.relaxed.mixture
    mixed = mixture.point[(mixture.target == target) & (mixture.weight > 1e-12)]
    run = np.flatnonzero(runs[target] == runs[target, left])
    if len(run) > 1 and run[0] > mixed[0]:
        at = run[0]
    elif len(run) > 1 and run[-1] + 1 < mixed[-1]:
        at = run[-1] + 1
    else:
        at = left if left > mixed[0] else left + 1
    most, least = node.usable.copy(), node.usable.copy()
    most[target, at + 1 :] = False
    least[target, :at] = False
    return most, least


def _corners(usable: BoolArray, targets: IntArray) -> BoolArray:
    """Return the first and the last usable grid point of some targets, shape (K, P): a core must hold one of each."""
    corners = np.zeros_like(usable)
    corners[targets, usable[targets].argmax(axis=1)] = True
    corners[targets, usable.shape[1] - 1 - usable[targets, ::-1].argmax(axis=1)] = True
    return corners


def _dive(tables: Tables, node: Relaxed, runs: IntArray, tolerance: float) -> Plan:
    """Keep each broken target to the run where most of its mixture lies, until the mixture is a plan."""
    best = plan_of(tables, node.mixture)
    for _ in range(DIVES):
        broken = _broken(tables, node.mixture).target
        if not len(broken):
            break
        usable = tables.usable.copy()
        usable[broken] &= _heaviest_run(tables, node.mixture, runs, broken)
        tables = replace(tables, usable=usable)
        node = converge(tables, node.kept | _corners(usable, broken), node.prices, tolerance / 10.0)
        best = max(best, plan_of(tables, node.mixture), key=_worth)
    return best


def _heaviest_run(tables: Tables, mixture: Mixture, runs: IntArray, targets: IntArray) -> BoolArray:
    """Return the grid points (v, P) of the run with each target's heaviest point; of two such runs the longer."""
    weight = np.zeros(tables.grid.shape)
    weight[mixture.target, mixture.point] = mixture.weight
    point = weight[targets].argmax(axis=1)
    runs = runs[targets]
    rows = np.arange(len(targets))
    before = runs == runs[rows, np.maximum(point - 1, 0)][:, None]
    after = runs == runs[rows, np.minimum(point, runs.shape[1] - 1)][:, None]
    chosen = np.where((before.sum(axis=1) > after.sum(axis=1))[:, None], before, after)
    inside = np.zeros((len(targets), tables.points), dtype=np.bool_)
    inside[:, :-1] |= chosen
    inside[:, 1:] |= chosen
    return inside
