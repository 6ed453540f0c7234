"""How a flight may end: drawn days, each planned anew by what the days before it have left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.pacing.ledger import Ledger
from optimizer.pacing.spread import Course, Spread
from optimizer.plan.snapshot import FloatArray

_DRAWS: Final = 2_000
_QUANTILES: Final = (0.1, 0.5, 0.9)
_AIM: Final = 0.005


@dataclass(frozen=True, slots=True, eq=False)
class Fan:
    """The cumulative spend of every day of a flight, past and to come; currency units, each of shape (T,).

    Attributes:
        low, middle, high: Its 10th, 50th and 90th percentile.
        over: Probability that the flight ends above its amount.
        short: Probability that it ends more than .5% below it.
    """

    low: FloatArray
    middle: FloatArray
    high: FloatArray
    over: float
    short: float


def fan(course: Course, plan: Spread, book: Ledger, due: float, rng: np.random.Generator) -> Fan:
    """Draw how the flight goes on.

    Each drawn day spends a drawn share of its budget. After today budgets follow the plan in proportion to what is left
    over what the plan would have left, within the hard bound and cut by no more than can be: what planning anew every
    morning comes to.

    Args:
        course: What was spread.
        plan: How.
        book: The days before.
        due: What the budgets sum to today.
        rng: Of the draws.
    """
    past = np.cumsum(_past(course, book, rng), axis=1)
    before = past[:, -1] if past.shape[1] else np.zeros(_DRAWS)
    start = course.left + book.spent
    ahead = np.empty((_DRAWS, len(plan.budget)))
    left, meant, paid = start - before, course.left, np.full(_DRAWS, due)
    for day, budget in enumerate(plan.budget):
        if day:
            asked = budget * np.clip(left / max(meant, 1e-9), 0.0, 1.0 + min(course.step, 1.0))
            held = np.minimum(asked, np.maximum(left, 0.0) / course.slack[day])
            paid = np.maximum(held, (1.0 - course.cut) * paid)
        ahead[:, day] = paid * np.minimum(course.delivery.draws((_DRAWS,), rng), course.slack[day])
        left, meant = left - ahead[:, day], meant - plan.spend[day]
    paths = np.concatenate([past, before[:, None] + np.cumsum(ahead, axis=1)], axis=1)
    low, middle, high = np.quantile(paths, _QUANTILES, axis=0)
    end = paths[:, -1]
    return Fan(
        low,
        middle,
        high,
        float((end > start * (1 + 1e-9)).mean()),
        float((end < start - _AIM * course.amount).mean()),
    )


def _past(course: Course, book: Ledger, rng: np.random.Generator) -> FloatArray:
    """Draws of the days before today, shape (n, T): those that are not told yet are not known."""
    spend = np.repeat(book.spend[None], _DRAWS, axis=0)
    late = len(book.spend) - book.behind
    if book.behind:
        share = course.delivery.draws((_DRAWS, book.behind), rng) / course.delivery.mean
        spend[:, late:] = np.minimum(spend[:, late:] * share, (book.spend + book.doubt)[late:])
    return spend
