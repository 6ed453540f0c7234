"""How long an experiment must run: the fixed sample of one test at its end, and the days of the rule that stops early.

The fixed sample of an arm and its control, with shares s_a and s_0 of the exposure N, rates p_0 and
p_a = p_0 (1 + effect) and variances v of one exposure's success (Fleiss, Levin and Paik 2003, Statistical Methods for
Rates and Proportions, section 4.2, for shares that differ):

    N = (z_{1 - alpha/(2B)} sqrt(v (1/s_0 + 1/s_a)) + z_{power} sqrt(v_0/s_0 + v_a/s_a))^2 / (p_a - p_0)^2

with v at the mean of the two rates; v = p (1 - p) for a probability, p for a count, each times the dispersion. B arms
beside the control share the error (Bonferroni, the first step of Holm).

The rule of `stopping` is played on its normal limit: the score S after information I is N(theta I, I), and each
part of the mixture

    log e = -log(1 + tau^2 I) / 2 + tau^2 S^2 / (2 (1 + tau^2 I))

(Robbins 1970), both S^2 and I over the dispersion as it would be estimated, with a last look at the end. The shortest
length that has the wanted power is looked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf, isfinite, log, log1p, nan, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt
import scipy

from bandits import stopping
from bandits.experiment import EARLY, Metric
from bandits.groups import FloatArray

BoolArray = npt.NDArray[np.bool_]

LONGEST_DAYS: Final = 730
_PATHS: Final = 4_000


@dataclass(frozen=True, slots=True)
class Aim:
    """What an experiment is to find, and in which traffic.

    Attributes:
        metric: What decides.
        rate: Successes per exposure of the control; for revenue the conversions per impression, > 0.
        minimum_effect: Relative lift to be found, > 0.
        daily: Exposure of all arms together a day, > 0.
        arms: How many, the control among them, >= 2.
        control_share: Of the exposure, in (0, 1); the other arms have the rest in equal parts.
        error_rate, power: As of `Experiment`.
        dispersion: Variance of a stratum's counts over that of chance, >= 1; for revenue also times E[v^2] / E[v]^2
            of a conversion's value v.

    Raises:
        ValueError: Something is not as above.
    """

    metric: Metric
    rate: float
    minimum_effect: float
    daily: float
    arms: int = 2
    control_share: float = 0.5
    error_rate: float = 0.05
    power: float = 0.8
    dispersion: float = 1.0

    def __post_init__(self) -> None:
        for name in ("rate", "minimum_effect", "daily"):
            if not 0 < getattr(self, name) < inf:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name):g}")
        for name, low, high in (("control_share", 0, 1), ("error_rate", 0, 0.5), ("power", 0.5, 1)):
            if not low < getattr(self, name) < high:
                raise ValueError(f"{name} must be above {low} and below {high}, not {getattr(self, name):g}")
        if self.arms < 2:
            raise ValueError(f"arms must be two or more, the control among them, not {self.arms}")
        if not (self.dispersion >= 1 and isfinite(self.dispersion)):
            raise ValueError(f"dispersion must be at least 1, not {self.dispersion:g}")
        if self.bounded and self.rate * (1 + self.minimum_effect) >= 1:
            raise ValueError(f"a rate of {self.rate:g} cannot rise by {self.minimum_effect:g} and stay below 1")

    @property
    def bounded(self) -> bool:
        """Whether the rate is a probability."""
        return self.metric in (Metric.CTR, Metric.CONVERSION_RATE)

    @property
    def arm_share(self) -> float:
        """Share of the exposure of each arm but the control."""
        return (1 - self.control_share) / (self.arms - 1)

    def variance(self, rate: float) -> float:
        """Variance of one exposure's success at a rate."""
        return self.dispersion * (rate * (1 - rate) if self.bounded else rate)


@dataclass(frozen=True, slots=True)
class Size:
    """How long it must run.

    Attributes:
        fixed: Exposure of all arms together for one test at the end.
        fixed_days: Days that this takes.
        days: Days to plan for with the rule that may stop early; its power is reached by then. None beyond two years.
        expected_days: Mean days until it ends, if the lift is the minimum effect; nan where `days` is None.
        early: Probability that it ends before its last look, then; nan likewise.
        power_at_fixed: Its power if it is given only `fixed_days`; nan if these are more than two years.
    """

    fixed: int
    fixed_days: int
    days: int | None
    expected_days: float
    early: float
    power_at_fixed: float


def fixed_sample(aim: Aim) -> int:
    """Return the exposure of all arms together that one test at the end needs; see the module for the formula."""
    s0, sa = aim.control_share, aim.arm_share
    there = aim.rate * (1 + aim.minimum_effect)
    middle = (s0 * aim.rate + sa * there) / (s0 + sa)
    null = scipy.special.ndtri(1 - aim.error_rate / 2 / (aim.arms - 1)) * sqrt(aim.variance(middle) * (1 / s0 + 1 / sa))
    alternative = scipy.special.ndtri(aim.power) * sqrt(aim.variance(aim.rate) / s0 + aim.variance(there) / sa)
    found: int = ceil((null + alternative) ** 2 / (there - aim.rate) ** 2)
    return found


def size(aim: Aim, rng: np.random.Generator, *, least_days: int = 7) -> Size:
    """Return the fixed sample, and the length of the rule that may stop early.

    Args:
        aim: What is to be found.
        rng: Draws the paths.
        least_days: No verdict before.
    """
    fixed = fixed_sample(aim)
    fixed_days = ceil(fixed / aim.daily)
    if fixed_days > LONGEST_DAYS:
        return Size(fixed, fixed_days, None, nan, nan, nan)
    horizon = np.arange(1, min(3 * fixed_days + 4 * least_days, LONGEST_DAYS) + 1)
    ended, late = _paths(aim, rng, horizon.size, least_days)
    power = np.array([((ended <= day) | late[:, day - 1]).mean() for day in horizon])
    reached = np.flatnonzero((power >= aim.power) & (horizon >= max(least_days, 2)))
    if not reached.size:
        return Size(fixed, fixed_days, None, nan, nan, float(power[fixed_days - 1]))
    days = int(horizon[reached[0]])
    return Size(
        fixed=fixed,
        fixed_days=fixed_days,
        days=days,
        expected_days=float(np.minimum(ended, days).mean()),
        early=float((ended <= days).mean()),
        power_at_fixed=float(power[fixed_days - 1]),
    )


def _paths(aim: Aim, rng: np.random.Generator, longest: int, least_days: int) -> tuple[FloatArray, BoolArray]:
    """For each path the day on which it ends early (inf if never), and whether a last look on each day would find."""
    theta = tau = log1p(aim.minimum_effect)
    days = np.arange(1.0, longest + 1)
    information: FloatArray = _information(aim) * days
    score = np.cumsum(rng.standard_normal((_PATHS, longest)), axis=1) * sqrt(information[0]) + theta * information
    freedom = np.maximum(days - 1.0, 1.0)
    excess = rng.chisquare(1.0, (_PATHS, longest))
    excess[:, 0] = 0.0
    phi = np.maximum(np.cumsum(excess, axis=1) / freedom, 1.0)
    share = EARLY * aim.error_rate / (aim.arms - 1)
    used = 1 + stopping.caution(information, freedom, tau, share) * (phi - 1)
    parts = (1 - stopping.WIDE_WEIGHT, tau), (stopping.WIDE_WEIGHT, stopping.WIDE_SCALE)
    log_e = np.logaddexp(*(log(weight) + _log_mixture(score / used, information / used, sd) for weight, sd in parts))
    found = (log_e >= -log(share)) & (score > 0)
    found[:, : least_days - 1] = False
    ended = np.where(found.any(axis=1), found.argmax(axis=1) + 1.0, inf)
    line = scipy.special.stdtrit(freedom, 1 - (1 - EARLY) * aim.error_rate / 2 / (aim.arms - 1))
    return ended, score / np.sqrt(information * phi) >= line


def _log_mixture(score: FloatArray, information: FloatArray, sd: float) -> FloatArray:
    growth = 1 + sd**2 * information
    return np.asarray(-np.log(growth) / 2 + (sd * score) ** 2 / (2 * growth))


def _information(aim: Aim) -> float:
    """Information of a day about the log rate ratio: 1 / variance of its estimate, midway between the two rates."""
    middle = aim.rate * (1 + aim.minimum_effect / 2)
    relative = aim.variance(middle) / middle**2
    return aim.daily / (relative * (1 / aim.control_share + 1 / aim.arm_share))
