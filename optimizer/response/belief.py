"""What is believed of every target's response on one day, and the questions that a plan asks of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from optimizer.plan.problem import Outcome
from optimizer.plan.snapshot import FloatArray, IntArray
from optimizer.response.curves import Cells, log_shape, relative
from optimizer.response.delivery import Supply
from optimizer.response.history import BoolArray
from optimizer.response.maturity import Maturity
from optimizer.response.worth import Worth

BLOCK: Final = 64
"""Targets evaluated together, which bounds memory at BLOCK * P * J."""


@dataclass(frozen=True, slots=True, eq=False)
class CurvePosterior:
    """Response curves: cells with weights, and a Gamma scale in each.

    Attributes:
        cells: The J cells.
        reference: x_ref, shape (K,).
        weights: Posterior probability of each cell, shape (K, J).
        alpha: Gamma shape of the scale, shape (K,).
        log_beta: Log Gamma rate, shape (K, J).
    """

    cells: Cells
    reference: FloatArray
    weights: FloatArray
    alpha: FloatArray
    log_beta: FloatArray

    def __post_init__(self) -> None:
        shape = (len(self.reference), len(self.cells.order))
        if self.weights.shape != shape or self.log_beta.shape != shape or self.alpha.shape != shape[:1]:
            raise ValueError(f"weights, rates and shapes must be {shape}, {shape} and {shape[:1]}")
        if not (np.isfinite(self.weights).all() and np.isfinite(self.log_beta).all() and (self.alpha > 0).all()):
            raise ValueError("a belief must be finite, its Gamma shapes positive")

    def raw_moments(self, spend: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return E and E of the square of expected conversions a day at spends (K, P), each of shape (K, P)."""
        first, second = np.empty_like(spend), np.empty_like(spend)
        for part in _blocks(len(self.reference)):
            curve = np.exp(self._log_curve(spend[part], part))
            scaled = curve * np.exp(-self.log_beta[part])[:, None, :]
            alpha, weight = self.alpha[part, None], self.weights[part]
            # Not BLAS, whose sums depend on a row's place: equal spends must have equal outcomes.
            first[part] = alpha * np.einsum("kpj,kj->kp", scaled, weight)
            second[part] = alpha * (alpha + 1.0) * np.einsum("kpj,kj->kp", scaled**2, weight)
        positive = spend > 0
        return np.where(positive, first, 0.0), np.where(positive, second, 0.0)

    def draws(self, spend: FloatArray, n: int, rng: np.random.Generator) -> FloatArray:
        """Return n whole curves of conversions a day at spends (K, P), shape (n, K, P)."""
        targets, cells = self.weights.shape
        edges = np.cumsum(self.weights, axis=1) + np.arange(targets)[:, None]
        edges[:, -1] = np.arange(1, targets + 1)
        position = rng.random((n, targets)) + np.arange(targets)
        chosen = np.searchsorted(edges.ravel(), position, side="right") - np.arange(targets) * cells
        chosen = np.clip(chosen, 0, cells - 1)
        scale = rng.standard_gamma(self.alpha, (n, targets)) / np.exp(self.log_beta[np.arange(targets), chosen])
        log_u = relative(spend, self.reference)
        log_kappa, order = self.cells.log_kappa[chosen], self.cells.order[chosen]
        height = scale * np.exp(-self.cells.log_reference[chosen])
        curves = height[..., None] / (1.0 + np.exp(order[..., None] * (log_kappa[..., None] - log_u)))
        return np.where(spend > 0, curves, 0.0)

    def _log_curve(self, spend: FloatArray, part: slice) -> FloatArray:
        return log_shape(self.cells, relative(spend, self.reference[part]))


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """The posterior of K targets on the morning of `today`.

    Attributes:
        today: The first day that is planned.
        curves: Spend to eventual conversions a day, on a day of mean weekday factor.
        supply: Budget to spend.
        worth: Value per conversion. Where no target of the portfolio reports value its mean is zero, and so are
            all moments and draws of `Outcome.VALUE`; the goals' value per conversion stands in then.
        season: Weekday factors, Monday first, shape (K, 7), mean one.
        excess: phi of var = mu + phi mu^2, shape (K,).
        delay: Completeness of reported conversions by lag.
        evidence_days: Days with rows, shape (K,).
        conversions_28: Conversions reported so far for the last 28 days, shape (K,).
        spend_28: Spend of those, shape (K,).
    """

    today: date
    curves: CurvePosterior
    supply: Supply
    worth: Worth
    season: FloatArray
    excess: FloatArray
    delay: Maturity
    evidence_days: FloatArray
    conversions_28: FloatArray
    spend_28: FloatArray

    @property
    def value_reported(self) -> BoolArray:
        """Targets whose own conversions came with a value, shape (K,)."""
        return self.worth.reported

    def delivered(self, budget: FloatArray) -> FloatArray:
        """Return the spend a day to be expected at budgets: min(delta * budget, capacity).

        Args:
            budget: Currency units a day, shape (K, P).

        Returns:
            Shape (K, P).
        """
        return self.supply.delivered(self._checked(budget))

    def moments(self, budget: FloatArray, outcome: Outcome) -> tuple[FloatArray, FloatArray]:
        """Return posterior mean and standard deviation of the expected outcome a day, averaged over a week.

        With m_j = alpha / beta_j g_j(x): mean = sum_j w_j m_j, second moment = sum_j w_j m_j^2 (alpha + 1) / alpha,
        at the spend that will be delivered. Value multiplies by the value per conversion, independent of the curve.

        Args:
            budget: Currency units a day, shape (K, P).
            outcome: What is counted.

        Returns:
            Two arrays of shape (K, P); the mean never falls with the budget.
        """
        mean, square = self.curves.raw_moments(self.delivered(budget))
        match outcome:
            case Outcome.CONVERSIONS:
                pass
            case Outcome.VALUE:
                mean = mean * self.worth.mean[:, None]
                square = square * self.worth.square[:, None]
        return mean, np.sqrt(np.maximum(square - mean**2, 0.0))

    def draws(self, budget: FloatArray, outcome: Outcome, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw n curves of the expected outcome a day per target, each whole: one curve across its P budgets.

        Args:
            budget: Currency units a day, shape (K, P).
            outcome: What is counted.
            n: Number of draws.
            rng: Source of randomness.

        Returns:
            Shape (n, K, P), independent between targets.
        """
        curves = self.curves.draws(self.delivered(budget), n, rng)
        match outcome:
            case Outcome.CONVERSIONS:
                return curves
            case Outcome.VALUE:
                sd = self.worth.sd
                worth = self.worth.mean * np.exp(sd * rng.standard_normal((n, len(sd))) - 0.5 * sd**2)
                return curves * worth[..., None]

    def predict(self, spend: FloatArray, day: date, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw the eventual conversions of one day, noise included: what a check of calibration compares with.

        Args:
            spend: Delivered on the day, shape (K,).
            day: Its weekday counts.
            n: Number of draws.
            rng: Source of randomness.

        Returns:
            Whole counts, shape (n, K).
        """
        mean = self.curves.draws(spend[:, None], n, rng)[..., 0] * self.season[:, day.weekday()]
        shape = 1.0 / self.excess
        counts: FloatArray = rng.poisson(mean * rng.standard_gamma(shape, mean.shape) / shape).astype(np.float64)
        return counts

    def maturity(self, lag: IntArray) -> FloatArray:
        """Return the share of eventual conversions that is reported `lag` days after a day.

        Args:
            lag: Whole days >= 0, shape (D,); the day before `today` has lag 1.

        Returns:
            Shape (K, D).
        """
        return self.delay.at(lag)

    def _checked(self, budget: FloatArray) -> FloatArray:
        if budget.ndim != 2 or len(budget) != len(self.excess):
            raise ValueError(f"budgets must be ({len(self.excess)}, P), not {budget.shape}")
        if not np.isfinite(budget).all() or (budget < 0).any():
            raise ValueError("budgets must be finite and not negative")
        return budget


def _blocks(targets: int) -> Iterator[slice]:
    return (slice(low, low + BLOCK) for low in range(0, targets, BLOCK))
