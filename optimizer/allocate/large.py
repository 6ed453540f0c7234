"""Portfolios of many budgets: most are settled by the prices alone, and only the few that waver are decided on.

At prices near the best ones nearly every target has one grid point that is clearly the best. It is fixed there; the
targets for which the smallest change of prices would make another point as good form a small problem of their own,
with what the fixed ones leave of every row. Its prices are better, so that other targets waver, and again until the
plan meets the bound. That bound is the Lagrangian's over all targets, so nothing is taken on trust.

Under a single row more can be said. The dual is a convex function of one price, and a target with the same best point
at two prices has it at every price between (its reduced worth is a maximum of linear functions of the price). Two
prices that enclose the best one settle all such targets for good (the idea of Brucker 1984, "An O(n) algorithm for
quadratic knapsack problems", Operations Research Letters 3, on the relaxed multiple-choice knapsack).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from optimizer.allocate.blocks import Prices, better
from optimizer.allocate.branch import Found, Plan
from optimizer.allocate.core import distances
from optimizer.allocate.tables import CHUNK, Tables, closed
from optimizer.plan.snapshot import FloatArray, IntArray

LARGE: Final = 4_000
"""Targets above which most are settled first."""
WAVERING: Final = 2_000
ROUNDS: Final = 8
_SAMPLE: Final = 30_000
_WIDEN: Final = 0.008  # how far beyond a sample's price the best one is looked for first, relative
_WIDEST: Final = 40

Search = Callable[[Tables, Prices], Found]


def settle(tables: Tables, prices: Prices, search: Search, tolerance: float) -> Found | None:
    """Find a plan within `tolerance` (relative) of the bound by deciding on wavering targets only; None if that fails.

    Args:
        tables: The problem, of any number of rows.
        prices: Multipliers near the best ones, with their bound over all targets.
        search: Solves the small problem, given where its prices come from.
        tolerance: Relative.
    """
    best, rounds = prices, prices.rounds
    query = prices
    for _ in range(ROUNDS):
        point, wavering = _wavering(tables, query.multipliers)
        small = search(tables.only(wavering, point), query)
        rounds += small.rounds - query.rounds
        query = Prices(small.root.multipliers, tables.answer(small.root.multipliers)[1], rounds)
        best = better(best, query)
        if closed(small.plan.value, best.bound, tolerance):
            return Found(_spliced(tables, point, wavering, small.plan), best.bound, rounds, best)
    return None


def _wavering(tables: Tables, multipliers: FloatArray) -> tuple[IntArray, IntArray]:
    """Return each target's best point, (K,), and the `WAVERING` targets that the least change of prices would move."""
    point = np.empty(tables.targets, dtype=np.int64)
    nearest = np.empty(tables.targets)
    priced = tables.priced(multipliers)
    for start in range(0, tables.targets, CHUNK):
        part = slice(start, start + CHUNK)
        point[part], distance = distances(tables, priced, part)
        distance[distance < 0.0] = np.inf
        nearest[part] = distance.min(axis=1)
    count = min(WAVERING, tables.targets)
    return point, np.sort(np.argpartition(nearest, count - 1)[:count])


def _spliced(tables: Tables, point: IntArray, chosen: IntArray, plan: Plan) -> Plan:
    """Return the whole plan: the chosen targets as in theirs, all others at their grid points."""
    spend = tables.grid[np.arange(tables.targets), point]
    spend[chosen] = plan.spend
    return replace(plan, spend=spend)


@dataclass(frozen=True, slots=True, eq=False)
class _Ask:
    """A price of the single row, each target's best point there, (K,), and what they use beyond the row's bound."""

    price: float
    point: IntArray
    over: float


def enclose(tables: Tables, search: Search) -> Found:
    """Solve a problem under one row by enclosing its price ever more narrowly, until few targets are left.

    Args:
        tables: The problem, with one row.
        search: Solves what is left, given where its prices come from.
    """
    low, high = _around(tables, _guess(tables))
    point, chosen, part = high.point.copy(), np.arange(tables.targets), tables
    while True:
        wavering = np.flatnonzero(low.point != high.point)
        if len(wavering) <= LARGE:
            break
        part = part.only(wavering, high.point)
        chosen = chosen[wavering]
        low, high = (replace(side, point=side.point[wavering]) for side in (low, high))
        middle = _ask(part, (low.price + high.price) / 2.0)
        if not low.price < middle.price < high.price:
            break
        low, high = (middle, high) if middle.over > 0.0 else (low, middle)
        point[chosen] = high.point
    even = np.linspace(0, len(high.point) - 1, min(WAVERING, len(high.point))).astype(np.int64)
    wavering = np.union1d(wavering, even)  # what is left of the row needs somewhere to go
    part, chosen = part.only(wavering, high.point), chosen[wavering]
    small = search(part, Prices(np.array([high.price]), np.inf, 0))
    price = np.clip(small.root.multipliers, low.price, high.price)
    root = Prices(price, part.answer(price)[1], small.rounds)
    return Found(_spliced(tables, point, chosen, small.plan), root.bound, small.rounds, root)


def _ask(tables: Tables, price: float) -> _Ask:
    point, _ = tables.answer(np.array([price]))
    used = tables.used(point, np.zeros(1, dtype=np.int64))[0, 0]
    return _Ask(price, point, float(used - tables.bound[0]))


def _guess(tables: Tables) -> float:
    """The price that a sample of the targets, evenly strewn, would have for its part of the row."""
    chosen = np.arange(0, tables.targets, tables.targets // _SAMPLE + 1)
    first = np.zeros(tables.targets, dtype=np.int64)
    one = np.zeros(1, dtype=np.int64)
    sample = tables.only(chosen, first)
    room = (tables.bound[0] - tables.used(first, one)[0, 0]) * len(chosen) / tables.targets
    return _halved(replace(sample, bound=sample.used(first[chosen], one)[0] + room))


def _halved(tables: Tables) -> float:
    """The price at which the row is just full, by halving; to a thousandth."""
    low, high = 0.0, float(tables.penalty[0])
    if _ask(tables, low).over <= 0.0:
        return low
    scale = 1.0
    while scale < high and _ask(tables, scale).over > 0.0:
        low, scale = scale, scale * 4.0
    high = min(scale, high)
    while low == 0.0 and high > 1e-12:
        middle = high / 4.0
        low, high = (middle, high) if _ask(tables, middle).over > 0.0 else (low, middle)
    while high - low > 1e-3 * high:
        middle = (low + high) / 2.0
        low, high = (middle, high) if _ask(tables, middle).over > 0.0 else (low, middle)
    return high


def _around(tables: Tables, guess: float) -> tuple[_Ask, _Ask]:
    """Two prices that enclose the best one: at the lower the row is overfull, or the price is zero."""
    here = _ask(tables, guess)
    width = _WIDEN * guess
    ceiling = float(tables.penalty[0])
    for _ in range(_WIDEST):
        if here.over > 0.0:
            there = _ask(tables, min(max(here.price + width, 1e-9), ceiling))
            if there.over <= 0.0 or there.price >= ceiling:
                return here, there
        else:
            if here.price == 0.0:
                return here, here
            there = _ask(tables, max(here.price - width, 0.0))
            if there.over > 0.0 or there.price == 0.0:
                return there, here
        here, width = there, 4.0 * max(width, 1e-9)
    return _ask(tables, 0.0), _ask(tables, ceiling)
