"""Creatives that wear out: how much of its first rate an ad has lost by having been shown, and how sure that is.

    y_ad ~ Poisson(n_ad F_ad s_ad theta_a w(E_ad)),     w(E) = floor + (1 - floor) exp(-E / scale)

with E the exposure of the ad before that day and half of that day's, and s the day factor that the *other* ads of the
group show: what befalls the whole campaign is taken for demand before it is taken for wear. The pairs (scale, floor)
form a grid around the ad's own exposure so far; beside them stands "not worn", w = 1, with even odds. Given a pair,
theta is conjugate,

    theta_a ~ Gamma(nu, nu / mu_g),
    log p(y | pair) = sum_d y_ad log w_ad - (nu + Y_a) log(nu / mu_g + sum_d n F s w) + what no pair changes,

so that the posterior over the grid is exact and all ads are computed at once. s and w are told apart in turn: the
others' own wear is taken out of what they say of the days. Counts are weighed (quasi-likelihood, as in `dispersion`)
for what single days vary beyond chance, for what is unsure about s, and for days on which too few others run to say
anything: what the campaign then does would stay for all days of an ad. So an ad without rivals is called worn only
where campaigns are steady.

An ad is called worn from P(worn) >= level on. Of ads that are steady, at most (1 - level) / level are then called so by
chance: 1 in 19 at 95% (the Bayes factor has mean 1 where nothing is worn, and Markov's inequality;
R. Royall 2000, JASA 95, 760-768). In practice it is far fewer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from bandits.dispersion import Dispersion, measure
from bandits.evidence import answered
from bandits.groups import BoolArray, FloatArray, Groups, IntArray

_SCALES: Final = 2.0 ** np.arange(-4, 2)  # parts of the ad's exposure so far
_FLOORS: Final = (0.1, 0.3, 0.5, 0.7)
_STRENGTH: Final = 4.0  # of the group's rate as the prior of a first rate: it says hardly more than the unit
_LEAST_DAYS: Final = 1e-3  # relative variance of day factors, at least
_PAIRS: Final = _SCALES.size * len(_FLOORS)
_PRIOR: Final = np.array([0.5] + [0.5 / _PAIRS] * _PAIRS)
_AT_ONCE: Final = 30_000  # numbers of an array while the grid is walked: a quarter of a MB
_FITS: Final = 10  # of the ads' levels and the group's days to one another
_ROUNDS: Final = 3  # day factors and wear are told apart in turn


@dataclass(frozen=True, slots=True, eq=False)
class Wear:
    """What is known of the wear of A ads, each array of shape (A,).

    Attributes:
        probability: That the ad has lost more of its first rate than what counts as worn.
        lost: Posterior mean of the part of its first rate that it has lost by now, in [0, 1).
        low90, high90: Ends of its central 90% interval.
        worn: Whether the probability reaches the level.
    """

    probability: FloatArray
    lost: FloatArray
    low90: FloatArray
    high90: FloatArray
    worn: BoolArray


def wear_out(
    exposure: FloatArray,
    successes: FloatArray,
    *,
    group: IntArray,
    maturity: FloatArray,
    counts_from: float = 0.1,
    level: float = 0.95,
) -> Wear:
    """Say which ads are past their peak, as far back as there are rows.

    Args:
        exposure: n of consecutive days, oldest first, shape (A, T); nan where there is no row.
        successes: As reported by now, shape (A, T).
        group: Label of each ad's group, ascending, shape (A,).
        maturity: F of each day as of now, shape (T,) or (A, T).
        counts_from: Part of its first rate that an ad must have lost to be past its peak, in [0, 1).
        level: Probability from which it is called so, in (0, 1).

    Raises:
        ValueError: An argument is not as above; names the arm where there is one.
    """
    if not (0 <= counts_from < 1 and 0 < level < 1):
        raise ValueError(f"counts_from must be in [0, 1) and level in (0, 1), not {counts_from} and {level}")
    groups = Groups.of(group)
    if exposure.ndim != 2 or exposure.shape != successes.shape or len(exposure) != groups.arms:
        raise ValueError(f"exposure {exposure.shape} and successes {successes.shape} must both be ({groups.arms}, T)")
    n = answered(exposure, successes, maturity)
    y = np.where(n > 0, np.maximum(np.nan_to_num(successes), 0.0), 0.0)
    rate = groups.sum(y.sum(axis=1)) / np.maximum(groups.sum(n.sum(axis=1)), 1e-300)
    prior = _STRENGTH / np.maximum(groups.spread(rate), 1e-300)
    seen, left = _seen(np.nan_to_num(exposure)), np.ones_like(n)
    weight = np.empty((groups.arms, 1 + _PAIRS))
    # Both before any wear is taken out: a campaign's decline is taken for demand before it is taken for wear.
    days, weeks = measure(n, y, groups, np.ones(n.shape[1])).days, _weekly(n, y, groups).days
    for _ in range(_ROUNDS):
        arms = measure(n * left, y, groups, np.ones(n.shape[1])).arms
        weighed = _weighed(n, y, left, groups, Dispersion(arms, days), weeks)
        for part in _blocks(n.shape):
            weight[part] = _posterior(*(each[part] for each in (*weighed, seen, prior)))
            left[part] = _expected(weight[part], seen[part])
    return _told(weight, counts_from, level)


def _blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Rows of an array, as many at a time as a processor's cache holds."""
    rows = max(1, _AT_ONCE // max(shape[1], 1))
    return (slice(start, start + rows) for start in range(0, shape[0], rows))


def _seen(shown: FloatArray) -> FloatArray:
    """Exposure before each day and half of that day's, as a part of all so far, (A, T)."""
    total = shown.sum(axis=1, keepdims=True)
    seen = np.cumsum(shown, axis=1) - shown / 2
    return np.divide(seen, total, out=np.zeros_like(seen), where=total > 0)


def _weekly(n: FloatArray, y: FloatArray, groups: Groups) -> Dispersion:
    """How much weeks vary beyond chance, counted back from the last day."""
    starts = np.unique(np.maximum(n.shape[1] - 7 * np.arange(1 + -(-n.shape[1] // 7)), 0))[:-1]
    n, y = np.add.reduceat(n, starts, axis=1), np.add.reduceat(y, starts, axis=1)
    return measure(n, y, groups, np.ones(starts.size))


def _weighed(
    n: FloatArray, y: FloatArray, left: FloatArray, groups: Groups, dispersion: Dispersion, weeks: float
) -> tuple[FloatArray, FloatArray]:
    """Exposure times the day factor of the other ads, and successes; both weighed; (A, T) each.

    s is a gamma posterior mean around 1: its prior counts 1 / days successes, days being the variance of day factors.
    Levels of ads and days are fitted to one another first, so that ads launched on good days do not pass for good ads.
    `left` is what each ad has left of its first rate, `weeks` the variance of what changes slowly.
    """
    sure = 1 / max(dispersion.days, _LEAST_DAYS)
    worth, counted = n * left, np.add.reduceat(y, groups.starts, axis=0)
    factor = np.ones_like(counted)
    for _ in range(_FITS):
        rates = _ratio(y.sum(axis=1), (worth * factor[groups.index]).sum(axis=1))
        mean = worth * rates[:, np.newaxis]
        total = np.add.reduceat(mean, groups.starts, axis=0)
        factor = (counted + sure) / (total + sure)
    expected = np.maximum(total[groups.index] - mean, 0.0)
    factor = (counted[groups.index] - y + sure) / (expected + sure)
    blind = weeks * (sure / (expected + sure)) ** 2 * (worth > 0).sum(axis=1, keepdims=True)
    weight = 1 / (1 + mean * (dispersion.arms + 1 / (expected + sure) + blind))
    return n * factor * weight, y * weight


def _ratio(values: FloatArray, over: FloatArray) -> FloatArray:
    return np.divide(values, over, out=np.zeros_like(values), where=over > 0)


def _curves(seen: FloatArray) -> Iterator[FloatArray]:
    """What is left of the first rate on each day (A, T) under each pair of the grid."""
    for scale in _SCALES:
        gone = np.exp(-seen / scale)
        for floor in _FLOORS:
            yield floor + (1 - floor) * gone


def _posterior(n: FloatArray, y: FloatArray, seen: FloatArray, prior: FloatArray) -> FloatArray:
    """Posterior probability of "not worn" and of each pair, (A, 1 + pairs)."""
    shape = _STRENGTH + y.sum(axis=1)
    columns = [np.log(_PRIOR[0]) - shape * np.log(prior + n.sum(axis=1))]
    for left, odds in zip(_curves(seen), _PRIOR[1:], strict=True):
        fit = np.einsum("ad,ad->a", y, np.log(left)) - shape * np.log(prior + np.einsum("ad,ad->a", n, left))
        columns.append(np.log(odds) + fit)
    scores = np.stack(columns, axis=1)
    weight = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def _expected(weight: FloatArray, seen: FloatArray) -> FloatArray:
    """Posterior mean of what is left of the first rate on each day, (A, T)."""
    mean = np.repeat(weight[:, :1], seen.shape[1], axis=1)
    for left, each in zip(_curves(seen), weight.T[1:], strict=True):
        mean += each[:, np.newaxis] * left
    return mean


def _told(weight: FloatArray, counts_from: float, level: float) -> Wear:
    lost = np.array([0.0] + [(1 - floor) * -np.expm1(-1 / scale) for scale in _SCALES for floor in _FLOORS])
    order = np.argsort(lost)
    below = np.cumsum(weight[:, order], axis=1)
    low, high = (np.minimum((below < p).sum(axis=1), lost.size - 1) for p in (0.05, 0.95))
    cells = lost[order]
    edges = np.concatenate([[0.0], (cells[1:] + cells[:-1]) / 2, [cells[-1]]])
    probability = weight @ (lost > counts_from).astype(np.float64)
    return Wear(probability, weight @ lost, edges[low], np.where(high > 0, edges[high + 1], 0.0), probability >= level)
