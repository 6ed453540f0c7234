"""Spend per day over a horizon that sums to one amount: season, events, steps, and effects that carry over.

Two forms of carry-over, each with retention theta per day, both geometric (Jin, Wang, Sun, Chan and Koehler 2017,
"Bayesian methods for media mix modeling with carryover and shape effects"):

- EFFECT, saturation before carry-over: a day's response f(x_t) arrives over the days that follow, (1 - theta) theta^l
  of it l days later. What a day's spend brings is f(x_t) times the mean factor of the days on which it arrives, so
  that every day of every budget has a curve of its own, and the horizon is one allocation of T x K targets.
- STOCK, carry-over before saturation: a day's response is f(a_t) to a stock a_t = (1 - theta) x_t + theta a_t-1. In
  the stock, not in the spend, every day has a curve of its own; spend is linear in it. Each day is bounded by the day
  before (no spend below its lower bound), as it is where spends may change by no more than a step from day to day.

Where days hang together, `optimizer.allocate.chain` finds the paths, and `corridor` bounds all that there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from optimizer.allocate import corridor
from optimizer.allocate.chain import Chain, Paths, best_paths
from optimizer.allocate.solver import TOLERANCE, solve
from optimizer.plan.problem import TOTAL, Problem, Row, finite
from optimizer.plan.snapshot import FloatArray


class Carry(StrEnum):
    """What is carried over from day to day."""

    EFFECT = "effect"
    STOCK = "stock"


@dataclass(frozen=True, slots=True, eq=False)
class Horizon:
    """T days of K budgets.

    Attributes:
        grid: Spends a day at which the curves are known, ascending, shape (K, P).
        gain: What an ordinary day brings at those spends, held up for good, shape (K, P).
        factor: What each day brings relative to an ordinary one: season times known events, shape (T, K).
        money: What all days and budgets together may spend, currency units.
        lower, upper: Bounds on the spend of each day, shape (T, K).
        carry, retention: The form of carry-over and its theta, shape (K,), 0 for none.
        before: What the days before left, shape (K,): effects a day still to come (EFFECT: sum over the days before
            of (1 - theta) theta^(l - 1) f(x), l days ago), or the stock of yesterday (STOCK).
        step: Largest relative change of a spend from one day to the next (EFFECT only); infinite for any.
        yesterday: Spends of the day before the first, shape (K,), for its step; nan where the first day is free.
        beyond: Factor of the days after the horizon, when effects still arrive.

    Raises:
        ValueError: Something has the wrong shape or lies out of its range.
    """

    grid: FloatArray
    gain: FloatArray
    factor: FloatArray
    money: float
    lower: FloatArray
    upper: FloatArray
    carry: Carry
    retention: FloatArray
    before: FloatArray
    step: float = np.inf
    yesterday: FloatArray | None = None
    beyond: float = 1.0

    def __post_init__(self) -> None:
        budgets, days = len(self.grid), len(self.factor)
        if not (days and budgets) or self.gain.shape != self.grid.shape:
            raise ValueError(
                f"grid {self.grid.shape} and gain {self.gain.shape} must be (K, P), with a day and a budget"
            )
        for name in ("factor", "lower", "upper"):
            if getattr(self, name).shape != (days, budgets) or not finite(getattr(self, name)):
                raise ValueError(f"{name} needs a finite number for each of {days} days and {budgets} budgets")
        for name in ("retention", "before"):
            if getattr(self, name).shape != (budgets,) or not finite(getattr(self, name)):
                raise ValueError(f"{name} needs a finite number for each of {budgets} budgets")
        refused = next((words for broken, words in self._refusals() if broken), None)
        if refused is not None:
            raise ValueError(refused)

    def _refusals(self) -> Iterator[tuple[bool, str]]:
        """What must not be, and how to say it."""
        yield not (finite(self.grid) and finite(self.gain)), "grid and gain must be finite"
        yield bool((np.diff(self.grid, axis=1) <= 0).any()), "each grid must be ascending"
        yield bool((self.retention < 0).any() or (self.retention >= 1).any()), "retention lies within 0 and below 1"
        outside = (self.lower < self.grid[:, 0]).any() or (self.upper > self.grid[:, -1]).any()
        yield bool(outside), "a day's bounds must lie within the grid, where the curve is known"
        crossed = (self.lower > self.upper).any()
        yield (
            bool(crossed) or not np.isfinite(self.money),
            "each day needs lower <= upper, and the money must be finite",
        )
        yield not self.step > 0, f"a step is above zero, not {self.step}"
        both = self.carry is Carry.STOCK and np.isfinite(self.step)
        yield bool(both), "steps from day to day go with carried effects, not with a stock. Mend: leave one out"

    @property
    def worth(self) -> FloatArray:
        """What a unit of each day's response counts, the days on which it arrives considered, shape (T, K)."""
        if self.carry is Carry.STOCK:
            return self.factor
        arriving = np.empty_like(self.factor)
        ahead = np.full(len(self.grid), self.beyond)
        for day in range(len(self.factor) - 1, -1, -1):
            ahead = (1.0 - self.retention) * self.factor[day] + self.retention * ahead
            arriving[day] = ahead
        return arriving


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """A plan of days with its certificate.

    Attributes:
        spend: Shape (T, K).
        outcome: What arrives on each day, effects of the days before the horizon included, shape (T, K).
        value: What the plan is judged by: what its own spend brings, after the horizon too (of a stock: of all).
        upper_bound: No plan within the bounds has a larger value.
        price: What one more currency unit over the horizon would bring.
        unspent: Money left, where one more unit brings nothing or no day has room.
        needed: Where the lower bounds and steps ask for more money than there is, the least with which a plan
            exists, which `spend` is then; else None.
    """

    spend: FloatArray
    outcome: FloatArray
    value: float
    upper_bound: float
    price: float
    unspent: float
    needed: float | None

    @property
    def gap(self) -> float:
        """Relative distance between the bound and the plan's value, >= 0."""
        return max(self.upper_bound - self.value, 0.0) / max(abs(self.upper_bound), 1e-12)

    @property
    def by_day(self) -> tuple[FloatArray, FloatArray]:
        """Spend and outcome of all budgets together, each of shape (T,)."""
        return self.spend.sum(axis=1), self.outcome.sum(axis=1)


def schedule(horizon: Horizon) -> Schedule:
    """Find the best spend of every day and budget, and prove how near it is to the best."""
    if horizon.carry is Carry.EFFECT and np.isinf(horizon.step):
        return _alone(horizon)
    chain = _stocks(horizon) if horizon.carry is Carry.STOCK else _steps(horizon)
    return _told(horizon, chain, best_paths(chain))


def _alone(horizon: Horizon) -> Schedule:
    """Every day of every budget is a target by itself."""
    days, budgets = horizon.factor.shape
    low, high = (side.reshape(-1, 1) for side in (horizon.lower, horizon.upper))
    grid = np.clip(np.tile(horizon.grid, (days, 1)), low, high)
    gain = np.empty_like(grid)
    for k in range(budgets):
        gain[k::budgets] = np.interp(grid[k::budgets], horizon.grid[k], horizon.gain[k])
    gain *= horizon.worth.reshape(-1, 1)
    row = Row(TOTAL, "the money of the horizon", np.ones(days * budgets), horizon.money)
    answer = solve(Problem(grid, gain, {}, (row,)))
    spend = answer.spend.reshape(days, budgets)
    needed = None if answer.collision is None else float(horizon.lower.sum())
    return _schedule(horizon, spend, (answer.value, answer.upper_bound), float(answer.prices[0]), needed)


def _steps(horizon: Horizon) -> Chain:
    """States are spends; each lies within a step of the day before."""
    shape = horizon.factor.shape
    start = np.full(shape[1], np.nan) if horizon.yesterday is None else horizon.yesterday
    return Chain(
        grid=horizon.grid,
        gain=horizon.gain,
        weight=horizon.worth,
        cost=np.ones(shape),
        money=horizon.money,
        lower=horizon.lower,
        upper=horizon.upper,
        low_slope=np.full(shape[1], max(1.0 - horizon.step, 0.0)),
        high_slope=np.full(shape[1], 1.0 + horizon.step),
        low=np.zeros(shape),
        high=np.zeros(shape),
        start=start,
        last=np.zeros_like(horizon.grid),
    )


def _stocks(horizon: Horizon) -> Chain:
    """States are stocks; the spend of a day is what its stock exceeds the rest of yesterday's by."""
    days, budgets = horizon.factor.shape
    keep = 1.0 - horizon.retention
    cost = np.ones((days, budgets)) - horizon.retention
    cost[-1] = 1.0
    lower, upper = np.empty_like(cost), np.empty_like(cost)
    low, high = horizon.before, horizon.before
    for day in range(days):
        low = horizon.retention * low + keep * horizon.lower[day]
        high = horizon.retention * high + keep * horizon.upper[day]
        lower[day], upper[day] = low, high
    last = np.zeros_like(horizon.gain)
    left = horizon.retention.copy()
    while (left > 1e-3).any():
        for k in np.flatnonzero(left > 1e-3):
            last[k] += horizon.beyond * np.interp(left[k] * horizon.grid[k], horizon.grid[k], horizon.gain[k])
            last[k] -= horizon.beyond * horizon.gain[k, 0]
        left *= horizon.retention
    return Chain(
        grid=horizon.grid,
        gain=horizon.gain,
        weight=horizon.factor,
        cost=cost / keep,
        money=horizon.money + float((horizon.retention * horizon.before / keep).sum()),
        lower=lower,
        upper=upper,
        low_slope=horizon.retention,
        high_slope=horizon.retention,
        low=keep * horizon.lower,
        high=keep * horizon.upper,
        start=horizon.before,
        last=last,
    )


def _told(horizon: Horizon, chain: Chain, found: Paths) -> Schedule:
    spend, needed = found.path, found.needed
    if horizon.carry is Carry.STOCK:
        before = np.concatenate([horizon.before[None], found.path[:-1]])
        spend = (found.path - horizon.retention * before) / (1.0 - horizon.retention)
        spend = np.clip(spend, horizon.lower, horizon.upper)
        needed = None if needed is None else float(spend.sum())
    value = chain.value(found.path)
    bound = corridor.bound(chain, found.price, enough=value * (1.0 + TOLERANCE))
    return _schedule(horizon, spend, (value, bound), found.price, needed)


def _schedule(
    horizon: Horizon, spend: FloatArray, worth: tuple[float, float], price: float, needed: float | None
) -> Schedule:
    return Schedule(
        spend=spend,
        outcome=_arriving(horizon, spend),
        value=worth[0],
        upper_bound=max(worth),
        price=price,
        unspent=max(horizon.money - float(spend.sum()), 0.0),
        needed=needed,
    )


def _arriving(horizon: Horizon, spend: FloatArray) -> FloatArray:
    """What arrives on each day, shape (T, K)."""
    state, found = horizon.before, np.empty_like(spend)
    for day, paid in enumerate(spend):
        stock = horizon.carry is Carry.STOCK
        if stock:
            state = (1.0 - horizon.retention) * paid + horizon.retention * state
        read = [
            np.interp(x, g, f) for x, g, f in zip(state if stock else paid, horizon.grid, horizon.gain, strict=True)
        ]
        response = np.array(read)
        if not stock:
            state = response = (1.0 - horizon.retention) * response + horizon.retention * state
        found[day] = horizon.factor[day] * response
    return found
