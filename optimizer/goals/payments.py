"""What an advertiser pays for, and how much."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from optimizer.goals.errors import GoalsError, between
from optimizer.goals.scope import Scope, ScopeKind


class Model(StrEnum):
    """What an advertiser pays for."""

    CPM = "cpm"
    """A thousand impressions."""
    CPC = "cpc"
    """A click."""
    CPL = "cpl"
    """A lead."""
    CPA = "cpa"
    """An action, such as an order."""
    CPI = "cpi"
    """An installation."""
    REVENUE_SHARE = "revenue-share"
    """A share of the value of what was sold."""


PER_ACTION = frozenset({Model.CPL, Model.CPA, Model.CPI})
"""The models that are paid for each conversion."""


@dataclass(frozen=True, slots=True)
class Payment:
    """How a channel or campaign is paid.

    Attributes:
        scope: Whose budgets and rows; the first of several that covers one counts.
        model: What is paid for.
        rate: Currency units for each of it (of CPM for a thousand); of revenue share a share, at most 1.

    Raises:
        GoalsError: The rate is not above zero, or a share above 1, or an ad is meant.
    """

    scope: Scope
    model: Model
    rate: float

    def __post_init__(self) -> None:
        between(f"rate of the payment of {self.scope}", self.rate, 0.0, math.inf)
        if self.model is Model.REVENUE_SHARE and self.rate > 1.0:
            raise GoalsError(
                f"the revenue share of {self.scope} is {self.rate:g}, above all of it. Mend: write 0.1 for 10%"
            )
        if self.scope.kind not in (ScopeKind.ALL, ScopeKind.CHANNEL, ScopeKind.CAMPAIGN):
            raise GoalsError(
                f"payment of {self.scope}: only all, a channel or a campaign is paid. Mend: write one of them"
            )
