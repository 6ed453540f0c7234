"""Days that hang together: the best path of every budget when each day is bounded by the day before.

    maximise  sum_tk worth_tk(y_tk)   subject to   sum_tk cost_tk y_tk <= money,   lower <= y <= upper,
              low_slope y_t-1 + low_t <= y_t <= high_slope y_t-1 + high_t

At a price of money the budgets part company, and each one's best path is found by dynamic programming over a mesh of
its states, all budgets at once (Bellman 1957). The price is halved in on, the mesh is drawn closer around the paths.
How good any plan can be, of any path and not only those on the mesh, is proved by `corridor`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.plan.snapshot import FloatArray, IntArray

MESH: Final = 96
CLOSER: Final = 33
HALVINGS: Final = 20
ZOOMS: Final = 5
RAISES: Final = 60
"""Times that a price is raised fourfold at most, while the money is still overspent."""

TINY: Final = 1e-12
"""The least price to begin with: where every curve is flat, or every day pinned, no gain sets one."""


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """T days of K budgets; what is called state is a spend, or a stock of advertising.

    Attributes:
        grid, gain: The curve of each budget, both (K, P).
        weight: What a day's gain counts, shape (T, K).
        cost: Money per unit of a day's state, shape (T, K).
        money: What all states together may cost.
        lower, upper: Bounds on the state, shape (T, K).
        low_slope, high_slope: Of the day before in the bounds between days, shape (K,).
        low, high: Their constants, shape (T, K); infinite where there is no such bound.
        start: The state before the first day, shape (K,); nan where the first day is free of it.
        last: What a state on the last day brings afterwards, at the grid points, shape (K, P).
    """

    grid: FloatArray
    gain: FloatArray
    weight: FloatArray
    cost: FloatArray
    money: float
    lower: FloatArray
    upper: FloatArray
    low_slope: FloatArray
    high_slope: FloatArray
    low: FloatArray
    high: FloatArray
    start: FloatArray
    last: FloatArray

    @property
    def days(self) -> int:
        """T."""
        return len(self.weight)

    def worth(self, state: FloatArray) -> FloatArray:
        """Return what each state brings, shape (T, K, n) -> (T, K, n)."""
        found = self.weight[..., None] * at(self.grid, self.gain, state)
        found[-1] += at(self.grid, self.last, state[-1:])[0]
        return found

    def value(self, path: FloatArray) -> float:
        """Return the objective of states of shape (T, K)."""
        return float(self.worth(path[..., None]).sum())

    def used(self, path: FloatArray) -> float:
        """Return what states of shape (T, K) cost."""
        return float((self.cost * path).sum())

    def between(self, before: FloatArray, day: int) -> tuple[FloatArray, FloatArray]:
        """Return the bounds that the day before sets, shape (K, n) each; none before the first day."""
        free = ~np.isfinite(before)
        known = np.where(free, 0.0, before)
        low = self.low_slope[:, None] * known + self.low[day][:, None]
        high = self.high_slope[:, None] * known + self.high[day][:, None]
        return np.where(free, -np.inf, low), np.where(free, np.inf, high)


def at(grid: FloatArray, table: FloatArray, state: FloatArray) -> FloatArray:
    """Read curves, (K, P) each, at states (T, K, n); beyond its ends a curve is flat."""
    found = np.empty(state.shape)
    for k, (points, values) in enumerate(zip(grid, table, strict=True)):
        found[:, k] = np.interp(state[:, k], points, values)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """The best paths found, (T, K), and the price of money.

    `needed` is the least money with which a plan exists, where `money` is less than that; else None.
    """

    path: FloatArray
    price: float
    needed: float | None


def best_paths(chain: Chain) -> Paths:
    """Find the best paths."""
    mesh = _wide(chain)
    price, path, needed = _priced(chain, mesh, None)
    for _ in range(ZOOMS):
        if needed is not None:
            break
        mesh = _closer(chain, path, mesh)
        better_price, better, needed = _priced(chain, mesh, price)
        if chain.value(better) >= chain.value(path):
            price, path = better_price, better
    return Paths(path, price, needed)


def _wide(chain: Chain) -> FloatArray:
    """States from end to end, denser below, the same on every day, shape (T, K, MESH)."""
    low, high = chain.lower.min(axis=0), chain.upper.max(axis=0)
    least = np.maximum(low, 0.01 * high)
    share = np.linspace(0.0, 1.0, MESH - 1)
    mesh = least[:, None] * (np.maximum(high, 1e-12) / np.maximum(least, 1e-12))[:, None] ** share
    mesh = np.concatenate([low[:, None], mesh], axis=1)
    return np.sort(np.clip(mesh, chain.lower[..., None], chain.upper[..., None]), axis=-1)


def _closer(chain: Chain, path: FloatArray, mesh: FloatArray) -> FloatArray:
    """States around paths, as far as three of the present mesh on either side, shape (T, K, CLOSER)."""
    points = mesh.shape[-1]
    place = (mesh < path[..., None]).sum(axis=-1)
    left, right = (np.clip(place + d, 0, points - 1)[..., None] for d in (-3, 3))
    low, high = np.take_along_axis(mesh, left, axis=-1), np.take_along_axis(mesh, right, axis=-1)
    share = np.linspace(0.0, 1.0, CLOSER - 1)
    fresh = np.concatenate([low + (high - low) * share, path[..., None]], axis=-1)
    return np.sort(np.clip(fresh, chain.lower[..., None], chain.upper[..., None]), axis=-1)


def _priced(chain: Chain, mesh: FloatArray, guess: float | None) -> tuple[float, FloatArray, float | None]:
    """Close in on the price at which the money is just spent; mix the paths on both sides of it."""
    windows = _windows(chain, mesh)
    worth = chain.worth(mesh)

    def ask(price: float) -> FloatArray:
        return _walk(chain, mesh, worth - price * chain.cost[..., None] * mesh, windows)

    path = ask(0.0)
    if chain.used(path) <= chain.money:
        return 0.0, path, None
    unit = max(float(worth.max(axis=-1).sum() - worth.min(axis=-1).sum()) / max(chain.money, 1e-12), TINY)
    low, over, high = 0.0, path, unit if guess is None else max(1.01 * guess, TINY)
    under = ask(high)
    if guess is not None and chain.used(path := ask(0.99 * guess)) > chain.money:
        low, over = 0.99 * guess, path
    for _ in range(RAISES):
        if chain.used(under) <= chain.money or high > 1e9 * unit:
            break
        low, over, high = high, under, 4.0 * high
        under = ask(high)
    if chain.used(under) > chain.money:
        return high, under, chain.used(under)
    over_by, under_by = chain.used(over) - chain.money, chain.money - chain.used(under)
    for _ in range(HALVINGS):
        if high - low <= 1e-6 * high or under_by <= 1e-6 * chain.money:
            break
        # The chord through both ends, whose weights halve at an end that stays (Dowell and Jarratt 1971: Illinois).
        share = float(np.clip(over_by / max(over_by + under_by, 1e-300), 0.05, 0.95))
        middle = low + share * (high - low) if low > 0.0 else high / 4.0
        path = ask(middle)
        more = chain.used(path) - chain.money
        if more > 0.0:
            low, over, over_by, under_by = middle, path, more, under_by / 2.0
        else:
            high, under, under_by, over_by = middle, path, -more, over_by / 2.0
    return high, _mixed(chain, under, over), None


def _mixed(chain: Chain, under: FloatArray, over: FloatArray) -> FloatArray:
    """Spend what `under` leaves on the way to `over`: all budgets a part of the way, or as many as can all of it."""
    room = chain.money - chain.used(under)
    more = (chain.cost * (over - under)).sum(axis=0)
    if more.sum() <= 0.0:
        return under
    together = under + min(room / float(more.sum()), 1.0) * (over - under)
    order = np.argsort(-more, kind="stable")
    before = np.concatenate([[0.0], np.cumsum(np.maximum(more[order], 0.0))[:-1]])
    share = np.zeros(len(more))
    share[order] = np.clip((room - before) / np.maximum(more[order], 1e-300), 0.0, 1.0)
    single = under + share * (over - under)
    kept = [path for path in (together, single) if chain.used(path) <= chain.money * (1.0 + 1e-12)]
    return max([under, *kept], key=chain.value)


def _windows(chain: Chain, mesh: FloatArray) -> list[tuple[IntArray, IntArray]]:
    """For each day but the last, from every state the first and last state that may follow, (K, n) each."""
    found = []
    for day in range(1, chain.days):
        low, high = chain.between(mesh[day - 1], day)
        slack = 1e-9 * np.maximum(np.abs(mesh[day]).max(axis=1, keepdims=True), 1e-12)
        found.append((_count(mesh[day], low - slack), _count(mesh[day], high + slack) - 1))
    return found


def _count(mesh: FloatArray, bounds: FloatArray) -> IntArray:
    """How many states of each budget, (K, n) ascending, lie below each of its bounds, (K, m)."""
    return np.stack([np.searchsorted(row, bound) for row, bound in zip(mesh, bounds, strict=True)])


def _walk(chain: Chain, mesh: FloatArray, reduced: FloatArray, windows: list[tuple[IntArray, IntArray]]) -> FloatArray:
    """Return the best paths by what each state is worth after its price, (T, K, n): back by value, then forth."""
    ahead = [reduced[-1]]
    for day in range(chain.days - 2, -1, -1):
        ahead.append(reduced[day] + _most(ahead[-1], *windows[day]))
    ahead.reverse()
    path = np.empty(mesh.shape[:2])
    before = chain.start
    for day in range(chain.days):
        low, high = chain.between(before[:, None], day)
        slack = 1e-9 * np.maximum(np.abs(mesh[day]).max(axis=1, keepdims=True), 1e-12)
        may = (mesh[day] >= low - slack) & (mesh[day] <= high + slack)
        near = np.abs(mesh[day] - np.clip(mesh[day], low, high)).argmin(axis=1)
        choice = np.where(may, ahead[day], -np.inf).argmax(axis=1)
        choice = np.where(may.any(axis=1), choice, near)
        before = np.clip(np.take_along_axis(mesh[day], choice[:, None], axis=1), low, high)[:, 0]
        path[day] = before
    return path


def _most(values: FloatArray, first: IntArray, last: IntArray) -> FloatArray:
    """The largest value in windows of each row, (K, n); by doubling (the sparse table of range-maximum queries)."""
    tables = [values]
    width = 1
    while 2 * width <= values.shape[1]:
        row = tables[-1].copy()
        np.maximum(row[:, : -width or None], tables[-1][:, width:], out=row[:, :-width])
        tables.append(row)
        width *= 2
    length = np.maximum(last - first + 1, 1)
    level = np.log2(length).astype(np.int64)
    stack = np.stack(tables)
    rows = np.arange(len(values))[:, None]
    end = np.clip(last - (1 << level) + 1, 0, values.shape[1] - 1)
    found = np.maximum(stack[level, rows, np.minimum(first, values.shape[1] - 1)], stack[level, rows, end])
    return np.where(last >= first, found, -1e300)
