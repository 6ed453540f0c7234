"""A bound on all paths: each budget by itself, its states in narrow corridors that may be left only where a path could.

Only the money is priced. At a price the budgets part company, and the best path of each is bounded by dynamic
programming over cells of its states (Bellman 1957): a cell is worth on a day what its best state is worth, and a cell
follows another if any state of the one may follow any state of the other. So every path runs through cells, whatever
states it takes, and the best sequence of cells is worth at least as much (a relaxation); what it is too high by falls
with the cells' width. Where a spend may change by a share of itself, cells are equal ratios of which a whole number
makes a step up: then the freedom within a cell does not add up from day to day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d
from scipy.optimize import minimize_scalar

from optimizer.allocate.chain import Chain
from optimizer.plan.snapshot import FloatArray, IntArray

CELLS: Final = (400, 4_000)
"""Cells of each budget, about: the fewest and the most."""

ALL_CELLS: Final = 1_200_000
"""Of all budgets together, where that lies within `CELLS` for each."""

LEAST: Final = 1e-3
"""Of the largest state, what the states of the first cell are below where they begin at nothing."""

AROUND: Final = (0.99, 1.02)
"""Shares of the paths' price of money between which the bound is sought: what cells leave free makes money worth less,
and a price between two paths of S-curves is known no better."""

FIRST: Final = 0.9975
"""The share of it that is asked first."""

ASKED: Final = 6
"""Further prices that are asked, if need be."""

TOGETHER: Final = 16
"""Budgets whose cells are gone through together, so that they lie in the processor's cache."""

_NEVER: Final = -1e300
_ALIKE: Final = 1e-9
"""Ratios of cells that differ by no more are one, where the layout is chosen."""


def bound(chain: Chain, price: float, enough: float) -> float:
    """Return what no plan's value exceeds, from a price of money that is near the best one.

    Any price bounds all plans (weak duality). The best one is sought where the first does not prove `enough`.
    """
    count = int(np.clip(ALL_CELLS // len(chain.grid), *CELLS))
    parts = [_Cells.of(_part(chain, slice(low, low + TOGETHER)), count) for low in range(0, len(chain.grid), TOGETHER)]

    def asked(price: float) -> float:
        return price * chain.money + sum(part.best(price) for part in parts)

    first = asked(FIRST * price)
    if first <= enough or price == 0.0:
        return first
    # Convex in the price, since it is a sum of largest values of straight lines.
    bounds = tuple(share * price for share in AROUND)
    found = minimize_scalar(asked, bounds=bounds, method="bounded", options={"maxiter": ASKED})
    return min(first, float(found.fun))


def _part(chain: Chain, part: slice) -> Chain:
    """The days of some budgets."""
    by_budget = {
        name: getattr(chain, name)[part] for name in ("grid", "gain", "low_slope", "high_slope", "start", "last")
    }
    by_day = {name: getattr(chain, name)[:, part] for name in ("weight", "cost", "lower", "upper", "low", "high")}
    return Chain(**by_budget, **by_day, money=chain.money)


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """Cells of states of K budgets, the same on every day.

    Attributes:
        chain: The days.
        edges: Where cells begin and end, shape (K, M + 1).
        first: For each cell the first one that may follow, by day, of the days but the first; shape (K, M) each. Below
            zero where fewer than `width` may follow a low cell.
        width: How many may follow, by day; shape (K,) each.
        curve: What they bring.
    """

    chain: Chain
    edges: FloatArray
    first: tuple[IntArray, ...]
    width: tuple[IntArray, ...]
    curve: _Curve

    @classmethod
    def of(cls, chain: Chain, count: int) -> _Cells:
        """Lay about so many cells out: in equal ratios where steps are shares of a state, else equally wide."""
        up = chain.high_slope
        shares = bool((chain.low == 0.0).all() and (chain.high == 0.0).all() and (up == up[0]).all() and up[0] > 1.0)
        edges = _ratios(chain, count) if shares else _widths(chain, count)
        following = list(_following(chain, edges))
        first, width = (tuple(side) for side in zip(*following, strict=True)) if following else ((), ())
        return cls(chain, edges, first, width, _Curve.of(chain, edges))

    def best(self, price: float) -> float:
        """Return what the best corridors of all budgets are worth after the price of their money."""
        chain, curve = self.chain, self.curve
        ahead = curve.best(chain.days - 1, price)
        for day in range(chain.days - 1, 0, -1):
            ahead = curve.best(day - 1, price) + _most(ahead, self.first[day - 1], self.width[day - 1])
        low, high = _reach(chain, chain.start[:, None], 0)
        begun = (self.edges[:, 1:] >= low) & (self.edges[:, :-1] <= high)
        return float(np.where(begun, ahead, _NEVER).max(axis=1).sum())


@dataclass(frozen=True, slots=True, eq=False)
class _Curve:
    """What the edges of cells bring, (K, M + 1), and the cell and the value of each grid point between them."""

    chain: Chain
    edges: FloatArray
    gain: FloatArray
    last: FloatArray
    cell: IntArray
    within: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, chain: Chain, edges: FloatArray) -> _Curve:
        """Read the curves, straight lines between grid points, so that cells are best at their ends or at those."""
        gain, last = (
            np.stack([np.interp(x, g, f) for x, g, f in zip(edges, chain.grid, table, strict=True)])
            for table in (chain.gain, chain.last)
        )
        cell = np.stack([np.searchsorted(e, g, side="right") - 1 for e, g in zip(edges, chain.grid, strict=True)])
        within = (cell >= 0) & (cell < edges.shape[1] - 1)
        return cls(chain, edges, gain, last, cell, within)

    def best(self, day: int, price: float) -> FloatArray:
        """Return what a cell is worth on a day after its cost, shape (K, M); a cell outside of the bounds, nothing.

        One that a bound cuts counts whole, which only raises the bound.
        """
        chain = self.chain
        weight, cost = chain.weight[day][:, None], price * chain.cost[day][:, None]
        ends, points = weight * self.gain, weight * chain.gain - cost * chain.grid
        ends -= cost * self.edges
        if day == chain.days - 1:
            ends, points = ends + self.last, points + chain.last
        found: FloatArray = np.maximum(ends[:, :-1], ends[:, 1:])
        rows = np.nonzero(self.within)[0]
        np.maximum.at(found, (rows, self.cell[self.within]), points[self.within])
        low, high = chain.lower[day], chain.upper[day]
        if (low > self.edges[:, 1]).any():
            found[self.edges[:, 1:] < low[:, None]] = _NEVER
        if (high < self.edges[:, -2]).any():
            found[self.edges[:, :-1] > high[:, None]] = _NEVER
        return found


def _ratios(chain: Chain, count: int) -> FloatArray:
    """Edges in equal ratios, a whole number of which is a step up, and nearly a whole number one down.

    Each edge from the first step on is the largest that may follow an edge before, rounded as `_reach` rounds it.
    """
    low, high = chain.lower.min(axis=0), np.maximum(chain.upper.max(axis=0), 1e-12)
    least = np.maximum(low, LEAST * high)
    up, down = float(np.log(chain.high_slope[0])), -float(np.log(max(chain.low_slope[0], 1e-3)))
    steps = max(float(np.log(high / least).max()) / up, 1.0)
    fewest = max(round(count / steps), 1)
    tried = np.arange(fewest, fewest + fewest // 4 + 1)
    parts = int(tried[np.argmin(np.ceil(tried * down / up - _ALIKE) / tried)])
    edges = least[:, None] * np.exp(up / parts * np.arange(int(np.ceil(steps * parts)) + 2))
    for place in range(parts, edges.shape[1]):
        edges[:, place] = np.nextafter(chain.high_slope * edges[:, place - parts], np.inf)
    return np.concatenate([np.minimum(low, least)[:, None], edges], axis=1)


def _widths(chain: Chain, count: int) -> FloatArray:
    low, high = chain.lower.min(axis=0), chain.upper.max(axis=0)
    edges = low[:, None] + np.maximum(high - low, 1e-12)[:, None] * np.linspace(0.0, 1.0, count + 1)
    edges[:, -1] = np.maximum(edges[:, -1], high)
    return edges


def _following(chain: Chain, edges: FloatArray) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield by day the first cell that may follow each, and how many, at least; days alike share theirs."""
    known: dict[bytes, tuple[IntArray, IntArray]] = {}
    for day in range(1, chain.days):
        key = chain.low[day].tobytes() + chain.high[day].tobytes()
        if key not in known:
            known[key] = _windows(edges, _reach(chain, edges[:, :-1], day)[0], _reach(chain, edges[:, 1:], day)[1])
        yield known[key]


def _reach(chain: Chain, before: FloatArray, day: int) -> tuple[FloatArray, FloatArray]:
    """The bounds that the day before sets, (K, n) each, rounded outward.

    A product and a sum of what is not negative are off by half a unit in the last place each; one unit covers both.
    """
    low, high = chain.between(before, day)
    return np.nextafter(low, -np.inf), np.nextafter(high, np.inf)


def _windows(edges: FloatArray, least: FloatArray, most: FloatArray) -> tuple[IntArray, IntArray]:
    """The first cell that ends at `least` or above, and how many begin below `most`, the largest number of a budget.

    Cells hold their beginnings and not their ends, so that what follows one lies below the `most` of its end.
    """
    pairs = zip(edges, least, most, strict=True)
    found = [(np.searchsorted(e[1:], low, side="left"), np.searchsorted(e[:-1], high, side="left"))
             for e, low, high in pairs]  # fmt: skip
    first, until = (np.stack(side) for side in zip(*found, strict=True))
    width = np.maximum((until - first).max(axis=1), 1)
    return np.where(first > 0, first, until - width[:, None]), width


def _most(ahead: FloatArray, first: IntArray, width: IntArray) -> FloatArray:
    """Return the largest of `width` cells from `first` on, shape (K, M)."""
    found = np.empty_like(ahead)
    for each in np.unique(width).tolist():
        rows = width == each
        padded = np.pad(ahead[rows], ((0, 0), (each, 0)), constant_values=_NEVER)
        best = maximum_filter1d(padded, each, axis=1, mode="constant", cval=_NEVER, origin=-(each // 2))
        place = np.minimum(first[rows] + each, padded.shape[1] - 1)
        found[rows] = np.take_along_axis(best, place, axis=1)
    return found
