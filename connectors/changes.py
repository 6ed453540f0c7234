"""The change history of a platform, where it has one: an optional part of the contract.

A connector that reads it says so (`Capabilities.reports_changes`) and has the method of `ReportsChanges`. A history may
lag behind the platform's own writes: what it tells has happened, what it does not tell may have happened all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, cast

from connectors.contract import AdKey, BudgetKey, Connector, EntityStatus
from connectors.money import Money


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a budget's amount or an ad's status, whoever made it.

    Attributes:
        at: When, aware, as precisely as the platform tells.
        who: As the platform names them: a person, a rule, an application; never empty.
        before, after: What stood and what stands from then on; `before` is None where the platform does not tell.
        idempotency_key: Of the call that made it, where it is ours and the platform keeps the stamp; else empty.

    Raises:
        ValueError: A time without a zone, nobody named, an amount of an ad or a status of a budget.
    """

    key: BudgetKey | AdKey
    at: datetime
    who: str
    before: Money | EntityStatus | None
    after: Money | EntityStatus
    idempotency_key: str = ""

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError(f"a change needs a time with a zone: {self.at!r}")
        if not self.who:
            raise ValueError(f"a change of {self.key} names nobody; write `unknown` where the platform does not tell")
        kind = Money if isinstance(self.key, BudgetKey) else EntityStatus
        if not isinstance(self.after, kind) or not isinstance(self.before, kind | None):
            raise ValueError(f"a change of {self.key} is from {kind.__name__} to {kind.__name__}, not {self.after!r}")


class ReportsChanges(Protocol):
    """The part of a connector whose platform keeps a history of changes."""

    def changes(self, since: datetime) -> Iterator[Change]:
        """Yield the changes of budgets and statuses of ads made at `since` or later, oldest first."""
        ...


def reported(connector: Connector, since: datetime) -> Iterable[Change]:
    """What a platform tells of its changes; nothing where it keeps no history.

    Raises:
        ConnectorError: It cannot be read.
    """
    return cast(ReportsChanges, connector).changes(since) if connector.capabilities.reports_changes else ()
