"""The conjugate filter: a Gamma scale in each cell of a grid, folded forward one day at a time.

Observation, for target k on day d, with a known exposure e and a basis g_j that depends on the day's spend:

    y ~ NegBin(mean = lambda g_j e, size R)

NegBin is not conjugate to Gamma; its information about the mean is that of a Poisson count multiplied by
omega = 1 / (1 + mu / R), so a day enters as omega y events over omega e exposure. Given the cell j, lambda is
Gamma(alpha, beta_j), and its marginal likelihood weighs the cells: Rao-Blackwellisation over the scale.

Time passes in three ways (`Dynamics`). Drift: each day the variance of log lambda grows by about q (alpha and beta
shrink by 1 + q alpha; West and Harrison, Bayesian Forecasting and Dynamic Models, 1997, chapter 6). Fading: the
evidence about shapes loses a little of itself each day, which moves the weights towards their prior (power discounting:
Smith, JRSS B 41, 1979). Breaks: with a small chance the scale jumps overnight; where a day says so, the two stories are
mixed and collapsed to one Gamma by moments (multi-process models of class II: West and Harrison, chapter 12).

The weights are softmax(evidence + log prior): faded likelihood and prior part exactly, so that the prior of the cells
may be pooled over targets after the fold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import gammaln

from optimizer.plan.snapshot import FloatArray, IntArray
from optimizer.response.history import BoolArray

BLOCK: Final = 256
"""Targets folded together: their (BLOCK, J) arrays stay in the processor's cache."""

_FAR, _CHANCE = 3.0, 10.0
"""A count beyond so many times the forecast, and so many more, is not chance."""

_NOTICED: Final = 0.02
"""A break less probable than this is not looked into."""


@dataclass(frozen=True, slots=True)
class Dynamics:
    """How a scale moves.

    Attributes:
        drift: q, variance that log lambda gains a day.
        fade: What is left of the evidence about cells after a day.
        break_chance: Probability of a jump on any one day.
        break_variance: Variance of log lambda that a jump adds.
    """

    drift: float
    fade: float
    break_chance: float
    break_variance: float = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """What multiplies the scale in each cell, tabulated at the G points of `curves.GRID`.

    Attributes:
        log_g: Shape (G, J).
        g: Its exponential, shape (G, J).
        log_prior: Of the cells, shape (J,).
    """

    log_g: FloatArray
    g: FloatArray
    log_prior: FloatArray

    @classmethod
    def of(cls, log_g: FloatArray, log_prior: FloatArray) -> Basis:
        """Make a basis from log g (G, J) and the log prior (J,)."""
        return cls(log_g, np.exp(log_g), log_prior)


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Belief about K scales in J cells.

    Attributes:
        alpha: Gamma shape of the scale, shape (K,), common to the cells.
        beta: Its rate in each cell, shape (K, J).
        evidence: Faded log marginal likelihood of each cell up to a constant per target, shape (K, J).
        begun: Targets that have had a day of exposure, shape (K,): before it, no time passes. What the others show
            of a new target does not wear out while it does not exist.
    """

    alpha: FloatArray
    beta: FloatArray
    evidence: FloatArray
    begun: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """Observations of K targets on T consecutive days.

    Attributes:
        place: Point of the basis of each day, shape (K, T).
        count: Events, shape (K, T); zero on days that do not count.
        exposure: What they are counted against, shape (K, T); zero on days that do not count.
    """

    place: IntArray
    count: FloatArray
    exposure: FloatArray


def start(alpha: FloatArray, mean: FloatArray, cells: int) -> State:
    """Return the belief before any day: lambda ~ Gamma(alpha, alpha / mean) in every cell.

    Args:
        alpha: Prior weight in events, shape (K,).
        mean: Prior mean of the scale, shape (K,).
        cells: J.
    """
    shape = (len(alpha), cells)
    beta = np.broadcast_to((alpha / mean)[:, None], shape).copy()
    return State(alpha, beta, np.zeros(shape), np.zeros(len(alpha), dtype=np.bool_))


def fold(state: State, days: Days, excess: FloatArray, basis: Basis, dynamics: Dynamics) -> State:
    """Fold days in order; folding a history in two pieces equals folding it at once.

    Args:
        state: Belief before the first day.
        days: Observations; a day of zero exposure only lets time pass.
        excess: phi = 1 / R, shape (K,).
        basis: The J cells.
        dynamics: How the scale moves.
    """
    blocks = []
    for low in range(0, len(state.alpha), BLOCK):
        part = slice(low, low + BLOCK)
        block = State(state.alpha[part], state.beta[part], state.evidence[part], state.begun[part])
        for day in range(days.place.shape[1]):
            block = drift(block, dynamics)
            exposed = days.exposure[part, day]
            if exposed.any():
                observed = _Observed(days.place[part, day], days.count[part, day], exposed)
                block = _step(block, observed, excess[part], basis, dynamics)
        blocks.append(block)
    if not blocks:
        return state
    return State(
        *(np.concatenate([getattr(b, name) for b in blocks]) for name in ("alpha", "beta", "evidence", "begun"))
    )


def drift(state: State, dynamics: Dynamics) -> State:
    """Let one day pass."""
    shrink = np.where(state.begun, 1.0 / (1.0 + dynamics.drift * state.alpha), 1.0)
    return State(state.alpha * shrink, state.beta * shrink[:, None], state.evidence * dynamics.fade, state.begun)


@dataclass(frozen=True, slots=True, eq=False)
class _Observed:
    """One day's places, counts and exposures, each of shape (K,)."""

    place: IntArray
    count: FloatArray
    exposure: FloatArray


def _step(state: State, seen: _Observed, excess: FloatArray, basis: Basis, dynamics: Dynamics) -> State:
    """Take in one day: the plain conjugate update, and again with a break where the day hints at one."""
    g, log_g = basis.g[seen.place], basis.log_g[seen.place]
    rows = np.arange(len(state.alpha))
    lead = (state.evidence + basis.log_prior).argmax(axis=1)
    rate = g[rows, lead] / state.beta[rows, lead]
    mean = seen.exposure * state.alpha * rate
    # The size of the day is the forecast's: were it the count's, low counts would weigh more and pull the level down.
    # Only where no chance explains the count, it corrects a forecast that knows nothing yet.
    size = np.clip(mean, (seen.count - _CHANCE) / _FAR, (seen.count + _CHANCE) * _FAR)
    omega = 1.0 / (1.0 + excess * np.maximum(size, 0.0))
    count, exposure = omega * seen.count, omega * seen.exposure
    beta = state.beta + exposure[:, None] * g
    gain = _gain(state.alpha, state.beta, beta, count, log_g)
    plain = State(state.alpha + count, beta, state.evidence + gain, state.begun | (seen.exposure > 0))
    chance = _break_probability(state.alpha, exposure * rate, count, dynamics)
    jumped = np.flatnonzero((chance > _NOTICED) & (seen.exposure > 0))
    if jumped.size:
        day = _Observed(seen.place[jumped], count[jumped], exposure[jumped])
        _mix(plain, state, jumped, day, basis, dynamics)
    evidence = plain.evidence - plain.evidence.max(axis=1, keepdims=True)
    return State(plain.alpha, plain.beta, evidence, plain.begun)


def _gain(alpha: FloatArray, before: FloatArray, after: FloatArray, count: FloatArray, log_g: FloatArray) -> FloatArray:
    """Return the log marginal of a count in each cell, up to a constant per target, shape (K, J).

    alpha log beta + y log e_j - (alpha + y) log(beta + e_j), of the Gamma-Poisson mixture.
    """
    after = np.log(after)
    gain: FloatArray = count[:, None] * (log_g - after) + alpha[:, None] * (np.log(before) - after)
    return gain


def _break_probability(alpha: FloatArray, odds: FloatArray, count: FloatArray, dynamics: Dynamics) -> FloatArray:
    """Return the posterior probability of a break under the leading cell, shape (K,).

    Args:
        alpha: Gamma shapes before the day, shape (K,).
        odds: Exposure x g / beta, shape (K,).
        count: Discounted count, shape (K,).
        dynamics: With the chance and the variance of a break.
    """
    if dynamics.break_chance == 0.0:
        return np.zeros(len(alpha))
    loose = alpha / (1.0 + dynamics.break_variance * alpha)
    against = _log_marginal(alpha, odds, count) - _log_marginal(loose, odds * alpha / loose, count)
    prior = np.log(dynamics.break_chance / (1.0 - dynamics.break_chance))
    probability: FloatArray = 1.0 / (1.0 + np.exp(np.clip(against - prior, -700.0, 700.0)))
    return probability


def _log_marginal(alpha: FloatArray, odds: FloatArray, count: FloatArray) -> FloatArray:
    """Return the log of the negative binomial with shape alpha and odds e / beta, without its common factor."""
    value: FloatArray = gammaln(alpha + count) - gammaln(alpha) + count * np.log(odds + 1e-300)
    return value - (alpha + count) * np.log1p(odds)


def _mix(plain: State, before: State, rows: IntArray, day: _Observed, basis: Basis, dynamics: Dynamics) -> None:
    """Mix, for some rows of `plain`, the story of no break with that of one, and collapse both to one Gamma.

    In each cell means and second moments of lambda are kept; the Gamma shape, common to the cells, keeps their mean
    relative variance.
    """
    alpha, beta = before.alpha[rows], before.beta[rows]
    loose = alpha / (1.0 + dynamics.break_variance * alpha)
    wide = beta * (loose / alpha)[:, None]
    g, log_g = basis.g[day.place], basis.log_g[day.place]
    wider = wide + day.exposure[:, None] * g
    const = [gammaln(a + day.count) - gammaln(a) for a in (alpha, loose)]
    stay = const[0][:, None] + _gain(alpha, beta, plain.beta[rows], day.count, log_g) + np.log1p(-dynamics.break_chance)
    jump = const[1][:, None] + _gain(loose, wide, wider, day.count, log_g) + np.log(dynamics.break_chance)
    both = np.logaddexp(stay, jump)
    share = np.exp(jump - both)
    shapes = plain.alpha[rows][:, None], (loose + day.count)[:, None]
    means = shapes[0] / plain.beta[rows], shapes[1] / wider
    mean = (1.0 - share) * means[0] + share * means[1]
    square = (1.0 - share) * means[0] ** 2 * (1.0 + 1.0 / shapes[0]) + share * means[1] ** 2 * (1.0 + 1.0 / shapes[1])
    evidence = before.evidence[rows] + both
    relative = (weights(evidence, basis.log_prior) * (square / mean**2 - 1.0)).sum(axis=1)
    plain.alpha[rows] = 1.0 / np.maximum(relative, 1e-12)
    plain.beta[rows] = plain.alpha[rows][:, None] / mean
    plain.evidence[rows] = evidence


def weights(evidence: FloatArray, log_prior: FloatArray) -> FloatArray:
    """Return posterior cell probabilities, shape (K, J), from evidence (K, J) and log prior (J,) or (K, J)."""
    score = evidence + log_prior
    score = np.exp(score - score.max(axis=1, keepdims=True))
    normalised: FloatArray = score / score.sum(axis=1, keepdims=True)
    return normalised
