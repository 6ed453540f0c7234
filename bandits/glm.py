"""A Bayesian generalised linear model with a normal posterior: Laplace's approximation, updated as data come in.

    eta = x . b          b ~ N(mean, precision^-1)
    poisson:   y ~ Poisson(n exp(eta) g), g ~ Gamma(nu, nu)       y successes, n exposure; nu = inf: g = 1
    binomial:  y ~ Binomial(n, 1 / (1 + exp(-eta)))               y successes, n trials

The mode is found by Newton's method (iteratively reweighted least squares; McCullagh and Nelder, Generalized Linear
Models, 1989), the precision is the curvature there. All three likelihoods are log-concave in eta, so there is one mode.
The posterior of one batch is the prior of the next (Spiegelhalter and Lauritzen, Networks 20, 1990); that equals the
batch of all rows up to what the likelihoods depart from parabolas.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf, log
from typing import Final, Self

import numpy as np
import scipy

from bandits import state
from bandits.evidence import refuse_negative
from bandits.groups import FloatArray

_STEPS: Final = 100
_HALVINGS: Final = 40


class Family(StrEnum):
    """What successes are counted against."""

    POISSON = "poisson"
    BINOMIAL = "binomial"


@dataclass(frozen=True, slots=True, eq=False)
class LaplaceGlm:
    """The posterior of D coefficients.

    Attributes:
        family: The likelihood.
        mean: Shape (D,).
        precision: Inverse of the covariance, shape (D, D).
        prior_mean: What forgetting returns to, shape (D,).
        prior_precision: The same, shape (D, D).
        strength: nu > 0: rows of the same attributes differ by 1 / sqrt(nu), relatively; inf where they do not, as it
            must be for binomial rows.

    Raises:
        ValueError: A shape is wrong, a number not finite, a precision not positive definite, or the strength as above.
    """

    family: Family
    mean: FloatArray
    precision: FloatArray
    prior_mean: FloatArray
    prior_precision: FloatArray
    strength: float = inf

    def __post_init__(self) -> None:
        size = self.mean.size
        for name, shape in (("mean", (size,)), ("precision", (size, size))):
            for values in (getattr(self, name), getattr(self, f"prior_{name}")):
                if values.shape != shape or not np.isfinite(values).all():
                    raise ValueError(f"{name} must be finite and of shape {shape}, not {values.shape}")
        for precision in (self.precision, self.prior_precision):
            if not _definite(precision):
                raise ValueError("a precision must be symmetric and positive definite")
        if not self.strength > 0 or (self.family is Family.BINOMIAL and self.strength != inf):
            raise ValueError(f"strength must be positive, and inf for binomial rows, not {self.strength}")

    @classmethod
    def prior(cls, family: Family, mean: FloatArray, sd: FloatArray, strength: float = inf) -> Self:
        """Start from independent normal coefficients, mean and sd of shape (D,)."""
        precision = np.diag(1.0 / sd**2)
        return cls(family, mean, precision, mean, precision, strength)

    def update(self, design: FloatArray, successes: FloatArray, exposure: FloatArray) -> LaplaceGlm:
        """Return the posterior after R rows; those without exposure say nothing and are left out.

        Args:
            design: x, shape (R, D).
            successes: y >= 0, fractions allowed, shape (R,); at most the trials where the family is binomial.
            exposure: n >= 0, shape (R,).

        Raises:
            ValueError: A shape or value is not as above; names the row.
        """
        return self.learn(design, successes, exposure)[0]

    def learn(self, design: FloatArray, successes: FloatArray, exposure: FloatArray) -> tuple[LaplaceGlm, float]:
        """As `update`; also the Laplace approximation of the log marginal likelihood, up to what only rows decide."""
        self._check(design, successes, exposure)
        told = exposure > 0
        x, y, n = design[told], successes[told], exposure[told]
        mean, precision = self.mean, self.precision
        value = self._posterior(mean, x, y, n)
        for _ in range(_STEPS):
            slope, curvature = self._derivatives(x @ mean, y, n)
            precision = self.precision + (x.T * curvature) @ x
            step = np.linalg.solve(precision, x.T @ slope - self.precision @ (mean - self.mean))
            if float(step @ precision @ step) < 1e-16:
                break
            mean, value = self._climb(mean, step, value, (x, y, n))
        logs = np.linalg.slogdet(self.precision)[1] - np.linalg.slogdet(precision)[1]
        learnt = replace(self, mean=mean, precision=(precision + precision.T) / 2)
        return learnt, value + float(logs) / 2 + self._constant(y)

    def forget(self, gamma: float) -> LaplaceGlm:
        """Return what is left after a step of forgetting: gamma of what was learnt, the rest the prior again.

        Both natural parameters are mixed, so that the prior stands outside the discount (stabilised forgetting;
        Kulhavy and Zarrop, International Journal of Control 58, 1993).

        Raises:
            ValueError: gamma is not above 0 and at most 1.
        """
        if not 0 < gamma <= 1:
            raise ValueError(f"gamma must be above 0 and at most 1, not {gamma}")
        precision = gamma * self.precision + (1 - gamma) * self.prior_precision
        pull = gamma * self.precision @ self.mean + (1 - gamma) * self.prior_precision @ self.prior_mean
        return replace(self, mean=np.linalg.solve(precision, pull), precision=precision)

    def predict(self, design: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return mean and sd of eta for rows of attributes, (R,) each; the sd is of the coefficients' doubt alone."""
        half = np.linalg.solve(np.linalg.cholesky(self.precision), design.T)
        return design @ self.mean, np.sqrt((half**2).sum(axis=0))

    def interval(self, design: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
        """Return the ends of the central interval, of that probability, of a new row's rate, (R,) each.

        Of exp(eta) g with the family of `Family.POISSON` (log-normal of the same mean and variance of the logarithm),
        of 1 / (1 + exp(-eta)) with `Family.BINOMIAL`.

        Raises:
            ValueError: The level is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise ValueError(f"the level of an interval must be between 0 and 1, not {level}")
        mean, sd = self.predict(design)
        shift, scatter = log_gamma_moments(self.strength)
        reach = scipy.special.ndtri((1 + level) / 2) * np.sqrt(sd**2 + scatter)
        ends = mean + shift - reach, mean + shift + reach
        link = np.exp if self.family is Family.POISSON else scipy.special.expit
        return link(ends[0]), link(ends[1])

    def to_json(self) -> str:
        """Return the state as versioned JSON, the same bytes for the same state."""
        return state.dump(
            f"glm-{self.family}",
            mean=self.mean,
            precision=self.precision.ravel(),
            prior_mean=self.prior_mean,
            prior_precision=self.prior_precision.ravel(),
            scatter=np.array([1 / self.strength]),
        )

    @classmethod
    def from_json(cls, text: str, family: Family) -> Self:
        """Read what `to_json` wrote for that family.

        Raises:
            ValueError: The text is no such state, or of another version.
        """
        names = ("mean", "precision", "prior_mean", "prior_precision", "scatter")
        mean, precision, prior_mean, prior_precision, scatter = state.load(text, f"glm-{family}", names)
        size = mean.size
        if precision.size != size**2 or prior_precision.size != size**2 or scatter.size != 1 or scatter[0] < 0:
            raise ValueError(f"a state of {size} coefficients has {size**2} numbers of a precision, and one scatter")
        square = (size, size)
        strength = inf if scatter[0] == 0 else float(1 / scatter[0])
        return cls(family, mean, precision.reshape(square), prior_mean, prior_precision.reshape(square), strength)

    def _climb(
        self, mean: FloatArray, step: FloatArray, value: float, rows: tuple[FloatArray, FloatArray, FloatArray]
    ) -> tuple[FloatArray, float]:
        """Go along a step as far as the posterior rises; not at all where rounding is all that is left."""
        for halving in range(_HALVINGS):
            there = mean + step / 2**halving
            risen = self._posterior(there, *rows)
            if risen >= value:
                return there, risen
        return mean, value

    def _posterior(self, mean: FloatArray, x: FloatArray, y: FloatArray, n: FloatArray) -> float:
        """Log posterior, up to what does not depend on the coefficients."""
        eta, off = x @ mean, mean - self.mean
        with np.errstate(over="ignore"):
            if self.family is Family.BINOMIAL:
                rows = y * eta - n * np.logaddexp(0.0, eta)
            elif self.strength == inf:
                rows = y * eta - n * np.exp(eta)
            else:
                rows = y * eta - (self.strength + y) * np.logaddexp(log(self.strength), np.log(n) + eta)
        return float(rows.sum() - off @ self.precision @ off / 2)

    def _derivatives(self, eta: FloatArray, y: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Slope and curvature (its negative second derivative) of each row's log likelihood in eta, (R,) each."""
        if self.family is Family.BINOMIAL:
            chance = scipy.special.expit(eta)
            return y - n * chance, n * chance * (1 - chance)
        expected = n * np.exp(eta)
        if self.strength == inf:
            return y - expected, expected
        share = expected / (self.strength + expected)
        return y - (self.strength + y) * share, (self.strength + y) * share * (1 - share)

    def _constant(self, y: FloatArray) -> float:
        """What of the log likelihood depends on the strength alone."""
        nu = self.strength
        if nu == inf:
            return 0.0
        return float((scipy.special.gammaln(nu + y) - scipy.special.gammaln(nu) + nu * log(nu)).sum())

    def _check(self, design: FloatArray, successes: FloatArray, exposure: FloatArray) -> None:
        rows = successes.shape
        if successes.ndim != 1 or exposure.shape != rows or design.shape != (*rows, self.mean.size):
            raise ValueError(
                f"design {design.shape}, successes {rows} and exposure {exposure.shape} must be (R, {self.mean.size}),"
                " (R,) and (R,)"
            )
        refuse_negative(successes, "successes")
        refuse_negative(exposure, "exposure")
        if not np.isfinite(design).all():
            raise ValueError(f"arm {np.argwhere(~np.isfinite(design))[0][0]}: its attributes must be finite")
        over = np.flatnonzero(successes > exposure)
        if self.family is Family.BINOMIAL and over.size:
            raise ValueError(f"arm {over[0]}: {successes[over[0]]:g} successes of {exposure[over[0]]:g} trials")


def log_gamma_moments(strength: float) -> tuple[float, float]:
    """Return mean and variance of log g, g ~ Gamma(nu, nu); zero both for an infinite strength."""
    if strength == inf:
        return 0.0, 0.0
    return float(scipy.special.digamma(strength)) - log(strength), float(scipy.special.polygamma(1, strength))


def _definite(precision: FloatArray) -> bool:
    if not np.allclose(precision, precision.T, rtol=1e-9, atol=0):
        return False
    try:
        np.linalg.cholesky(precision)
    except np.linalg.LinAlgError:
        return False
    return True
