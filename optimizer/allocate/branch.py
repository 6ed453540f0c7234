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

from optimizer.allocate.blocks import Prices
from optimizer.allocate.core import Mixture, Relaxed, converge
from optimizer.allocate.tables import BoolArray, Tables, between, closed, in_gap, locate
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
    """The best plan that was met, a bound on all plans, scaled, and the linear programmes that were solved.

    `root` are the best prices without any branch: their bound is the Lagrangian's.
    """

    plan: Plan
    bound: float
    rounds: int
    root: Prices


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
    plan = _dive(tables, root, tolerance)
    heap = [(-root.prices.bound, 0, _Node(tables.usable, root))]
    count, rounds = 0, root.prices.rounds
    while heap and count < nodes and not closed(plan.value, -heap[0][0], tolerance):
        parent = heap[0][2].relaxed
        broken = _broken(tables, parent.mixture)
        if not len(broken.target):
            break
        bound, _, node = heapq.heappop(heap)
        for half in _halves(tables, node, broken):
            count += 1
            part = replace(tables, usable=half)
            child = converge(part, parent.kept | _corners(half, broken.target[:1]), parent.prices, tolerance / 10.0)
            rounds += child.prices.rounds - parent.prices.rounds
            if child.prices.bound > plan.value:
                plan = max(plan, _dive(part, child, tolerance), key=_worth)
                heapq.heappush(heap, (max(-child.prices.bound, bound), count, _Node(half, child)))
    return Found(plan, max(plan.value, -heap[0][0]) if heap else plan.value, rounds, root.prices)


def concave_runs(tables: Tables, targets: IntArray) -> IntArray:
    """Number the concave runs of some curves: of the segment between points j and j + 1, shape (targets, P - 1).

    A new run begins where the slope of the objective, or of an outcome that a row counts, goes up. A gap, which no
    spend may lie in, is a run of its own.
    """
    width = np.diff(tables.grid[targets], axis=1)
    kinks = np.zeros((len(targets), max(tables.points - 2, 0)), dtype=np.bool_)
    for table in (tables.gains(targets), *(credit.table[targets] for credit in tables.credits)):
        slope = np.divide(np.diff(table, axis=1), width, out=np.zeros_like(width), where=width > 0)
        noise = 1e-9 * np.abs(slope).max(axis=1, keepdims=True, initial=0.0)
        kinks |= np.diff(slope, axis=1) > noise
    kinks[:, :1] |= tables.apart[targets, None]
    runs = np.zeros(width.shape, dtype=np.int64)
    runs[:, 1:] = np.cumsum(kinks, axis=1)
    return runs


def _worth(plan: Plan) -> float:
    return plan.value


def plan_of(tables: Tables, mixture: Mixture) -> Plan:
    """Return the plan that spends each target's mean (its first point where that lies in a gap), with its value."""
    spend = mixture.mean(tables.grid)
    if tables.apart.any():
        spend = np.where(in_gap(tables, *locate(tables.grid, spend)), tables.grid[:, 0], spend)
    return Plan(spend, tables.evaluate(spend)[0], mixture.multipliers)


def _broken(tables: Tables, mixture: Mixture) -> _Broken:
    """Compare each target's mixture with its curve at the mean spend, in the objective and in what rows count.

    A mean in a gap comes first: there is no such spend, whatever its curve.
    """
    left, share = locate(tables.grid, mixture.mean(tables.grid))
    loss = mixture.mean_gain(tables) - tables.gain_between(left, share)
    loss[loss < 1e-9 / tables.targets] = 0.0
    for credit in tables.credits:
        short = mixture.mean(credit.table) - between(credit.table, left, share)
        missed = short > 1e-9 * np.abs(credit.table).max(axis=1)
        # A row with no price yet still counts: at the true outcome it may be broken.
        priced = mixture.multipliers[credit.rows] @ credit.coefficients
        loss = np.maximum(loss, missed * np.maximum(priced * short, 1e-12))
    loss[in_gap(tables, left, share)] += 1.0
    order = np.argsort(-loss, kind="stable")
    order = order[loss[order] > 0]
    return _Broken(order, left[order])


def _halves(tables: Tables, node: _Node, broken: _Broken) -> tuple[BoolArray, BoolArray]:
    """Split the worst broken target at its gap, where its curve turns, or else beside the mean of its mixture."""
    target, left = int(broken.target[0]), int(broken.left[0])
    mixture = node.relaxed.mixture
    runs = concave_runs(tables, broken.target[:1])[0]
    most, least = node.usable.copy(), node.usable.copy()
    if tables.apart[target] and left == 0:
        most[target, 1:] = False
        least[target, 0] = False
        return most, least
    mixed = mixture.point[(mixture.target == target) & (mixture.weight > 1e-12)]
    run = np.flatnonzero(runs == runs[left])
    if len(run) > 1 and run[0] > mixed[0]:
        at = run[0]
    elif len(run) > 1 and run[-1] + 1 < mixed[-1]:
        at = run[-1] + 1
    else:
        at = left if left > mixed[0] else left + 1
    most[target, at + 1 :] = False
    least[target, :at] = False
    return most, least


def _corners(usable: BoolArray, targets: IntArray) -> BoolArray:
    """Return the first and the last usable grid point of some targets, shape (K, P): a core must hold one of each."""
    corners = np.zeros_like(usable)
    corners[targets, usable[targets].argmax(axis=1)] = True
    corners[targets, usable.shape[1] - 1 - usable[targets, ::-1].argmax(axis=1)] = True
    return corners


def _dive(tables: Tables, node: Relaxed, tolerance: float) -> Plan:
    """Keep each broken target to the run where most of its mixture lies, until the mixture is a plan."""
    best = plan_of(tables, node.mixture)
    for _ in range(DIVES):
        broken = _broken(tables, node.mixture).target
        if not len(broken):
            break
        usable = tables.usable.copy()
        usable[broken] &= _heaviest_run(tables, node.mixture, broken)
        tables = replace(tables, usable=usable)
        node = converge(tables, node.kept | _corners(usable, broken), node.prices, tolerance / 10.0)
        best = max(best, plan_of(tables, node.mixture), key=_worth)
    return best


def _heaviest_run(tables: Tables, mixture: Mixture, targets: IntArray) -> BoolArray:
    """Return the grid points (v, P) of the run with each target's heaviest point; of two such runs the longer."""
    rows = np.arange(len(targets))
    place = np.full(tables.targets, -1, dtype=np.int64)
    place[targets] = rows
    inside = place[mixture.target] >= 0
    weight = np.zeros((len(targets), tables.points))
    weight[place[mixture.target[inside]], mixture.point[inside]] = mixture.weight[inside]
    point = weight.argmax(axis=1)
    runs = concave_runs(tables, targets)
    gap = tables.apart[targets]
    before = runs == runs[rows, np.maximum(point - 1, 0)][:, None]
    after = runs == runs[rows, np.minimum(point, runs.shape[1] - 1)][:, None]
    chosen = np.where((before.sum(axis=1) > after.sum(axis=1))[:, None], before, after)
    chosen[gap & (point == 1)] = after[gap & (point == 1)]
    chosen[gap & (point == 0)] = False
    kept = np.zeros((len(targets), tables.points), dtype=np.bool_)
    kept[:, :-1] |= chosen
    kept[:, 1:] |= chosen
    kept[rows, point] = True
    return kept
