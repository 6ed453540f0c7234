"""Which point of each curve to take, where every curve is a table: the multiple-choice knapsack.

    maximise  sum_k values[k, p_k]   subject to   sum_k grid[k, p_k] <= total

Nothing is asked of the curves' shape. Few rows are solved by dynamic programming over whole units of money, exactly
where the grid's steps are multiples of one unit; many rows by a price on money (the Lagrangian, whose shortfall is at
most one jump along one curve's concave hull), what is left going to whoever gains most per unit from it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from simulations.noise import FloatArray

IndexArray = npt.NDArray[np.intp]

_FEW: Final = 40
_MOST_UNITS: Final = 4000
_HALVINGS: Final = 50
_JUMPS: Final = 32
_ROUNDING: Final = 1e-9


def split(values: FloatArray, grid: FloatArray, total: float) -> IndexArray:
    """Return the index of the point taken on each row, shape (K,); their costs never exceed the total.

    Args:
        values: What the points bring, finite, shape (K, P).
        grid: What they cost, never decreasing along a row, shape (K, P), or (P,) if it is the same for all.
        total: What all may cost together.

    Raises:
        ValueError: Values or costs are not finite, a row's costs fall, or the first points already cost more than
            the total.
    """
    costs = np.broadcast_to(grid, values.shape)
    if not (np.isfinite(values).all() and np.isfinite(costs).all()):
        raise ValueError("values and grid must be finite")
    if (np.diff(costs, axis=1) < 0).any():
        raise ValueError("costs must not decrease along a row of the grid")
    if costs[:, 0].sum() > total * (1 + _ROUNDING):
        raise ValueError(f"the first points cost {costs[:, 0].sum():.6g}, more than the total of {total:.6g}")
    taken = _by_units(values, costs, total) if values.shape[0] <= _FEW else _by_price(values, costs, total)
    return _fill(values, costs, total, taken)


def _by_units(values: FloatArray, costs: FloatArray, total: float) -> IndexArray:
    """Dynamic programming over units of money above the first points; costs are rounded up to whole units."""
    size = values.shape[0]
    free = max(total - float(costs[:, 0].sum()), 0.0)
    steps = np.diff(costs, axis=1)
    least = float(steps[steps > _ROUNDING * total].min(initial=np.inf))
    unit = max(least, free / _MOST_UNITS) if np.isfinite(least) else 1.0
    units = np.ceil((costs - costs[:, :1]) / unit - 1e-6)
    room = int(free / unit + 1e-6)
    width = min(int(units.max()), room) + 1
    points = _best_within(values, units, width)
    gain = np.take_along_axis(values, points, axis=1)
    best = gain[0, np.minimum(np.arange(room + 1), width - 1)]
    chosen = [np.minimum(np.arange(room + 1), width - 1)]
    for row in gain[1:]:
        # Column i of a window: the best of the rows before when this one takes width - 1 - i units.
        options = sliding_window_view(np.pad(best, (width - 1, 0), constant_values=-np.inf), width) + row[::-1]
        pick = np.argmax(options, axis=1)
        chosen.append(width - 1 - pick)
        best = options[np.arange(room + 1), pick]
    taken, left = np.zeros(size, dtype=np.intp), room
    for k in reversed(range(size)):
        used = int(chosen[k][left])
        taken[k] = points[k, used]
        left -= used
    return taken


def _best_within(values: FloatArray, units: FloatArray, width: int) -> IndexArray:
    """The cheapest of the best points that cost at most 0, 1, ... width - 1 units, shape (K, width)."""
    peak = np.maximum.accumulate(values, axis=1)
    better = values[:, 1:] > peak[:, :-1]
    places = np.where(better, np.arange(1, values.shape[1]), 0)
    best = np.maximum.accumulate(np.pad(places, ((0, 0), (1, 0))), axis=1)
    last = np.stack([np.searchsorted(row, np.arange(width), side="right") - 1 for row in units])
    return np.take_along_axis(best, last, axis=1).astype(np.intp)


def _by_price(values: FloatArray, costs: FloatArray, total: float) -> IndexArray:
    """The points that are best at the least price of money, by bisection, at which they fit the total."""
    within = np.argmax(values, axis=1)
    rows = np.arange(values.shape[0])
    if costs[rows, within].sum() <= total:
        return within
    steps = np.diff(costs, axis=1)
    slopes = np.divide(np.diff(values, axis=1), steps, out=np.zeros_like(steps), where=steps > 0)
    low, high = 0.0, 2.0 * float(slopes.max()) + 1e-300
    within = np.zeros_like(within)
    for _ in range(_HALVINGS):
        price = (low + high) / 2.0
        taken = np.argmax(values - price * costs, axis=1)
        if costs[rows, taken].sum() <= total:
            high, within = price, taken
        else:
            low = price
    return within


def _fill(values: FloatArray, costs: FloatArray, total: float, taken: IndexArray) -> IndexArray:
    """Spend what is left on the jumps that gain most per unit and still fit."""
    rows = np.arange(values.shape[0])
    taken = taken.copy()
    for _ in range(_JUMPS):
        now = costs[rows, taken]
        cost = costs - now[:, None]
        fits = (cost > 0) & (cost <= total - now.sum())
        gain = values - values[rows, taken][:, None]
        ratio = np.divide(gain, cost, out=np.zeros_like(gain), where=fits)
        row, point = divmod(int(np.argmax(ratio)), values.shape[1])
        if ratio[row, point] <= 0:
            break
        taken[row] = point
    return taken
