"""Each campaign's best way through all days at given prices of money, under the step limit: a dynamic programme.

From one day to the next two S-curves may take turns at being worth their money, while the step limit makes every turn
cost days. With the price of money fixed on each day the campaigns part, and the best path of each is found exactly on
budgets whose ratio is a part of the step. The prices are then raised on days on which too much would be spent, and
lowered where too little (generalized Lagrange multipliers, Everett 1963).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from simulations.noise import FloatArray
from simulations.oracle.hull import BoolArray
from simulations.oracle.portfolio import Rows

_TURNS: Final = 8
_RUNGS_A_STEP: Final = 5
_WIDEST: Final = 0.06
_MOST_RUNGS: Final = 400
_SMALLEST: Final = 1e-3
_EAGER: Final = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Ladder:
    """Budgets that all campaigns share, each greater than the one before by one factor.

    Attributes:
        budgets: Shape (n,).
        up, down: How many rungs a budget may climb or fall from one day to the next.
    """

    budgets: FloatArray
    up: int
    down: int


def ladder(lower: FloatArray, upper: FloatArray, step: float) -> Ladder:
    """Return the rungs between the least lower and the greatest upper bound.

    Args:
        lower: Least budget by campaign, shape (K,).
        upper: Greatest budget by campaign, shape (K,).
        step: Greatest change of a budget from one day to the next, as a share of it.
    """
    high = max(float(upper.max()), 1e-300)
    height = float(np.log(high / max(float(lower.min()), _SMALLEST * high)))
    width = max(min(np.log1p(step) / _RUNGS_A_STEP, _WIDEST), height / _MOST_RUNGS)
    count = int(height / width) + 1
    fall = -np.log1p(-step) if step < 1 else height
    up, down = (int(min(change / width + 1e-9, count)) for change in (np.log1p(step), fall))
    return Ladder(high * np.exp(width * np.arange(1 - count, 1)), up, down)


def steady_paths(
    rungs: Ladder, gains: FloatArray, within: BoolArray, prices: FloatArray, total: float
) -> Iterator[FloatArray]:
    """Yield paths of budgets, shape (T, K), at one set of prices after another; they keep steps, but no total.

    Args:
        rungs: See `ladder`.
        gains: What each campaign brings at each rung, shape (T, K, n).
        within: Whether it may stand there, shape (T, K, n); where it may stand nowhere, no rung is better than another.
        prices: To begin with, shape (T,).
        total: What the budgets of a day should sum to.
    """
    prices = np.maximum(prices, _SMALLEST * float(prices.max()))
    barred = np.where(within, 0.0, -np.inf)
    barred[~within.any(axis=2)] = 0.0
    for turn in range(_TURNS):
        path = rungs.budgets[_best_rungs(rungs, gains - prices[:, None, None] * rungs.budgets + barred)]
        yield path
        excess = path.sum(axis=1) / total - 1.0
        prices = prices * np.exp(_EAGER / (1.0 + turn) * excess.clip(-1.0, 1.0))


def _best_rungs(rungs: Ladder, net: FloatArray) -> Rows:
    """The rungs of each campaign's best path, shape (T, K), by Bellman's recursion from the last day."""
    _, k, count = net.shape
    here, ahead, moves = np.arange(count), net[-1], []
    for today in net[-2::-1]:
        padded = np.pad(ahead, ((0, 0), (rungs.down, rungs.up)), constant_values=-np.inf)
        windows = sliding_window_view(padded, rungs.down + rungs.up + 1, axis=1)
        best = windows.argmax(axis=2)
        moves.append((here + best - rungs.down).clip(0, count - 1))
        ahead = today + np.take_along_axis(windows, best[:, :, None], 2)[:, :, 0]
    path = [ahead.argmax(axis=1)]
    for move in reversed(moves):
        path.append(move[np.arange(k), path[-1]])
    return np.array(path)
