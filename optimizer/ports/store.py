"""The door to the store: rows, snapshots, recommendations and all that is kept of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Protocol

from connectors.contract import Account, AdState, BudgetTarget, Entity, PerformanceRow
from optimizer.plan.appraisal import Appraisal
from optimizer.plan.audit import Entry
from optimizer.plan.basis import Basis
from optimizer.plan.doubts import Doubt
from optimizer.plan.experiments import Closing, ExperimentRecord
from optimizer.plan.lift_tests import LiftEnd, LiftRecord
from optimizer.plan.performance import Performance
from optimizer.plan.priors import AdPriors, ResponsePriors
from optimizer.plan.record import Event, Intent, Record, State, Transition
from optimizer.plan.refits import RefitRecord
from optimizer.plan.snapshot import Snapshot
from optimizer.ports.office import Office
from optimizer.ports.people import People

LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""When names were read of which nobody says when."""


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
        restated_within: Restatements that became known so long before `known_at` are told; zero for none.
    """

    known_at: datetime
    today: date
    days: int
    currency: str
    time_zone: str
    budgets_at: datetime | None = None
    restated_within: timedelta = timedelta(0)


class Store(Office, People, Protocol):
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

    def note_entities(self, entities: Iterable[Entity], read_at: datetime = LONG_AGO) -> None:
        """Remember names, parents, tags and status by the time they were read; of one time the latest wins.

        A snapshot has them as they were read last until then; of what was read later only, as it was read first.
        """
        ...

    def accounts(self, connector: str) -> tuple[Account, ...]:
        """Return the accounts of one connector of which anything was ever stored, by their ids."""
        ...

    def note_doubts(self, connector: str, doubts: Sequence[Doubt], read_at: datetime) -> None:
        """Remember all that is doubtful of one connector as of now; what stood before and is not among them has ended.

        One that says what stood already stands since then.

        Raises:
            StoreError: A doubt is of another connector, or two are of one account and code. Nothing was kept.
        """
        ...

    def doubts(self, known_at: datetime) -> tuple[Doubt, ...]:
        """Return what stood in doubt then, by connector, account and code."""
        ...

    def last_written(self) -> datetime | None:
        """Return the latest time at which the history was written, by the clocks of then; None before the first.

        Not that of the last entry: a process whose clock went back may have entered something, as that it leads. What
        was entered before somebody let writes go on does not count, since that says that the clock is right.
        """
        ...

    def budgets(self, connector: str, known_at: datetime) -> tuple[BudgetTarget, ...]:
        """Return the budgets of one connector as they were read last until then, by their keys."""
        ...

    def note_budgets(
        self,
        connector: str,
        budgets: Iterable[BudgetTarget],
        read_at: datetime,
        unread: Collection[str] = frozenset(),
    ) -> None:
        """Remember all live budgets of one connector as read; amounts are kept by the time they were read.

        A budget of the connector that was known at `read_at` and is not among them has left the platform, and is in
        no snapshot from then on, until it is read again; but those of the accounts `unread` stay as they were.

        Raises:
            StoreError: A budget is of another connector or too large, or its account has another currency or zone
                than before. Nothing was kept.
        """
        ...

    def note_ads(
        self, connector: str, ads: Iterable[AdState], read_at: datetime, unread: Collection[str] = frozenset()
    ) -> None:
        """Remember the live statuses of all ads of one connector as read; they are kept by the time they were read.

        An ad of the connector that was known at `read_at` and is not among them has left the platform, as in
        `note_budgets`.

        Raises:
            StoreError: An ad is of another connector or stands there twice, or its account has another currency or
                zone than before. Nothing was kept.
        """
        ...

    def snapshot(self, query: SnapshotQuery) -> Snapshot:
        """Return what was known at `query.known_at`. The same store and query give the same digest."""
        ...

    def performance(self, known_at: datetime, since: date, until: date) -> Performance:
        """Return the rows of the days `since` to `until` as known then, of days that were over in their account's zone.

        Raises:
            ValueError: The last day is before the first.
        """
        ...

    def commit(self, transitions: Sequence[Transition], epoch: int | None = None) -> None:
        """Write all steps, their events and intents, in one transaction.

        Args:
            transitions: The steps.
            epoch: Of the lease under which the agent decides; None where a person does, who needs no lead.

        Raises:
            Fenced: The epoch is not the newest.
            ApprovalStands: A step proposes a new plan of the program's, and another recommendation is approved, by one
                person of two at least, after all steps. Nothing was written.
            StateConflict: A record is not in its `before` state, exists already, or does not begin with the stored
                approvals; or a step brings intents while another revision has one open, or one stands open on the
                same budget or ad. Nothing was written.
        """
        ...

    def advance(self, before: Intent, after: Intent, event: Event, epoch: int | None = None) -> None:
        """Replace one intent by its next state and tell it in the history, in one transaction.

        Args:
            before: As it is stored.
            after: Its next state.
            event: What the history says.
            epoch: Of the lease of whoever writes; None where nobody else can, as in a simulation.

        Raises:
            Fenced: The epoch is not the newest.
            Braked: `after` is about to be sent, and the kill switch is on.
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

    def records(
        self, states: frozenset[State] | None = None, limit: int = 50, since: datetime | None = None
    ) -> tuple[Record, ...]:
        """Return the latest revisions, newest first.

        Args:
            states: Only recommendations in these states; all by default.
            limit: The newest so many.
            since: Only revisions that were made then or later; aware. All by default.
        """
        ...

    def intents(self, rec_id: str, revision: int) -> tuple[Intent, ...]:
        """Return a revision's intents in the order of their writing."""
        ...

    def open_intents(self) -> tuple[Intent, ...]:
        """Return the planned and sending intents of every recommendation, in the order of their idempotency keys."""
        ...

    def basis(self, rec_id: str, revision: int) -> Basis | None:
        """Return what a revision was decided from; None if nothing was decided, or nothing of it was kept.

        Raises:
            NotFound: There is no such revision.
        """
        ...

    def events(self, rec_id: str) -> tuple[Event, ...]:
        """Return a recommendation's history, oldest first."""
        ...

    def audit(self, after: int = 0, limit: int = 1_000) -> tuple[Entry, ...]:
        """Return the next entries of the whole history, oldest first: every event of every recommendation, as a chain.

        Entries are only ever added, so that page by page is one walk.

        Args:
            after: The number of the last entry that is known; 0 from the beginning.
            limit: How many at most.
        """
        ...

    def stray(self) -> tuple[str, ...]:
        """Say what repeats what stands elsewhere and does not agree with it: columns, packed weeks; empty if all does.

        Queries read them, and no hash covers them. So are writes of a revision that no entry of the history tells of.
        """
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

    def record_appraisal(self, made: Appraisal) -> None:
        """Keep an appraisal.

        Raises:
            StateConflict: There is one of its subject and time already. Nothing was written.
        """
        ...

    def appraisals(self, limit: int = 50) -> tuple[Appraisal, ...]:
        """Return the appraisals, the newest first; of several of one time, the one recorded last."""
        ...

    def latest_appraisals(self, known_at: datetime) -> tuple[Appraisal, ...]:
        """Return the newest appraisal of each subject then, in the order of `Subject`; a snapshot carries them."""
        ...

    def register_experiment(self, record: ExperimentRecord) -> None:
        """Keep a registration, before its first row counts.

        Raises:
            StateConflict: Its id is taken, or an open experiment has its name or shares an arm with it, or a target
                by another kind of arm. Nothing was written.
        """
        ...

    def close_experiment(self, closing: Closing) -> None:
        """Keep the end of an experiment.

        Raises:
            NotFound: It was never registered.
            StateConflict: It is closed already, or was not registered by then. Nothing was written.
        """
        ...

    def experiments(self, limit: int = 50) -> tuple[ExperimentRecord, ...]:
        """Return the experiments, the newest first; of several of one time, the one registered last."""
        ...

    def register_lift_test(self, record: LiftRecord) -> None:
        """Keep what a lift test promises, before its first day.

        Raises:
            StateConflict: Its id is taken, or an open one has its name, or is about its channel or campaign or one of
                its budgets. Nothing was written.
        """
        ...

    def end_lift_test(self, end: LiftEnd) -> None:
        """Keep the end of a lift test.

        Raises:
            NotFound: It was never registered.
            StateConflict: It has ended already, or was not registered by then. Nothing was written.
        """
        ...

    def lift_tests(self) -> tuple[LiftRecord, ...]:
        """Return all lift tests, the newest first; of several of one time, the one registered last."""
        ...

    def rest(self) -> None:
        """Let go of what is held for speed alone: connections, and what they keep of what was read.

        Whoever serves many stores calls it after some work on each. What is asked next is answered as before.
        """
        ...

    def close(self) -> None:
        """Release the store; may be called twice."""
        ...
