"""The grid filter: a conjugate Gamma scale in each cell of a grid of shapes, folded forward one day at a time.

Observation, for target k on day d as reported up to today:

    y ~ NegBin(mean = lambda g_j(x) e, size R),   e = weekday factor x completeness

NegBin is not conjugate to Gamma; its information about the mean is that of a Poisson count multiplied by
omega = 1 / (1 + mu / R), so a day enters as omega y conversions over omega e exposure. Given the cell j, lambda is
Gamma(alpha, beta_j), and its marginal likelihood weighs the cells: Rao-Blackwellisation over the scale.
Drift: each day the variance of log lambda grows by about DRIFT (alpha and beta shrink by 1 + DRIFT alpha), and the
shape evidence fades by FADE, which moves the weights towards their prior (West and Harrison, Bayesian Forecasting
and Dynamic Models, 1997, chapter 6; Smith, JRSS B 1979, for power discounting).

The weights are softmax(evidence + log prior): faded likelihood and prior part exactly, so that the prior of the
cells may be pooled over targets after the fold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.plan.snapshot import FloatArray
from optimizer.response.curves import Cells, log_shape

DRIFT: Final = 2e-3
FADE: Final = 0.998
BLOCK: Final = 128
"""Targets folded together: their (BLOCK, J) arrays stay in the processor's cache."""


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Belief about K curves.

    Attributes:
        alpha: Gamma shape of the scale, shape (K,), common to the cells.
        log_beta: Log of its rate in each cell, shape (K, J).
        evidence: Faded log marginal likelihood of each cell up to a constant per target, shape (K, J).
    """

    alpha: FloatArray
    log_beta: FloatArray
    evidence: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """Observations of K targets on T consecutive days.

    Attributes:
        log_u: Log spend over x_ref, shape (K, T).
        conversions: Reported so far, shape (K, T); zero on days that do not count.
        exposure: Weekday factor x completeness, shape (K, T); zero on days that do not count.
    """

    log_u: FloatArray
    conversions: FloatArray
    exposure: FloatArray


def start(alpha: FloatArray, mean: FloatArray, cells: Cells) -> State:
    """Return the belief before any day: lambda ~ Gamma(alpha, alpha / mean) in every cell.

    Args:
        alpha: Prior weight in conversions, shape (K,).
        mean: Prior mean of conversions a day at x_ref, shape (K,).
        cells: The J cells.
    """
    shape = (len(alpha), len(cells.order))
    return State(alpha, np.broadcast_to(np.log(alpha / mean)[:, None], shape), np.zeros(shape))


def fold(state: State, days: Days, excess: FloatArray, cells: Cells) -> State:
    """Fold days in order; folding a history in two pieces equals folding it at once.

    Args:
        state: Belief before the first day.
        days: Observations; a day of zero exposure only lets time pass.
        excess: phi = 1 / R, shape (K,).
        cells: The J cells.
    """
    blocks = []
    for low in range(0, len(state.alpha), BLOCK):
        part = slice(low, low + BLOCK)
        block = State(state.alpha[part], state.log_beta[part], state.evidence[part])
        for day in range(days.log_u.shape[1]):
            observed = (days.log_u[part, day], days.conversions[part, day], days.exposure[part, day])
            block = _step(drift(block), observed, excess[part], cells)
        blocks.append(block)
    if not blocks:
        return state
    return State(*(np.concatenate([getattr(b, name) for b in blocks]) for name in ("alpha", "log_beta", "evidence")))


def drift(state: State) -> State:
    """Let one day pass."""
    shrink = 1.0 / (1.0 + DRIFT * state.alpha)
    return State(state.alpha * shrink, state.log_beta + np.log(shrink)[:, None], state.evidence * FADE)


def _step(state: State, observed: tuple[FloatArray, FloatArray, FloatArray], excess: FloatArray, cells: Cells) -> State:
    """Take in one day's relative log spends, conversions and exposures, each of shape (K,)."""
    log_u, conversions, exposure = observed
    log_g = log_shape(cells, log_u)
    rate = np.exp(log_g - state.log_beta)
    mean = exposure * state.alpha * (weights(state.evidence, cells.log_prior) * rate).sum(axis=1)
    omega = 1.0 / (1.0 + excess * mean)
    growth = np.log1p((omega * exposure)[:, None] * rate)
    log_beta = state.log_beta + growth
    counted = (omega * conversions)[:, None]
    # Gamma-Poisson marginal: alpha log beta + y log e_j - (alpha + y) log(beta + e_j).
    evidence = state.evidence + counted * (log_g - log_beta) - state.alpha[:, None] * growth
    return State(state.alpha + counted[:, 0], log_beta, evidence - evidence.max(axis=1, keepdims=True))


def weights(evidence: FloatArray, log_prior: FloatArray) -> FloatArray:
    """Return posterior cell probabilities, shape (K, J), from evidence (K, J) and log prior (J,) or (K, J)."""
    score = evidence + log_prior
    score = np.exp(score - score.max(axis=1, keepdims=True))
    normalised: FloatArray = score / score.sum(axis=1, keepdims=True)
    return normalised
