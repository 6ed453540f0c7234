"""Concave hulls of tabulated curves, and money poured over them from the steepest segment down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from simulations.noise import FloatArray
from simulations.oracle.portfolio import Portfolio, Rows

BoolArray = npt.NDArray[np.bool_]
_HALVES: Final = 3
_HALVINGS: Final = 28
_TINY: Final = 1e-100
_LEAST_PRICE: Final = 1e-16


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """The segments of all campaigns' hulls, one campaign after another, each from left to right.

    Attributes:
        row: Their campaign, shape (S,).
        left, right: Positions of their ends among the points of that campaign, shape (S,).
        cost: Their width in money, > 0, shape (S,).
        gain: Their rise, shape (S,).
        leap: Whether they pass over points of the campaign, shape (S,).
    """

    row: Rows
    left: Rows
    right: Rows
    cost: FloatArray
    gain: FloatArray
    leap: BoolArray

    def take(self, which: BoolArray) -> Segments:
        """Return some of them, in their order."""
        row, left, right = self.row[which], self.left[which], self.right[which]
        return Segments(row, left, right, self.cost[which], self.gain[which], self.leap[which])


@dataclass(frozen=True, slots=True, eq=False)
class Poured:
    """Money given to the steepest segments first.

    Attributes:
        share: How much of each segment is paid, from 0 to 1, shape (S,).
        price: What one more unit of money would bring; 0 where all is paid.
    """

    share: FloatArray
    price: float


def segments(x: FloatArray, f: FloatArray, use: BoolArray) -> Segments:
    """Return the upper concave hulls of points.

    Args:
        x: Not decreasing along each row, shape (K, n).
        f: Not decreasing along each row, shape (K, n).
        use: Which points count; their x differ within a row, shape (K, n).
    """
    row, at = np.nonzero(_to_tangent(x, f, use))
    px, pf = x[row, at], f[row, at]
    while (under := _under(row, px, pf)).any():
        keep = ~under
        row, at, px, pf = row[keep], at[keep], px[keep], pf[keep]
    one = np.flatnonzero(row[1:] == row[:-1])
    number = np.cumsum(use, axis=1)[row, at]
    leap = np.diff(number)[one] > 1
    return Segments(row[one], at[one], at[one + 1], np.diff(px)[one], np.diff(pf)[one].clip(0.0), leap)


def _to_tangent(x: FloatArray, f: FloatArray, use: BoolArray) -> BoolArray:
    """Leave out what lies between the first point and the one to which the line from it is steepest.

    That line is the hull's first segment. Most S-curves are concave after it, and `_under` would have to find it by
    removing point after point.
    """
    first = use.argmax(axis=1)[:, None]
    cost = x - np.take_along_axis(x, first, 1)
    gain = f - np.take_along_axis(f, first, 1)
    slope = np.divide(gain, cost, out=np.full_like(x, -1.0), where=use & (cost > 0))
    column = np.arange(x.shape[1])
    return use & ~((column > first) & (column < slope.argmax(axis=1)[:, None]))


def _under(row: Rows, x: FloatArray, f: FloatArray) -> BoolArray:
    """Points below the line between their neighbours in the row: none of them is on the hull."""
    under = np.zeros(row.size, dtype=np.bool_)
    width, rise = np.diff(x), np.diff(f)
    under[1:-1] = (rise[:-1] * width[1:] < rise[1:] * width[:-1]) & (row[:-2] == row[2:])
    return under


def pour(portfolio: Portfolio, hulls: Segments, base: FloatArray, money: float) -> Poured:
    """Pay the segments that bring most per unit of money first, as far as money reaches.

    Args:
        portfolio: For its pools.
        hulls: Of what campaigns bring alone.
        base: What the pools bring alone at the first points of all rows, shape (P,).
        money: For all segments, >= 0.
    """
    if hulls.cost.sum() <= money:
        return Poured(np.ones(hulls.cost.size), 0.0)
    if portfolio.overlap > 0.0:
        return _pour_pools(portfolio, hulls, base, money)
    slope = hulls.gain / hulls.cost
    order = np.argsort(-slope, kind="stable")
    paid = np.cumsum(hulls.cost[order])
    full = min(int(np.searchsorted(paid, money, side="right")), order.size - 1)
    share = np.zeros(order.size)
    share[order[:full]] = 1.0
    part = order[full]
    share[part] = min((money - (float(paid[full - 1]) if full else 0.0)) / hulls.cost[part], 1.0)
    return Poured(share, float(slope[part]))


def _pour_pools(portfolio: Portfolio, hulls: Segments, base: FloatArray, money: float) -> Poured:
    """The same where a segment brings less the more the steeper ones of its pool have brought.

    At a price p a segment of slope s is paid until its pool has Phi'(S) = p / s, that is
    S = R / o (sqrt((1 + o) s / p) - 1); the price is bisected.
    """
    pool, slope, o = portfolio.pool[hulls.row], hulls.gain / hulls.cost, portfolio.overlap
    order = np.lexsort((-slope, pool))
    running = np.cumsum(hulls.gain[order])
    starts = np.flatnonzero(np.diff(pool[order], prepend=-1))
    earlier = np.repeat((running - hulls.gain[order])[starts], np.diff(np.append(starts, pool.size)))
    steeper = np.empty_like(slope)
    steeper[order] = base[pool][order] + running - earlier - hulls.gain[order]
    scale, gain = portfolio.reference[pool] / o, np.maximum(hulls.gain, _TINY)

    def paid(price: float) -> FloatArray:
        reached = scale * (np.sqrt((1.0 + o) * slope / price) - 1.0)
        return ((reached - steeper) / gain).clip(0.0, 1.0)

    high = (1.0 + o) * max(float(slope.max()), _TINY)
    low = high * _LEAST_PRICE
    for _ in range(_HALVINGS):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if float(hulls.cost @ paid(middle)) > money else (low, middle)
    less, more = paid(high), paid(low)
    spent, wide = float(hulls.cost @ less), float(hulls.cost @ (more - less))
    return Poured(less + (more - less) * min((money - spent) / wide, 1.0) if wide > 0 else less, high)


def torn(hulls: Segments, poured: Poured) -> BoolArray:
    """Return which leaps are paid in part, shape (S,): their campaign would get less than the hull says."""
    halfway: BoolArray = hulls.leap & (poured.share > 0.0) & (poured.share < 1.0)
    return halfway


def mend(portfolio: Portfolio, hulls: Segments, base: FloatArray, money: float, poured: Poured) -> FloatArray:
    """Return what each campaign gets beyond its first point where no leap is paid in part, shape (K,).

    Those who could pay least of a leap stay before it and the others get the money: half of them, half of the rest,
    and so on, and at last all. The arguments are those of `pour`, and what it returned.
    """
    halves = _HALVES
    while (broken := np.flatnonzero(torn(hulls, poured))).size:
        halves -= 1
        least = broken[np.argsort(poured.share[broken])][: (broken.size + 1) // 2 if halves >= 0 else None]
        stop = np.full(portfolio.pool.size, hulls.row.size)
        stop[hulls.row[least]] = least
        hulls = hulls.take(np.arange(hulls.row.size) < stop[hulls.row])
        poured = pour(portfolio, hulls, base, money)
    return np.bincount(hulls.row, hulls.cost * poured.share, portfolio.pool.size)
