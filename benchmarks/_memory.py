"""A platform of one account that answers from memory: what the connectors of benchmarks have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from connectors.contract import Account, AdState, BudgetTarget, Entity, EntityKind, Level
from connectors.money import Money


class InMemory:
    """Campaigns with a budget each; how their days went is told by whoever takes this as a base.

    Attributes:
        live: Budgets by campaign, micros.
    """

    def __init__(self, account: Account, live: dict[str, int]) -> None:
        """Hold an account and its budgets."""
        self.name = account.connector
        self.account, self.live = account, live

    def accounts(self) -> Sequence[Account]:
        """Return the one account."""
        return (self.account,)

    def entities(self) -> Iterator[Entity]:
        """Yield its campaigns."""
        return (Entity(self.account, EntityKind.CAMPAIGN, name, f"Campaign {name}") for name in self.live)

    def budgets(self) -> Sequence[BudgetTarget]:
        """Return the live budgets."""
        return [
            BudgetTarget(self.account, f"b{name}", name, Level.CAMPAIGN, (name,), Money(micros, self.account.currency))
            for name, micros in self.live.items()
        ]

    def ads(self) -> Sequence[AdState]:
        """There are none that can be switched."""
        return ()

    def close(self) -> None:
        """Nothing is held."""
