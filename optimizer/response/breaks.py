"""Whether a scale jumped overnight, and what is believed where it may have.

Where a day hints at a break, the story without one and the story with one are both carried through the day's update,
weighed by their marginal likelihoods in each cell, and collapsed to one Gamma by moments (multi-process models of class
II: West and Harrison, Bayesian Forecasting and Dynamic Models, 1997, chapter 12).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import gammaln

from optimizer.plan.snapshot import FloatArray, IntArray
from optimizer.response.history import BoolArray
from optimizer.response.scales import Basis, Dynamics, State, weights

NOTICED: Final = 0.008
"""A break less probable than this is not looked into. Were it larger, breaks of the last days that nothing has told of
yet would be left out of what is believed; were it smaller, the one Gamma to which stories are collapsed would be wider
than they are (`benchmarks/calibration.py`)."""

LEAST_SHAPE: Final = 8.0
"""Gamma shape from which `_quiet` may rule a break out."""


def hinted(alpha: FloatArray, odds: FloatArray, count: FloatArray, dynamics: Dynamics) -> IntArray:
    """Return the rows, ascending, whose day makes a break more probable than `NOTICED` under the leading cell.

    Args:
        alpha: Gamma shapes before the day, shape (K,).
        odds: Exposure x g / beta, shape (K,); positive where something was exposed.
        count: Discounted count, shape (K,).
        dynamics: With the chance and the variance of a break.
    """
    if dynamics.break_chance == 0.0:
        return np.zeros(0, dtype=np.int64)
    rows = np.flatnonzero((odds > 0) & ~_quiet(alpha, odds, count, dynamics))
    if not rows.size:
        return rows
    chance = break_probability(alpha[rows], odds[rows], count[rows], dynamics)
    return rows[chance > NOTICED]


def _quiet(alpha: FloatArray, odds: FloatArray, count: FloatArray, dynamics: Dynamics) -> BoolArray:
    """Where the count is so near its forecast that no break can be noticed, shape (K,).

    Were the marginals normal, with variances v and v' > v, the story of a jump would be B times as likely only where
    (count - mean)^2 / v >= 2 log B. Those of counts are skewed: from shapes of `LEAST_SHAPE` on, half of that is never
    reached without it (the tests try every forecast). Four logarithms of gamma functions are spared nine times of ten.
    """
    against = NOTICED / (1.0 - NOTICED) * (1.0 - dynamics.break_chance) / dynamics.break_chance
    mean = odds * alpha
    near = (count - mean) ** 2 < np.log(max(against, 1.0)) * mean * (1.0 + odds)
    quiet: BoolArray = near & (alpha >= LEAST_SHAPE)
    return quiet


def break_probability(alpha: FloatArray, odds: FloatArray, count: FloatArray, dynamics: Dynamics) -> FloatArray:
    """Return the posterior probability of a break under the leading cell, shape (K,).

    Args:
        alpha: Gamma shapes before the day, shape (K,).
        odds: Exposure x g / beta, shape (K,).
        count: Discounted count, shape (K,).
        dynamics: With the chance and the variance of a break.
    """
    loose = alpha / (1.0 + dynamics.break_variance * alpha)
    against = _log_marginal(alpha, odds, count) - _log_marginal(loose, odds * alpha / loose, count)
    prior = np.log(dynamics.break_chance / (1.0 - dynamics.break_chance))
    probability: FloatArray = 1.0 / (1.0 + np.exp(np.clip(against - prior, -700.0, 700.0)))
    return probability


def _log_marginal(alpha: FloatArray, odds: FloatArray, count: FloatArray) -> FloatArray:
    """Return the log of the negative binomial with shape alpha and odds e / beta, without its common factor."""
    value: FloatArray = gammaln(alpha + count) - gammaln(alpha) + count * np.log(odds + 1e-300)
    return value - (alpha + count) * np.log1p(odds)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One day of R targets: discounted counts and exposures, each of shape (R,), and their places on the basis."""

    place: IntArray
    count: FloatArray
    exposure: FloatArray


def mixed(before: State, day: Seen, basis: Basis, dynamics: Dynamics) -> State:
    """Take in a day with the two stories, and collapse them to one Gamma.

    In each cell means and second moments of lambda are kept; the Gamma shape, common to the cells, keeps their mean
    relative variance.

    Args:
        before: Belief about R targets before the day.
        day: What was seen.
        basis: The J cells.
        dynamics: With the chance and the variance of a break.

    Returns:
        The belief after the day, its evidence up to a constant per target.
    """
    alpha, beta = before.alpha, before.beta
    loose = alpha / (1.0 + dynamics.break_variance * alpha)
    wide = beta * (loose / alpha)[:, None]
    log_g, added = basis.log_g[day.place], day.exposure[:, None] * basis.g[day.place]
    after, wider = beta + added, wide + added
    const = [gammaln(a + day.count) - gammaln(a) for a in (alpha, loose)]
    stay = const[0][:, None] + _gain(alpha, beta, after, day.count, log_g) + np.log1p(-dynamics.break_chance)
    jump = const[1][:, None] + _gain(loose, wide, wider, day.count, log_g) + np.log(dynamics.break_chance)
    both = np.logaddexp(stay, jump)
    share = np.exp(jump - both)
    shapes = (alpha + day.count)[:, None], (loose + day.count)[:, None]
    means = shapes[0] / after, shapes[1] / wider
    mean = (1.0 - share) * means[0] + share * means[1]
    square = (1.0 - share) * means[0] ** 2 * (1.0 + 1.0 / shapes[0]) + share * means[1] ** 2 * (1.0 + 1.0 / shapes[1])
    evidence = before.evidence + both
    relative = (weights(evidence, basis.log_prior) * (square / mean**2 - 1.0)).sum(axis=1)
    shape = 1.0 / np.maximum(relative, 1e-12)
    return State(shape, shape[:, None] / mean, evidence, before.begun)


def _gain(alpha: FloatArray, before: FloatArray, after: FloatArray, count: FloatArray, log_g: FloatArray) -> FloatArray:
    """Return the log marginal of a count in each cell, up to a constant per target, shape (K, J).

    alpha log beta + y log e_j - (alpha + y) log(beta + e_j), of the Gamma-Poisson mixture.
    """
    after = np.log(after)
    gain: FloatArray = count[:, None] * (log_g - after) + alpha[:, None] * (np.log(before) - after)
    return gain
