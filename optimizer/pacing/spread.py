"""How much of what is left each day of a flight should get.

With V what an ordinary day brings, f_t the factor of day t and x_t its spend, the plan maximises sum f_t V(x_t):
every day is given money up to the point where its next unit brings the same, f_t V'(x_t) = lambda, as far as it can:

- A budget b_t brings a spend of m b_t in expectation, and of w_t b_t at worst, so that an amount is never overspent if
  b_t <= H_t / w_t on every day, with H_t what is left when everything in doubt is counted at its worst. Towards the
  end this holds budgets below what equal marginal return asks for: with w = 2, each day spends half of what is left.
- Budgets change by no more than a step from one day to the next, but for that bound, which goes before all.
- What is left over at the end should be within the tolerance if that is worth it (`Course.exactness`), even where the
  days deliver as little as one of a hundred does. What a day misses, the days after it make up for by the share of what
  is left that they spend, so that the squared width of what is left over goes on from day to day as
  s^2 <- s^2 (1 - x_t / left_t)^2 + (d b_t)^2, d being the distance between the expected share and that of one day of a
  hundred. Where slack and steps hold the last days back, only money that was spent early cannot stay over, at a price:
  of the plans that bring nearly as much as any, the one of which least stays over is taken.

For one price lambda the days follow from each other in one pass; the best price is looked for on a grid, all of it in
one pass, and again around the best one. Tomorrow the same is done anew with what has come of today (receding horizon).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from optimizer.pacing.curve import Curve
from optimizer.pacing.delivery import Delivery
from optimizer.plan.snapshot import FloatArray

TOLERANCE: Final = 0.0048
"""What may be left over of an amount, as a share of it: what is planned with, of the .5% that is aimed at."""

_PRICES: Final = 64
_ROUNDS: Final = 3
_LAST_WEEK: Final = 7


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """What is to be spread over T days, today the first; currency units.

    Attributes:
        amount: Of the whole flight; the tolerance is a share of it.
        left: What is expected to be left of it.
        sure: What is left if everything in doubt is counted at its worst; at most `left`.
        factor: What each day brings relative to an ordinary one, above 0, shape (T,).
        curve: Of an ordinary day.
        delivery: The share of budgets that is spent.
        slack: The largest multiple of its budget that may be spent on each day, shape (T,).
        most: Largest budget of a day; infinite for none.
        before: The budget that is in force; nan where a first day is free.
        step: Largest relative change of the budget from one day to the next that is planned with; infinite for any.
        cut: Largest relative cut from one day to the next that can be made where the amount needs it, at most 1.
        untold: By how much more each of the last days, of which no spend is told yet, may have cost than is expected,
            oldest first, shape (L,); all of it is taken off `sure`.
        restated: Share of their spend by which the last two days that were told may yet be restated upwards.
        exactness: Largest share of what the days bring that is given up to keep the tolerance.
        least: What the budgets sum to at least on each day whatever is left, shape (T,), or (1,) for all days alike;
            days before it leave that.

    Raises:
        ValueError: A shape or a range is wrong.
    """

    amount: float
    left: float
    sure: float
    factor: FloatArray
    curve: Curve
    delivery: Delivery
    slack: FloatArray
    most: float = np.inf
    before: float = np.nan
    step: float = np.inf
    cut: float = 1.0
    untold: FloatArray = field(default_factory=lambda: np.zeros(0))
    restated: float = 0.0
    exactness: float = 1.0
    least: FloatArray = field(default_factory=lambda: np.zeros(1))

    def __post_init__(self) -> None:
        if self.factor.ndim != 1 or not self.factor.size or self.factor.shape != self.slack.shape:
            raise ValueError("factor and slack need one number for each day, of one day or more")
        if not (np.isfinite(self.factor).all() and (self.factor > 0).all() and (self.slack >= 1).all()):
            raise ValueError("factors are finite and above zero, slacks at least 1")
        if not (self.amount > 0 and np.isfinite(self.left) and self.sure <= self.left + 1e-9):
            raise ValueError("an amount is above zero, what is left finite, and what is sure to be left no more")


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Budgets of T days; currency units.

    Attributes:
        budget: What the budgets sum to on each day, shape (T,).
        spend: What is expected to be spent of it, shape (T,).
        over: What is expected to be left at the end.
        reaches: Whether the tolerance can be kept even if the days deliver little; where it costs too much, it is not.
        price: What one more unit would bring, in the unit of the curve.
    """

    budget: FloatArray
    spend: FloatArray
    over: float
    reaches: bool
    price: float


def spread(course: Course) -> Spread:
    """Spread what is left over the days.

    Days to come are taken to be told in time. In the last week, where some are late, they are taken to be as late if
    the amount can still be spent then: an account that always is must not be met by the last day unprepared.
    """
    if course.untold.size and course.factor.size <= _LAST_WEEK:
        plan = _best(course, always_late=True)
        if plan.reaches:
            return plan
    return _best(course, always_late=False)


def followed(course: Course, plan: Spread, wanted: FloatArray) -> Spread:
    """Tell what comes of other budgets than a plan's, as far as they do not overspend what is left.

    They keep the tolerance where they do by themselves, or where the plan does, beside which they are told.

    Args:
        course: What is left; its steps bound nothing here.
        plan: What was planned.
        wanted: Budgets of each day, shape (T,).
    """
    budget, over, short = _days(replace(course, step=np.inf), wanted[:, None], always_late=False)
    reaches = plan.reaches or bool(short[0] <= TOLERANCE * course.amount)
    return Spread(budget[:, 0], course.delivery.mean * budget[:, 0], float(over[0]), reaches, plan.price)


def _best(course: Course, *, always_late: bool) -> Spread:
    slope, place = course.curve.tangents()
    log_slope, log_place = np.log(slope[::-1]), np.log(place[::-1])
    low = log_slope[0] + np.log(course.factor.min()) - 0.1
    high = log_slope[-1] + np.log(course.factor.max()) + 0.1
    can, most = False, -np.inf
    for _ in range(_ROUNDS):
        prices = np.linspace(low, high, _PRICES)
        asked = np.exp(np.interp(prices - np.log(course.factor)[:, None], log_slope, log_place)) / course.delivery.mean
        budget, over, short = _days(course, asked, always_late=always_late)
        spend = course.delivery.mean * budget
        worth = course.factor @ course.curve.worth(spend)
        reaches = short <= TOLERANCE * course.amount
        can, most = can or bool(reaches.any()), max(most, float(worth.max()))
        pays = worth >= (1.0 - course.exactness) * most
        if (reaches & pays).any():
            best = int(np.argmax(np.where(reaches, worth, -np.inf)))
        else:
            best = int(np.argmin(np.where(pays, short, np.inf)))
        low, high = prices[max(best - 1, 0)], prices[min(best + 1, _PRICES - 1)]
    return Spread(budget[:, best], spend[:, best], float(over[best]), can, float(np.exp(prices[best])))


def _days(course: Course, wanted: FloatArray, *, always_late: bool) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Go through the days, N budgets wanted for each (T, N): budgets (T, N), what is left (N,), and if little comes."""
    share, worst, owed = course.delivery.mean, _worst(course), _owed(course)
    least = np.broadcast_to(course.least, course.factor.shape)
    shape = wanted.shape[1:]
    left, before = np.full(shape, course.left), np.full(shape, course.before)
    told = course.left - course.sure - float(course.untold.sum())  # what may be restated of the last days
    fresh = [np.zeros(shape), np.full(shape, max(told, 0.0))]
    late = [np.full(shape, amount) for amount in course.untold]
    budget, wide = np.empty(wanted.shape), np.zeros(shape)
    for day in range(len(wanted)):
        asked = wanted[day]
        if np.isfinite(course.step) and (day or np.isfinite(course.before)):
            asked = np.clip(asked, before * max(1.0 - course.step, 0.0), before * (1.0 + course.step))
        sure = left - sum(late) - sum(fresh)
        held = np.minimum(sure / worst[day], (sure - owed[day]) / course.slack[day])
        held = np.minimum(held, (left - owed[day]) / max(share, 1.0))
        paid = np.maximum(np.minimum(np.minimum(asked, course.most), held), least[day])
        budget[day] = before = paid
        kept = 1.0 - np.divide(share * paid, left, out=np.zeros_like(left), where=left > 0)
        left, fresh = left - share * paid, [fresh[1] if day else 0.5 * fresh[1], course.restated * share * paid]
        wide = wide * kept**2 + ((share - course.delivery.low) * paid) ** 2
        late = [*late[1:], np.maximum(course.slack[day] - share, 0.0) * paid] if late and always_late else []
    short = left + np.sqrt(wide)
    return budget, left, short


def _owed(course: Course) -> FloatArray:
    """What the days after each one are expected to spend at least, shape (T,)."""
    spent = course.delivery.mean * np.broadcast_to(course.least, course.factor.shape)
    owed: FloatArray = np.cumsum(spent[::-1])[::-1] - spent
    return owed


def _worst(course: Course) -> FloatArray:
    """What must be left for each unit of a day's budget, shape (T,): its own worst, and what must follow it.

    The budgets of the days after it cannot be cut by more than a step a day; they are counted at the most that one day
    of a hundred delivers.
    """
    keep, high = max(1.0 - course.cut, 0.0), course.delivery.high
    follows = np.zeros(course.slack.size)
    for day in range(course.slack.size - 2, -1, -1):
        follows[day] = keep * (min(high, course.slack[day + 1]) + follows[day + 1])
    return course.slack + follows
