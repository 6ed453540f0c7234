"""From what a policy would like to what it may do today: the step box, the total, and optimal splits of curves."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulations.noise import FloatArray
from simulations.policies.contract import BoolArray, Bounds
from simulations.policies.knapsack import split

_HALVINGS: Final = 64
_LITTLE: Final = 1e-9
_PER_AVERAGE: Final = 20
_MOST_POINTS: Final = 128


def unit_of(bounds: Bounds) -> float:
    """Return the average budget, the unit in which policies measure money, so that no currency matters to them."""
    return bounds.total / bounds.lower.size


def step_box(live: FloatArray, bounds: Bounds) -> tuple[FloatArray, FloatArray]:
    """Return least and greatest budgets of today, each of shape (K,).

    A live budget so far outside its bounds that one step does not bring it back is set to the nearer bound.

    Args:
        live: The budgets as they stand, shape (K,).
        bounds: See `Bounds`.
    """
    low = np.clip(live * (1.0 - bounds.step), bounds.lower, bounds.upper)
    high = np.clip(live * (1.0 + bounds.step), bounds.lower, bounds.upper)
    return low, high


def towards(live: FloatArray, aim: FloatArray, bounds: Bounds) -> FloatArray:
    """Return the budgets within today's bounds that are nearest to the aim and spend as much of the total as they may.

    Nearest as in `scaled`. If even the least budgets of the step box exceed the total, all fall together towards
    their lower bounds: the total is kept before the step.

    Args:
        live: The budgets as they stand, shape (K,).
        aim: What is wished for, in any unit; what is not a positive number counts as very little, shape (K,).
        bounds: See `Bounds`.
    """
    low, high = step_box(live, bounds)
    if low.sum() >= bounds.total:
        spare = max(bounds.total - float(bounds.lower.sum()), 0.0)
        above = low - bounds.lower
        return bounds.lower + above * min(1.0, spare / max(float(above.sum()), 1e-300))
    if high.sum() <= bounds.total:
        return high
    return scaled(np.where(np.isfinite(aim), aim, 0.0), low, high, bounds.total)


def scaled(aim: FloatArray, low: FloatArray, high: FloatArray, total: float) -> FloatArray:
    """Return the aim times one factor, cut to a box, so that it sums to a total (from below), shape (K,).

    It is the nearest in Kullback-Leibler divergence, sum b log(b / aim): the aim's information projection.

    Args:
        aim: Finite amounts; what is not above 0 counts as very little, shape (K,).
        low: Least amounts, shape (K,).
        high: Greatest amounts, shape (K,).
        total: Between the sums of `low` and `high`.
    """
    if low.sum() >= total:
        return low
    wish = aim.clip(0.0)
    wish = np.maximum(wish / wish.max(), _LITTLE) if wish.max() > 0 else np.ones_like(aim)
    # At the first exponent every budget is at its least, at the second at its greatest.
    first = float(np.log(np.maximum(low, _LITTLE * total) / wish).min())
    last = float(np.log(np.maximum(high, _LITTLE * total) / wish).max())
    for _ in range(_HALVINGS):
        middle = (first + last) / 2.0
        if np.clip(wish * np.exp(middle), low, high).sum() > total:
            last = middle
        else:
            first = middle
    nearest: FloatArray = np.clip(wish * np.exp(first), low, high)
    return nearest


def kept(live: FloatArray, bounds: Bounds) -> FloatArray:
    """Return the live budgets, changed only as far as the bounds demand, shape (K,)."""
    inside = np.clip(live, bounds.lower, bounds.upper)
    if inside.sum() <= bounds.total * (1.0 + 1e-12):
        return inside
    return towards(live, live, bounds)


def choices(bounds: Bounds) -> FloatArray:
    """Return the budgets among which curves are split, in units of the average budget, shape (K, P).

    Each row runs from the lower bound in steps of a twentieth of the average budget; where that is too many points,
    in 127 steps. The upper bound repeats where a row is shorter than others. No row starts below a twentieth, where the
    total allows: from next to nothing a budget that grows by a share of itself does not come back.
    """
    lower, upper = bounds.lower / unit_of(bounds), bounds.upper / unit_of(bounds)
    alive = np.minimum(np.maximum(lower, 1.0 / _PER_AVERAGE), upper)
    lower = alive if alive.sum() <= alive.size else lower
    room = float((upper - lower).max())
    step = max(1.0 / _PER_AVERAGE, room / (_MOST_POINTS - 1))
    points = np.arange(int(np.ceil(room / step - 1e-9)) + 1) * step
    return np.minimum(lower[:, None] + points, upper[:, None])


def optimal(utility: FloatArray, grid: FloatArray, runs: BoolArray, bounds: Bounds) -> FloatArray:
    """Return the budgets that maximise summed utilities within the box and the total, whatever the step, shape (K,).

    Args:
        utility: At the points of the grid, shape (K, P).
        grid: See `choices`.
        runs: Campaigns that do not run get the least of their grid, shape (K,).
        bounds: See `Bounds`.
    """
    taken = split(np.where(runs[:, None], utility, 0.0), grid, float(grid.shape[0]))
    return grid[np.arange(grid.shape[0]), taken] * unit_of(bounds)
