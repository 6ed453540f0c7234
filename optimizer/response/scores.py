"""How well a forecast of counts met what came: the scores of Gneiting and Raftery (2007), JASA 102, 359-378.

A forecast is a mixture of negative binomials, one for each posterior draw of the expected count m_s:

    P(Y = y) = 1/S sum_s NegBin(y; mean m_s, variance m_s + phi m_s^2)

The log score and the CRPS are proper: no forecast is better on average than the true one. Coverage counts the part of
the step of the distribution function at y that lies within the central interval (the non-randomised PIT of Czado,
Gneiting and Held 2009, Biometrics 65, 1254-1261): exact for a true forecast, however small the counts are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from optimizer.plan.snapshot import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Predictive:
    """Forecasts of one count for each of K budgets.

    Attributes:
        mean: Draws of the expected count, >= 0, shape (S, K).
        excess: phi > 0, shape (K,).

    Raises:
        ValueError: A shape or a value is not so.
    """

    mean: FloatArray
    excess: FloatArray

    def __post_init__(self) -> None:
        if self.mean.ndim != 2 or not len(self.mean) or self.excess.shape != self.mean.shape[1:]:
            raise ValueError(f"means {self.mean.shape} and excess {self.excess.shape} must be (S, K) and (K,), S > 0")
        if not (np.isfinite(self.mean).all() and (self.mean >= 0).all() and (self.excess > 0).all()):
            raise ValueError("means must be finite and not negative, the excess positive")

    @property
    def expected(self) -> FloatArray:
        """The forecast's mean, shape (K,)."""
        centre: FloatArray = self.mean.mean(axis=0)
        return centre

    def below(self, count: FloatArray) -> FloatArray:
        """Return P(Y <= count) for whole counts from -1 on, shape (K,)."""
        shape = 1.0 / self.excess
        reached = special.betainc(shape, np.maximum(count, 0.0) + 1.0, shape / (shape + self.mean)).mean(axis=0)
        return np.where(count < 0, 0.0, reached)

    def log_score(self, count: FloatArray) -> FloatArray:
        """Return log P(Y = count), higher is better, shape (K,).

        Fractions, by which platforms share a conversion out, take the Gamma functions between the whole counts.
        """
        shape = 1.0 / self.excess
        ways = special.gammaln(count + shape) - special.gammaln(shape) - special.gammaln(count + 1.0)
        chance = -shape * np.log1p(self.mean / shape) + special.xlogy(count, self.mean / (shape + self.mean))
        mixed: FloatArray = ways + special.logsumexp(chance, axis=0) - np.log(len(self.mean))
        return mixed

    def crps(self, count: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return the continuous ranked probability score E|Y - y| - E|Y - Y'| / 2, lower is better, shape (K,).

        From one drawn count for each mean, the second part without bias (Gneiting and Raftery, equation 21).
        """
        shape = 1.0 / self.excess
        drawn = rng.poisson(self.mean * rng.standard_gamma(shape, self.mean.shape) / shape)
        n = len(drawn)
        rank = 2.0 * np.arange(1, n + 1) - n - 1
        spread = rank @ np.sort(drawn, axis=0) / max(n * (n - 1), 1)
        score: FloatArray = np.abs(drawn - count).mean(axis=0) - spread
        return score

    def inside(self, count: FloatArray, level: float) -> FloatArray:
        """Return which part of each count lies in the central interval of that probability, 0 to 1, shape (K,).

        Fractions are rounded to the nearest whole count.
        """
        whole = np.rint(count)
        low, high = self.below(whole - 1), self.below(whole)
        step = high - low
        bottom, top = (1 - level) / 2, (1 + level) / 2
        part = np.clip(np.minimum(high, top) - np.maximum(low, bottom), 0.0, None)
        within = ((high >= bottom) & (high <= top)).astype(np.float64)
        return np.where(step > 0, part / np.where(step > 0, step, 1.0), within)
