"""Days that vary more than chance: how much, and what a day's counts are then worth.

    y_ad ~ NegBin(mean m_ad, variance m_ad + m_ad^2 arms),     m_ad = n_ad F_ad theta_a s_gd,     var(s_gd) = days

`arms` is the relative variance of a single arm on a single day, `days` that of the day factor which all arms of a group
share. Both are estimated by moments: squared residuals around what arm and day lead one to expect, less what Poisson
counts would give with as many things fitted (the leverages of a two-way table). Each is then drawn towards what is
assumed beforehand, in proportion to how unsure it is. What exceeds chance lowers the weight of the arm's counts,
Y w and N w with w = 1 / (1 + arms x mean m) (quasi-likelihood; McCullagh and Nelder, Generalized Linear Models, 2nd
edition, section 9.2), and widens what is believed of the group's level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from bandits.groups import FloatArray, Groups

_SAMPLE: Final = 300  # groups behind two numbers
_ASSUMED: Final = 0.01  # relative variance of single days before any data
_ASSUMED_SD: Final = 0.03


@dataclass(frozen=True, slots=True)
class Dispersion:
    """Relative variances of single days beyond Poisson's.

    Attributes:
        arms: Of an arm's days, each by itself, >= 0; the reciprocal of the negative binomial's size.
        days: Of the days of whole groups, >= 0.

    Raises:
        ValueError: One is negative or not finite.
    """

    arms: float = 0.0
    days: float = 0.0

    def __post_init__(self) -> None:
        for name in ("arms", "days"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ValueError(f"the dispersion of {name} must be finite and not negative: {getattr(self, name)}")

    def worth(self, folded: FloatArray, weight: FloatArray, rate: FloatArray) -> FloatArray:
        """Return w, the part of their weight that an arm's counts keep, in (0, 1], shape (A,).

        Args:
            folded: n F, exposure that the successes answer for, nothing where there is no row, shape (A, T).
            weight: Of each day, shape (T,).
            rate: Typical successes per exposure, shape (A,).
        """
        total = folded @ weight
        squares = folded**2 @ weight
        mean = np.divide(rate * squares, total, out=np.zeros_like(total), where=total > 0)
        return 1 / (1 + self.arms * mean)

    def of_levels(self, folded: FloatArray, weight: FloatArray, groups: Groups) -> FloatArray:
        """Return the variance that shared day factors leave in the logarithm of each group's level, shape (G,).

        Arguments are those of `worth`.
        """
        by_day = np.add.reduceat(folded, groups.starts, axis=0)
        total, squares = by_day @ weight, by_day**2 @ weight**2
        return np.divide(self.days * squares, total**2, out=np.zeros_like(total), where=total > 0)


def measure(exposure: FloatArray, successes: FloatArray, groups: Groups, maturity: FloatArray) -> Dispersion:
    """Estimate how much single days vary beyond chance, from all groups or an even sample of 300.

    Args:
        exposure: As `evidence.gather` takes it, shape (A, T).
        successes: Likewise.
        groups: Of the A arms.
        maturity: As `evidence.gather` takes it, shape (T,) or (A, T).
    """
    if groups.arms == 0:
        return Dispersion(_ASSUMED, _ASSUMED)
    groups, kept = groups.thinned(_SAMPLE)
    n, y = exposure[kept], successes[kept]
    known = ~np.isnan(n + y)
    n = np.where(known, n, 0.0) * (maturity[kept] if maturity.ndim == 2 else maturity)
    y = np.where(known, y, 0.0)
    n_arm, y_arm = n.sum(axis=1, keepdims=True), y.sum(axis=1, keepdims=True)
    mean = n * np.divide(y_arm, n_arm, out=np.zeros_like(n_arm), where=n_arm > 0)
    of_arm = _part(mean, mean.sum(axis=1, keepdims=True))
    day_mean, day_y = (np.add.reduceat(each, groups.starts, axis=0) for each in (mean, y))
    factor = np.divide(day_y, day_mean, out=np.zeros_like(day_y), where=day_mean > 0)
    of_day = _part(mean, day_mean[groups.index])
    free = np.clip(1 - of_arm, 0, 1) * np.clip(1 - of_day, 0, 1)
    arms = _excess(y - mean * factor[groups.index], mean, free)
    left = np.clip(1 - _part(day_mean, day_mean.sum(axis=1, keepdims=True)), 0, 1)
    within = arms * np.add.reduceat(mean**2, groups.starts, axis=0)
    return Dispersion(arms, _excess(day_y - day_mean, day_mean, left, within))


def _part(values: FloatArray, total: FloatArray) -> FloatArray:
    return np.divide(values, total, out=np.zeros_like(values), where=total > 0)


def _excess(residual: FloatArray, mean: FloatArray, free: FloatArray, known: FloatArray | float = 0.0) -> float:
    """Relative variance beyond Poisson's and what is known of, shrunk; never negative.

    For Poisson counts the squared residual has mean `mean` free and variance about mean + 2 mean^2.
    """
    above = float((residual**2 - (mean + known) * free).sum())
    scale = float((mean**2 * free).sum())
    noise = float((mean * free + 2 * (mean * free) ** 2).sum())
    precision = scale**2 / noise if noise > 0 else 0.0
    prior = _ASSUMED_SD**-2
    raw = above / scale if scale > 0 else 0.0
    return max(0.0, (precision * raw + prior * _ASSUMED) / (precision + prior))
