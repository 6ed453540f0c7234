"""Gaussian processes on a grid of spends, one per campaign and all at once, with the noise that counts have.

    f_k(x) = m_k(x) (1 + h_k(log x)),   h_k ~ GP(0, kernel),   y_d / e_d = f_k(x_d) + noise,
    var noise = f / e_d + f^2 / R    (negative binomial counts over exposure)

with m_k the campaign's level times a saturating trend. Given f in the noise (a plug-in by level) this is linear and
Gaussian in h. Spends stand on P levels, so that K campaigns are K systems of P equations, however long the past is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulations.noise import FloatArray
from simulations.policies.evidence import Table, trend

Kernel = Callable[[FloatArray], FloatArray]
"""Covariance by distance of log spends."""

_PLUG_IN_DAYS: Final = 2.0
_JITTER: Final = 1e-6


def matern52(length: float, amplitude: float) -> Kernel:
    """Return amplitude^2 (1 + r + r^2 / 3) exp(-r), r = sqrt(5) d / length (Rasmussen, Williams 2006, eq. 4.17)."""

    def kernel(distance: FloatArray) -> FloatArray:
        r = np.sqrt(5.0) * distance / length
        covariance: FloatArray = amplitude**2 * (1.0 + r + r * r / 3.0) * np.exp(-r)
        return covariance

    return kernel


def matern32_and_rbf(length: float, amplitude: float) -> Kernel:
    """Return amplitude^2 / 2 times the sum of a Matern 3/2 and a squared exponential kernel of one length."""

    def kernel(distance: FloatArray) -> FloatArray:
        r = distance / length
        matern = (1.0 + np.sqrt(3.0) * r) * np.exp(-np.sqrt(3.0) * r)
        covariance: FloatArray = amplitude**2 / 2.0 * (matern + np.exp(-r * r / 2.0))
        return covariance

    return kernel


@dataclass(frozen=True, slots=True, eq=False)
class Residual:
    """What the data say of h, by level; K campaigns, P levels.

    Attributes:
        at: log spend of the levels, shape (P,).
        observed: Mean of y / (e m) - 1 at a level, 0 where there is none, shape (K, P).
        precision: Of that mean, 0 where there is none, shape (K, P).
    """

    at: FloatArray
    observed: FloatArray
    precision: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """Of h at the levels: mean `mean`, covariance root^T root.

    Attributes:
        mean: Shape (K, P).
        root: Shape (K, P, P).
    """

    mean: FloatArray
    root: FloatArray

    @property
    def variance(self) -> FloatArray:
        """Marginal variances, shape (K, P)."""
        squares: FloatArray = np.einsum("kij,kij->kj", self.root, self.root)
        return squares

    def sample(self, rng: np.random.Generator) -> FloatArray:
        """Draw one h per campaign, shape (K, P)."""
        noise = rng.normal(size=self.mean.shape)
        drawn: FloatArray = self.mean + np.einsum("kij,ki->kj", self.root, noise)
        return drawn


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A function known at the levels, linear between them in log spend, times the trend.

    Attributes:
        levels: Units of the average budget, shape (P,).
        scale: Level of the trend, shape (K,).
    """

    levels: FloatArray
    scale: FloatArray

    def mean(self, residual: FloatArray, spend: FloatArray) -> FloatArray:
        """Return m (1 + h), at least 0, for h at the levels (K, P) and spends (K, Q)."""
        factor = 1.0 + self._between(residual, spend)
        return self.scale[:, None] * trend(spend) * np.maximum(factor, 0.0)

    def deviation(self, variance: FloatArray, spend: FloatArray) -> FloatArray:
        """Return the standard deviation of m (1 + h), for variances of h at the levels."""
        return self.scale[:, None] * trend(spend) * np.sqrt(self._between(variance, spend))

    def _between(self, values: FloatArray, spend: FloatArray) -> FloatArray:
        ratio = np.log(self.levels[1] / self.levels[0])
        place = np.log(np.maximum(spend, self.levels[0]) / self.levels[0]) / ratio
        left = np.clip(place.astype(np.int64), 0, self.levels.size - 2)
        part = np.clip(place - left, 0.0, 1.0)
        low = np.take_along_axis(values, left, axis=1)
        between: FloatArray = low + part * (np.take_along_axis(values, left + 1, axis=1) - low)
        return between


def residual(table: Table) -> Residual:
    """Return what the past says of h, with the noise that its counts have.

    With the table's weights a day adds m^2 e w / f to the precision at its level, w = 1 / (1 + f e / R), which is
    m^2 / (f / e + f^2 / R). f in it is the level's rate, drawn towards the trend.

    Args:
        table: The past.
    """
    plug_in = table.rate(_PLUG_IN_DAYS)
    precision = table.trended**2 * table.exposure / np.maximum(plug_in, 1e-300)
    seen = table.exposure > 0
    observed = np.divide(table.counts, table.exposure * table.trended, out=np.ones_like(table.counts), where=seen) - 1.0
    return Residual(np.log(table.levels), observed, precision)


def posterior(data: Residual, kernel: Kernel, level: float) -> Posterior:
    """Condition h on the data.

    With prior covariance L L^T over the levels, A the precisions and B = I + L^T A L = C C^T, the covariance is
    L B^-1 L^T (Rasmussen, Williams 2006, section 3.4.3), so that its root is C^-1 L^T.

    Args:
        data: See `residual`.
        kernel: Of h.
        level: Standard deviation of a constant that is added to h: how wrong the trend's level may be.
    """
    prior, factor = _factors(data, kernel, level)
    root = np.linalg.solve(factor, np.broadcast_to(prior.T, factor.shape))
    half = np.einsum("kij,kj->ki", root, data.precision * data.observed)
    return Posterior(np.einsum("kij,ki->kj", root, half), root)


def log_evidence(data: Residual, kernel: Kernel, level: float) -> float:
    """Return the log marginal likelihood of all campaigns, up to a constant that no kernel changes.

    -1/2 (r^T A r - |C^-1 L^T A r|^2 + log |B|), in the terms of `posterior`.

    Args:
        data: See `residual`.
        kernel: Of h.
        level: See `posterior`.
    """
    prior, factor = _factors(data, kernel, level)
    pull = data.precision * data.observed
    half = np.linalg.solve(factor, (pull @ prior)[..., None])
    log_det = 2.0 * np.log(np.einsum("kii->ki", factor)).sum()
    return -0.5 * float((pull * data.observed).sum() - (half**2).sum() + log_det)


def likeliest(data: Residual, kernels: Sequence[Kernel], level: float) -> int:
    """Return the index of the kernel of greatest evidence over all campaigns together."""
    return int(np.argmax([log_evidence(data, kernel, level) for kernel in kernels]))


def _factors(data: Residual, kernel: Kernel, level: float) -> tuple[FloatArray, FloatArray]:
    """L, shape (P, P), and C, shape (K, P, P)."""
    identity = np.eye(data.at.size)
    prior = np.linalg.cholesky(kernel(np.abs(data.at[:, None] - data.at)) + level**2 + _JITTER * identity)
    factor = np.linalg.cholesky((prior.T * data.precision[:, None, :]) @ prior + identity)
    return prior, factor
