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
from typing import Final

import numpy as np

from optimizer.plan.snapshot import FloatArray

Moments = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
Draws = Callable[[FloatArray, int, np.random.Generator], FloatArray]

_DRAWS: Final = 48
_POINTS: Final = 16
_NOISE: Final = 0.12
"""Standard deviation of the log of what some days show: a tenth from chance, some more from drift."""

_HORIZON: Final = 60.0
_LOOK: Final = 5.0
_STEP: Final = 0.3
_WEIGHT: Final = 0.5
"""Days that a look pays for, days that it takes, the step of a day, and the part of its worth that is counted."""

_HALVINGS: Final = 40


def gradient(
    moments: Moments, draws: Draws, budget: FloatArray, current: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Return the bonus for a look at each budget, in the objective's unit a day, shape (K, P).

    Args:
        moments: Mean and deviation of the objective at budgets (K, P).
        draws: Draws of it, (n, K, P), each a whole curve of a target.
        budget: Increasing along the second axis, shape (K, P).
        current: The live budgets, shape (K,).
        rng: For the draws.
    """
    low, high = np.maximum(budget[:, :1], 1e-3 * np.maximum(budget[:, -1:], 1e-9)), np.maximum(budget[:, -1:], 1e-9)
    at = low * (high / low) ** np.linspace(0.0, 1.0, _POINTS)
    mean = moments(at)[0]
    price = _price(at, mean, float(np.minimum(current, high[:, 0]).sum()))
    drawn = draws(at, _DRAWS, rng)
    # The draws stand for the posterior: bend them to its mean, or their chance would pass for news.
    drawn = drawn * (mean / np.maximum(drawn.mean(axis=0), 1e-300))
    worth = np.array([_look(drawn[:, k], at[k], price) for k in range(len(at))]).reshape(at.shape)
    ramp = np.abs(np.log(at / np.maximum(current[:, None], 1e-9))) / np.log1p(_STEP)
    bonus = _WEIGHT * worth * _HORIZON / (_LOOK + ramp)
    return np.array([np.interp(budget[k], at[k], bonus[k]) for k in range(len(at))]).reshape(budget.shape)


def _look(drawn: FloatArray, at: FloatArray, price: float) -> FloatArray:
    """Return KG at each of P budgets of one target, shape (P,), from its draws (S, P)."""
    net = drawn - price * at
    before = float(net.mean(axis=0).max())
    signal = np.log(np.maximum(drawn, 1e-12)).T
    apart = (signal[:, :, None] - signal[:, None, :]) / (np.sqrt(2.0) * _NOISE)
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
