"""Combinatorial bandits over Gaussian processes: upper confidence bounds or Thompson draws, then a knapsack.

After AdComB (Nuara, Trovo, Gatti, Restelli 2018, "A combinatorial-bandit algorithm for the online joint bid/budget
optimization of pay-per-click advertising campaigns", AAAI): one process per campaign over a grid of budgets, and the
best combination by dynamic programming. Differences: conversions in the place of clicks; a saturating trend as prior
mean; noise as counts have it, delay and weekday corrected; a past that fades; hyperparameters of greatest marginal
likelihood on a small grid, common to all campaigns, chosen once a week; the bound is the mean plus one standard
deviation, for the theoretical one keeps exploring for years.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from scipy.special import nbdtrik

from simulations.noise import FloatArray
from simulations.policies.contract import Proposal, Seen, Setting
from simulations.policies.evidence import Days, Table, ageing, deliverable, gather, tabulate, worth
from simulations.policies.gaussian import Curve, Posterior, likeliest, matern52, posterior, residual
from simulations.policies.rules import WARM_UP
from simulations.policies.steps import choices, kept, optimal, towards, unit_of

_FORGET: Final = 0.985
LEVEL_SD: Final = 0.5
"""How wrong the level of the trend may be, as a share of it."""
_OPTIMISM: Final = 1.0
_KERNELS: Final = tuple(matern52(length, amplitude) for length in (0.4, 0.8, 1.6) for amplitude in (0.2, 0.4, 0.8))
_EVERY_DAYS: Final = 7

Imagined = Callable[[Curve, Posterior, FloatArray, np.random.Generator], FloatArray]
"""Conversions of an average day that a policy reckons with at spends of shape (K, P)."""


class GaussianProcesses:
    """A policy over one process per campaign; `imagined` makes its character."""

    def __init__(self, setting: Setting, imagined: Imagined, why: str) -> None:
        """Begin in one world.

        Args:
            setting: Of the comparison.
            imagined: What is reckoned with.
            why: The sentence that goes with every proposal.
        """
        self._setting = setting
        self._imagined = imagined
        self._why = why
        self._kernel: int | None = None

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposal:
        """See `Policy`."""
        bounds = self._setting.bounds
        if seen.today < WARM_UP:
            return Proposal(kept(seen.live, bounds), why="too little is known yet")
        days = gather(self._setting, seen)
        table = tabulate(days, ageing(days.counts.shape[1], _FORGET))
        belief = self._learn(table, seen.today)
        curve = Curve(table.levels, table.scale)
        grid, most = choices(bounds), deliverable(self._setting, seen)
        hoped = self._imagined(curve, belief, np.minimum(grid, most[:, None]), rng)
        utility = worth(self._setting, seen)[:, None] * np.maximum.accumulate(hoped, axis=1)
        budgets = towards(seen.live, optimal(utility, grid, seen.runs, bounds), bounds)
        low, high = interval(curve, belief, days, np.minimum(budgets / unit_of(bounds), most))
        return Proposal(budgets, np.where(seen.runs, low, np.nan), np.where(seen.runs, high, np.nan), self._why)

    def _learn(self, table: Table, today: int) -> Posterior:
        data = residual(table)
        if self._kernel is None or today % _EVERY_DAYS == 0:
            self._kernel = likeliest(data, _KERNELS, LEVEL_SD)
        return posterior(data, _KERNELS[self._kernel], LEVEL_SD)


def interval(curve: Curve, belief: Posterior, days: Days, spend: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return 5% and 95% quantiles of today's eventual conversions, each of shape (K,).

    Of the negative binomial law that has the mean and the variance of posterior and counts together.

    Args:
        curve: The trend.
        belief: What was learnt of its residual.
        days: Its weekday factor and dispersion.
        spend: Today's, units of the average budget, shape (K,).
    """
    mean = np.maximum(days.today * curve.mean(belief.mean, spend[:, None])[:, 0], 1e-6)
    sd = days.today * curve.deviation(belief.variance, spend[:, None])[:, 0]
    size = mean**2 / (sd**2 + mean**2 / days.size)
    # The inverse is of a continuous count; rounded up it is the quantile.
    low, high = (np.ceil(nbdtrik(q, size, size / (size + mean)).clip(0.0) - 1e-9) for q in (0.05, 0.95))
    return low, high


def gp_ucb(setting: Setting) -> GaussianProcesses:
    """Begin the policy that reckons with the mean plus one standard deviation."""
    return GaussianProcesses(setting, _upper, "the best split of upper confidence bounds")


def gp_ts(setting: Setting) -> GaussianProcesses:
    """Begin the policy that reckons with one draw of every curve a day."""
    return GaussianProcesses(setting, _drawn, "the best split of curves drawn from the posterior")


def _upper(curve: Curve, belief: Posterior, spend: FloatArray, rng: np.random.Generator) -> FloatArray:
    return curve.mean(belief.mean, spend) + _OPTIMISM * curve.deviation(belief.variance, spend)


def _drawn(curve: Curve, belief: Posterior, spend: FloatArray, rng: np.random.Generator) -> FloatArray:
    return curve.mean(belief.sample(rng), spend)
