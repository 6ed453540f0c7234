"""Planned trials of several days: where to go, to learn what pays from then on, though by expectation it does not.

A trial goes from the present budget to x by daily steps, stays some days, and then everything is planned anew. With
KG(x) what such a look is worth a day (`optimizer.knowledge`), V the largest expected f(x') - lambda x' at the money's
price lambda, and T the days that the way and the stay take, the trial is worth

    worth(x) = KG(x) (H - T) - cost(x)
    cost(x)  = 1.5 sum over the way ( V - E f(x_t) + lambda x_t ) + 4 ( V - E f(x) + lambda x )

over a horizon of H days: the value of information on every day that is left, less all that is given up meanwhile. The
half on top of the way is for the way back of a trial that fails. A look downward is one, too: whether a smaller budget
would do.

Nothing is remembered. Each morning the same question is asked of what is known by then: the way that was gone costs
nothing any more, so that a trial goes on, unless what it showed takes the worth away. That is its rule of stopping.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.knowledge import HORIZON, LOOK, Question, news
from optimizer.plan.snapshot import FloatArray, IntArray

_BACK: Final = 1.5
"""What the way costs, with the part of the way back that a trial that fails has to go."""

_LEAST: Final = 0.01
"""What a trial must be worth a day of the horizon, as a share of what a target brings on average now: budgets are not
held at a point for next to nothing."""

_ASKED: Final = 64
"""Most targets that a knowledge gradient is worked out for, those of which perfect information is worth most."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One target's trial, as it stands this morning.

    Attributes:
        target: Its index.
        budget: Where it goes to, currency units a day.
        days: Of the way that is left and the stay.
        gain: What is expected to be learnt, in the objective's unit a day from then on.
        cost: What is expected to be given up until then, in the objective's unit.
        worth: Over the horizon, less the cost.
    """

    target: int
    budget: float
    days: float
    gain: float
    cost: float
    worth: float


def worthwhile(asked: Question) -> tuple[Trial, ...]:
    """Return the trials that pay, the best of each target, those that pay most for what they cost first.

    One that is worth less than a hundredth of what a target brings on average is none.
    """
    net = asked.net
    expected = np.einsum("kpj,kj->kp", net, asked.chance)
    stands = expected.max(axis=1)
    perfect = np.einsum("kj,kj->k", net.max(axis=1), asked.chance) - stands
    rows = np.flatnonzero(asked.free & (perfect > 0.0))
    rows = np.sort(rows[np.argsort(-perfect[rows], kind="stable")[:_ASKED]])
    lost = stands[rows, None] - expected[rows]
    gain, way = news(asked, rows), asked.way[rows]
    cost = _BACK * _along(asked, lost, rows) + LOOK * lost
    worth = gain * np.maximum(HORIZON - way - LOOK, 0.0) - cost
    least = max(_LEAST * HORIZON * _brought_now(asked), 0.0)
    found = [
        Trial(int(k), *(float(v[row, best]) for v in (asked.at[rows], way + LOOK, gain, cost, worth)))
        for row, (k, best) in enumerate(zip(rows, worth.argmax(axis=1), strict=True))
        if worth[row, best] > least
    ]
    return tuple(sorted(found, key=lambda trial: (-trial.worth / max(trial.cost, 1e-9), trial.target)))


def _brought_now(asked: Question) -> float:
    """Return what a target is expected to bring at the present budgets on average, at the nearest points."""
    nearest = np.abs(asked.at - asked.current[:, None]).argmin(axis=1)
    rows = np.arange(len(nearest))
    brought = np.einsum("kj,kj->k", asked.curves[rows, nearest], asked.chance)
    return float(brought.mean()) if brought.size else 0.0


def _along(asked: Question, lost: FloatArray, rows: IntArray) -> FloatArray:
    """Return what is lost on the way from the present budget to each other, day by day, shape (len(rows), P).

    The integral of what is lost over the log of the budget, over the size of a day's step in logs.
    """
    log_at, log_now = np.log(asked.at[rows]), np.log(asked.current[rows])
    sums = np.cumsum(0.5 * (lost[:, 1:] + lost[:, :-1]) * np.diff(log_at, axis=1), axis=1)
    sums = np.pad(sums, ((0, 0), (1, 0)))
    here = np.reshape([np.interp(now, x, y) for now, x, y in zip(log_now, log_at, sums, strict=True)], (-1, 1))
    apart = np.abs(log_at - log_now[:, None])
    # Days of the way over its length in logs, which is a day's step; where there is no way nothing is lost.
    days_each = np.divide(asked.way[rows], apart, out=np.zeros_like(apart), where=apart > 0.0)
    between: FloatArray = np.abs(sums - here) * days_each
    return between
