"""Bounds on budgets, and pins that hold them and their ads as they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

from connectors.money import Money
from optimizer.goals.errors import GoalsError, between
from optimizer.goals.scope import Scope, ScopeKind


@dataclass(frozen=True, slots=True)
class Limit:
    """Bounds on the budgets that a scope covers.

    Attributes:
        floor, ceiling: Bounds on the sum of the scope's budgets a day.
        share_floor, share_ceiling: Bounds on that sum as a share of the portfolio's total, 0 to 1.
        roas_floor: Least value per currency unit spent, over the scope, with the goals' `confidence`.
        cpa_ceiling: Most spend per conversion, over the scope, with the same.
        minimum_when_on: Each of the scope's budgets is either 0, and so paused, or at least this.
    """

    scope: Scope
    floor: Money | None = None
    ceiling: Money | None = None
    share_floor: float | None = None
    share_ceiling: float | None = None
    roas_floor: float | None = None
    cpa_ceiling: Money | None = None
    minimum_when_on: Money | None = None

    @property
    def amounts(self) -> tuple[Money, ...]:
        """All amounts of money that are set."""
        found = (self.floor, self.ceiling, self.cpa_ceiling, self.minimum_when_on)
        return tuple(amount for amount in found if amount is not None)

    def __post_init__(self) -> None:
        name = f"limit on {self.scope}"
        amounts, shares = (self.floor, self.ceiling), (self.share_floor, self.share_ceiling)
        if self.scope.kind is ScopeKind.AD:
            raise GoalsError(f"{name}: an ad has no budget to bound. Mend: bound its budget, or pin the ad")
        if not self.amounts and all(bound is None for bound in (*shares, self.roas_floor)):
            raise GoalsError(f"{name} bounds nothing. Mend: write floor, ceiling, share_floor, roas_floor or another")
        above_zero = {"cpa_ceiling": self.cpa_ceiling, "minimum_when_on": self.minimum_when_on}
        for key, amount in above_zero.items():
            if amount is not None and amount.micros <= 0:
                raise GoalsError(f"{name}: {key} must be above zero, not {amount}. Mend: leave it out if not wanted")
        if self.roas_floor is not None:
            between(f"{name}: roas_floor", self.roas_floor, 0.0, math.inf)
        if any(amount is not None and amount.micros < 0 for amount in amounts):
            raise GoalsError(f"{name}: a floor or ceiling cannot be negative. Mend: write 0 or more")
        if any(share is not None and not 0 <= share <= 1 for share in shares):
            raise GoalsError(f"{name}: a share lies between 0 and 1. Mend: write 0.4 for 40%")
        if self.floor is not None and self.ceiling is not None and self.floor > self.ceiling:
            raise GoalsError(f"{name}: floor {self.floor} is above ceiling {self.ceiling}. Mend: change one of them")
        if None not in shares and self.share_floor > self.share_ceiling:  # type: ignore[operator]  # neither is None
            raise GoalsError(f"{name}: share_floor is above share_ceiling. Mend: change one of them")


@dataclass(frozen=True, slots=True)
class Pin:
    """A scope that must not be touched, by whom, why and until when (inclusive; None: until removed).

    A pin on budgets holds their ads, too; one on an ad holds that ad alone.
    """

    scope: Scope
    author: str
    reason: str
    until: date | None = None

    def holds(self, day: date) -> bool:
        """Whether the pin is in force on a day."""
        return self.until is None or day <= self.until

    @property
    def words(self) -> str:
        """Who pinned it, until when and why."""
        until = f" until {self.until}" if self.until else ""
        return f"pinned by {self.author}{until}: {self.reason}"
