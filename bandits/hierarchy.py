"""What a slow, fuller model of the same ads tells the fast one: the spreads to start from, and how fast to forget.

A log rate that moves by N(0, drift^2) a day, of which each day brings an observation with variance v, is tracked best
by discounted sums (J. F. Muth, Journal of the American Statistical Association 55, 1960, 299-306):

    r = drift^2 / v        K = (sqrt(r^2 + 4 r) - r) / 2        gamma = 1 - K

v is 1 / daily + excess: the chance of `daily` successes, and what days scatter beyond it. The steady posterior variance
K v is that of discounted sums, whose weight of days is 1 / (1 - gamma): the fast tier's intervals are right with it.
"""

from __future__ import annotations

from dataclasses import replace
from math import exp, isfinite, sqrt
from typing import Final

from bandits.belief import BanditSettings
from bandits.policy import TemperedThompson

LEAST_GAMMA: Final = 0.97
"""However fast rates move: shares lose by forgetting faster (docs/bandit-slow-tier.md has what was measured)."""

_LEAST_SD, _MOST_SD = 0.05, 2.0


def forgetting(drift: float, *, daily: float, excess: float) -> float:
    """Return gamma, what a day's evidence keeps of its weight each day, in (0, 1].

    Args:
        drift: Standard deviation by which an arm's log rate moves in a day, >= 0.
        daily: Successes of an arm a day, >= 0.
        excess: Relative variance of a day's rate around its mean beyond chance, >= 0.

    Raises:
        ValueError: An argument is negative or not finite.
    """
    for name, value in (("drift", drift), ("daily", daily), ("excess", excess)):
        if not (isfinite(value) and value >= 0):
            raise ValueError(f"{name} must be finite and not negative, not {value!r}")
    if daily == 0 or drift == 0:
        return 1.0
    ratio = drift**2 / (1 / daily + excess)
    gain = 2 * ratio / (sqrt(ratio**2 + 4 * ratio) + ratio)  # of two forms of K the one without cancellation
    return 1 - gain


def informed(
    base: BanditSettings,
    *,
    log_strength: tuple[float, float],
    log_spread: tuple[float, float] | None,
    drift: float | None,
    excess: float,
    daily: float,
) -> BanditSettings:
    """Return settings that start from what was learnt; what was not learnt stays as it is in `base`.

    Where arms differ more than `base` assumes, the temper is scaled by sqrt(nu / nu of base), in a tempered policy too:
    the spread of the draws of a new arm, in which exploring is measured, stays what the temper was chosen for.

    Args:
        base: The settings without.
        log_strength: Mean and standard deviation of log nu. A nu above the base's cap is taken to be at the cap: the
            cap guards against ads that look alike by chance.
        log_spread: Mean and standard deviation of the log of the spread between groups; None keeps the base's.
        drift: As in `forgetting`; None keeps the base's gamma. Gamma is at least `LEAST_GAMMA`.
        excess: As in `forgetting`.
        daily: As in `forgetting`.

    Raises:
        ValueError: A number is not finite, or a standard deviation is not positive.
    """
    known = [pair for pair in (log_strength, log_spread) if pair is not None]
    if not all(isfinite(mean) and isfinite(sd) and sd > 0 for mean, sd in known):
        raise ValueError(f"a belief needs a finite mean and a positive sd: {known}")
    prior = base.hyperprior
    prior = replace(
        prior, strength=min(exp(min(log_strength[0], 50.0)), prior.strength_cap), strength_sd=_within(log_strength[1])
    )
    part, policy = min(sqrt(prior.strength / base.hyperprior.strength), 1.0), base.policy
    if isinstance(policy, TemperedThompson):
        policy = replace(policy, constant=policy.constant * part)
    if log_spread is not None:
        prior = replace(prior, spread=exp(log_spread[0]), spread_sd=_within(log_spread[1]))
    gamma = base.gamma if drift is None else max(forgetting(drift, daily=daily, excess=excess), LEAST_GAMMA)
    return replace(base, hyperprior=prior, gamma=gamma, temper=base.temper * part, policy=policy)


def _within(sd: float) -> float:
    """Never so sure that the ads of today could not say otherwise."""
    return min(max(sd, _LEAST_SD), _MOST_SD)
