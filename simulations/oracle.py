"""What only the simulator knows: the expected outcome of any budgets, and the best budgets with a proof.

The optimum is found by a method of its own, so that it can judge the allocator: curves are tabulated on a fine grid,
one price on money is bisected (the Lagrangian dual), what is left is given away segment by segment, and a local search
moves money between pairs in shrinking steps. The certificate does not depend on how the plan was found: for every price
p >= 0,

    max { sum f_k(x_k) : sum x_k <= B, lower <= x <= upper }  <=  p B + sum_k sup_x (f_k(x) - p x),

and since every f_k is increasing, f_k(b) - p a bounds the supremum over [a, b]; intervals are halved until that is
within a ten-thousandth of the value. With few campaigns and S-curves the dual bound can be loose by a true duality gap;
then a dynamic programme over whole units of money gives a second plan, and a second bound: rounding any plan up to
whole units brings no less and costs at most a unit per campaign more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import roots_jacobi

from simulations.market import in_horizon
from simulations.noise import FloatArray
from simulations.truth import Truth

Goal = Literal["conversions", "value"]
Rows = npt.NDArray[np.intp]
Curve = Callable[[Rows, FloatArray], FloatArray]
"""Expected outcome a day of campaigns `rows` at budgets of shape (rows, ...)."""

_POINTS: Final = 257
_UNITS: Final = 1000
_FEW: Final = 40
_TOLERANCE: Final = 1e-4
# Gauss-Jacobi nodes and weights for the delivery ratio, which is Beta(2, 2) between its bounds.
_JACOBI: Final = roots_jacobi(6, 1.0, 1.0)
_NODES: Final[FloatArray] = _JACOBI[0]
_WEIGHTS: Final[FloatArray] = _JACOBI[1] / _JACOBI[1].sum()


class Impossible(ValueError):  # noqa: N818 - it is the constraints that are impossible
    """No budgets meet the bounds and the total."""


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """Expected outcome of one day by campaign, each of shape (K,); spend and value in currency units."""

    spend: FloatArray
    conversions: FloatArray
    value: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Optimum:
    """The clairvoyant's plan for one day.

    Attributes:
        day: Its index.
        budgets: Daily budgets, currency units, shape (K,).
        value: Expected conversions (or value) that they bring.
        upper_bound: No budgets within the constraints bring more.
        price: What one more currency unit would bring; 0 where the least budgets already take the whole total.
    """

    day: int
    budgets: FloatArray
    value: float
    upper_bound: float
    price: float

    @property
    def gap(self) -> float:
        """Relative distance from the value to its bound, >= 0."""
        return max(self.upper_bound - self.value, 0.0) / max(self.upper_bound, 1e-12)


def expected(truth: Truth, budgets: FloatArray, day: int) -> Expected:
    """Return what budgets bring on a day in expectation over all noise, conversions at full maturity.

    The daily shocks have mean 1 and are independent of everything else; only the delivery ratio is averaged over.

    Args:
        truth: The world.
        budgets: Currency units a day, shape (K,).
        day: Index of the day.

    Raises:
        HorizonEnded: The day lies beyond the scenario's horizon.
    """
    in_horizon(truth, day)
    everyone = np.arange(truth.channel.size)
    spends = _spends(truth, day, everyone, budgets)
    conversions = truth.conversions * truth.demand[:, day] * _mean(truth.curves(spends))
    return Expected(_mean(spends), conversions, conversions * truth.order_value)


def optimum(
    truth: Truth,
    day: int,
    *,
    total: float,
    lower: FloatArray,
    upper: FloatArray,
    goal: Goal = "conversions",
) -> Optimum:
    """Return the best budgets for a day, demand known, sum of budgets <= total and lower <= budgets <= upper.

    Args:
        truth: The world.
        day: Index of the day.
        total: Currency units for all campaigns together.
        lower: Least budget by campaign, shape (K,).
        upper: Greatest budget by campaign, shape (K,).
        goal: What is maximised.

    Raises:
        Impossible: The bounds cross, or the least budgets exceed the total.
        HorizonEnded: The day lies beyond the scenario's horizon.
    """
    in_horizon(truth, day)
    if (lower > upper).any() or (lower < 0).any():
        raise Impossible("each campaign needs 0 <= lower <= upper")
    if lower.sum() > total * (1 + 1e-9):
        raise Impossible(f"the least budgets sum to {lower.sum():.2f}, more than the total of {total:.2f}")
    return _Search(curve_of(truth, day, goal), lower, upper, total).solve(day)


def curve_of(truth: Truth, day: int, goal: Goal) -> Curve:
    """Return the day's expected outcome as a function of campaigns and their budgets."""
    weight = truth.conversions * truth.demand[:, day]
    if goal == "value":
        weight = weight * truth.order_value

    def at(rows: Rows, budgets: FloatArray) -> FloatArray:
        pad = (slice(None),) + (None,) * (budgets.ndim - 1)
        return weight[rows][pad] * _mean(truth.curves.take(rows)(_spends(truth, day, rows, budgets)))

    return at


def _spends(truth: Truth, day: int, rows: Rows, budgets: FloatArray) -> FloatArray:
    """Delivered spend at each node of the delivery ratio, shape budgets.shape + (nodes,)."""
    low, high = truth.scenario.delivery
    ratio = low + (high - low) * (_NODES + 1.0) / 2.0
    supply = truth.supply[rows] * truth.demand[rows, day]
    capped: FloatArray = np.minimum(budgets[..., None] * ratio, supply[(slice(None),) + (None,) * budgets.ndim])
    return capped


def _mean(values: FloatArray) -> FloatArray:
    mean: FloatArray = values @ _WEIGHTS
    return mean


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """One allocation problem: increasing curves, a box and a total."""

    curve: Curve
    lower: FloatArray
    upper: FloatArray
    total: float

    def solve(self, day: int) -> Optimum:
        if self.lower.sum() >= self.total:
            only = float(self._at(self.lower).sum())
            return Optimum(day, self.lower.copy(), only, only, 0.0)
        grid = np.linspace(self.lower, self.upper, _POINTS, axis=1)
        table = self.curve(self._rows, grid)
        price, within = self._dual(grid, table)
        plan = self._polish(self._fill(grid, table, within))
        value = float(self._at(plan).sum())
        bound = self._bound(price, grid, table, value)
        if bound > value * (1 + 2 * _TOLERANCE) and self.lower.size <= _FEW:
            second, tighter = self._by_units()
            plan = max((plan, self._polish(second)), key=lambda budgets: float(self._at(budgets).sum()))
            value = float(self._at(plan).sum())
            bound = min(bound, tighter)
        return Optimum(day, plan, value, max(bound, value), price)

    @property
    def _rows(self) -> Rows:
        return np.arange(self.lower.size)

    def _at(self, budgets: FloatArray) -> FloatArray:
        return self.curve(self._rows, budgets)

    def _dual(self, grid: FloatArray, table: FloatArray) -> tuple[float, Rows]:
        """The price at which the best points of the grid just fit the total, and those points; 0 if all fit."""
        last = np.full(self.lower.size, grid.shape[1] - 1)
        if self.upper.sum() <= self.total:
            return 0.0, last
        step = np.diff(grid, axis=1)
        slopes = np.divide(np.diff(table, axis=1), step, out=np.zeros_like(step), where=step > 0)
        low, high = 0.0, float(slopes.max()) + 1e-12
        within = np.zeros_like(last)
        for _ in range(60):
            price = (low + high) / 2.0
            chosen = np.argmax(table - price * grid, axis=1)
            if grid[self._rows, chosen].sum() <= self.total:
                high, within = price, chosen
            else:
                low = price
        return high, within

    def _fill(self, grid: FloatArray, table: FloatArray, chosen: Rows) -> FloatArray:
        """Give what is left to whoever gains most per unit from a jump to any point that still fits."""
        budgets = grid[self._rows, chosen]
        now = table[self._rows, chosen]
        for _ in range(2 * self.lower.size):
            cost = grid - budgets[:, None]
            fits = (cost > 0) & (cost <= self.total - budgets.sum())
            ratio = np.divide(table - now[:, None], cost, out=np.full_like(cost, -1.0), where=fits)
            k, point = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
            if ratio[k, point] <= 0:
                break
            budgets[k], now[k] = grid[k, point], table[k, point]
        return budgets

    def _by_units(self) -> tuple[FloatArray, float]:
        """The exact optimum over whole units of the money above the lower bounds, and a bound on every plan."""
        size = self.lower.size
        unit = (self.total - self.lower.sum()) / _UNITS
        room = self.upper - self.lower
        width = min(int(np.ceil(room.max() / unit)), _UNITS + size) + 1
        extra = np.minimum(np.arange(_UNITS + size + 1) * unit, room[:, None])
        gain = self.curve(self._rows, self.lower[:, None] + extra)
        best = gain[0]
        choices = [np.arange(best.size)]
        for k in range(1, size):
            # Column i of a window is the best of the others when this campaign takes width - 1 - i units.
            windows = sliding_window_view(np.pad(best, (width - 1, 0), constant_values=-np.inf), width)
            options = windows + gain[k, width - 1 :: -1]
            chosen = np.argmax(options, axis=1)
            choices.append(width - 1 - chosen)
            best = options[np.arange(best.size), chosen]
        budgets, remaining = self.lower.copy(), _UNITS
        for k in reversed(range(size)):
            used = int(choices[k][remaining])
            budgets[k] += extra[k, used]
            remaining -= used
        return budgets, float(best[-1])

    def _polish(self, budgets: FloatArray) -> FloatArray:
        """Move ever smaller steps of money from who loses least to who gains most, while the total gains."""
        budgets = budgets.copy()
        step = float((self.upper - self.lower).max()) / 4.0
        floor = max(self.total, 1e-9) * 1e-7
        while step > floor:
            for _ in range(4 * budgets.size):
                if not self._exchange(budgets, step):
                    break
            step /= 2.0
        return budgets

    def _exchange(self, budgets: FloatArray, step: float) -> bool:
        up, down = budgets + step, budgets - step
        now, more, less = self.curve(self._rows, np.stack([budgets, up, down.clip(0.0)], axis=1)).T
        gain = np.where(up <= self.upper, more - now, -np.inf)
        loss = np.where(down >= self.lower, now - less, np.inf)
        least = 1e-9 * float(now.sum())
        if budgets.sum() + step <= self.total:
            winner = int(np.argmax(gain))
            if gain[winner] > least:
                budgets[winner] += step
            return bool(gain[winner] > least)
        net = gain[:, None] - loss[None, :]
        np.fill_diagonal(net, -np.inf)
        to, source = np.unravel_index(int(np.argmax(net)), net.shape)
        if net[to, source] <= least:
            return False
        budgets[to] += step
        budgets[source] -= step
        return True

    def _bound(self, price: float, grid: FloatArray, table: FloatArray, value: float) -> float:
        """Price * total + sum of suprema, each bounded from above by halving the intervals that may hold it."""
        size = self.lower.size
        best = (table - price * grid).max(axis=1)
        slack = _TOLERANCE * max(value, 1e-12) / size
        owner = np.repeat(self._rows, grid.shape[1] - 1)
        left, right = grid[:, :-1].ravel(), grid[:, 1:].ravel()
        top = table[:, 1:].ravel()
        while (open_ := np.flatnonzero(top - price * left > best[owner] + slack)).size:
            owner, left, right, top = owner[open_], left[open_], right[open_], top[open_]
            middle = (left + right) / 2.0
            at = self.curve(owner, middle)
            np.maximum.at(best, owner, at - price * middle)
            owner = np.concatenate([owner, owner])
            left, right = np.concatenate([left, middle]), np.concatenate([middle, right])
            top = np.concatenate([at, top])
        return price * self.total + float(best.sum()) + slack * size
