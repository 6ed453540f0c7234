"""What the day of the week does, and how much noisier than Poisson counts are.

Both compare a day with the six around it, so that neither the curve nor drift has to be known first. Within those
days spend is taken to act as x^b, with an elasticity b of each target's own: one that climbs an S-shaped curve would
else seem to have weekdays that bend the other way, and its curve to be flat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.plan.snapshot import FloatArray, IntArray
from optimizer.response.history import WEEK, BoolArray, blocks

WINDOW: Final = 182
"""Days of history that season and noise are estimated from."""

ELASTICITY: Final = 0.7
"""What is expected of b, between proportional and saturated."""

_ELASTICITY_SD: Final = 0.5
_WEEKDAY_SD: Final = 0.15
_MOST_ELASTIC: Final = 3.5

POOL_EVENTS: Final = 50.0
"""Weight, in Poisson events per weekday, of an even week in the pooled factors."""

TARGET_EVENTS: Final = 100.0
"""The same of the pooled factors in a target's own: weekdays differ by about 10% between targets."""

TYPICAL_EXCESS: Final = 0.1
"""phi of daily conversions, before any were seen."""

TYPICAL_SHOWN: Final = 0.03
"""The same of impressions and clicks."""

TYPICAL_RATE: Final = 0.05
"""The same of what a rate yields."""

LEAST_EXCESS, MOST_EXCESS = 0.003, 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Local:
    """Days against their neighbourhood; zero where a day does not count.

    Attributes:
        count: Events so far, shape (K, T).
        exposure: What they are counted against, before any weekday factor, shape (K, T).
        typical: phi that is expected of such counts, shape (K,).
        weekday: Shape (T,).
    """

    count: FloatArray
    exposure: FloatArray
    typical: FloatArray
    weekday: IntArray

    @classmethod
    def of_spend(
        cls, count: FloatArray, spend: FloatArray, complete: FloatArray, late: BoolArray, weekday: IntArray
    ) -> Local:
        """Set the last WINDOW days of a count against spend^b; all shapes (K, T) but that of `weekday`, (T,).

        Args:
            count: Events so far; a day without spend does not count.
            spend: Zero on days that do not count.
            complete: Share of the events that is reported by now.
            late: Whether the events are conversions, shape (K,).
            weekday: 0 is Monday.
        """
        count, spend, complete = (measure[:, -WINDOW:] for measure in (count, spend, complete))
        counted = spend > 0
        typical = np.where(late, TYPICAL_EXCESS, TYPICAL_SHOWN)
        own = elasticity(np.where(counted, count, 0.0), spend, complete, typical, weekday[-WINDOW:])
        exposure = np.where(counted, complete * np.where(counted, spend, 1.0) ** own[:, None], 0.0)
        return cls(np.where(counted, count, 0.0), exposure, typical, weekday[-WINDOW:])


def elasticity(
    count: FloatArray, spend: FloatArray, complete: FloatArray, typical: FloatArray, weekday: IntArray
) -> FloatArray:
    """Estimate how counts follow spend from one day to the next, shape (K,).

    The slope of the log count on the log spend, both less their means over the centred seven days, each day weighed by
    1 / (phi + 1 / (count + .5)), next to weekdays as random effects: the posterior mean by generalised least squares
    (Henderson, Biometrics 31, 1975) under b ~ N(.7, .5^2) and log weekday factors ~ N(0, .15^2 x weeks). With few weeks
    a climb is told by its spend, with many a spend that follows the weekday is no evidence.

    Args:
        count: Events so far, shape (K, T).
        spend: Zero on days that do not count, likewise.
        complete: Share of the events that is reported by now.
        typical: phi, shape (K,).
        weekday: 0 is Monday, shape (T,).
    """
    shown = (spend > 0) & (complete > 0)
    weight = np.where(shown, 1.0 / (typical[:, None] + 1.0 / (count + 0.5)), 0.0)
    moved, came = np.log(np.where(shown, spend, 1.0)), np.log((count + 0.5) / np.where(shown, complete, 1.0))
    around = _around(weight)
    moved, came = (measure - _ratio(_week(weight * measure), around) for measure in (moved, came))
    onto = (weekday[:, None] == np.arange(WEEK)).astype(np.float64)
    # Loosened with history on purpose: of a fixed variance, a part of a spend that follows the weekday would stay for
    # ever with b (.15: factors of half a year off by .04); a looser fixed one takes a first week's climb for weekdays.
    loose = max(weekday.size / WEEK, 1.0) * _WEEKDAY_SD**2
    weekly = (weight * moved) @ onto / (weight @ onto + 1.0 / loose)
    apart = moved - weekly @ onto.T  # what of the moves is not told from the weekday
    prior = 1.0 / _ELASTICITY_SD**2
    slope = (prior * ELASTICITY + (weight * apart * came).sum(axis=1)) / (prior + (weight * apart * moved).sum(axis=1))
    held: FloatArray = np.clip(slope, 0.0, _MOST_ELASTIC)
    return held


def weekday_factors(days: Local, sweeps: int = 3) -> FloatArray:
    """Estimate multiplicative weekday factors per target, shrunk towards those of the portfolio.

    The ratio of a day's count to what the centred seven days around them predict, by fixed-point sweeps: weeks with
    days missing, or with spend that follows the weekday, do not bias it.

    Returns:
        Shape (K, 7), Monday first; each row has mean one.
    """
    factors = np.ones((len(days.exposure), WEEK))
    counted = _around(days.count)
    for _ in range(sweeps):
        exposure = days.exposure * factors[:, days.weekday]
        expected = exposure * _ratio(counted, _around(exposure))
        factors = _shrunk(days, expected, factors)
        factors /= factors.mean(axis=1, keepdims=True)
    return factors


def _shrunk(days: Local, expected: FloatArray, factors: FloatArray) -> FloatArray:
    """Return new factors, shape (K, 7), given what is expected, shape (K, T), under the old ones."""
    onto = (days.weekday[:, None] == np.arange(WEEK)).astype(np.float64)
    # Overdispersed days carry less than their count: weight them as `excess_variance` later does.
    weight = 1.0 / (1.0 + days.typical[:, None] * expected)
    seen, base = (weight * days.count) @ onto, (weight * expected) @ onto / factors
    pool = (seen.sum(axis=0) + POOL_EVENTS) / (base.sum(axis=0) + POOL_EVENTS)
    shrunk: FloatArray = (seen + TARGET_EVENTS * pool) / (base + TARGET_EVENTS)
    return shrunk


def shared_weekdays(count: FloatArray, exposure: FloatArray, weekday: IntArray, sweeps: int = 3) -> FloatArray:
    """Estimate weekday factors of a rate that all targets share, shrunk by how much they differ beyond chance.

    Log ratios to the centred seven days, as in `weekday_factors`, have a variance of 7/6 over the expected events (the
    days around are counted, too); what their spread exceeds it by is theirs (James and Stein 1961, by moments). Where
    weekdays do not matter the factors are exactly one, and cost nothing.

    Args:
        count: What came out, zero on days that do not count, shape (K, T).
        exposure: What it came of, likewise.
        weekday: 0 is Monday, shape (T,).
        sweeps: Fixed-point steps.

    Returns:
        Shape (7,), Monday first, mean one.
    """
    factors = np.ones(WEEK)
    count, exposure, weekday = count[:, -WINDOW:], exposure[:, -WINDOW:], weekday[-WINDOW:]
    onto = (weekday[:, None] == np.arange(WEEK)).astype(np.float64)
    counted = _around(count)
    for _ in range(sweeps):
        even = exposure * factors[weekday]
        expected = even * _ratio(counted, _around(even))
        weight = 1.0 / (1.0 + TYPICAL_RATE * expected)
        seen, base = (np.einsum("kt,kt->t", weight, measure) @ onto for measure in (count, expected))
        ratio = np.log((seen + 0.5) / (base / factors + 0.5))
        ratio -= ratio.mean()
        noise = WEEK / (WEEK - 1) / (seen + 0.5)
        true = max(0.0, float((ratio**2).sum() / (WEEK - 1) - noise.mean()))
        factors = np.exp(ratio * true / (true + noise))
        factors /= factors.mean()
    return factors


def excess_variance(days: Local, factors: FloatArray) -> FloatArray:
    """Estimate phi = 1/R of var = mu + mu^2 / R by moments, shrunk towards the portfolio.

    A day is compared with m, its prediction from the other days around it. With r = its exposure over theirs,
    E (y - m)^2 = (mu + phi mu^2)(1 + r) and m^2 - r m is unbiased for mu^2 (Poisson part).

    Args:
        days: Counts and exposures.
        factors: From `weekday_factors`, shape (K, 7).

    Returns:
        phi, shape (K,), within [LEAST_EXCESS, MOST_EXCESS].
    """
    exposure = days.exposure * factors[:, days.weekday]
    others = _around(exposure) - exposure
    usable = (exposure > 0) & (others > 2.0 * exposure)
    r = _ratio(exposure, others) * usable
    mean = r * (_around(days.count) - days.count)
    surplus = (((days.count - mean) ** 2 / (1.0 + r) - mean) * usable).sum(axis=1)
    square = (mean**2 - r * mean).sum(axis=1)
    noise = (2.0 * (mean + days.typical[:, None] * mean**2) ** 2 + mean).sum(axis=1)
    information = _ratio(np.maximum(square, 0.0) ** 2, noise)
    own = np.clip(_ratio(surplus, np.maximum(square, 0.0)), 0.0, MOST_EXCESS)
    # Pooled as multiples of what is typical: a portfolio may count impressions here and conversions there.
    multiple, scaled = own / days.typical, information * days.typical**2
    pool = float((scaled @ multiple + 1.0) / (scaled.sum() + 1.0)) * days.typical
    trust = 1.0 / np.maximum(0.7 * pool, 0.02) ** 2
    shrunk: FloatArray = (information * own + trust * pool) / (information + trust)
    return np.clip(shrunk, LEAST_EXCESS, MOST_EXCESS)


def _around(measure: FloatArray) -> FloatArray:
    """Return sums of what is not negative over the centred seven days, shorter at the ends, shape (K, T)."""
    inside = _week(measure)
    return np.maximum(inside, 0.0, out=inside)


def _week(measure: FloatArray) -> FloatArray:
    """Return sums over the centred seven days, shape (K, T), as differences of long sums."""
    days, half = measure.shape[1], WEEK // 2
    inside = np.empty_like(measure)
    for part in blocks(len(measure)):
        sums = np.zeros((len(measure[part]), days + WEEK))  # with half a week before the first day and behind the last
        np.cumsum(measure[part], axis=1, out=sums[:, half + 1 : half + 1 + days])
        sums[:, half + 1 + days :] = sums[:, [half + days]]
        np.subtract(sums[:, WEEK:], sums[:, :-WEEK], out=inside[part])
    return inside


def _ratio(top: FloatArray, bottom: FloatArray) -> FloatArray:
    """Return top / bottom, zero where the bottom is."""
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)
