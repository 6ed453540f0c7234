"""What is asked about customers, and what comes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import numpy as np

from optimizer.measure.lifetime.customers import Customers
from optimizer.plan.snapshot import FloatArray, IntArray
from optimizer.refit.contract import Check, Sampling

DAYS_A_YEAR: Final = 365.25


class Kind(StrEnum):
    """How customers come back."""

    PURCHASES = "purchases"
    """When they like, for how much they like (BG/NBD with Gamma-Gamma)."""
    SUBSCRIPTION = "subscription"
    """Once a period, until they leave (shifted-beta-geometric)."""


class By(StrEnum):
    """What customers are grouped by; the groups lean on each other."""

    CHANNEL = "channel"
    """That of the first order."""
    COHORT = "cohort"
    """The month of the first order."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """What is asked.

    Attributes:
        kind: How customers come back.
        by: What they are grouped by.
        horizon_days: Days from the first order over which value counts.
        discount_rate: A year; 0.1 makes 110 in a year worth 100 today.
        period_days: Of a subscription, from one payment to the next.
        grace_days: How late a renewal may be before the subscription counts as ended.
        most: Customers of all groups together to which the model is fitted; of more, a sample is drawn.
        sampling: How much is drawn from the posterior.

    Raises:
        ValueError: A number is out of its range.
    """

    kind: Kind = Kind.PURCHASES
    by: By = By.CHANNEL
    horizon_days: int = 365
    discount_rate: float = 0.1
    period_days: float = 30.4375
    grace_days: float = 7.0
    most: int = 20_000
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        for name in ("horizon_days", "period_days", "most"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 1):
                raise ValueError(f"lifetime.{name} must be at least 1, not {getattr(self, name)!r}")
        for name in ("discount_rate", "grace_days"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ValueError(f"lifetime.{name} must be 0 or more, not {getattr(self, name)!r}")

    @property
    def force(self) -> float:
        """The discount rate as a force of interest a day: value at day t counts exp(-force t)."""
        return math.log1p(self.discount_rate) / DAYS_A_YEAR


@dataclass(frozen=True, slots=True, eq=False)
class Valuation:
    """What came of it; G groups, N customers, S draws.

    Attributes:
        asked: What was asked.
        model: Name and version.
        customers: Those whom it is about.
        groups: Names, sorted; the empty one of customers without a channel.
        group: Of each customer, shape (N,).
        checks: Whether the draws may be believed, in a fixed order.
        values: Draws of what a new customer of each group brings over the horizon, the first order included, in
            currency units, shape (S, G); None unless every check passed.
        alive: Probability that each customer will buy again some day, shape (N,); None unless every check passed.
        ahead: What each customer is expected to bring over the horizon from now on, in currency units, shape (N,); None
            unless every check passed.
        idata: ArviZ data (`xarray.DataTree`) with the posterior; None where there was too little to fit anything.

    Raises:
        ValueError: There are values although a check failed.
    """

    asked: Lifetime
    model: str
    customers: Customers
    groups: tuple[str, ...]
    group: IntArray
    checks: tuple[Check, ...]
    values: FloatArray | None = None
    alive: FloatArray | None = None
    ahead: FloatArray | None = None
    idata: Any | None = None

    def __post_init__(self) -> None:
        if self.values is not None and not self.passed:
            raise ValueError("values must not be handed on when a check failed")

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def words(self) -> str:
        """Why there are no values, or that there are, in one paragraph."""
        failed = [check.words for check in self.checks if not check.passed]
        if failed:
            return "No value is given. " + " ".join(failed)
        return f"All {len(self.checks)} checks passed."

    def mean_of(self, figures: FloatArray | IntArray) -> FloatArray:
        """Return the mean of a figure of customers in each group, shape (G,)."""
        count = np.bincount(self.group, minlength=len(self.groups))
        return np.bincount(self.group, weights=figures, minlength=len(self.groups)) / np.maximum(count, 1)
