"""Days that hang together: the best path of every budget when each day is bounded by the day before.

    maximise  sum_tk worth_tk(y_tk)   subject to   sum_tk cost_tk y_tk <= money,   lower <= y <= upper,
              low_slope y_t-1 + low_t <= y_t <= high_slope y_t-1 + high_t

At a price of money the budgets part company, and each one's best path is found by dynamic programming over a mesh of
its states, all budgets at once (Bellman 1957). The price is halved in on, the mesh is drawn closer around the paths.
The bound on all plans, of any path and not only those on the mesh, prices the bounds between days too: then every day
of every budget stands alone, and its curve is a straight line between grid points, so the maximum over its grid
points and ends is the maximum (Lagrangian duality; whatever the prices, the bound is one).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import minimize

from optimizer.plan.snapshot import FloatArray, IntArray

MESH: Final = 96
CLOSER: Final = 33
HALVINGS: Final = 20
ZOOMS: Final = 2
SOFTNESS: Final = (1e-3, 1e-4)
DESCENTS: Final = 60
NEAR: Final = 5
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
    """The best paths found, (T, K), the price of money, and a bound on the value of all plans.

    `needed` is the least money with which a plan exists, where `money` is less than that; else None.
    """

    path: FloatArray
    price: float
    bound: float
    needed: float | None


def best_paths(chain: Chain) -> Paths:
    """Find the best paths and prove how near they are to the best."""
    mesh = _wide(chain)
    price, path, needed = _priced(chain, mesh, None)
    for _ in range(ZOOMS):
        if needed is not None:
            break
        mesh = _closer(chain, path, mesh)
        better_price, better, needed = _priced(chain, mesh, price)
        if chain.value(better) >= chain.value(path):
            price, path = better_price, better
    return Paths(path, price, bound(chain, path, price), needed)


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


@dataclass(frozen=True, slots=True, eq=False)
class _Dual:
    """Prices of money, and of the bounds that the day before sets from above and from below, both (T, K)."""

    money: float
    above: FloatArray
    below: FloatArray


def bound(chain: Chain, path: FloatArray, price: float) -> float:
    """Return a bound on the value of all plans, from prices for money and for the bounds between days.

    The latter are first read off the paths, last day first: where a day stands at its bound, its price is what the day
    would gain by going on. Then all prices go downhill on the bound, made smooth by a soft maximum that hardens in
    stages (Nesterov 2005, "Smooth minimization of non-smooth functions"). Whether they are the best ones matters to how
    tight the bound is, not to whether it is one.
    """
    target, best = chain.value(path), np.inf
    dual, smooth = _read(chain, path, price), _Smooth.of(chain, path)
    states = np.clip(chain.grid, chain.lower[..., None], chain.upper[..., None])
    worth = chain.worth(states)
    for softness in (0.0, *SOFTNESS):
        if softness:
            dual = smooth.lowered(dual, softness)
        best = min(best, _evaluate(chain, states, worth, dual))
        if best - target <= 5e-5 * max(abs(best), 1e-12):
            break
    return max(best, target)


@dataclass(frozen=True, slots=True, eq=False)
class _Smooth:
    """The bound as a smooth function of the prices.

    Attributes:
        states, worth: Each day's states to choose from and what they bring, (T, K, n).
        unit: A budget's range of gains, shape (K,): what softness is relative to.
        size: The largest state of each budget, shape (K,): prices are scaled by unit / size.
    """

    chain: Chain
    states: FloatArray
    worth: FloatArray
    unit: FloatArray
    size: FloatArray

    @classmethod
    def of(cls, chain: Chain, path: FloatArray) -> _Smooth:
        """Choose states around paths, (T, K), and a few from end to end: the others hardly count in a soft maximum."""
        points = chain.grid.shape[1]
        place = np.stack([np.searchsorted(g, x) for g, x in zip(chain.grid, path.T, strict=True)], axis=1)
        around = np.clip(place[..., None] + np.arange(-NEAR, NEAR), 0, points - 1)
        strewn = np.linspace(0, points - 1, min(points, 2 * NEAR)).astype(np.int64)
        chosen = np.concatenate([around, np.broadcast_to(strewn, (*path.shape, len(strewn)))], axis=-1)
        states = np.take_along_axis(np.broadcast_to(chain.grid, (*path.shape, points)), chosen, axis=-1)
        states = np.clip(states, chain.lower[..., None], chain.upper[..., None])
        worth = chain.worth(states)
        unit = np.maximum((worth.max(axis=-1) - worth.min(axis=-1)).mean(axis=0), 1e-12)
        return cls(chain, states, worth, unit, np.maximum(chain.upper.max(axis=0), 1e-12))

    def lowered(self, dual: _Dual, softness: float) -> _Dual:
        """Return prices with a lower smooth bound."""
        scale, total = self.unit / self.size, float(self.unit.sum())
        money = total / max(float((self.chain.cost * self.size).sum()), 1e-12) * len(self.chain.cost)
        held = np.concatenate([[True], *(_held(self.chain, side).ravel() for side in self._sides)])
        start = np.concatenate([[dual.money / money], (dual.above / scale).ravel(), (dual.below / scale).ravel()])

        def prices(root: FloatArray) -> _Dual:
            x = root**2  # prices are squares, and so never negative: bounds would cost the search most of its time
            above, below = x[1:].reshape(2, *dual.above.shape) * scale
            return _Dual(float(x[0]) * money, above, below)

        def soft(root: FloatArray) -> tuple[float, FloatArray]:
            value, slopes = self._soft(prices(root), softness)
            days = np.concatenate([(slopes.above * scale).ravel(), (slopes.below * scale).ravel()])
            return value / total, 2.0 * root * np.concatenate([[slopes.money * money], days]) / total

        found = minimize(
            soft, np.sqrt(np.maximum(start, 1e-6)) * held, jac=True, method="L-BFGS-B",
            options={"maxiter": DESCENTS, "maxfun": 2 * DESCENTS, "ftol": 1e-10, "gtol": 1e-12},
        )  # fmt: skip
        return prices(found.x)

    @property
    def _sides(self) -> tuple[FloatArray, FloatArray]:
        return self.chain.high, self.chain.low

    def _soft(self, dual: _Dual, softness: float) -> tuple[float, _Dual]:
        """The smooth bound and its slopes: those of the bound at each day's mean state under the soft choice."""
        chain, heat = self.chain, softness * self.unit[:, None]
        reduced = self.worth - _day_prices(chain, dual)[..., None] * self.states
        top = reduced.max(axis=-1, keepdims=True)
        weight = np.exp((reduced - top) / heat)
        total = weight.sum(axis=-1, keepdims=True)
        state = (weight * self.states).sum(axis=-1) / total[..., 0]
        value = _constants(chain, dual) + float((top[..., 0] + heat[..., 0] * np.log(total[..., 0])).sum())
        start = np.where(np.isfinite(chain.start), chain.start, 0.0)
        before = np.concatenate([start[None], state[:-1]])
        above = np.where(_held(chain, chain.high), chain.high_slope * before + _finite(chain.high) - state, 0.0)
        below = np.where(_held(chain, chain.low), state - chain.low_slope * before - _finite(chain.low), 0.0)
        return value, _Dual(chain.money - chain.used(state), above, below)


def _finite(bounds: FloatArray) -> FloatArray:
    return np.where(np.isfinite(bounds), bounds, 0.0)


def _held(chain: Chain, bounds: FloatArray) -> FloatArray:
    """Where the day before sets a bound at all, shape (T, K)."""
    held = np.isfinite(bounds)
    held[0] &= np.isfinite(chain.start)
    return held


def _day_prices(chain: Chain, dual: _Dual) -> FloatArray:
    """What all prices together make a unit of each day's state cost, shape (T, K)."""
    price: FloatArray = dual.money * chain.cost + dual.above - dual.below
    price[:-1] += chain.low_slope * dual.below[1:] - chain.high_slope * dual.above[1:]
    return price


def _constants(chain: Chain, dual: _Dual) -> float:
    """What of the bound does not depend on the states."""
    start = np.where(np.isfinite(chain.start), chain.start, 0.0)
    value = dual.money * chain.money
    value += float((dual.above * _finite(chain.high)).sum() - (dual.below * _finite(chain.low)).sum())
    return value + float(((dual.above[0] * chain.high_slope - dual.below[0] * chain.low_slope) * start).sum())


def _evaluate(chain: Chain, states: FloatArray, worth: FloatArray, dual: _Dual) -> float:
    """The bound itself: the Lagrangian's maximum over all states, every day by itself."""
    reduced = worth - _day_prices(chain, dual)[..., None] * states
    return _constants(chain, dual) + float(reduced.max(axis=-1).sum())


def _read(chain: Chain, path: FloatArray, price: float) -> _Dual:
    """Prices of the bounds between days, from what the next unit would bring at the paths."""
    width = 0.5 * np.diff(chain.grid, axis=1).mean(axis=1)
    ends = np.stack([path - width, path + width], axis=-1)
    ends = np.clip(ends, chain.grid[:, :1], chain.grid[:, -1:])
    worth, span = chain.worth(ends), np.maximum(ends[..., 1] - ends[..., 0], 1e-12)
    pull = (worth[..., 1] - worth[..., 0]) / span - price * chain.cost
    above, below = np.zeros_like(path), np.zeros_like(path)
    near = 1e-6 * np.maximum(np.abs(path).max(axis=0), 1e-12)
    for day in range(chain.days - 1, -1, -1):
        if day + 1 < chain.days:
            pull[day] += chain.high_slope * above[day + 1] - chain.low_slope * below[day + 1]
        before = path[day - 1] if day else chain.start
        low, high = (side[:, 0] for side in chain.between(before[:, None], day))
        above[day] = np.where(path[day] >= high - near, np.maximum(pull[day], 0.0), 0.0)
        below[day] = np.where(path[day] <= low + near, np.maximum(-pull[day], 0.0), 0.0)
    return _Dual(price, above, below)
