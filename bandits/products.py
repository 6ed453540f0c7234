"""What an impression or a unit of spend is worth: products of posteriors, with their moments, intervals and draws.

    revenue per impression = clicks per impression x conversions per click x value per conversion
    ROAS = conversions per unit of spend x value per conversion
    profit per impression = margin x revenue per impression - cost per impression

The factors are independent given the data (the likelihood of a funnel is the product of its steps), so the mean of a
product is the product of the means and E[X^2] that of the second moments. For intervals the cumulants of log X add
up; they are known in closed form for gamma, beta and log-normal factors (polygamma functions), and the quantiles
follow by the Cornish-Fisher expansion (Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 1, section
12.5).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from bandits.groups import FloatArray
from bandits.posterior import BetaBinomial, GammaPoisson, check_finite, tails
from bandits.values import MeanValue

Factor = BetaBinomial | GammaPoisson | MeanValue


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """X_a = scale_a times the product of independent factors.

    Attributes:
        factors: One or more, of A arms each.
        scale: A known number > 0 per arm, such as a margin or impressions per unit of spend, shape (A,).

    Raises:
        ValueError: There is no factor, shapes differ, or a scale is not positive and finite; names the arm.
    """

    factors: tuple[Factor, ...]
    scale: FloatArray

    def __post_init__(self) -> None:
        if not self.factors:
            raise ValueError("a product needs a factor")
        shapes = {factor.mean.shape for factor in self.factors} | {self.scale.shape}
        if len(shapes) > 1:
            raise ValueError(f"the factors and the scale of a product must be of the same arms, not {sorted(shapes)}")
        bad = np.flatnonzero(~(np.isfinite(self.scale) & (self.scale > 0)))
        if bad.size:
            raise ValueError(f"arm {bad[0]}: scale must be finite and positive, not {self.scale[bad[0]]:g}")

    @property
    def mean(self) -> FloatArray:
        """Posterior mean, shape (A,)."""
        return self.scale * math.prod((factor.mean for factor in self.factors), start=np.ones(1))

    @property
    def sd(self) -> FloatArray:
        """Posterior standard deviation, shape (A,)."""
        relative = sum(np.log1p((factor.sd / factor.mean) ** 2) for factor in self.factors)
        return np.asarray(self.mean * np.sqrt(np.expm1(relative)))

    def interval(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Return the ends of the central interval of that probability, each of shape (A,).

        Of one factor exact. Of several the expansion holds about half a point of probability where every factor counts
        one success or more, prior included, and better with more (`tests/bandits/test_products.py`).
        """
        if len(self.factors) == 1:
            low, high = self.factors[0].interval(level)
            return self.scale * low, self.scale * high
        cumulants = sum((_log_cumulants(factor) for factor in self.factors), start=np.zeros(1))
        low, high = (
            self.scale * np.exp(_cornish_fisher(cumulants, float(scipy.special.ndtri(p)))) for p in tails(level)
        )
        return low, high

    def draws(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Return n draws, shape (n, A); factors are drawn independently of one another."""
        return multiplied([factor.draws(n, rng) for factor in self.factors], self.scale)


@dataclass(frozen=True, slots=True, eq=False)
class Profit:
    """What is left of a product after a cost that is known: X_a - cost_a.

    Per impression the cost is the price of one; per unit of spend it is 1.

    Attributes:
        gross: Margin times revenue; a margin goes into the product's scale.
        cost: Finite, shape (A,).

    Raises:
        ValueError: A cost is not finite (names the arm), or they are of another number of arms.
    """

    gross: Product
    cost: FloatArray

    def __post_init__(self) -> None:
        if self.cost.shape != self.gross.scale.shape:
            raise ValueError(f"cost {self.cost.shape} must be of the product's arms, {self.gross.scale.shape}")
        check_finite(self.cost, "cost")

    @property
    def mean(self) -> FloatArray:
        """Posterior mean, shape (A,)."""
        return self.gross.mean - self.cost

    @property
    def sd(self) -> FloatArray:
        """Posterior standard deviation, shape (A,)."""
        return self.gross.sd

    def interval(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Return the ends of the central interval of that probability, each of shape (A,)."""
        low, high = self.gross.interval(level)
        return low - self.cost, high - self.cost

    def draws(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Return n draws, shape (n, A)."""
        return self.gross.draws(n, rng) - self.cost


def revenue_per_impression(clicks: BetaBinomial | GammaPoisson, conversions: Factor, value: Factor) -> Product:
    """Clicks per impression x conversions per click x value per conversion; all of the same A arms."""
    return Product((clicks, conversions, value), np.ones_like(value.mean))


def roas(conversions: GammaPoisson, value: Factor) -> Product:
    """Conversions per unit of spend x value per conversion, in the unit of spend; both of the same A arms."""
    return Product((conversions, value), np.ones_like(value.mean))


def multiplied(draws: Sequence[FloatArray], scale: FloatArray) -> FloatArray:
    """Return scale (A,) times the product of draws (n, A) of independent factors, also ones of pooled rates."""
    return np.asarray(scale * math.prod(draws, start=np.ones(1)))


def _log_cumulants(factor: Factor) -> FloatArray:
    """First four cumulants of the logarithm, shape (4, A)."""
    match factor:
        case MeanValue():
            return np.stack([factor.log_mean, factor.log_sd**2, *np.zeros((2, factor.log_sd.size))])
        case GammaPoisson():
            cumulants = _polygammas(factor.shape)
            cumulants[0] -= np.log(factor.rate)
            return cumulants
        case BetaBinomial():
            return _polygammas(factor.alpha) - _polygammas(factor.alpha + factor.beta)


def _polygammas(x: FloatArray) -> FloatArray:
    return np.stack([scipy.special.digamma(x), *(scipy.special.polygamma(order, x) for order in (1, 2, 3))])


def _cornish_fisher(cumulants: FloatArray, z: float) -> FloatArray:
    """Quantile at the normal quantile z from four cumulants (4, A); shape (A,)."""
    mean, variance, third, fourth = cumulants
    sd = np.sqrt(variance)
    unit = np.where(sd > 0, sd, 1.0)
    skewness, kurtosis = third / unit**3, fourth / unit**4
    bent = z + (z**2 - 1) * skewness / 6 + (z**3 - 3 * z) * kurtosis / 24 - (2 * z**3 - 5 * z) * skewness**2 / 36
    return np.asarray(mean + sd * bent)
