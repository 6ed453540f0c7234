"""The best budgets of one day, with a proof: branch and bound over the parts of the curves that are not concave.

Every campaign's curve is tabulated (`grid`) and replaced by its concave hull (`hull`); money goes to the steepest
segments first, those of one pool of people in turn. With the price p of money where it ends, and the slopes w of the
pools' saturation there, weak duality and the tangent of each pool's concave saturation give

    max { sum_P Phi_P(sum_k f_k(x_k)) : sum x <= B, lower <= x <= upper }
        <=  p B + sum_P (Phi_P(S_P) - w_P S_P) + sum_k sup_x (w_k f_k(x) - p x),

for any p >= 0 and S, with w_P = Phi_P'(S_P); the suprema are proven on the table. What is lost between plan and bound
is a segment that leaps over a convex part of a curve and is paid in part: the box is split in that part, and each half
bounded by itself, until the best plan found is within a ten-thousandth of the greatest bound left (Land and Doig 1960).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count
from typing import Final

import numpy as np

from simulations.noise import FloatArray
from simulations.oracle.grid import Ranges, Table, finer_suprema, suprema, tabulate
from simulations.oracle.hull import Poured, Segments, mend, pour, segments, torn
from simulations.oracle.portfolio import Portfolio

_TOLERANCE: Final = 1e-4
_POINTS: Final = 161
# Parts that are bounded at most; of many campaigns a half-paid leap matters less, and each part costs more.
_NODES: Final = 64
_CAMPAIGN_NODES: Final = 600
_ZOOMS: Final = 3
_ZOOM_POINTS: Final = np.linspace(-1.0, 1.0, 13)


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """A plan and its certificate.

    Attributes:
        budgets: Currency units, shape (K,).
        value: What they bring.
        upper_bound: No budgets within the constraints bring more.
        price: What one more unit of money would bring; 0 where it would bring nothing.
    """

    budgets: FloatArray
    value: float
    upper_bound: float
    price: float


@dataclass(frozen=True, slots=True, eq=False)
class _Node:
    """One part of the box: its bound, and where it may be split.

    Attributes:
        ranges: The part.
        bound: On what plans within it bring.
        price, weight, tangents: p, w by campaign, shape (K,), and sum_P (Phi_P(S_P) - w_P S_P) of the bound.
        split: Campaign and position at which to split; None where nothing is lost to a leap.
    """

    ranges: Ranges
    bound: float
    price: float
    weight: FloatArray
    tangents: float
    split: tuple[int, int] | None


class _Search:
    """One day's problem, its table, and the best plan so far."""

    def __init__(self, portfolio: Portfolio, lower: FloatArray, upper: FloatArray, total: float) -> None:
        self.portfolio, self.lower, self.upper, self.total = portfolio, lower, upper, total
        self.table: Table = tabulate(portfolio, lower, upper, _POINTS)
        self.best = lower.copy()
        self.value = portfolio.value(lower)

    def consider(self, budgets: FloatArray) -> None:
        """Keep a plan if it is better, with every budget brought to its best place nearby."""
        value = self.portfolio.value(budgets)
        if value > self.value:
            self.best, self.value = _nearby(self.portfolio, self.lower, self.upper, self.total, budgets, value)

    def node(self, ranges: Ranges) -> _Node | None:
        """Bound one part of the box, and consider the plan that it suggests; None where no plan lies within."""
        table, portfolio = self.table, self.portfolio
        low = table.x[portfolio.rows, ranges.first]
        money = self.total - float(low.sum())
        if money < 0:
            return None
        hulls = segments(table.x, table.f, table.use & ranges.points(table.x.shape[1]))
        base = portfolio.pooled(table.f[portfolio.rows, ranges.first])
        poured = pour(portfolio, hulls, base, money)
        reached = base + portfolio.pooled(np.bincount(hulls.row, hulls.gain * poured.share, low.size))
        by_pool = portfolio.marginal(reached)
        weight, price = by_pool[portfolio.pool], poured.price
        tangents = float((portfolio.together(reached) - by_pool * reached).sum())
        bound = price * self.total + tangents + float(suprema(table, ranges, weight, price).sum())
        self.consider(low + mend(portfolio, hulls, base, money, poured))
        return _Node(ranges, bound, price, weight, tangents, self._split(hulls, poured, weight))

    def _split(self, hulls: Segments, poured: Poured, weight: FloatArray) -> tuple[int, int] | None:
        """Campaign of the half-paid leap that promises most beyond its curve, and the point deepest under it."""
        broken = np.flatnonzero(torn(hulls, poured))
        if not broken.size:
            return None
        share = poured.share[broken]
        at = broken[np.argmax(weight[hulls.row[broken]] * hulls.gain[broken] * share * (1.0 - share))]
        k, left, right = int(hulls.row[at]), int(hulls.left[at]), int(hulls.right[at])
        over = left + 1 + np.flatnonzero(self.table.use[k, left + 1 : right])
        chord = hulls.gain[at] / hulls.cost[at]
        return k, int(over[np.argmin(self.table.f[k, over] - chord * self.table.x[k, over])])

    def finer(self, node: _Node) -> float:
        """Return the node's bound with the cells that matter halved."""
        slack = 0.1 * _TOLERANCE * max(self.value, 1e-12) / self.lower.size
        tops = finer_suprema(self.portfolio, self.table, node.ranges, node.weight, node.price, slack)
        return min(node.bound, node.price * self.total + node.tangents + float(tops.sum()))


def solve(portfolio: Portfolio, lower: FloatArray, upper: FloatArray, total: float) -> Solved:
    """Return the best budgets: lower <= budgets <= upper and their sum <= total.

    Args:
        portfolio: What budgets bring.
        lower: Least budget by campaign, >= 0, shape (K,).
        upper: Greatest budget by campaign, >= lower, shape (K,).
        total: At least the sum of `lower`.
    """
    if lower.sum() >= total:
        only = portfolio.value(lower)
        return Solved(lower.copy(), only, only, 0.0)
    search = _Search(portfolio, lower, upper, total)
    last = np.full(lower.size, search.table.x.shape[1] - 1)
    root = search.node(Ranges(np.zeros_like(last), last))
    bound = 0.0 if root is None else _branch(search, root)
    return Solved(search.best, search.value, max(bound, search.value), 0.0 if root is None else root.price)


def _branch(search: _Search, root: _Node) -> float:
    """Split the part with the greatest bound until that is close to the best plan; return the greatest bound left."""
    ticket = count()
    queue = [(-root.bound, next(ticket), root)]
    done = 0.0
    for _ in range(min(_NODES, 1 + _CAMPAIGN_NODES // search.lower.size)):
        if not queue or -queue[0][0] <= max(done, search.value * (1.0 + _TOLERANCE)):
            break
        negative, _, node = heapq.heappop(queue)
        if node.split is None:
            done = max(done, min(-negative, search.finer(node)))
            continue
        for ranges in _halves(node.ranges, *node.split):
            half = search.node(ranges)
            if half is not None:
                heapq.heappush(queue, (-min(half.bound, -negative), next(ticket), half))
    for negative, _, node in queue:
        loose = -negative > max(done, search.value * (1.0 + _TOLERANCE))
        done = max(done, min(-negative, search.finer(node)) if loose else -negative)
    return done


def _halves(ranges: Ranges, k: int, at: int) -> tuple[Ranges, Ranges]:
    first, last = ranges.first.copy(), ranges.last.copy()
    first[k], last[k] = at, at
    return Ranges(ranges.first, last), Ranges(first, ranges.last)


def _nearby(
    portfolio: Portfolio, lower: FloatArray, upper: FloatArray, total: float, budgets: FloatArray, value: float
) -> tuple[FloatArray, float]:
    """Bring every budget to its best place nearby, on ever finer tables around the plan."""
    k = portfolio.rows
    reach = np.minimum(0.05 * budgets + 1e-6 * upper, upper - lower)
    for _ in range(_ZOOMS):
        x = (budgets[:, None] + reach[:, None] * _ZOOM_POINTS).clip(lower[:, None], upper[:, None])
        use = np.ones(x.shape, dtype=np.bool_)
        use[:, 1:] = x[:, 1:] > x[:, :-1]
        f = portfolio.curve(k, x)
        hulls = segments(x, f, use)
        poured = pour(portfolio, hulls, portfolio.pooled(f[:, 0]), max(total - float(x[:, 0].sum()), 0.0))
        moved = x[:, 0] + np.bincount(hulls.row, hulls.cost * poured.share, k.size)
        at = portfolio.value(moved)
        if at > value:
            budgets, value = moved, at
        reach = reach / 4.0
    return budgets, value
