"""Conjugate posteriors of A arms, as values: an update returns a new one, drawing never changes it.

`BetaBinomial` is for a share of trials (CTR, conversion rate of clicks), `GammaPoisson` for a rate per exposure
(conversions per impression or per currency unit), `NormalInverseGamma` for the logarithm of a value. Statistics may be
fractional: platforms credit parts of a conversion, and discounted or delay-corrected sums are seldom whole. Formulae:
Gelman et al., Bayesian Data Analysis, 3rd edition, sections 2.4, 2.6 and 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import scipy

from bandits import state
from bandits.evidence import refuse_excess, refuse_negative
from bandits.groups import FloatArray


class Posterior(Protocol):
    """What every posterior of A arms can be asked; nothing in it changes by asking."""

    @property
    def mean(self) -> FloatArray:
        """Posterior mean, shape (A,)."""
        ...

    @property
    def sd(self) -> FloatArray:
        """Posterior standard deviation, shape (A,); inf where it does not exist."""
        ...

    def interval(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Return the ends of the central interval of that probability, each of shape (A,)."""
        ...

    def draws(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Return n independent draws, shape (n, A)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class BetaBinomial:
    """theta_a ~ Beta(alpha_a, beta_a): a probability of success per trial.

    Attributes:
        alpha, beta: Both > 0, shape (A,).

    Raises:
        ValueError: A parameter is not positive and finite; names the arm.
    """

    alpha: FloatArray
    beta: FloatArray

    def __post_init__(self) -> None:
        _check(alpha=self.alpha, beta=self.beta)

    def update(self, successes: FloatArray, trials: FloatArray) -> BetaBinomial:
        """Return Beta(alpha + y, beta + n - y).

        Raises:
            ValueError: A statistic is negative, or successes exceed trials; names the arm.
        """
        _check_statistics(self.alpha, successes=successes, trials=trials)
        refuse_excess(successes, trials)
        # Sums of many days may miss their trials by a rounding.
        return BetaBinomial(self.alpha + successes, self.beta + np.maximum(trials - successes, 0.0))

    @property
    def mean(self) -> FloatArray:
        """Posterior mean alpha / (alpha + beta), shape (A,)."""
        return self.alpha / (self.alpha + self.beta)

    @property
    def sd(self) -> FloatArray:
        """Posterior standard deviation, shape (A,)."""
        return np.sqrt(self.mean * (1 - self.mean) / (self.alpha + self.beta + 1))

    def interval(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Return the ends of the central interval of that probability, each of shape (A,)."""
        low, high = tails(level)
        quantile = scipy.special.betaincinv
        return quantile(self.alpha, self.beta, low), quantile(self.alpha, self.beta, high)

    def draws(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Return n independent draws, shape (n, A)."""
        return rng.beta(self.alpha, self.beta, size=(n, self.alpha.size))

    def to_json(self, *, gamma: float | None = None) -> str:
        """Return the state as versioned JSON, the same bytes for the same state.

        Args:
            gamma: What a day's evidence kept of its weight each day in what is stored; None if it is not known.
        """
        return state.dump("beta-binomial", gamma=gamma, alpha=self.alpha, beta=self.beta)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: The text is no such state, or of a version that cannot be read.
        """
        return cls(*state.load(text, "beta-binomial", ("alpha", "beta")))


@dataclass(frozen=True, slots=True, eq=False)
class GammaPoisson:
    """theta_a ~ Gamma(shape_a, rate_a): successes per unit of exposure.

    Attributes:
        shape: Pseudo-successes, > 0, shape (A,).
        rate: Pseudo-exposure, > 0, shape (A,).

    Raises:
        ValueError: A parameter is not positive and finite; names the arm.
    """

    shape: FloatArray
    rate: FloatArray

    def __post_init__(self) -> None:
        _check(shape=self.shape, rate=self.rate)

    def update(self, successes: FloatArray, exposure: FloatArray) -> GammaPoisson:
        """Return Gamma(shape + y, rate + n).

        Raises:
            ValueError: A statistic is negative; names the arm.
        """
        _check_statistics(self.shape, successes=successes, exposure=exposure)
        return GammaPoisson(self.shape + successes, self.rate + exposure)

    @property
    def mean(self) -> FloatArray:
        """Posterior mean shape / rate, shape (A,)."""
        return self.shape / self.rate

    @property
    def sd(self) -> FloatArray:
        """Posterior standard deviation sqrt(shape) / rate, shape (A,)."""
        return np.sqrt(self.shape) / self.rate

    def interval(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Return the ends of the central interval of that probability, each of shape (A,)."""
        low, high = tails(level)
        quantile = scipy.special.gammaincinv
        return quantile(self.shape, low) / self.rate, quantile(self.shape, high) / self.rate

    def draws(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Return n independent draws, shape (n, A)."""
        return rng.standard_gamma(self.shape, size=(n, self.shape.size)) / self.rate

    def to_json(self, *, gamma: float | None = None) -> str:
        """Return the state as versioned JSON, the same bytes for the same state.

        Args:
            gamma: What a day's evidence kept of its weight each day in what is stored; None if it is not known.
        """
        return state.dump("gamma-poisson", gamma=gamma, shape=self.shape, rate=self.rate)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: The text is no such state, or of a version that cannot be read.
        """
        return cls(*state.load(text, "gamma-poisson", ("shape", "rate")))


@dataclass(frozen=True, slots=True, eq=False)
class NormalInverseGamma:
    """log value ~ N(mu_a, s2_a), mu_a | s2_a ~ N(location_a, s2_a / count_a), s2_a ~ InverseGamma(shape_a, scale_a).

    `mean`, `sd`, `interval` and `draws` are of mu_a, whose marginal is a Student t with 2 shape_a degrees of freedom.

    Attributes:
        location: Any finite number, shape (A,).
        count: Pseudo-observations behind the location, > 0, shape (A,).
        shape, scale: Both > 0, shape (A,).

    Raises:
        ValueError: A parameter is not as above; names the arm.
    """

    location: FloatArray
    count: FloatArray
    shape: FloatArray
    scale: FloatArray

    def __post_init__(self) -> None:
        _check(count=self.count, shape=self.shape, scale=self.scale)
        check_finite(self.location, "location")
        if self.location.shape != self.count.shape:
            raise ValueError(f"location {self.location.shape} must have the shape of count, {self.count.shape}")

    def update(self, weight: FloatArray, total: FloatArray, squares: FloatArray) -> NormalInverseGamma:
        """Return the posterior after observations of log value, given as sums.

        Args:
            weight: (Discounted) number of observations n, shape (A,).
            total: Sum of the log values, shape (A,).
            squares: Sum of their squares, shape (A,).

        Raises:
            ValueError: A statistic is negative or nan, or the squares are less than total^2 / n; names the arm.
        """
        _check_statistics(self.count, weight=weight, squares=squares)
        check_finite(total, "total")
        average = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
        spread = squares - average * total
        off = np.flatnonzero((spread < -1e-9 * (1 + squares)) | ((weight == 0) & (total != 0)))
        if off.size:
            raise ValueError(f"arm {off[0]}: no {weight[off[0]]:g} values have this total and these squares")
        count = self.count + weight
        pull = self.count * weight / count * (average - self.location) ** 2
        return NormalInverseGamma(
            (self.count * self.location + total) / count,
            count,
            self.shape + weight / 2,
            self.scale + (np.maximum(spread, 0.0) + pull) / 2,
        )

    @property
    def mean(self) -> FloatArray:
        """Posterior mean of mu, shape (A,); it exists where shape > 1/2."""
        return self.location

    @property
    def sd(self) -> FloatArray:
        """Posterior standard deviation of mu, shape (A,); inf where shape <= 1."""
        excess = np.where(self.shape > 1, self.shape - 1, 1.0)
        return np.where(self.shape > 1, np.sqrt(self.scale / (excess * self.count)), np.inf)

    def interval(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Return the ends of the central interval of mu of that probability, each of shape (A,)."""
        reach = scipy.special.stdtrit(2 * self.shape, tails(level)[1])
        half = reach * np.sqrt(self.scale / (self.shape * self.count))
        return self.location - half, self.location + half

    def draws(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Return n independent draws of mu, shape (n, A)."""
        size = (n, self.location.size)
        variance = self.scale / rng.standard_gamma(self.shape, size=size)
        return self.location + rng.standard_normal(size) * np.sqrt(variance / self.count)

    def to_json(self, *, gamma: float | None = None) -> str:
        """Return the state as versioned JSON, the same bytes for the same state.

        Args:
            gamma: What a day's evidence kept of its weight each day in what is stored; None if it is not known.
        """
        parts = {"location": self.location, "count": self.count, "shape": self.shape, "scale": self.scale}
        return state.dump("normal-inverse-gamma", gamma=gamma, **parts)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: The text is no such state, or of a version that cannot be read.
        """
        return cls(*state.load(text, "normal-inverse-gamma", ("location", "count", "shape", "scale")))


def tails(level: float) -> tuple[float, float]:
    """Return the probabilities at the ends of a central interval.

    Raises:
        ValueError: The level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"the level of an interval must be between 0 and 1, not {level}")
    return (1 - level) / 2, (1 + level) / 2


def _check(**parameters: FloatArray) -> None:
    shapes = {values.shape for values in parameters.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise ValueError(f"{', '.join(parameters)} must have one shape (A,), not {sorted(shapes)}")
    for name, values in parameters.items():
        bad = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
        if bad.size:
            raise ValueError(f"arm {bad[0]}: {name} must be finite and positive, not {values[bad[0]]:g}")


def _check_statistics(parameter: FloatArray, **statistics: FloatArray) -> None:
    for name, values in statistics.items():
        if values.shape != parameter.shape:
            raise ValueError(f"{name} must have one value per arm, shape {parameter.shape}, not {values.shape}")
        refuse_negative(values, name)


def check_finite(values: FloatArray, name: str) -> None:
    """Raise ValueError that names the first arm whose value is nan or infinite."""
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise ValueError(f"arm {bad[0]}: {name} must be finite, not {values[bad[0]]:g}")
