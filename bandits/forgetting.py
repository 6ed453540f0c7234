"""How fast to forget: the discount that predicts each next day best, one for all groups.

For each candidate gamma and each day d in turn, what is known before d predicts the counts of d:

    theta_a | days before d ~ Gamma(a, b),   a = nu + Y,  b = nu / mu + N      discounted sums; mu: the group so far
    y_ad ~ NegBin(mean m = n F s a / b, size k),   1 / k = 1 / a + dispersion + what is unsure about s

with s the day factor that the other arms of the group show on d itself: shares follow the order of a group's arms, and
what befalls all of them alike is no reason to forget which was ahead. An arm without rivals has s = 1, and says little.

The logarithms of these probabilities add up (prequential: A. P. Dawid 1984, JRSS A 147, 278-292; forgetting
factors by one-step-ahead predictive density: West and Harrison, Bayesian Forecasting and Dynamic Models, 2nd edition,
section 6.3). `dispersion` keeps days that merely vary from being taken for change: it is fitted together with gamma, by
the same score, and thrown away. The choice is the candidate with the best sum of score and a prior that says what a
thin history should be taken for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy

from bandits.dispersion import predicted, sample
from bandits.evidence import answered
from bandits.groups import FloatArray, Groups

CANDIDATES: Final = (1.0, 0.995, 0.99, 0.98, 0.97, 0.95, 0.92, 0.88, 0.82)
_USUAL: Final = 0.99  # what is assumed without evidence
_PRIOR_SD: Final = 1.0  # of log2 of the rate of forgetting around the usual one
_DISPERSIONS: Final = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5)
_DAY_WEIGHT: Final = 16.0  # successes that "a day like any other" counts beside those of the other arms
_FIRST: Final = 3  # the days before predict nothing yet


@dataclass(frozen=True, slots=True, eq=False)
class Forgetting:
    """What was found.

    Attributes:
        gamma: The candidate chosen.
        candidates: Those tried, shape (C,).
        scores: Sum of log predictive probabilities of each, shape (C,); the same constant is left out of all.
        dispersion: Relative variance of single days that predicts best together with gamma.
    """

    gamma: float
    candidates: FloatArray
    scores: FloatArray
    dispersion: float


def choose_gamma(
    exposure: FloatArray,
    successes: FloatArray,
    groups: Groups,
    maturity: FloatArray,
    *,
    candidates: tuple[float, ...] = CANDIDATES,
) -> Forgetting:
    """Choose what a day's evidence keeps of its weight each day, from all groups or an even sample of them.

    Args:
        exposure: n >= 0 of consecutive days, oldest first, shape (A, T); nan where there is no row.
        successes: As reported by now, shape (A, T).
        groups: Of the A arms.
        maturity: F of each day as of now, shape (T,) or (A, T).
        candidates: Discounts to choose from, each above 0 and at most 1.

    Raises:
        ValueError: There is no candidate, or one is out of its range.
    """
    tried = np.array(candidates, dtype=np.float64)
    if tried.size == 0 or not ((tried > 0) & (tried <= 1)).all():
        raise ValueError(f"candidates must be above 0 and at most 1, not {candidates}")
    groups, kept = sample(groups)
    maturity = maturity[kept] if maturity.ndim == 2 else maturity
    n = answered(exposure[kept], successes[kept], maturity)
    y = np.where(n > 0, np.maximum(np.nan_to_num(successes[kept]), 0.0), 0.0)
    table = _scores(n, y, groups, tried)
    best = table.argmax(axis=1)
    scores = table[np.arange(tried.size), best]
    chosen = int((scores + _log_prior(tried)).argmax())
    return Forgetting(float(tried[chosen]), tried, scores, _DISPERSIONS[best[chosen]])


def _log_prior(gamma: FloatArray) -> FloatArray:
    """Normal in log2 of the rate of forgetting; to forget nothing counts as a quarter of the usual rate."""
    rate = np.maximum(-np.log(gamma), -np.log(_USUAL) / 4)
    return np.asarray(-0.5 * (np.log2(rate / -np.log(_USUAL)) / _PRIOR_SD) ** 2)


def _scores(n: FloatArray, y: FloatArray, groups: Groups, gamma: FloatArray) -> FloatArray:
    """Sum of log predictive probabilities of the days by discount and dispersion, (C, D), less terms of y alone."""
    scores = np.zeros((gamma.size, len(_DISPERSIONS)))
    known_n, known_y = np.zeros((gamma.size, groups.arms)), np.zeros((gamma.size, groups.arms))
    for day in range(n.shape[1]):
        seen = np.flatnonzero(n[:, day] > 0)
        if day >= _FIRST and seen.size:
            a, b = predicted(known_n, known_y, groups)
            mean = n[:, day] * a / b
            others = groups.spread(groups.sum(mean)) - mean + _DAY_WEIGHT
            counted = groups.spread(groups.sum(y[:, day])) - y[:, day] + _DAY_WEIGHT
            mean = (mean * counted / others)[:, seen]
            size = 1 / ((1 / a + 1 / others)[:, seen, np.newaxis] + np.array(_DISPERSIONS))
            scores += _log_negative_binomial(y[seen, day, np.newaxis], mean[:, :, np.newaxis], size)
        known_n = gamma[:, np.newaxis] * known_n + n[:, day]
        known_y = gamma[:, np.newaxis] * known_y + y[:, day]
    return scores


def _log_negative_binomial(y: FloatArray, mean: FloatArray, size: FloatArray) -> FloatArray:
    """Log probabilities of counts (A, 1) for means (C, A, 1) and sizes (C, A, D), summed over the arms: (C, D)."""
    terms = scipy.special.gammaln(size + y) - scipy.special.gammaln(size) + size * np.log(size / (size + mean))
    return np.asarray((terms + scipy.special.xlogy(y, mean / (size + mean))).sum(axis=1))
