"""Planned trials of several days: where to go, to learn what pays from then on, though by expectation it does not.

What is believed of a target is a set of curves with probabilities (the cells of its grid of shapes). A trial goes from
the present budget to x by daily steps, stays some days, and then everything is planned anew. With the money's price
lambda, f_j the curve of cell j, p_j its probability, V the largest expected f(x') - lambda x', and T the days that the
way and the stay take, the trial is worth

    KG(x) = sum_j p_j max_x' ( E[f(x') | what cell j would show at x] - lambda x' ) - V
    worth(x) = KG(x) (H - T) - sum over the way and the stay of ( V - E f(x_t) + lambda x_t )

over a horizon of H days: the value of information on every day that is left, less all that is given up meanwhile
(the knowledge gradient of Frazier, Powell and Dayanik, INFORMS Journal on Computing 21, 2009, of a look that takes
days; decoupled over targets by the Lagrangian). A look downward is one, too: whether a smaller budget would do.

Nothing is remembered. Each morning the same question is asked of what is known by then: the way that was gone costs
nothing any more, so that a trial goes on, unless what it showed takes the worth away. That is its rule of stopping.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.plan.problem import BoolArray
from optimizer.plan.snapshot import FloatArray

POINTS: Final = 16
"""Budgets that are looked at for a trial, evenly spaced in log between the least and the largest."""

CELLS: Final = 40
"""Cells of a target that are asked, the likeliest."""

HORIZON: Final = 100.0
"""Days over which what was learnt pays."""

LOOK: Final = 4.0
"""Days that a trial stays where it goes to."""

_BACK: Final = 1.5
"""What the way costs, with the part of the way back that a trial that fails has to go."""

_WANDER: Final = 0.05
"""Standard deviation of the log of what any number of days show: demand moves while one looks."""

_LEAST: Final = 0.01
"""What a trial must be worth a day of the horizon, as a share of what a target brings on average now: budgets are not
held at a point for next to nothing."""

_ASKED: Final = 256
"""Most targets that a knowledge gradient is worked out for, those of which perfect information is worth most."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What is believed of K targets at P budgets each.

    Attributes:
        at: Budgets, rising, currency units a day, shape (K, P).
        curves: What each cell brings there a day in the objective's unit, before its cost, shape (K, P, J).
        chance: Probability of each cell, shape (K, J); each row sums to one.
        cost: What of the spend the objective takes off, shape (K, P).
        noise: Standard deviation of the log of what one day there shows of the curve, shape (K, P).
        price: The money's price in the objective's unit, shape (K,).
        current: The live budgets, shape (K,).
        steps: How far a day's step goes up and down, as shares of the budget, both above 0 and the second below 1.
        free: Which targets may be tried, shape (K,).
    """

    at: FloatArray
    curves: FloatArray
    chance: FloatArray
    cost: FloatArray
    noise: FloatArray
    price: FloatArray
    current: FloatArray
    steps: tuple[float, float]
    free: BoolArray


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
    net = asked.curves - asked.cost[..., None] - (asked.price[:, None] * asked.at)[..., None]
    expected = np.einsum("kpj,kj->kp", net, asked.chance)
    stands = expected.max(axis=1)
    perfect = np.einsum("kj,kj->k", net.max(axis=1), asked.chance) - stands
    rows = np.argsort(-perfect, kind="stable")[:_ASKED]
    rows = rows[asked.free[rows] & (perfect[rows] > 0.0)]
    found = [_best(asked, int(k), net[k], expected[k], float(stands[k])) for k in np.sort(rows)]
    least = _LEAST * HORIZON * _brought_now(asked)
    paying = [trial for trial in found if trial is not None and trial.worth > least]
    return tuple(sorted(paying, key=lambda trial: (-trial.worth / max(trial.cost, 1e-9), trial.target)))


def _brought_now(asked: Question) -> float:
    """Return what a target is expected to bring at the present budgets on average, at the nearest points."""
    nearest = np.abs(asked.at - asked.current[:, None]).argmin(axis=1)
    rows = np.arange(len(nearest))
    brought = np.einsum("kj,kj->k", asked.curves[rows, nearest], asked.chance)
    return float(brought.mean()) if brought.size else 0.0


def _best(asked: Question, k: int, net: FloatArray, expected: FloatArray, stands: float) -> Trial | None:
    """Return the trial of target k that is worth most; None if none pays.

    Args:
        asked: What is believed.
        k: Which target.
        net: What its cells bring, less all that the money costs, shape (P, J).
        expected: Its mean, shape (P,).
        stands: The most that is expected of any budget.
    """
    at, now = asked.at[k], float(asked.current[k])
    noise = np.sqrt(asked.noise[k] ** 2 / LOOK + _WANDER**2)
    gain = _gradient(asked.curves[k], net, asked.chance[k], noise)
    upward = at > now
    step = np.where(upward, np.log1p(asked.steps[0]), -np.log1p(-asked.steps[1]))
    way = np.abs(np.log(at / now)) / step
    lost = stands - expected
    cost = _BACK * _along(np.log(at), lost, float(np.log(now))) / step + LOOK * lost
    worth = gain * np.maximum(HORIZON - way - LOOK, 0.0) - cost
    best = int(worth.argmax())
    if worth[best] <= 0.0:
        return None
    return Trial(k, float(at[best]), float(way[best] + LOOK), *(float(v[best]) for v in (gain, cost, worth)))


def _along(log_at: FloatArray, lost: FloatArray, log_now: float) -> FloatArray:
    """Return the integral of what is lost between the present budget and each other, by the logs, shape (P,)."""
    sums = np.concatenate([[0.0], np.cumsum(0.5 * (lost[1:] + lost[:-1]) * np.diff(log_at))])
    between: FloatArray = np.abs(sums - np.interp(log_now, log_at, sums))
    return between


def _gradient(curves: FloatArray, net: FloatArray, chance: FloatArray, noise: FloatArray) -> FloatArray:
    """Return KG at each of P budgets of one target, shape (P,).

    Each cell in turn plays the truth. What it shows at x weighs all cells by a log-normal likelihood, blurred by the
    noise of the signal and of the look: twice its variance.

    Args:
        curves: What the cells bring, shape (P, J).
        net: The same less all costs, shape (P, J).
        chance: Of the cells, shape (J,).
        noise: Of the log of what a look shows, shape (P,).
    """
    signal = np.log(np.maximum(curves, 1e-12))
    apart = (signal[:, :, None] - signal[:, None, :]) / noise[:, None, None]
    likely = np.exp(-0.25 * apart**2) * chance
    likely /= likely.sum(axis=2, keepdims=True)
    after = likely @ net.T  # (P, J truths, P')
    # Not the prior mean but that of these posteriors, or the blur would pass for news.
    before = np.einsum("pjq,j->pq", after, chance).max(axis=1)
    news: FloatArray = after.max(axis=2) @ chance - before
    return np.maximum(news, 0.0)
