"""What a look is worth: the knowledge gradient of a budget, over the shapes that a target's curve may have.

Spend x there for some days, see what comes, and plan again: by how much would the next plan be better? With f_j the
curve of cell j, p_j its probability, lambda the money's price, and y the log of what the days show, y = log f_j(x) +
sigma(x) z in cell j, z standard normal:

    KG(x) = E_y max_x' ( E[f(x') | y] - lambda x' ) - max_x' ( E f(x') - lambda x' )

(Frazier, Powell and Dayanik, INFORMS Journal on Computing 21, 2009; decoupled over targets by the Lagrangian). Each
cell in turn plays the truth and z takes the nodes of a Gauss-Hermite rule, so that y has the very distribution under
which it is judged: what is believed after a look is, on average over looks, what was believed before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.plan.problem import BoolArray
from optimizer.plan.snapshot import FloatArray, IntArray

POINTS: Final = 16
"""Budgets that are looked at, evenly spaced in log between the least and the largest."""

CELLS: Final = 32
"""Cells of a target that are asked, the likeliest."""

HORIZON: Final = 100.0
"""Days over which what was learnt pays."""

LOOK: Final = 4.0
"""Days that a look takes once the budget is there."""

_WANDER: Final = 0.05
"""Standard deviation of the log of what any number of days show: demand moves while one looks."""

_WEIGHT: Final = 0.5
"""The part of a look's worth that hope counts."""

_HALVINGS: Final = 40

_NODES, _SHARES = np.polynomial.hermite_e.hermegauss(7)
_SHARES = _SHARES / _SHARES.sum()


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What is believed of K targets at P budgets each.

    Attributes:
        at: Budgets, rising and positive, currency units a day, shape (K, P).
        curves: What each cell brings there a day in the objective's unit, before its cost, shape (K, P, J).
        chance: Probability of each cell, shape (K, J); each row sums to one.
        cost: What of the spend the objective takes off, shape (K, P).
        noise: Standard deviation of the log of what one day there shows of the curve, shape (K, P).
        price: The money's price in the objective's unit, shape (K,).
        current: The live budgets, positive, shape (K,).
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

    @property
    def net(self) -> FloatArray:
        """What each cell brings less all that the money costs, shape (K, P, J)."""
        return self.curves - self.cost[..., None] - (self.price[:, None] * self.at)[..., None]

    @property
    def way(self) -> FloatArray:
        """Days from the present budget to each other by the largest steps, shape (K, P)."""
        apart = np.log(self.at / self.current[:, None])
        days: FloatArray = np.abs(apart) / np.where(apart > 0.0, np.log1p(self.steps[0]), -np.log1p(-self.steps[1]))
        return days


def spaced(low: FloatArray, high: FloatArray) -> FloatArray:
    """Return `POINTS` budgets between bounds (K,), evenly spaced in log, shape (K, POINTS); none is nothing."""
    high = np.maximum(high, 1e-9)
    low = np.maximum(low, 1e-3 * high)
    at: FloatArray = low[:, None] * (high / low)[:, None] ** np.linspace(0.0, 1.0, POINTS)
    return at


def news(asked: Question, rows: IntArray) -> FloatArray:
    """Return KG at the budgets of some targets, in the objective's unit a day, shape (len(rows), P)."""
    noise = np.sqrt(asked.noise**2 / LOOK + _WANDER**2)
    net = asked.net
    found = [_news(asked.curves[k], net[k], asked.chance[k], noise[k]) for k in rows]
    return np.reshape(found, (len(rows), asked.at.shape[1]))


def after(curves: FloatArray, chance: FloatArray, noise: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return what is believed of J cells after a look at each of P budgets, and how likely each look is to be seen.

    Args:
        curves: What the cells bring, shape (P, J).
        chance: Of the cells, shape (J,).
        noise: Of the log of what a look shows, shape (P,).

    Returns:
        Probabilities of the cells after each of L looks, (P, L, J), and the chance of each look, (L,); the mean of the
        first over the second is `chance`, but for the rule's error.
    """
    signal = np.log(np.maximum(curves, 1e-12)) / noise[:, None]
    apart = signal[:, :, None] - signal[:, None, :]  # how far each truth lies from each cell, in the look's noise
    score = np.log(np.maximum(chance, 1e-300)) - 0.5 * (apart[:, :, None, :] + _NODES[:, None]) ** 2
    score -= score.max(axis=-1, keepdims=True)
    likely = np.exp(score, out=score)
    likely /= likely.sum(axis=-1, keepdims=True)
    return likely.reshape(len(curves), -1, chance.size), np.outer(chance, _SHARES).ravel()


def _news(curves: FloatArray, net: FloatArray, chance: FloatArray, noise: FloatArray) -> FloatArray:
    believed, likely = after(curves, chance, noise)
    then = believed @ net.T  # of P', after each look at each of P
    # Against the looks' own mean: what the rule is off by is no news.
    gained: FloatArray = then.max(axis=2) @ likely - np.einsum("plx,l->px", then, likely).max(axis=1)
    return gained


def bonus(asked: Question, budget: FloatArray) -> FloatArray:
    """Return what is hoped for of a look at each budget, in the objective's unit a day; nothing at nothing.

        _WEIGHT KG(x) HORIZON / (LOOK + days of the way)

    Args:
        asked: What is believed.
        budget: Rising along the second axis, shape (K, P').
    """
    worth = _WEIGHT * news(asked, np.arange(len(asked.at))) * HORIZON / (LOOK + asked.way)
    ends = np.concatenate([np.zeros((len(worth), 1)), asked.at], axis=1), np.pad(worth, ((0, 0), (1, 0)))
    return np.reshape([np.interp(b, x, y) for b, x, y in zip(budget, *ends, strict=True)], budget.shape)


def money(at: FloatArray, mean: FloatArray, total: float) -> float:
    """Return the price of money at which curves, (K, P) at budgets (K, P), ask for the total, by halving."""
    slope = np.diff(mean, axis=1) / np.maximum(np.diff(at, axis=1), 1e-12)
    low, high = 0.0, float(max(slope.max(initial=0.0), 0.0)) + 1e-12
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        wanted = np.take_along_axis(at, (mean - middle * at).argmax(axis=1)[:, None], axis=1).sum()
        low, high = (middle, high) if wanted > total else (low, middle)
    return high
