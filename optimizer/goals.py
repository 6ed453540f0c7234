"""What the marketer wants: the objective and the constraints, and their translation into an allocation problem."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from connectors.money import Money
from optimizer.plan.recommendation import Objective
from optimizer.plan.snapshot import Target


class Explore(StrEnum):
    """How uncertainty enters the objective (docs/models.md)."""

    OPTIMISTIC = "optimistic"
    THOMPSON = "thompson"
    NONE = "none"


class ScopeKind(StrEnum):
    """What a limit or pin may name."""

    ALL = "all"
    CHANNEL = "channel"
    TAG = "tag"
    CAMPAIGN = "campaign"
    BUDGET = "budget"


@dataclass(frozen=True, slots=True)
class Scope:
    """The targets that a limit or pin is about, written `channel:search`, `tag:brand`, `campaign:123`, `all`."""

    kind: ScopeKind
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> Scope:
        """Read `kind:name` (or `all`).

        Raises:
            ValueError: The kind is unknown or the name is missing.
        """
        kind, _, name = text.partition(":")
        try:
            scope = cls(ScopeKind(kind.strip()), name.strip())
        except ValueError:
            kinds = ", ".join(k.value for k in ScopeKind)
            raise ValueError(f"{text!r} names no scope; write one of {kinds}, such as channel:search") from None
        if (scope.kind is ScopeKind.ALL) == bool(scope.name):
            raise ValueError(f"{text!r}: 'all' stands alone, every other scope needs a name after the colon")
        return scope

    def covers(self, target: Target) -> bool:
        """Whether the target is meant; campaigns match by id or name, budgets by id, name or full key."""
        match self.kind:
            case ScopeKind.ALL:
                return True
            case ScopeKind.CHANNEL:
                return self.name == target.channel
            case ScopeKind.TAG:
                return self.name in target.tags
            case ScopeKind.CAMPAIGN:
                return self.name in target.campaigns or self.name in target.campaign_names
            case ScopeKind.BUDGET:
                return self.name in (target.budget.budget_id, target.budget.name, str(target.key))

    def __str__(self) -> str:
        return self.kind.value if self.kind is ScopeKind.ALL else f"{self.kind.value}:{self.name}"


@dataclass(frozen=True, slots=True)
class Limit:
    """Bounds on the sum of a scope's budgets; a campaign or budget scope is a group of one.

    Attributes:
        floor, ceiling: Bounds on the sum of the scope's budgets a day.
        share_floor, share_ceiling: Bounds on that sum as a share of the portfolio's total, 0 to 1.
    """

    scope: Scope
    floor: Money | None = None
    ceiling: Money | None = None
    share_floor: float | None = None
    share_ceiling: float | None = None


@dataclass(frozen=True, slots=True)
class Pin:
    """A scope whose budgets must not be touched, by whom, why and until when (inclusive; None: until removed)."""

    scope: Scope
    author: str
    reason: str
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Goals:
    """Everything that a marketer asks of a plan.

    Attributes:
        objective: What is maximised.
        total: What may be spent a day, all targets together; None keeps the sum of the current budgets.
        value_per_conversion: Stands in for the platform's conversion value where there is none.
        margin: Share of revenue that is profit before advertising, for `profit`; 0 to 1.
        largest_step: Largest relative change of one budget in one recommendation (0.3: at most +-30%).
        limits, pins: See there.
        roas_floor: Least value per currency unit spent, over all targets, with probability `confidence`.
        cpa_ceiling: Most spend per conversion, over all targets, with probability `confidence`.
        confidence: The probability with which a ROAS floor or CPA ceiling must be met.
        explore: How uncertainty enters the objective.
    """

    currency: str
    objective: Objective = Objective.CONVERSIONS
    total: Money | None = None
    value_per_conversion: Money | None = None
    margin: float = 1.0
    largest_step: float = 0.3
    limits: tuple[Limit, ...] = ()
    pins: tuple[Pin, ...] = ()
    roas_floor: float | None = None
    cpa_ceiling: Money | None = None
    confidence: float = 0.8
    explore: Explore = Explore.OPTIMISTIC
