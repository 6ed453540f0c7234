"""The doors that the agent opens: what the core asks of a store, a notifier and a clock.

Implementations live in `optimizer.agent`; each port has one conformance suite in `tests/` that all of them pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from connectors.contract import BudgetTarget, Entity, PerformanceRow, Series
from optimizer.plan.priors import AdPriors, ResponsePriors
from optimizer.plan.recommendation import Event, Intent, Record, State, Transition
from optimizer.plan.refits import RefitRecord
from optimizer.plan.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one ingest did; `rows` = `new` + `restated` + `unchanged`."""

    rows: int
    new: int
    restated: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class SnapshotQuery:
    """What a snapshot is asked for.

    Attributes:
        known_at: Only what was learnt until then counts, so that a replay sees no future.
        today: The first day to be planned; history ends the day before.
        days: Length of the history (T).
        budgets_at: Budgets as read until then, where that is not `known_at`: rows that were logged before a budget
            was ever read have no other budget to be learnt for.
    """

    known_at: datetime
    today: date
    days: int
    currency: str
    time_zone: str
    budgets_at: datetime | None = None


class StoreError(Exception):
    """The store cannot do what was asked; the message names the mend."""


class ConflictingRows(StoreError):  # noqa: N818 - it is the rows that conflict
    """One ingest stated two different values for one series and day; nothing of it was kept.

    Attributes:
        series, day: The key with two values.
    """

    def __init__(self, series: Series, day: date) -> None:
        super().__init__(f"two different rows for {series} on {day} in one reading; nothing was stored")
        self.series = series
        self.day = day


class StateConflict(StoreError):  # noqa: N818
    """A record or intent was no longer in the state that the step started from: somebody else was first."""


class NotFound(StoreError):  # noqa: N818
    """There is no such recommendation."""


class Store(Protocol):
    """Where everything that was learnt, proposed, approved and written is kept; each method is one transaction."""

    def ingest(self, rows: Iterable[PerformanceRow]) -> IngestReport:
        """Take in rows; a changed value is kept beside the one it replaces, with the time each was learnt.

        A row whose measures equal what is known changes nothing. `fetched_at` is the time it was learnt; a row
        older than what is known goes into the history and does not replace it. Iterates once and never holds all rows.

        Raises:
            ConflictingRows: Two rows have one key, one `fetched_at` and different measures, in one call or over
                several; nothing of this call was kept.
            StoreError: An account has another currency or zone than before.
        """
        ...

    def note_entities(self, entities: Iterable[Entity]) -> None:
        """Remember names, parents, tags and status; the latest wins."""
        ...

    def note_budgets(self, connector: str, budgets: Iterable[BudgetTarget], read_at: datetime) -> None:
        """Remember all live budgets of one connector as read; amounts are kept by the time they were read.

        A budget of the connector that was known at `read_at` and is not among them has left the platform, and is in
        no snapshot from then on, until it is read again.

        Raises:
            StoreError: A budget is of another connector or too large, or its account has another currency or zone
                than before. Nothing was kept.
        """
        ...

    def snapshot(self, query: SnapshotQuery) -> Snapshot:
        """Return what was known at `query.known_at`. The same store and query give the same digest."""
        ...

    def commit(self, transitions: Sequence[Transition]) -> None:
        """Write all steps, their events and intents, in one transaction.

        Raises:
            StateConflict: A record is not in its `before` state, exists already, or does not begin with the stored
                approvals; or a step brings intents while another revision has one open, or one stands open on the
                same budget. Nothing was written.
        """
        ...

    def advance(self, before: Intent, after: Intent, event: Event) -> None:
        """Replace one intent by its next state and tell it in the history, in one transaction.

        Raises:
            StateConflict: The stored intent does not equal `before`, or its revision is not being applied or applied.
            StoreError: `after` is another write, or no write takes such a step.
        """
        ...

    def record(self, rec_id: str, revision: int | None = None) -> Record:
        """Return a revision, the latest by default.

        Raises:
            NotFound: There is none.
        """
        ...

    def records(self, states: frozenset[State] | None = None, limit: int = 50) -> tuple[Record, ...]:
        """Return the latest revisions, newest first, of recommendations in these states (all by default)."""
        ...

    def intents(self, rec_id: str, revision: int) -> tuple[Intent, ...]:
        """Return a revision's intents in the order of their writing."""
        ...

    def open_intents(self) -> tuple[Intent, ...]:
        """Return the planned and sending intents of every recommendation, in the order of their idempotency keys."""
        ...

    def events(self, rec_id: str) -> tuple[Event, ...]:
        """Return a recommendation's history, oldest first."""
        ...

    def record_refit(self, refit: RefitRecord) -> None:
        """Keep a refit, whether its priors were handed on or withheld.

        Raises:
            StateConflict: There is one with its id already. Nothing was written.
        """
        ...

    def refits(self, limit: int = 50) -> tuple[RefitRecord, ...]:
        """Return the refits, the newest first; of several of one time, the one recorded last."""
        ...

    def latest_priors(self, known_at: datetime) -> ResponsePriors | None:
        """Return the priors that stood then: those of the last refit until then that passed. None before the first.

        A snapshot of that time carries them.
        """
        ...

    def latest_ad_priors(self, known_at: datetime) -> AdPriors | None:
        """Return the priors of ads that stood then, as `latest_priors` does those of the response."""
        ...

    def close(self) -> None:
        """Release the store; may be called twice."""
        ...


class Notifier(Protocol):
    """Tells people that something waits for them; a link to the recommendation, never an approval by itself."""

    def tell(self, title: str, body: str) -> None:
        """Send one message; a failure to send is logged, never raised into a cycle."""
        ...


class Clock(Protocol):
    """Now, in UTC; the agent's only source of time."""

    def now(self) -> datetime:
        """Return an aware UTC datetime."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...
