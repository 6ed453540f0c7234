"""Days that vary more than chance: how much, and what a day's counts are then worth.

    y_ad ~ NegBin(mean m_ad, variance m_ad + m_ad^2 arms),     m_ad = n_ad F_ad theta_a s_gd,     var(s_gd) = days

`arms` is the relative variance of a single arm on a single day, `days` that of the day factor which all arms of a group
share. Both are estimated by moments: squared residuals around what one was led to expect, less what Poisson counts
would give with as many things unknown. Each is then drawn towards what is assumed beforehand, in proportion to how
unsure it is. What exceeds chance lowers the weight of the arm's counts,
Y w and N w with w = 1 / (1 + arms x mean m) (quasi-likelihood; McCullagh and Nelder, Generalized Linear Models, 2nd
edition, section 9.2), and widens what is believed of the group's level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from bandits.groups import FloatArray, Groups, IntArray

_SAMPLE_GROUPS: Final = 300
_SAMPLE_ARMS: Final = 5_000  # they tell two numbers well enough
_STRENGTH: Final = 16.0  # of the group's rate as an arm's prior; the median of `Hyperprior`
_GROUP_WEIGHT: Final = 2.0  # successes that the portfolio's rate is worth to a group
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
    """Estimate how much single days vary beyond chance, from all groups or an even sample of them.

    Args:
        exposure: As `evidence.gather` takes it, shape (A, T).
        successes: Likewise; days on which more was taken back than came count as days of nothing.
        groups: Of the A arms.
        maturity: As `evidence.gather` takes it, shape (T,) or (A, T).
    """
    if groups.arms == 0:
        return Dispersion(_ASSUMED, _ASSUMED)
    groups, kept = sample(groups)
    n, y = exposure[kept], successes[kept]
    known = ~np.isnan(n + y)
    n = np.where(known, n, 0.0) * (maturity[kept] if maturity.ndim == 2 else maturity)
    y = np.where(known, np.maximum(y, 0.0), 0.0)
    arms = _of_arms(n, y, groups)
    total = n.sum(axis=1, keepdims=True)
    mean = n * _part(y.sum(axis=1, keepdims=True), total)
    day_mean, day_y = (np.add.reduceat(each, groups.starts, axis=0) for each in (mean, y))
    free = np.clip(1 - _part(day_mean, day_mean.sum(axis=1, keepdims=True)), 0, 1)
    chance = day_mean + arms * np.add.reduceat(mean**2, groups.starts, axis=0)
    above = float(((day_y - day_mean) ** 2 - chance * free).sum())
    return Dispersion(arms, _shrunk(above, float((day_mean**2 * free).sum()), _noise(day_mean * free)))


def sample(groups: Groups) -> tuple[Groups, IntArray]:
    """Return some 300 groups or as many as hold some 5,000 arms, evenly strided, and the arms that they hold."""
    fitting = _SAMPLE_ARMS * groups.starts.size // max(groups.arms, 1)
    return groups.thinned(max(1, min(_SAMPLE_GROUPS, fitting)))


def _of_arms(n: FloatArray, y: FloatArray, groups: Groups) -> float:
    """Relative variance of the arms' days around what the days before and the group's day lead one to expect.

    Only the past predicts, because policies let good days of an arm be followed by more exposure: around its mean over
    all days an arm would then seem to vary where it does not.
    """
    known_n, known_y = np.zeros(groups.arms), np.zeros(groups.arms)
    above = scale = noise = 0.0
    for day in range(n.shape[1]):
        a, b = predicted(known_n, known_y, groups)
        mean = n[:, day] * a / b
        total = groups.sum(mean)
        factor = groups.spread(_part(groups.sum(y[:, day]), total))
        free, trust = 1 - _part(mean, groups.spread(total)), known_y / a
        mean = mean * factor
        above += float((trust * ((y[:, day] - mean) ** 2 - (mean + mean**2 / a) * free)).sum())
        scale += float((trust * mean**2 * free).sum())
        noise += _noise(trust * mean * free)
        known_n, known_y = known_n + n[:, day], known_y + y[:, day]
    return _shrunk(above, scale, noise)


def predicted(n: FloatArray, y: FloatArray, groups: Groups) -> tuple[FloatArray, FloatArray]:
    """Shape and rate of each arm's gamma posterior around its group's rate so far, (..., A) each.

    Args:
        n: Exposure so far, shape (..., A).
        y: Successes so far, shape (..., A).
        groups: Of the A arms.
    """
    total = n.sum(axis=-1, keepdims=True)
    overall = np.divide(y.sum(axis=-1, keepdims=True) + 0.5, total, out=np.ones_like(total), where=total > 0)
    rate = (groups.sum(y) + _GROUP_WEIGHT) / (groups.sum(n) + _GROUP_WEIGHT / overall)
    return _STRENGTH + y, groups.spread(_STRENGTH / rate) + n


def _part(values: FloatArray, total: FloatArray) -> FloatArray:
    return np.divide(values, total, out=np.zeros_like(values), where=total > 0)


def _noise(mean: FloatArray) -> float:
    """Variance of the sum of squared residuals of Poisson counts: about mean + 2 mean^2 each."""
    return float((mean + 2 * mean**2).sum())


def _shrunk(above: float, scale: float, noise: float) -> float:
    """Relative variance above / scale, drawn towards what is assumed as far as chance could have made it."""
    precision = scale**2 / noise if noise > 0 else 0.0
    prior = _ASSUMED_SD**-2
    raw = above / scale if scale > 0 else 0.0
    return max(0.0, float((precision * raw + prior * _ASSUMED) / (precision + prior)))
