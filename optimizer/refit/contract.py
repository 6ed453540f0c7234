"""What goes into a refit and what comes out of it, beside the snapshot and the priors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from optimizer.plan.priors import AdPriors, ResponsePriors
from optimizer.plan.problem import Outcome
from optimizer.plan.refits import Check

__all__ = ["Check", "LiftTest", "Progress", "Refit", "Sampling"]

Progress = Callable[[int, int], None]
"""Called with the draws that are done and the draws that there will be, over all chains, tuning included."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How much is sampled, and of how much data.

    Attributes:
        draws: Kept draws of each chain.
        tune: Draws of each chain that adapt the sampler and are thrown away.
        chains: Independent chains; at least two, since R-hat compares them.
        cores: Chains that run at the same time.
        target_accept: Of the No-U-Turn sampler; nearer to one means smaller steps and fewer divergences.
        depth: Most doublings of a trajectory: a draw takes at most 2^depth - 1 steps.
        days: Days of history before `today` that are used, the latest ones.
        campaigns: Most campaigns of a channel that are fitted, those with the most conversions.

    Raises:
        ValueError: A number is out of its range.
    """

    draws: int = 1000
    tune: int = 1000
    chains: int = 4
    cores: int = 1
    target_accept: float = 0.9
    depth: int = 10
    days: int = 182
    campaigns: int = 12

    def __post_init__(self) -> None:
        least_of = {"draws": 1, "tune": 1, "chains": 2, "cores": 1, "depth": 1, "days": 14, "campaigns": 1}
        for name, least in least_of.items():
            if getattr(self, name) < least:
                raise ValueError(f"sampling.{name} must be at least {least}, not {getattr(self, name)!r}")
        if not 0.5 <= self.target_accept < 1.0:
            raise ValueError(f"sampling.target_accept must be in [.5, 1), not {self.target_accept!r}")


@dataclass(frozen=True, slots=True)
class LiftTest:
    """An experiment: spend was changed on purpose for some days, and a comparison told what that brought.

    Amounts and counts are totals over the test's days, of the part of the market that was tested. A holdout has a
    negative change; switched off altogether, the change is minus `spend`.

    Attributes:
        channel: As in `Target.channel`.
        first_day: The first day with the changed spend.
        last_day: The last one, inclusive.
        spend: Currency units that would have been spent without the change.
        spend_change: Currency units spent more (or less) because of it; not zero.
        incremental: What the change brought, in units of `outcome`: negative, as a rule, where spend was cut.
        se: Standard error of `incremental`, positive.
        outcome: What `incremental` counts.
        campaign: Id of the one campaign that was tested; None where the whole channel was.

    Raises:
        ValueError: Days are the wrong way round, or a number is not finite or out of its range.
    """

    channel: str
    first_day: date
    last_day: date
    spend: float
    spend_change: float
    incremental: float
    se: float
    outcome: Outcome = Outcome.CONVERSIONS
    campaign: str | None = None

    def __post_init__(self) -> None:
        where = f"lift test of {self.campaign or self.channel!r} from {self.first_day}"
        if self.last_day < self.first_day:
            raise ValueError(f"{where}: it ends on {self.last_day}, before it begins")
        if not all(map(math.isfinite, (self.spend, self.spend_change, self.incremental, self.se))):
            raise ValueError(f"{where}: every number must be finite")
        if self.spend < 0 or self.spend + self.spend_change < -1e-9 * self.spend:
            raise ValueError(f"{where}: no spend can be below zero, neither without the change nor with it")
        if self.spend_change == 0 or self.se <= 0:
            raise ValueError(f"{where}: the change of spend must not be zero, and the standard error must be positive")

    @property
    def days(self) -> int:
        """Days with the changed spend."""
        return (self.last_day - self.first_day).days + 1


@dataclass(frozen=True, slots=True, eq=False)
class Refit[P: (ResponsePriors, AdPriors)]:
    """What came of a refit.

    Attributes:
        idata: ArviZ data (`xarray.DataTree`) with posterior, sample_stats, posterior_predictive, observed_data and
            constant_data; None where there was too little to fit anything.
        checks: All that were made, in a fixed order.
        priors: For the fast tier; None unless every check passed, and then the old priors stand.
        notes: What was left out of the fit and why, in sentences.

    Raises:
        ValueError: There are priors although a check failed.
    """

    idata: Any | None
    checks: tuple[Check, ...]
    priors: P | None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.priors is not None and not self.passed:
            raise ValueError("priors must not be handed on when a check failed")

    @property
    def passed(self) -> bool:
        """Whether there was something to check and every check passed."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def words(self) -> str:
        """Why the old priors stand, or that new ones do, in one paragraph."""
        failed = [check.words for check in self.checks if not check.passed]
        if failed:
            return "The priors of before stand. " + " ".join(failed)
        return f"All {len(self.checks)} checks passed; the new priors stand."
