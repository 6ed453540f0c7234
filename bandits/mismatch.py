"""Whether an experiment's impressions were split as was promised: sample ratio mismatch.

A split that is not the promised one says that something decided who saw what, and no comparison can be trusted then
(Fabijan et al. 2019, KDD, "Diagnosing sample ratio mismatch in online controlled experiments").

    X^2 = sum_a (n_a - N q_a)^2 / (N q_a)          q_a: the promised share, N: all impressions

Impressions come in bursts: one person sees many, and a platform's delivery swings by the day. So X^2 is set against how
far the days' own splits spread (a design effect, Rao and Scott 1984, Annals of Statistics 12, 46-60):

    phi = max(1, sum_d sum_a (n_da - N_d r_a)^2 / (N_d r_a) / ((D - 1)(A - 1)))        r_a: the share of all days
    X^2 / ((A - 1) phi) ~ F(A - 1, (D - 1)(A - 1))

A p-value under .0005 is a mismatch, the threshold of that paper: by the union bound even 100 daily looks cry wolf in at
most 5% of experiments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy

from bandits.experiment import Experiment
from bandits.groups import FloatArray, IntArray

ALARM: Final = 0.0005
_LEAST_DAYS: Final = 2


@dataclass(frozen=True, slots=True)
class Mismatch:
    """What the split says.

    Attributes:
        shares: Of the impressions, by arm in the order of the registration.
        chi_square: X^2.
        naive_p: Of X^2 if every impression were a person.
        effect: phi, the design effect.
        p: Of the F test.
        holdout_p: That the control has its holdout or more; 1 where it has.
    """

    shares: tuple[float, ...]
    chi_square: float
    naive_p: float
    effect: float
    p: float
    holdout_p: float

    @property
    def found(self) -> bool:
        """Whether the split is not the promised one."""
        return self.p < ALARM

    @property
    def holdout_broken(self) -> bool:
        """Whether the control was shown less than what was held out for it."""
        return self.holdout_p < ALARM


def check_split(plan: Experiment, impressions: FloatArray, day: IntArray) -> Mismatch | None:
    """Compare the impressions with the promised split; None before two days with impressions.

    Args:
        plan: What was registered.
        impressions: Shape (A, S), nan where there is no row.
        day: Of each stratum, shape (S,).
    """
    counts = by_day(impressions, day)
    promised = np.array([each.share for each in plan.arms])
    totals, volume = counts.sum(axis=1), counts.sum()
    if counts.shape[1] < _LEAST_DAYS:
        return None
    square = float(((totals - volume * promised) ** 2 / (volume * promised)).sum())
    freedom = len(promised) - 1
    within = (counts.shape[1] - 1) * freedom
    even = (totals / volume)[:, np.newaxis] * counts.sum(axis=0)
    spread = np.divide((counts - even) ** 2, even, out=np.zeros_like(even), where=even > 0).sum()
    effect = max(1.0, float(spread) / within)
    share = totals[plan.control_place] / volume
    return Mismatch(
        shares=tuple(float(part) for part in totals / volume),
        chi_square=square,
        naive_p=float(scipy.special.chdtrc(freedom, square)),
        effect=effect,
        p=float(scipy.special.fdtrc(freedom, within, square / freedom / effect)),
        holdout_p=_lacks(plan.holdout, float(share), float(volume) / effect, within),
    )


def by_day(values: FloatArray, day: IntArray) -> FloatArray:
    """Add up the strata of each day that has any, (A, S) -> (A, D)."""
    known = np.nan_to_num(values)
    days, place = np.unique(day, return_inverse=True)
    summed = np.stack([np.bincount(place, weights=row, minlength=days.size) for row in known])
    return summed[:, summed.sum(axis=0) > 0]


def _lacks(held: float, share: float, size: float, freedom: int) -> float:
    """P-value of a share at least as far below the holdout, one-sided."""
    if held <= 0 or share >= held:
        return 1.0
    return float(scipy.special.stdtr(freedom, (share - held) / np.sqrt(held * (1 - held) / size)))
