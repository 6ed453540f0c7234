"""The breakers of a portfolio's accounts: calls to a platform that fails again and again are kept back.

What is decided stands in `optimizer.plan.circuit`; here it is asked before each call, told after it, and kept. Where
the store cannot keep it the process remembers it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any, Final

from connectors.changes import Change, reported
from connectors.contract import (
    Account,
    AdState,
    BudgetChange,
    BudgetTarget,
    Capabilities,
    Connector,
    Entity,
    PerformanceRow,
    Receipt,
    StatusChange,
    StatusReceipt,
)
from connectors.errors import AskMarketer, ConnectorError, Drifted, RetryLater, StatusDrifted
from optimizer.agent.secrecy import redacted
from optimizer.plan.circuit import Circuit, Fuse, Happened, step
from optimizer.plan.recommendation import LineKey
from optimizer.ports import Clock, Office, StateConflict, StoreError

_LOG: Final = logging.getLogger("outlay.breaker")
_HEALTHY: Final = (AskMarketer, Drifted, StatusDrifted)
"""Answers of a platform that is well: a person must act, or has acted."""


class Resting(RetryLater):
    """An account failed so often that it is not called for a while; nothing was done, and no call was made.

    Attributes:
        circuit: Where its breaker stands.
    """

    def __init__(self, circuit: Circuit, now: datetime) -> None:
        until = circuit.until or now
        words = (
            f"{circuit.subject} failed {circuit.failures} times in a row and is not called before {until:%H:%M:%S} UTC"
        )
        super().__init__(f"{words}: {circuit.why}", retry_after_seconds=(until - now).total_seconds())
        self.circuit = circuit


class Breakers:
    """Where the breakers of all accounts stand, as far as this process knows."""

    def __init__(self, office: Office, clock: Clock, fuse: Fuse) -> None:
        """Read what an earlier process has kept.

        Raises:
            StoreError: It cannot be read.
        """
        self._office, self._clock, self._fuse = office, clock, fuse
        self._known = {circuit.subject: circuit for circuit in office.circuits()}

    def resting(self, key: LineKey) -> Circuit | None:
        """The breaker that keeps a write back; None if it may be sent."""
        now = self._clock.now()
        found = (self._of(subject) for subject in (key.connector, _account(key.connector, key.account_id)))
        return next((circuit for circuit in found if circuit.rests(now)), None)

    def ask(self, subject: str, call: str) -> None:
        """Ask for a call, by its name; on an open circuit this claims the probe.

        Raises:
            Resting: It is not to be made now.
        """
        circuit, now = self._of(subject), self._clock.now()
        if circuit.rests(now):
            raise Resting(circuit, now)
        self._keep(circuit, step(circuit, Happened.ASKED, now, self._fuse, call))

    def tell(self, subject: str, call: str, error: ConnectorError | None) -> None:
        """Tell how a call ended; None if well. Its words are kept, and in the history for good: without secrets."""
        circuit = self._of(subject)
        well = error is None or isinstance(error, _HEALTHY)
        happened = Happened.WORKED if well else Happened.FAILED
        self._keep(circuit, step(circuit, happened, self._clock.now(), self._fuse, call, redacted(str(error))))

    def _of(self, subject: str) -> Circuit:
        return self._known.get(subject, Circuit(subject))

    def _keep(self, before: Circuit, after: Circuit) -> None:
        if after == before:
            return
        self._known[after.subject] = after
        try:
            self._office.keep_circuit(before, after, self._clock.now())
        except StateConflict:
            stored = {circuit.subject: circuit for circuit in self._office.circuits()}
            self._known[after.subject] = stored.get(after.subject, Circuit(after.subject))
        except StoreError as error:
            _LOG.warning("the breaker of %s is not kept: %s", after.subject, error)


class Guarded:
    """A connector whose calls go past the breakers: reads by that of the connector, writes by that of their account.

    Attributes:
        inner: What is wrapped; what it has beyond the contract is reached through this one, too.
    """

    def __init__(self, inner: Connector, breakers: Breakers) -> None:
        """Wrap a connector."""
        self.name = inner.name
        self.inner, self._breakers = inner, breakers

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    @property
    def capabilities(self) -> Capabilities:
        """See `Connector.capabilities`."""
        return self.inner.capabilities

    def accounts(self) -> Sequence[Account]:
        """See `Connector.accounts`."""
        return self._past(self.name, "accounts", self.inner.accounts)

    def entities(self) -> Iterable[Entity]:
        """See `Connector.entities`."""
        return self._stream("entities", self.inner.entities)

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        """See `Connector.pull`."""
        return self._stream("pull", lambda: self.inner.pull(since, until))

    def budgets(self) -> Sequence[BudgetTarget]:
        """See `Connector.budgets`."""
        return self._past(self.name, "budgets", self.inner.budgets)

    def ads(self) -> Sequence[AdState]:
        """See `Connector.ads`."""
        return self._past(self.name, "ads", self.inner.ads)

    def check_budget(self, change: BudgetChange) -> None:
        """See `Connector.check_budget`."""
        self._past(_own(change), "check_budget", lambda: self.inner.check_budget(change))

    def set_budget(self, change: BudgetChange) -> Receipt:
        """See `Connector.set_budget`."""
        return self._past(_own(change), "set_budget", lambda: self.inner.set_budget(change))

    def check_status(self, change: StatusChange) -> None:
        """See `Connector.check_status`."""
        self._past(_own(change), "check_status", lambda: self.inner.check_status(change))

    def set_status(self, change: StatusChange) -> StatusReceipt:
        """See `Connector.set_status`."""
        return self._past(_own(change), "set_status", lambda: self.inner.set_status(change))

    def changes(self, since: datetime) -> Iterator[Change]:
        """See `ReportsChanges.changes`; there are none where the platform has no history."""
        return self._stream("changes", lambda: reported(self.inner, since))

    def ahead_seconds(self) -> float | None:
        """See `TellsTime.ahead_seconds`; None where the connector cannot tell the platform's clock."""
        ask: Callable[[], float | None] | None = getattr(self.inner, "ahead_seconds", None)
        return None if ask is None else ask()

    def close(self) -> None:
        """See `Connector.close`."""
        self.inner.close()

    def _past[T](self, subject: str, name: str, call: Callable[[], T]) -> T:
        self._breakers.ask(subject, name)
        try:
            answer = call()
        except ConnectorError as error:
            self._breakers.tell(subject, name, error)
            raise
        self._breakers.tell(subject, name, None)
        return answer

    def _stream[T](self, name: str, call: Callable[[], Iterable[T]]) -> Iterator[T]:
        """A reading that may fail in its midst; it counts as well at its end."""
        self._breakers.ask(self.name, name)
        try:
            yield from call()
        except ConnectorError as error:
            self._breakers.tell(self.name, name, error)
            raise
        self._breakers.tell(self.name, name, None)


def _own(change: BudgetChange | StatusChange) -> str:
    return _account(change.key.connector, change.key.account_id)


def _account(connector: str, account_id: str) -> str:
    return f"{connector}/{account_id}"
