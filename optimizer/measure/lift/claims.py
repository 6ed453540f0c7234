"""What platforms claim beside what tests found: how much of it is incremental, and whether too much is claimed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.plan.priors import Spread

PRIOR_SD: Final = 0.75
"""Of the log of incremental per claimed conversion, around 0; as in the slow tier."""

_GRID: Final = np.linspace(-6.0, 3.0, 3601)


@dataclass(frozen=True, slots=True)
class Claim:
    """A change of spend as a platform tells it and as a test found it, both signed alike.

    Attributes:
        claimed: Conversions (or value) that the platform claims the change brought; not zero.
        claimed_se: Its standard error, 0 or more.
        incremental: What the test found.
        se: Its standard error, positive.
    """

    claimed: float
    claimed_se: float
    incremental: float
    se: float

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.claimed, self.claimed_se, self.incremental, self.se))):
            raise ValueError("every number of a claim must be finite")
        if self.claimed == 0 or self.claimed_se < 0 or self.se <= 0:
            raise ValueError("a claim must not be zero, and its test needs a standard error above zero")


@dataclass(frozen=True, slots=True)
class Ratio:
    """Incremental conversions per claimed one.

    Attributes:
        log: Mean and standard deviation of its logarithm.
        low, middle, high: Its 5%, 50% and 95% quantiles.
        overclaimed: Probability that more is claimed than is incremental.
    """

    log: Spread
    low: float
    middle: float
    high: float
    overclaimed: float


def compared(claims: Sequence[Claim]) -> Ratio:
    """Return how many incremental conversions a claimed one stands for, from tests of one channel or campaign.

        incremental ~ N(r claimed, se^2 + r^2 claimed_se^2),   log r ~ N(0, .75^2)

    on a grid of log r from -6 to 3. Without a test it is the prior.
    """
    r = np.exp(_GRID)
    log_density = -0.5 * (_GRID / PRIOR_SD) ** 2
    for claim in claims:
        variance = claim.se**2 + (r * claim.claimed_se) ** 2
        log_density -= 0.5 * (claim.incremental - r * claim.claimed) ** 2 / variance + 0.5 * np.log(variance)
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    mean = float(weight @ _GRID)
    sd = float(np.sqrt(weight @ (_GRID - mean) ** 2))
    below = np.cumsum(weight) - 0.5 * weight
    low, middle, high = np.exp(np.interp([0.05, 0.5, 0.95], below, _GRID))
    over = float(np.interp(0.0, _GRID, below))
    return Ratio(Spread(mean, max(sd, 1e-9)), float(low), float(middle), float(high), over)
