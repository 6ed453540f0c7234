"""Arms learn from one another: a hierarchical prior over the rates of a group, its strength learnt from the data.

    log mu_g ~ N(location, spread^2)            the typical rate of a group
    theta_a | mu_g ~ Gamma(nu, nu / mu_g)       an arm's rate; 1 / sqrt(nu) is the relative spread within a group
    Y_a | theta_a ~ Poisson(N_a theta_a)        so that Y_a | mu_g is negative binomial

Given mu_g the arms are conjugate; log mu_g has a log-concave posterior and is approximated by a normal at its mode
(Laplace). Common uncertainty of a group's rate is thus shared by its arms: it widens their intervals and does not
disturb their order. (A leave-one-out mean as each arm's prior mean does disturb it: where the prior is stronger than
the data, the arm that did well lifts all priors but its own.)

(location, spread, nu) maximise the Laplace approximation of the marginal likelihood under log-normal hyperpriors, which
keep nu from running away when a few conversions cannot tell it, and nu is capped (`Hyperprior`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import scipy

from bandits.evidence import Evidence
from bandits.groups import FloatArray, Groups
from bandits.posterior import GammaPoisson

NODES, _HERMITE_WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
WEIGHTS: Final = _HERMITE_WEIGHTS / _HERMITE_WEIGHTS.sum()
_FIT_GROUPS: Final = 1_000  # three numbers are learnt: more groups than this sharpen them no further


@dataclass(frozen=True, slots=True)
class Hyperprior:
    """What is believed of the spreads before any data; the defaults are from tests of creatives (docs/bandits.md).

    Attributes:
        strength: Median of nu.
        strength_sd: Standard deviation of log nu.
        strength_cap: Largest nu: arms are never believed to be more alike than 1 / sqrt(strength_cap).
        spread: Median of the standard deviation of log rates between groups.
        spread_sd: Standard deviation of its logarithm.

    Raises:
        ValueError: One is not positive, or the median strength is above the cap.
    """

    strength: float = 16.0
    strength_sd: float = 0.7
    strength_cap: float = 60.0
    spread: float = 0.7
    spread_sd: float = 0.5

    def __post_init__(self) -> None:
        for name in ("strength", "strength_sd", "strength_cap", "spread", "spread_sd"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name} must be positive and finite, not {getattr(self, name)}")
        if self.strength > self.strength_cap:
            raise ValueError(f"strength {self.strength} must not exceed strength_cap {self.strength_cap}")


@dataclass(frozen=True, slots=True)
class Pool:
    """The learnt prior.

    Attributes:
        location: Mean of log mu over groups.
        spread: Standard deviation of log mu over groups, > 0.
        strength: nu > 0; a group's prior weighs as much as nu successes.
    """

    location: float
    spread: float
    strength: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.location) and self.spread > 0 and self.strength > 0):
            raise ValueError(f"a pool needs a finite location and positive spread and strength: {self}")


class Rates(Protocol):
    """The joint posterior of the rates of A arms."""

    @property
    def evidence(self) -> Evidence:
        """What it was learnt from."""
        ...

    @property
    def groups(self) -> Groups:
        """Of the arms."""
        ...

    @property
    def group_rate(self) -> FloatArray:
        """The typical rate of each arm's group, shape (A,)."""
        ...

    def arms(self) -> GammaPoisson:
        """Return each arm's marginal posterior, as the gamma distribution with its mean and variance."""
        ...

    def learnable(self, ahead: FloatArray) -> FloatArray:
        """Return the part of each arm's posterior variance that more exposure would resolve, shape (A,)."""
        ...

    def draws(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Return n joint draws of the rates, shape (n, A)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class PooledRates:
    """The joint posterior of the arms' rates; draws of one group share the draw of its mu.

    Attributes:
        evidence: Of the A arms.
        groups: Of the A arms.
        strength: nu.
        log_rate: Mode of log mu_g, shape (G,).
        log_sd: Its standard deviation, shape (G,).
    """

    evidence: Evidence
    groups: Groups
    strength: float
    log_rate: FloatArray
    log_sd: FloatArray

    @property
    def group_rate(self) -> FloatArray:
        """The typical rate of each arm's group, shape (A,)."""
        return self.groups.spread(np.exp(self.log_rate))

    def arms(self) -> GammaPoisson:
        """Return each arm's marginal posterior, as the gamma distribution with its mean and variance.

        Integrates over log mu_g by 9-point Gauss-Hermite quadrature.
        """
        rates = (self._pseudo_exposure(np.exp(self.log_rate + node * self.log_sd)) for node in NODES)
        return mixed(self.strength + self.evidence.successes, rates, WEIGHTS)

    def learnable(self, ahead: FloatArray) -> FloatArray:
        """Return the part of each arm's posterior variance that more exposure would resolve, in [0, 1], shape (A,).

        For Gamma(., b) and further exposure m the variance of the posterior mean to come is m / (b + m) of the variance
        (law of total variance), given mu.

        Args:
            ahead: The exposure m >= 0 of each arm, shape (A,).
        """
        return ahead / (self._pseudo_exposure(np.exp(self.log_rate)) + ahead)

    def draws(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Return n joint draws of the rates, shape (n, A)."""
        noise = rng.standard_normal((n, self.log_rate.size))
        draws = rng.standard_gamma(self.strength + self.evidence.successes, size=(n, self.groups.arms))
        draws /= self._pseudo_exposure(np.exp(self.log_rate + self.log_sd * noise))
        return draws

    def _pseudo_exposure(self, group_rate: FloatArray) -> FloatArray:
        return self.groups.spread(self.strength / group_rate) + self.evidence.exposure


def mixed(shape: FloatArray, rates: Iterable[FloatArray], weights: FloatArray) -> GammaPoisson:
    """Return the gamma distributions with the mean and variance of mixtures of Gamma(shape, rate) over the rates.

    Args:
        shape: Of all parts of an arm's mixture, shape (A,).
        rates: Of each of M parts in turn, shape (A,).
        weights: Of the parts, which sum to 1, shape (M,).
    """
    first, second = np.zeros_like(shape), np.zeros_like(shape)
    for rate, weight in zip(rates, weights, strict=True):
        first += weight * shape / rate
        second += weight * shape * (shape + 1) / rate**2
    variance = second - first**2
    return GammaPoisson(first**2 / variance, first / variance)


def swayed(rates: GammaPoisson, variance: FloatArray) -> GammaPoisson:
    """Return rates times an independent log-normal factor of mean 1, as gamma distributions of the same moments.

    Args:
        rates: Of A arms.
        variance: Of the factor's logarithm, >= 0, shape (A,).
    """
    relative = np.expm1(variance) + np.exp(variance) / rates.shape
    return GammaPoisson(1 / relative, 1 / (relative * rates.mean))


def learn_pool(evidence: Evidence, groups: Groups, hyperprior: Hyperprior) -> Pool:
    """Learn the prior from all groups, or from an even sample of 1,000 of them.

    With no evidence at all the pool is the hyperprior's median, centred at a rate of 1.
    """
    groups, kept = groups.thinned(_FIT_GROUPS)
    evidence = Evidence(evidence.successes[kept], evidence.exposure[kept])
    exposure = float(evidence.exposure.sum())
    centre = float(np.log((evidence.successes.sum() + 0.5) / exposure)) if exposure > 0 else 0.0
    start = np.array([centre, np.log(hyperprior.spread), np.log(hyperprior.strength)])
    if exposure == 0:
        return _pool(start)
    limits = [(centre - 4, centre + 4), (np.log(0.05), np.log(3.0)), (np.log(0.5), np.log(hyperprior.strength_cap))]

    def loss(point: FloatArray) -> float:
        surprise = ((point[0] - centre) / 2) ** 2
        surprise += ((point[1] - np.log(hyperprior.spread)) / hyperprior.spread_sd) ** 2
        surprise += ((point[2] - np.log(hyperprior.strength)) / hyperprior.strength_sd) ** 2
        return float(surprise / 2) - log_evidence(evidence, groups, _pool(point))

    best = scipy.optimize.minimize(loss, start, method="L-BFGS-B", bounds=limits)
    return _pool(best.x)


def condition(evidence: Evidence, groups: Groups, pool: Pool) -> PooledRates:
    """Return the posterior of the arms' rates under a learnt prior."""
    log_rate, precision = _modes(evidence, groups, pool)
    return PooledRates(evidence, groups, pool.strength, log_rate, 1 / np.sqrt(precision))


def log_evidence(evidence: Evidence, groups: Groups, pool: Pool) -> float:
    """Laplace approximation of the log marginal likelihood of a pool, up to terms that do not depend on it."""
    nu, y = pool.strength, evidence.successes
    log_rate, precision = _modes(evidence, groups, pool)
    eta = groups.spread(log_rate)
    arms = scipy.special.gammaln(nu + y) - scipy.special.gammaln(nu) + nu * np.log(nu) + y * eta
    arms -= (nu + y) * np.log(nu + evidence.exposure * np.exp(eta))
    prior = ((log_rate - pool.location) / pool.spread) ** 2 + np.log(pool.spread**2 * precision)
    return float(arms.sum() - prior.sum() / 2)


def _modes(evidence: Evidence, groups: Groups, pool: Pool) -> tuple[FloatArray, FloatArray]:
    """Mode of log mu_g and the curvature there, (G,) each, by Newton's method on a concave function."""
    nu, y, n = pool.strength, evidence.successes, evidence.exposure
    prior = pool.spread**-2
    log_rate = np.log((groups.sum(y) + prior) / (groups.sum(n) + prior * np.exp(-pool.location)))
    precision = np.full_like(log_rate, prior)
    for _ in range(50):
        expected = n * groups.spread(np.exp(log_rate))
        pull = expected / (nu + expected)
        slope = groups.sum(y - (nu + y) * pull) - prior * (log_rate - pool.location)
        precision = groups.sum((nu + y) * pull * (1 - pull)) + prior
        step = np.clip(slope / precision, -1, 1)
        log_rate = log_rate + step
        if np.abs(step).max(initial=0.0) < 1e-9:
            break
    return log_rate, precision


def _pool(point: FloatArray) -> Pool:
    return Pool(float(point[0]), float(np.exp(point[1])), float(np.exp(point[2])))
