"""Least squares for many targets at once, with standard errors that stand dependence over a fortnight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.plan.snapshot import FloatArray

_LAGS: Final = 14  # days: budgets are often changed every two weeks


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """What K regressions found of their first regressor.

    Attributes:
        slope: Shape (K,); zero where nothing varied.
        error: Its standard error, infinite where nothing varied, shape (K,).
        explained: Share of the variance that all regressors explain, shape (K,).
    """

    slope: FloatArray
    error: FloatArray
    explained: FloatArray

    @property
    def sure(self) -> FloatArray:
        """How many standard errors the slope is away from zero, shape (K,)."""
        return self.slope / self.error


def regress(answer: FloatArray, regressors: FloatArray, weight: FloatArray, absorbed: int) -> Fit:
    """Regress each row of `answer` on its own regressors.

    Standard errors are heteroscedasticity and autocorrelation consistent (Newey and West, Econometrica 55, 1987),
    over a fortnight, widened by the degrees of freedom and, since a fortnight is much of a few months, by how much
    wider than the normal's the tails of such ratios are (Kiefer and Vogelsang, Econometric Theory 21, 2005, table 1).

    Args:
        answer: Shape (K, T).
        regressors: Shape (K, T, p), already centred.
        weight: Zero where a day does not count, shape (K, T).
        absorbed: Parameters that were taken out before.
    """
    parameters = regressors.shape[2]
    weighted = regressors * weight[..., None]
    moment = weighted.transpose(0, 2, 1) @ regressors
    scale = np.maximum(moment[:, range(parameters), range(parameters)], 1e-12)
    inverse = np.linalg.inv(moment + np.eye(parameters) * (1e-9 * scale)[:, :, None])
    slope = (inverse @ (weighted.transpose(0, 2, 1) @ answer[..., None]))[..., 0]
    left = answer - (regressors @ slope[..., None])[..., 0]
    pull = (weighted @ inverse[:, :, :1])[..., 0] * left  # of each day on the first slope
    count = (weight > 0).sum(axis=1)
    variance = _long_run(pull) * count / np.maximum(count - absorbed - parameters, 1)
    varied = (moment[:, 0, 0] > 1e-9) & (count > absorbed + parameters + 2) & (variance > 0)
    whole = (weight * answer**2).sum(axis=1)
    unexplained = np.divide((weight * left**2).sum(axis=1), whole, out=np.ones_like(whole), where=whole > 1e-12)
    return Fit(
        slope=np.where(varied, slope[:, 0], 0.0),
        error=np.sqrt(np.where(varied, variance, np.inf)) * _tails(answer.shape[1]),
        explained=1.0 - unexplained,
    )


def _tails(days: int) -> float:
    """The 97.5% point of a ratio with such an error over the normal's, by the share of the days that the lags are."""
    share = min((_LAGS + 1) / days, 1.0)
    return 1.0 + (2.9694 * share + 0.4160 * share**2 - 0.5324 * share**3) / 1.96


def _long_run(pull: FloatArray) -> FloatArray:
    """The variance of each row's sum, dependence within a fortnight allowed for; never negative. Shape (K,)."""
    variance = (pull**2).sum(axis=1)
    for lag in range(1, min(_LAGS, pull.shape[1] - 1) + 1):
        variance += 2 * (1 - lag / (_LAGS + 1)) * (pull[:, lag:] * pull[:, :-lag]).sum(axis=1)
    return np.maximum(variance, 0.0)
