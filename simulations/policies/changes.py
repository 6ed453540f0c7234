"""A change-point combinatorial bandit: targeted optimism on saturating Gaussian processes, with resets.

After Gangopadhyay, Wang, Chiappa, Takamatsu 2025, "Adaptive budget optimization for multichannel advertising using
combinatorial bandits" (AAMAS; arXiv 2502.02920). Taken from it: one Gaussian process per campaign with a Matern 3/2
plus squared exponential kernel; a mean that stays at its greatest value beyond the largest spend seen; optimism only at
budgets above that of the greatest mean, and the more the less a conversion of the campaign costs; a knapsack over
budgets; a campaign whose past and present differ forgets what was before.

Different: there a change is a mean difference of more than so many clicks between processes fitted to all days and to
the last seven, and the last seven are kept. Such a number suits one currency and size, so a generalised likelihood
ratio of counts stands in its place (as in Besson, Kaufmann, Maillard, Seznec 2022, "Efficient change-point detection
for tackling piecewise-stationary bandits", JMLR 23), and what is kept begins at the likeliest day of the change. The
noise of the processes is that of delayed, overdispersed counts (theirs have none), and their prior mean a trend.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.special import xlogy

from simulations.noise import FloatArray, IntArray
from simulations.policies.contract import BoolArray, Proposal, Seen, Setting
from simulations.policies.evidence import Days, Table, deliverable, gather, tabulate, worth
from simulations.policies.gaussian import Curve, Posterior, likeliest, matern32_and_rbf, posterior, residual
from simulations.policies.gp import LEVEL_SD, interval
from simulations.policies.rules import WARM_UP, yields
from simulations.policies.steps import choices, kept, optimal, towards, unit_of

_OPTIMISM: Final = 1.0
_KERNELS: Final = tuple(
    matern32_and_rbf(length, amplitude) for length in (0.4, 0.8, 1.6) for amplitude in (0.2, 0.4, 0.8)
)
_EVERY_DAYS: Final = 7
_LEAST_DAYS: Final = 5
# A chi-squared(1) variable exceeds it 5 times in a million; a window holds some dozens of nearly independent splits.
_THRESHOLD: Final = 21.0


class ChangePoint:
    """The policy; it remembers from which day on each campaign's past counts."""

    def __init__(self, setting: Setting) -> None:
        """Begin in one world.

        Args:
            setting: Of the comparison.
        """
        self._setting = setting
        self._since = np.zeros(len(setting.names), dtype=np.int64)
        self._kernel: int | None = None

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposal:
        """See `Policy`."""
        bounds = self._setting.bounds
        if seen.today < WARM_UP:
            return Proposal(kept(seen.live, bounds), why="too little is known yet")
        days = gather(self._setting, seen)
        table, belief, fired = self._learn(days, seen.today)
        curve, most = Curve(table.levels, table.scale), deliverable(self._setting, seen)
        grid = choices(bounds)
        largest = np.where(table.exposure > 0, table.levels, table.levels[0]).max(axis=1)
        cost = 1.0 / yields(self._setting, seen, 28)
        hoped = targeted(curve, belief, np.minimum(grid, most[:, None]), largest, _OPTIMISM * (1.0 - cost / cost.max()))
        utility = worth(self._setting, seen)[:, None] * np.maximum.accumulate(hoped, axis=1)
        budgets = towards(seen.live, optimal(utility, grid, seen.runs, bounds), bounds)
        low, high = interval(curve, belief, days, np.minimum(budgets / unit_of(bounds), most))
        why = f"the best split of targeted upper bounds; {int(fired.sum())} campaigns begin anew after a change"
        return Proposal(budgets, np.where(seen.runs, low, np.nan), np.where(seen.runs, high, np.nan), why)

    def _learn(self, days: Days, today: int) -> tuple[Table, Posterior, BoolArray]:
        """Learn from what counts; where that holds a change, only from what came after it."""
        first = today - days.counts.shape[1]
        index = np.arange(first, today)
        table, belief = self._fit(days, index >= self._since[:, None], today)
        mean = table.trended * np.maximum(1.0 + belief.mean, 0.05)
        expected = np.take_along_axis(mean, days.level, axis=1) * days.exposure
        ratio, split = likelihood_ratio(days, expected, index >= self._since[:, None])
        fired = ratio > _THRESHOLD
        if fired.any():
            self._since[fired] = first + split[fired]
            table, belief = self._fit(days, index >= self._since[:, None], today)
        return table, belief, fired

    def _fit(self, days: Days, counting: BoolArray, today: int) -> tuple[Table, Posterior]:
        table = tabulate(days, counting.astype(np.float64))
        data = residual(table)
        if self._kernel is None or today % _EVERY_DAYS == 0:
            self._kernel = likeliest(data, _KERNELS, LEVEL_SD)
        return table, posterior(data, _KERNELS[self._kernel], LEVEL_SD)


def targeted(
    curve: Curve, belief: Posterior, spend: FloatArray, largest: FloatArray, optimism: FloatArray
) -> FloatArray:
    """Return the saturated mean, plus standard deviations above the spend at which it is greatest, shape (K, P).

    Args:
        curve: The trend.
        belief: What was learnt of its residual.
        spend: Never decreasing along a row, shape (K, P).
        largest: The largest spend seen; beyond it the mean stays at its maximum, shape (K,).
        optimism: How many standard deviations, shape (K,).
    """
    mean = curve.mean(belief.mean, spend)
    beyond = spend > largest[:, None]
    beyond[:, 0] = False
    peak = np.where(beyond, -np.inf, mean).max(axis=1, keepdims=True)
    mean = np.where(beyond, peak, mean)
    above = spend > np.take_along_axis(spend, np.argmax(mean, axis=1)[:, None], axis=1)
    return mean + np.where(above, optimism[:, None] * curve.deviation(belief.variance, spend), 0.0)


def likelihood_ratio(days: Days, expected: FloatArray, counting: BoolArray) -> tuple[FloatArray, IntArray]:
    """Return how likely a change is: the greatest log-likelihood ratio over all splits, and the first day after it.

    Of quasi-Poisson counts whose ratio to what is expected is one before the split and another after, against one all
    over: 2 (Y1 log Y1/M1 + Y2 log Y2/M2 - Y log Y/M), Y counts and M expectations weighted by 1 / (1 + m / R). Either
    side has at least five days that count.

    Args:
        days: The past.
        expected: Of the counts, under one curve for all days, shape (K, n).
        counting: Which days count, shape (K, n).

    Returns:
        The ratio, 0 where there is no split, shape (K,); the index of the first day after the split, shape (K,).
    """
    good = counting & (days.exposure > 0)
    weight = np.where(good, 1.0 / (1.0 + expected / days.size), 0.0)
    number = np.cumsum(good, axis=1)
    y, m = np.cumsum(weight * days.counts, axis=1), np.cumsum(weight * expected, axis=1)
    before, after = _log_likelihood(y, m), _log_likelihood(y[:, -1:] - y, m[:, -1:] - m)
    ratio = 2.0 * (before + after - _log_likelihood(y[:, -1:], m[:, -1:]))
    wide = (number >= _LEAST_DAYS) & (number[:, -1:] - number >= _LEAST_DAYS)
    ratio = np.where(wide, ratio, 0.0)
    last = np.argmax(ratio, axis=1)
    return ratio[np.arange(last.size), last], last + 1


def _log_likelihood(counts: FloatArray, expected: FloatArray) -> FloatArray:
    """Of the likeliest common ratio, up to what all splits share."""
    counts = np.maximum(counts, 0.0)
    found: FloatArray = xlogy(counts, counts / np.maximum(expected, 1e-12))
    return found
