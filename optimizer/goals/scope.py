"""Whose budgets, campaigns and ads a wish is about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from connectors.contract import AdKey
from optimizer.plan.snapshot import Target


class ScopeKind(StrEnum):
    """What a limit or pin may name."""

    ALL = "all"
    CHANNEL = "channel"
    TAG = "tag"
    CAMPAIGN = "campaign"
    BUDGET = "budget"
    AD = "ad"


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
            case ScopeKind.AD:
                return False

    def names(self, ad: AdKey, name: str) -> bool:
        """Whether one ad is meant, by id, name or full key."""
        return self.kind is ScopeKind.AD and self.name in (ad.ad_id, name, str(ad))

    def __str__(self) -> str:
        return self.kind.value if self.kind is ScopeKind.ALL else f"{self.kind.value}:{self.name}"


def indices(scope: Scope, targets: tuple[Target, ...]) -> tuple[int, ...]:
    """Return the indices of the targets that a scope covers, ascending."""
    return tuple(k for k, target in enumerate(targets) if scope.covers(target))
