"""What a conversion brings: the mean of a skewed value, from single values or from daily sums.

Single values are log-normal: `NormalInverseGamma` learns their logarithm, around a prior that all arms share
(`log_value_prior`), and `MeanValue.of` turns it into the mean. Platforms mostly tell sums by day: `from_sums` learns
the mean from those, and nothing has to be assumed of the single values but that they have a variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import scipy

from bandits import state
from bandits.evidence import refuse_negative
from bandits.groups import FloatArray, Groups
from bandits.posterior import NormalInverseGamma, check_finite, tails

_VARIANCE_SHAPE: Final = 10.0  # the pooled variance of log values counts as 20 values of each arm's own
_LEAST_COUNT, _MOST_COUNT = 0.5, 200.0  # of values that the pooled location may weigh
_USUAL_SPREAD: Final = 0.2  # sd of log mean values between the arms of a group, before any data
_SPREAD_WEIGHT: Final = 4.0  # arms that this counts for
_USUAL_VARIANCE: Final = 1.0  # relative variance of single values, before any data
_VARIANCE_WEIGHT: Final = 4.0  # days that this counts for
_UNKNOWN_LEVEL: Final = 1.0  # sd of a group's log mean value where the group has none


@dataclass(frozen=True, slots=True, eq=False)
class MeanValue:
    """The mean M_a of what a conversion brings, log M_a ~ N(log_mean, log_sd^2).

    Attributes:
        log_mean: Finite, shape (A,).
        log_sd: Finite and >= 0, shape (A,).

    Raises:
        ValueError: A parameter is not as above; names the arm.
    """

    log_mean: FloatArray
    log_sd: FloatArray

    def __post_init__(self) -> None:
        if self.log_mean.ndim != 1 or self.log_mean.shape != self.log_sd.shape:
            raise ValueError(f"log_mean {self.log_mean.shape} and log_sd {self.log_sd.shape} must both be (A,)")
        check_finite(self.log_mean, "log_mean")
        check_finite(self.log_sd, "log_sd")
        bad = np.flatnonzero(self.log_sd < 0)
        if bad.size:
            raise ValueError(f"arm {bad[0]}: log_sd must not be negative, not {self.log_sd[bad[0]]:g}")

    @classmethod
    def of(cls, logs: NormalInverseGamma) -> MeanValue:
        """Return what is believed of the mean value, from what is believed of its logarithm.

        mu is a Student t, and exp of it has no mean at all, however much data there are: a log-normal's mean under a
        conjugate prior does not exist. log M does have its moments:

            E log M = location + E[s2] / 2,     var(log M) = E[s2] / count + var(s2) / 4

        (mu and s2 are uncorrelated), and M is taken for the log-normal with these two. That is Cox's method for the
        mean of a log-normal (C. E. Land 1972, Technometrics 14, 145-158), with the posterior in place of the sample.

        Raises:
            ValueError: shape <= 2, where s2 has no variance; names the arm.
        """
        bad = np.flatnonzero(logs.shape <= 2)
        if bad.size:
            raise ValueError(
                f"arm {bad[0]}: the variance of log values is not known well enough: shape must be above 2, not "
                f"{logs.shape[bad[0]]:g}; begin from a prior with more (`log_value_prior`)"
            )
        variance = logs.scale / (logs.shape - 1)
        return cls(logs.location + variance / 2, np.sqrt(variance / logs.count + variance**2 / (logs.shape - 2) / 4))

    @property
    def mean(self) -> FloatArray:
        """Posterior mean, shape (A,)."""
        return np.exp(self.log_mean + self.log_sd**2 / 2)

    @property
    def sd(self) -> FloatArray:
        """Posterior standard deviation, shape (A,)."""
        return self.mean * np.sqrt(np.expm1(self.log_sd**2))

    def interval(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Return the ends of the central interval of that probability, each of shape (A,)."""
        reach = scipy.special.ndtri(tails(level)[1]) * self.log_sd
        return np.exp(self.log_mean - reach), np.exp(self.log_mean + reach)

    def draws(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Return n independent draws, shape (n, A)."""
        return np.exp(self.log_mean + self.log_sd * rng.standard_normal((n, self.log_sd.size)))

    def to_json(self, *, gamma: float | None = None) -> str:
        """Return the state as versioned JSON; see `GammaPoisson.to_json`."""
        return state.dump("mean-value", gamma=gamma, log_mean=self.log_mean, log_sd=self.log_sd)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: The text is no such state, or of a version that cannot be read.
        """
        return cls(*state.load(text, "mean-value", ("log_mean", "log_sd")))


def log_value_prior(weight: FloatArray, total: FloatArray, squares: FloatArray) -> NormalInverseGamma:
    """Return a prior for the log values of A arms that is learnt from all of them, by moments.

    The location is the mean of all; the variance of single values is pooled and counts as 20 of them; the location
    weighs as many values as the variance within arms is larger than that between their means.

    Args:
        weight: (Discounted) number of values, shape (A,).
        total: Sum of their logarithms, shape (A,).
        squares: Sum of the squares of these, shape (A,).

    Raises:
        ValueError: A statistic is negative or nan (names the arm), or there are fewer than two values in all.
    """
    refuse_negative(weight, "weight")
    refuse_negative(squares, "squares")
    check_finite(total, "total")
    n = float(weight.sum())
    if n < 2:
        raise ValueError(f"a prior of log values needs two values or more, not {n:g}")
    average = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    freedom = max(float(np.maximum(weight - 1, 0).sum()), 1.0)
    within = max(float((squares - weight * average**2).sum()) / freedom, 1e-6)
    location = float(total.sum()) / n
    between = float((weight * (average - location) ** 2).sum()) - (np.count_nonzero(weight) - 1) * within
    between /= max(n - float((weight**2).sum()) / n, 1e-9)
    count = float(np.clip(within / max(between, 1e-12), _LEAST_COUNT, _MOST_COUNT))
    ones = np.ones_like(weight)
    return NormalInverseGamma(
        location * ones, count * ones, _VARIANCE_SHAPE * ones, (_VARIANCE_SHAPE - 1) * within * ones
    )


def from_sums(value: FloatArray, conversions: FloatArray, groups: Groups) -> MeanValue:
    """Learn the mean value of a conversion from sums by day, each arm around the mean of its group.

        log(V_a / Y_a) ~ N(log M_a, v / Y_a),    log M_a ~ N(level of the group, spread^2)

    v is the relative variance of single values, pooled from how the days of an arm scatter around its mean; spread^2
    that of the arms, by moments (R. DerSimonian and N. Laird 1986, Controlled Clinical Trials 7, 177-188); both drawn
    towards what is usual. Arms of groups without any value get the mean of all.

    Args:
        value: What each day's conversions brought, shape (A, T); nan where there is no row.
        conversions: Shape (A, T).
        groups: Of the A arms.

    Raises:
        ValueError: Shapes differ, or there is no conversion with a value at all.
    """
    if value.ndim != 2 or value.shape != conversions.shape:
        raise ValueError(f"value {value.shape} and conversions {conversions.shape} must both be (A, T)")
    known = ~np.isnan(value + conversions) & (conversions > 0) & (value >= 0)
    v, y = np.where(known, value, 0.0), np.where(known, conversions, 0.0)
    total = v.sum(axis=1)
    if total.sum() <= 0:
        raise ValueError("no conversion has a value")
    valued = total > 0
    count = np.where(valued, y.sum(axis=1), 0.0)
    mean = np.divide(total, count, out=np.full_like(total, total.sum() / count.sum()), where=valued)
    precision = count / _single_variance(v[valued], y[valued], mean[valued])
    logs = np.log(mean)
    spread = _variance_between(logs, precision, groups)
    pooled = precision / (1 + spread * precision)  # of an arm's log mean as a statement on its group's level
    level = _levels(logs, pooled, groups)
    unsure = groups.spread(1 / np.maximum(groups.sum(pooled), 1 / (_UNKNOWN_LEVEL**2 + spread)))
    pull = spread * pooled
    return MeanValue(level + pull * (logs - level), np.sqrt(spread * (1 - pull) + (1 - pull) ** 2 * unsure))


def _single_variance(value: FloatArray, conversions: FloatArray, mean: FloatArray) -> float:
    """Relative variance of single values, from how days (A, T) scatter around the mean of their arm (A,)."""
    residual = (value / mean[:, np.newaxis] - conversions) ** 2
    found = float(np.divide(residual, conversions, out=np.zeros_like(residual), where=conversions > 0).sum())
    freedom = float(np.maximum((conversions > 0).sum(axis=1) - 1, 0).sum())
    return (found + _VARIANCE_WEIGHT * _USUAL_VARIANCE) / (freedom + _VARIANCE_WEIGHT)


def _variance_between(logs: FloatArray, precision: FloatArray, groups: Groups) -> float:
    """Variance of log means between the arms of a group, by moments, drawn towards what is usual; > 0."""
    level = _levels(logs, precision, groups)
    total, squares = groups.sum(precision), groups.sum(precision**2)
    spare = np.count_nonzero(precision) - np.count_nonzero(total)
    scale = float((total - np.divide(squares, total, out=np.zeros_like(total), where=total > 0)).sum())
    raw = max((float((precision * (logs - level) ** 2).sum()) - spare) / scale, 0.0) if spare and scale > 0 else 0.0
    return (raw * spare + _USUAL_SPREAD**2 * _SPREAD_WEIGHT) / (spare + _SPREAD_WEIGHT)


def _levels(logs: FloatArray, weight: FloatArray, groups: Groups) -> FloatArray:
    """Weighted mean of each arm's group, of all where the group has no weight; shape (A,)."""
    total = groups.sum(weight)
    overall = np.full(total.size, (weight @ logs) / weight.sum())
    return groups.spread(np.divide(groups.sum(weight * logs), total, out=overall, where=total > 0))
