"""What a look is worth: the knowledge gradient of a budget, from posterior draws.

Spend there for some days, see what comes, and plan again: by how much would the next plan be better? With the money's
price lambda from the budgets as they are planned on the mean, and f_s the posterior draws of a target's curve,

    KG(x) = 1/S sum_s max_x' ( E[f(x') | signal of s at x] - lambda x' ) - max_x' ( E f(x') - lambda x' )

(Frazier, Powell and Dayanik, INFORMS Journal on Computing 21, 2009, decoupled over targets by the Lagrangian). Each
draw in turn plays the truth; its signal weighs all draws by a log-normal likelihood. A look pays on every day that is
left, once the budget is there: at a step of `_STEP` a day that takes a while.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.plan.snapshot import FloatArray

Curve = Callable[[FloatArray], FloatArray]
Draws = Callable[[FloatArray, int, np.random.Generator], FloatArray]


@dataclass(frozen=True, slots=True)
class Question:
    """What is believed of K targets, as functions of budgets (K, P) in currency units.

    Attributes:
        brought: Expected return a day, the spend not yet taken off, shape (K, P).
        draws: Posterior draws of it, (n, K, P), each a whole curve of a target.
        cost: What of the spend the objective takes off, shape (K, P).
        counted: Expected conversions a day, shape (K, P): what a look is seen by.
        total: What all targets together may spend a day.
    """

    brought: Curve
    draws: Draws
    cost: Curve
    counted: Curve
    total: float


_DRAWS: Final = 48
_POINTS: Final = 16
_NOISE: Final = 0.12
"""Standard deviation of the log of what some days show however many they count: days differ, and things drift."""

_HORIZON: Final = 60.0
_LOOK: Final = 5.0
_STEP: Final = 0.3
_WEIGHT: Final = 0.5
"""Days that a look pays for, days that it takes, the step of a day, and the part of its worth that is counted."""

_HALVINGS: Final = 40


def gradient(asked: Question, budget: FloatArray, current: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the bonus for a look at each budget, in the objective's unit a day, shape (K, P); nothing at nothing.

    Args:
        asked: What is believed.
        budget: Increasing along the second axis, shape (K, P).
        current: The live budgets, shape (K,).
        rng: For the draws.
    """
    high = np.maximum(budget[:, -1:], 1e-9)
    low = np.maximum(budget[:, :1], 1e-3 * high)
    at = low * (high / low) ** np.linspace(0.0, 1.0, _POINTS)
    brought, cost = asked.brought(at), asked.cost(at)
    price = _price(at, brought - cost, asked.total)
    drawn = asked.draws(at, _DRAWS, rng)
    # The draws stand for the posterior: bend them to its mean, or their chance would pass for news.
    drawn = drawn * (brought / np.maximum(drawn.mean(axis=0), 1e-300))
    noise = np.sqrt(_NOISE**2 + 1.0 / (_LOOK * np.maximum(asked.counted(at), 1e-3)))
    worth = [_look(drawn[:, k], cost[k] + price * at[k], noise[k]) for k in range(len(at))]
    ramp = np.abs(np.log(at / np.maximum(current[:, None], 1e-9))) / np.log1p(_STEP)
    bonus = _WEIGHT * np.reshape(worth, at.shape) * _HORIZON / (_LOOK + ramp)
    ends = np.concatenate([np.zeros((len(at), 1)), at], axis=1), np.pad(bonus, ((0, 0), (1, 0)))
    return np.reshape([np.interp(b, x, y) for b, x, y in zip(budget, *ends, strict=True)], budget.shape)


def _look(drawn: FloatArray, paid: FloatArray, noise: FloatArray) -> FloatArray:
    """Return KG at each of P budgets of one target, shape (P,).

    Args:
        drawn: What the draws bring there, shape (S, P).
        paid: What is given up there: the spend that counts and the money's price, shape (P,).
        noise: Of the log of what a look shows there, shape (P,).
    """
    net = drawn - paid
    before = float(net.mean(axis=0).max())
    signal = np.log(np.maximum(drawn, 1e-12)).T
    apart = (signal[:, :, None] - signal[:, None, :]) / (np.sqrt(2.0) * noise[:, None, None])
    likely = np.exp(-0.5 * apart**2)
    likely /= likely.sum(axis=2, keepdims=True)
    after: FloatArray = (likely @ net).max(axis=2).mean(axis=1)
    return np.maximum(after - before, 0.0)


def _price(at: FloatArray, mean: FloatArray, total: float) -> float:
    """Return the price of money at which the mean curves ask for the total, by halving."""
    slope = np.diff(mean, axis=1) / np.maximum(np.diff(at, axis=1), 1e-12)
    low, high = 0.0, float(max(slope.max(initial=0.0), 0.0)) + 1e-12
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        wanted = np.take_along_axis(at, (mean - middle * at).argmax(axis=1)[:, None], axis=1).sum()
        low, high = (middle, high) if wanted > total else (low, middle)
    return high
