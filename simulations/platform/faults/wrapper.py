"""What every fault is built on: a connector around another one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime

from connectors.changes import Change, reported
from connectors.contract import (
    Account,
    AdState,
    BudgetChange,
    BudgetTarget,
    Connector,
    Entity,
    PerformanceRow,
    Receipt,
    StatusChange,
    StatusReceipt,
)
from simulations.platform.faults.schedules import Schedule


class Wrapper:
    """A connector that passes everything through to `inner`; a fault overrides what it spoils.

    A fault of one method asks `_spoils` there, once per call. One that meets calls of any kind overrides `_on_call`.

    Args:
        inner: What is wrapped.
        schedule: Which of the calls that the fault counts are spoilt.
    """

    def __init__(self, inner: Connector, schedule: Schedule) -> None:
        self.name = inner.name
        self.capabilities = inner.capabilities
        self._inner = inner
        self._schedule = schedule
        self._calls = 0

    def accounts(self) -> Sequence[Account]:
        """See `Connector.accounts`."""
        self._on_call()
        return self._inner.accounts()

    def entities(self) -> Iterable[Entity]:
        """See `Connector.entities`."""
        self._on_call()
        return self._inner.entities()

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        """See `Connector.pull`."""
        self._on_call()
        return self._inner.pull(since, until)

    def budgets(self) -> Sequence[BudgetTarget]:
        """See `Connector.budgets`."""
        self._on_call()
        return self._inner.budgets()

    def check_budget(self, change: BudgetChange) -> None:
        """See `Connector.check_budget`."""
        self._on_call()
        self._inner.check_budget(change)

    def set_budget(self, change: BudgetChange) -> Receipt:
        """See `Connector.set_budget`."""
        self._on_call()
        return self._inner.set_budget(change)

    def ads(self) -> Sequence[AdState]:
        """See `Connector.ads`."""
        self._on_call()
        return self._inner.ads()

    def check_status(self, change: StatusChange) -> None:
        """See `Connector.check_status`."""
        self._on_call()
        self._inner.check_status(change)

    def set_status(self, change: StatusChange) -> StatusReceipt:
        """See `Connector.set_status`."""
        self._on_call()
        return self._inner.set_status(change)

    def changes(self, since: datetime) -> Iterator[Change]:
        """See `connectors.changes.ReportsChanges`."""
        self._on_call()
        yield from reported(self._inner, since)

    def close(self) -> None:
        """See `Connector.close`; it never fails."""
        self._inner.close()

    def _spoils(self) -> bool:
        """Count one call; whether it is spoilt."""
        self._calls += 1
        return self._schedule(self._calls)

    def _on_call(self) -> None:
        """What happens before a call of any kind but `close` is passed on."""
