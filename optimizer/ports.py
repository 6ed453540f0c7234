"""The doors that the agent opens: what the core asks of a store, a notifier and a clock.

Implementations live in `optimizer.agent`; each port has one conformance suite in `tests/` that all of them pass.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Protocol

from connectors.contract import Account, AdState, BudgetTarget, Entity, PerformanceRow, Series
from optimizer.plan.appraisal import Appraisal
from optimizer.plan.audit import Entry
from optimizer.plan.basis import Basis
from optimizer.plan.circuit import Circuit
from optimizer.plan.doubts import Doubt
from optimizer.plan.experiments import Closing, ExperimentRecord
from optimizer.plan.lift_tests import LiftEnd, LiftRecord
from optimizer.plan.office import Brake, JobRun, Lease, Outcome, Pulse
from optimizer.plan.performance import Performance
from optimizer.plan.priors import AdPriors, ResponsePriors
from optimizer.plan.record import Event, Intent, Record, State, Transition
from optimizer.plan.refits import RefitRecord
from optimizer.plan.snapshot import Snapshot
from optimizer.ports_people import People

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


class StoreError(Exception):
    """The store cannot do what was asked; the message names the mend."""


class StoreGone(StoreError):  # noqa: N818
    """The database that was opened is not there any more.

    Attributes:
        replaced: Whether another one stands in its place.
    """

    def __init__(self, name: str, *, replaced: bool) -> None:
        what = "was replaced by another file" if replaced else "is gone"
        mend = (
            "it is opened anew"
            if replaced
            else "put it back, or restore a backup (`outlay db restore`); it is not begun anew while this runs"
        )
        super().__init__(f"{name} {what} while it was open: nothing is written. Mend: {mend}")
        self.replaced = replaced


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


class ApprovalStands(StateConflict):
    """Another recommendation was approved, by one person of two at least: no new plan takes its place unasked."""

    @classmethod
    def of(cls, record: Record) -> ApprovalStands:
        """Say of which recommendation, and what it waits for."""
        waits = "for a second person" if record.state is State.PROPOSED else "to be written"
        return cls(f"{record.recommendation.rec_id} is approved and waits {waits}: no other plan is made")


class Fenced(StateConflict):
    """Another process has taken over the lead since; what this one was about to do is not done."""


class Braked(StateConflict):
    """The kill switch is on: nothing is sent until a person resumes.

    Attributes:
        brake: Who stopped writes, when and why.
    """

    def __init__(self, brake: Brake) -> None:
        super().__init__(f"writes are paused {brake}")
        self.brake = brake


class NotOwned(StoreError):  # noqa: N818
    """The database is another portfolio's, whose plans and approvals are not to be mixed with those of this one.

    Attributes:
        owner: Whose it is.
    """

    def __init__(self, owner: str, name: str) -> None:
        super().__init__(
            f"[store] url: the database is that of the portfolio {owner!r}, and this one is {name!r} by "
            "[portfolio] name: nothing is read into it, decided or written. Mend: name a database of its own; or, if "
            f"this is {owner!r} by a new name, say so with `outlay db rename`"
        )
        self.owner = owner


class ClockWentBack(StoreError):  # noqa: N818
    """The clock says an earlier time than what was written last: no guard that counts hours can be trusted.

    Attributes:
        now: What the clock says.
        written: When the last entry of the history was written, by the clock of then.
    """

    def __init__(self, now: datetime, written: datetime) -> None:
        super().__init__(
            f"the clock says {now:%Y-%m-%d %H:%M:%S} UTC, but the history was last written at "
            f"{written:%Y-%m-%d %H:%M:%S} UTC: nothing is read, decided or written. Mend: set this machine's clock; "
            "if it is right now and was wrong then, say so with `outlay resume`, which takes the present time for true"
        )
        self.now = now
        self.written = written


class NotFound(StoreError):  # noqa: N818
    """There is no such recommendation, experiment or user."""


class Office(Protocol):
    """What the agent that runs by itself keeps of itself; each method is one transaction.

    One process leads, and only it writes to platforms. It holds a lease that it renews, and a lock that goes with its
    process, so that after a crash another need not wait for the lease to end. Each change of the lead raises the
    epoch, which the leader names whenever it is about to send.
    """

    def own(self, name: str) -> None:
        """Take the store for a portfolio, if it is nobody's yet.

        Raises:
            NotOwned: It is another one's.
        """
        ...

    def owner(self) -> str | None:
        """Return the name of the portfolio whose the store is; None before the first that took it."""
        ...

    def rename(self, name: str, by: str, now: datetime) -> str | None:
        """Give the portfolio whose the store is another name, and tell it in the history.

        Returns:
            The name that it had; None if it was nobody's.
        """
        ...

    def take_lead(self, holder: str, now: datetime, until: datetime) -> Lease | None:
        """Take the lead, if nobody has it: the last lease has ended, or the process that held it is gone.

        The history tells who leads since then, and who lost the lead by that.

        Args:
            holder: Who asks, for people to read.
            now: Aware UTC.
            until: When the lease is to end.

        Returns:
            A lease with an epoch that no other had; None while somebody leads.
        """
        ...

    def renew_lead(self, lease: Lease, until: datetime) -> Lease:
        """Move the end of a lease.

        Raises:
            Fenced: Somebody has taken over.
        """
        ...

    def leave_lead(self, lease: Lease, now: datetime) -> None:
        """End a lease, so that the next may lead at once, and tell it; does nothing if somebody has taken over."""
        ...

    def leader(self) -> Lease | None:
        """Return the newest lease, ended or not; None before the first."""
        ...

    def may_send(self, epoch: int) -> None:
        """Ask, right before a call to a platform, whether it may be made.

        Raises:
            Fenced: The epoch is not the newest.
            Braked: The kill switch is on.
        """
        ...

    def begin_run(self, job: str, due_at: datetime, epoch: int, now: datetime) -> JobRun | None:
        """Begin a job for a moment, or begin it anew if it failed or was cut off in an older epoch.

        Returns:
            The run; None if it is done already, or runs.

        Raises:
            Fenced: The epoch is not the newest.
        """
        ...

    def end_run(self, run: JobRun, outcome: Outcome, words: str, now: datetime) -> None:
        """Say how a run ended.

        Raises:
            StateConflict: It is not running, or was begun anew since.
        """
        ...

    def runs(self, job: str | None = None, limit: int = 50) -> tuple[JobRun, ...]:
        """Return the runs (of one job), those due last first."""
        ...

    def forget_runs(self, before: datetime) -> int:
        """Forget the runs that were due before a moment, but for the newest of each job and those that run.

        A run that an earlier leader began and never ended was cut off, and runs no more.

        Returns:
            How many were forgotten.
        """
        ...

    def pulse(self) -> Pulse:
        """Return what differs as soon as the history has grown or another leads."""
        ...

    def throw_brake(self, brake: Brake) -> None:
        """Keep a throw of the kill switch, and tell it in the history; from then on it counts.

        Raises:
            StateConflict: It stops writes for a while, and would so end a stop that lasts longer.
        """
        ...

    def lift_brake(self, now: datetime) -> Brake | None:
        """Let writes go on if the newest throw stops them until a time that has passed, and tell so in the history.

        Returns:
            The throw that was kept; None where nothing was to be lifted.
        """
        ...

    def brake(self) -> Brake | None:
        """Return the newest throw of the kill switch; None if it was never touched."""
        ...

    def brakes(self) -> tuple[Brake, ...]:
        """Return every throw of the kill switch, oldest first."""
        ...

    def keep_circuit(self, before: Circuit, after: Circuit, now: datetime) -> None:
        """Replace where an account's breaker stands; that it opened or closed is told in the history.

        Args:
            before: As it is stored; one that is not stored yet is `Circuit(subject)`.
            after: Where it stands now.
            now: Aware UTC.

        Raises:
            StateConflict: Another process has told of the account meanwhile.
        """
        ...

    def circuits(self) -> tuple[Circuit, ...]:
        """Return the breakers of which anything is known, by their subjects."""
        ...


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


class NotTold(Exception):  # noqa: N818 - it is people who were not
    """A message did not reach all whom it was for; to be tried again, and never a reason to stop.

    Attributes:
        addresses: The numbers of those that were not reached, counted from 1.
    """

    def __init__(self, addresses: Sequence[int], table: str = "[notify]") -> None:
        named = ", ".join(map(str, addresses))
        super().__init__(f"no message reached address {named} of {table}; check it with `outlay doctor`")
        self.addresses = tuple(addresses)


class Notifier(Protocol):
    """Tells people that something waits for them; a link to the recommendation, never an approval by itself."""

    def tell(self, title: str, body: str, about: str = "", page: str = "") -> None:
        """Send one message.

        Args:
            title: In a line.
            body: The rest.
            about: The id of the recommendation that it is about.
            page: An HTML page to be attached, where the service takes files.

        Raises:
            NotTold: Somebody was not reached. To tell the same again reaches those only.
        """
        ...


class CallLost(RuntimeError):  # noqa: N818 - it is the call that was lost
    """A job took too long, or whoever did it was lost; the message says which, with the mend."""


class CallRaised(RuntimeError):  # noqa: N818 - it is the call that raised
    """A job raised an error, which is a defect; the cause or a note tells where."""


class Call(Protocol):
    """How a pure function is applied to one job: in this process, or in another that knows nothing but its job.

    What is raised is the same in both.
    """

    def __call__[J, R](self, do: Callable[[J], R], job: J) -> R:
        """Return what the function makes of the job.

        Args:
            do: A function of a module.
            job: A value that can be pickled and holds no secret. What comes back is plain: text, numbers, bytes, and
                tuples, lists and dictionaries of these.

        Raises:
            CallRaised: The job raised.
            CallLost: It was not done, for no fault of its own.
        """
        ...


class Clock(Protocol):
    """Now, in UTC; the agent's only source of time."""

    def now(self) -> datetime:
        """Return an aware UTC datetime."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...
