"""The clairvoyant's plan for a stretch of days on which no budget may change faster than a step a day.

Bound: by the t-th day a budget lies between before (1 - s)^t and before (1 + s)^t, so no path brings more on it than
the best budgets of the box cut down to that. Plan: the best budgets of every day by themselves, or each campaign's best
path at given prices of money (`steady`), followed as fast as step and total allow; then the whole path is improved at
once by sequential linear programming within a trust region (Griffith and Stewart 1961), where every move must gain by
the exact curves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Final

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, eye_array, hstack, kron, vstack

from simulations.market.truth import Truth
from simulations.noise import FloatArray
from simulations.oracle.outcome import Goal, portfolio_of
from simulations.oracle.portfolio import Impossible, Portfolio, check_box
from simulations.oracle.search import Solved, solve
from simulations.oracle.steady import ladder, steady_paths
from simulations.policies.contract import Bounds

# Above so many campaign-days the linear programmes would take minutes; steady paths alone lose a few thousandths.
_LARGEST: Final = 50_000
_ROUNDS: Final = 15
_WORTH_IT: Final = 2e-5
_FIRST_TRUST: Final = 0.2
_LAST_TRUST: Final = 0.002


@dataclass(frozen=True, slots=True, eq=False)
class HorizonOptimum:
    """The clairvoyant's plan for T days under the step limit.

    Attributes:
        budgets: Daily budgets, currency units, shape (T, K).
        value: What they bring in expectation by day, in the goal's unit, shape (T,).
        upper_bound: No path within the constraints brings more on that day, shape (T,).
    """

    budgets: FloatArray
    value: FloatArray
    upper_bound: FloatArray

    @property
    def gap(self) -> float:
        """Relative distance from the value of all days to their bound, >= 0."""
        bound = float(self.upper_bound.sum())
        return max(bound - float(self.value.sum()), 0.0) / max(bound, 1e-12)


def horizon(
    truth: Truth,
    first: int,
    days: int,
    *,
    bounds: Bounds,
    before: FloatArray,
    goal: Goal = "conversions",
) -> HorizonOptimum:
    """Return the best path of budgets that was found under the step limit, everything known, and a bound on any.

    Args:
        truth: The world.
        first: Index of the first day.
        days: T, how many.
        bounds: Box, total and a finite step.
        before: Budgets in force before the first day, currency units, shape (K,).
        goal: What is maximised.

    Raises:
        Impossible: The bounds cross, or cannot be reached from the budgets before in one step.
        HorizonEnded: The days go beyond the scenario's horizon.
    """
    check_box(bounds.lower, bounds.upper, bounds.total)
    problem = _Days(tuple(portfolio_of(truth, first + t, goal) for t in range(days)), bounds, before)
    problem.check_first_step()
    free = problem.free()
    path = _improve(problem, max(_starts(problem, free), key=problem.value))
    value = problem.values(path)
    return HorizonOptimum(path, value, np.maximum([day.upper_bound for day in free], value))


@dataclass(frozen=True, slots=True, eq=False)
class _Days:
    """The problem: T days, their limits, and the budgets before them."""

    portfolios: tuple[Portfolio, ...]
    bounds: Bounds
    before: FloatArray

    def values(self, path: FloatArray) -> FloatArray:
        """What a path brings by day, shape (T,)."""
        return np.array([day.value(budgets) for day, budgets in zip(self.portfolios, path, strict=True)])

    def value(self, path: FloatArray) -> float:
        """What a path brings on all days."""
        return float(self.values(path).sum())

    def step_box(self, live: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The least and the greatest budgets that a day may have after `live`."""
        low, high = live * (1.0 - self.bounds.step), live * (1.0 + self.bounds.step)
        return np.maximum(low, self.bounds.lower), np.minimum(high, self.bounds.upper)

    def reach(self) -> tuple[FloatArray, FloatArray]:
        """The least and the greatest budgets that can be reached by each day, both of shape (T, K)."""
        lows, highs = [], []
        low = high = self.before
        for _ in self.portfolios:
            low, high = self.step_box(low)[0], self.step_box(high)[1]
            lows.append(low)
            highs.append(high)
        return np.array(lows), np.array(highs)

    def free(self) -> list[Solved]:
        """The best of each day by itself among the budgets that can be reached by then."""
        days = zip(self.portfolios, *self.reach(), strict=True)
        return [solve(day, low, high, self.bounds.total) for day, low, high in days]

    def follow(self, targets: FloatArray) -> FloatArray:
        """Go towards targets, shape (T, K), as fast as step and box allow, and spend the whole total where they do.

        What targets have too much or too little comes from, or goes to, every budget in proportion to its room.
        """
        live, path = self.before, np.empty_like(targets)
        for row, target in zip(path, targets, strict=True):
            low, high = self.step_box(live)
            wanted = target.clip(low, high)
            left = self.bounds.total - float(wanted.sum())
            room = high - wanted if left > 0 else wanted - low
            row[:] = live = wanted + room * np.clip(left / max(float(room.sum()), 1e-12), -1.0, 1.0)
        return path

    def check_first_step(self) -> None:
        """Refuse limits that the first day cannot meet; later days can keep the first one's budgets."""
        if not isfinite(self.bounds.step):
            raise Impossible("without a step limit every day stands by itself: ask for its optimum")
        low, high = self.step_box(self.before)
        far = np.flatnonzero(low > high)
        if far.size:
            k, box = int(far[0]), self.bounds
            raise Impossible(
                f"campaign number {k} cannot get from {self.before[k]:.2f} to between {box.lower[k]:.2f} and "
                f"{box.upper[k]:.2f} in a step of {box.step:.0%}"
            )
        if low.sum() > self.bounds.total * (1 + 1e-9):
            raise Impossible(
                f"after a step of {self.bounds.step:.0%} the least budgets sum to {low.sum():.2f}, more than the total "
                f"of {self.bounds.total:.2f}"
            )


def _starts(problem: _Days, free: list[Solved]) -> Iterator[FloatArray]:
    """Follow the free optima of the days, and steady paths at several sets of prices."""
    yield problem.follow(np.array([day.budgets for day in free]))
    rungs = ladder(problem.bounds.lower, problem.bounds.upper, problem.bounds.step)
    at = np.tile(rungs.budgets, (problem.before.size, 1))
    gains = np.array(
        [
            day.weights(best.budgets)[:, None] * day.curve(day.rows, at)
            for day, best in zip(problem.portfolios, free, strict=True)
        ]
    )
    lows, highs = problem.reach()
    within = (at >= lows[:, :, None]) & (at <= highs[:, :, None])
    prices = np.array([best.price for best in free])
    yield from map(problem.follow, steady_paths(rungs, gains, within, prices, problem.bounds.total))


def _improve(problem: _Days, path: FloatArray) -> FloatArray:
    """Sequential linear programming over all days at once."""
    if path.size > _LARGEST:
        return path
    value, trust = problem.value(path), _FIRST_TRUST
    rules = _rules(problem.bounds.step, *path.shape)
    for _ in range(_ROUNDS):
        moved = problem.follow(path + _linear_move(problem, path, trust, rules))
        gained = problem.value(moved)
        if gained < value * (1.0 + _WORTH_IT):
            trust /= 4.0
        if gained > value:
            path, value = moved, gained
        if trust < _LAST_TRUST:
            break
    return path


def _rules(step: float, days: int, k: int) -> csr_array:
    """The linear programme's rows over changes up, then down: totals of the days, steps up, steps down."""
    every = eye_array(days * k, format="csr")
    today, yesterday = every[k:], every[:-k]
    totals = kron(eye_array(days), np.ones((1, k)))
    rows = vstack([totals, today - (1.0 + step) * yesterday, (1.0 - step) * yesterday - today])
    return csr_array(hstack([rows, -rows]))


def _linear_move(problem: _Days, path: FloatArray, trust: float, rules: csr_array) -> FloatArray:
    """The change of the path that gains most where every curve is two chords to the edges of the trust region."""
    low, high = np.empty_like(path), np.empty_like(path)
    low[:], high[:] = problem.bounds.lower, problem.bounds.upper
    low[0], high[0] = problem.step_box(problem.before)
    span = trust * (path + 1e-3 * problem.bounds.upper)
    up, down = np.minimum(span, high - path).clip(0.0), np.minimum(span, path - low).clip(0.0)
    gain, loss = _chords(problem, path, up, down)
    limits = np.zeros(rules.shape[0])
    limits[: len(path)] = problem.bounds.total
    found = linprog(
        np.concatenate([-gain.ravel(), loss.ravel()]),
        A_ub=rules,
        b_ub=(limits - rules[:, : path.size] @ path.ravel()).clip(0.0),
        bounds=np.stack([np.zeros(2 * path.size), np.concatenate([up.ravel(), down.ravel()])], axis=1),
    )
    # To stay is always allowed, so that only a numerical failure leaves no answer.
    if found.x is None:
        return np.zeros_like(path)
    change: FloatArray = (found.x[: path.size] - found.x[path.size :]).reshape(path.shape)
    return change


def _chords(problem: _Days, path: FloatArray, up: FloatArray, down: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What a unit more brings and a unit less costs, on average up to the trust region's edge, each (T, K).

    Where the curve is convex a unit more would bring more than a unit less costs, and the programme would take both at
    once: there both are their mean.
    """
    gain, loss = np.empty_like(path), np.empty_like(path)
    for t, day in enumerate(problem.portfolios):
        alone = day.curve(day.rows, np.stack([path[t] - down[t], path[t], path[t] + up[t]], axis=1))
        weight = day.marginal(day.pooled(alone[:, 1]))[day.pool]
        loss[t] = weight * (alone[:, 1] - alone[:, 0]) / np.maximum(down[t], 1e-12)
        gain[t] = weight * (alone[:, 2] - alone[:, 1]) / np.maximum(up[t], 1e-12)
    gain, loss = np.where(up > 0, gain, loss), np.where(down > 0, loss, gain)
    mean = (gain + loss) / 2.0
    return np.minimum(gain, mean), np.maximum(loss, mean)
