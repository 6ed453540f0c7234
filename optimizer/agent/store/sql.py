"""The store in a database: an SQLite file, or PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from connectors.contract import Account, AdState, BudgetTarget, Entity, PerformanceRow
from optimizer.agent.store import ads as statuses
from optimizer.agent.store import (
    appraisals,
    catalogue,
    chain,
    experiments,
    facts,
    facts_postgres,
    ledger,
    lift_tests,
    office,
    packs,
    people,
    refits,
    stray,
    terms,
)
from optimizer.agent.store import doubts as doubted
from optimizer.agent.store.assemble import MOVES_WINDOW, assemble, span_of
from optimizer.agent.store.engine import SqlDatabase
from optimizer.agent.store.instants import to_instant
from optimizer.agent.store.known import ALL_EXPERIMENTS, Facts, Known
from optimizer.agent.store.migrate import bring_up_to_date
from optimizer.agent.store.performed import performed
from optimizer.agent.store.places import database_at
from optimizer.plan.appraisal import Appraisal
from optimizer.plan.audit import Entry
from optimizer.plan.basis import Basis
from optimizer.plan.circuit import Circuit
from optimizer.plan.doubts import Doubt
from optimizer.plan.experiments import Closing, ExperimentRecord
from optimizer.plan.lift_tests import LiftEnd, LiftRecord
from optimizer.plan.office import Brake, JobRun, Lease, Outcome, Pulse
from optimizer.plan.people import Session, User
from optimizer.plan.performance import Performance
from optimizer.plan.priors import AdPriors, ResponsePriors
from optimizer.plan.record import Event, Intent, Record, State, Transition
from optimizer.plan.refits import RefitRecord
from optimizer.plan.snapshot import Snapshot
from optimizer.ports import LONG_AGO, Fenced, IngestReport, SnapshotQuery

# By the database's kind: what is written for each of them, since it moves millions of rows.
_INGEST: Final[Mapping[str, Callable[[Connection, Iterable[PerformanceRow]], IngestReport]]] = {
    "sqlite": facts.ingest,
    "postgresql": facts_postgres.ingest,
}
_FACTS: Final[Mapping[str, Callable[[Connection, int, Sequence[Connection]], Facts]]] = {
    "sqlite": facts.SqlFacts,
    "postgresql": lambda connection, known_at, _beside: facts_postgres.PostgresFacts(connection, known_at),
}
_ROWS_OF: Final[Mapping[str, packs.RowsOf]] = {"sqlite": facts.rows_of, "postgresql": facts_postgres.rows_of}

_MANY = 2_000


def open_sql(url: str) -> SqlStore:
    """Open the store in a database, creating its tables or bringing them up to date.

    Args:
        url: `sqlite:///relative/path` or `sqlite:////absolute/path`, of which the folder must exist; or
            `postgresql://user:password@host:port/database`, which must exist.

    Raises:
        StoreError: The database cannot be opened, is not one of ours, or was written by a newer program.
    """
    database = database_at(url)
    try:
        bring_up_to_date(database)
    except BaseException:
        database.close()
        raise
    return SqlStore(database)


class SqlStore:
    """`optimizer.ports.Store` in a database; may be shared by threads, and the database by processes."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database
        self._seat = database.seat()

    def ingest(self, rows: Iterable[PerformanceRow]) -> IngestReport:
        """See `Store.ingest`. The write lock is not held while `rows` are read."""
        with self._database.connect() as connection:
            return _INGEST[connection.dialect.name](connection, rows)

    def note_entities(self, entities: Iterable[Entity], read_at: datetime = LONG_AGO) -> None:
        """See `Store.note_entities`."""
        listed = list(entities)
        with self._database.learn() as connection:
            catalogue.note_entities(connection, listed, to_instant(read_at))

    def accounts(self, connector: str) -> tuple[Account, ...]:
        """See `Store.accounts`."""
        with self._database.read() as connection:
            return catalogue.stored_accounts(connection, connector)

    def note_doubts(self, connector: str, doubts: Sequence[Doubt], read_at: datetime) -> None:
        """See `Store.note_doubts`."""
        with self._database.learn() as connection:
            doubted.note(connection, connector, doubts, read_at)

    def doubts(self, known_at: datetime) -> tuple[Doubt, ...]:
        """See `Store.doubts`."""
        with self._database.read() as connection:
            return tuple(doubted.read(connection, to_instant(known_at)))

    def last_written(self) -> datetime | None:
        """See `Store.last_written`."""
        with self._database.read() as connection:
            return chain.last_written(connection)

    def budgets(self, connector: str, known_at: datetime) -> tuple[BudgetTarget, ...]:
        """See `Store.budgets`."""
        with self._database.read() as connection:
            known = catalogue.read_budgets(connection, to_instant(known_at))
        return tuple(known[key] for key in sorted(known) if key.connector == connector)

    def note_budgets(
        self,
        connector: str,
        budgets: Iterable[BudgetTarget],
        read_at: datetime,
        unread: Collection[str] = frozenset(),
    ) -> None:
        """See `Store.note_budgets`."""
        listed = list(budgets)
        with self._database.learn() as connection:
            catalogue.note_budgets(connection, connector, listed, to_instant(read_at), unread)

    def note_ads(
        self, connector: str, ads: Iterable[AdState], read_at: datetime, unread: Collection[str] = frozenset()
    ) -> None:
        """See `Store.note_ads`."""
        listed = list(ads)
        with self._database.learn() as connection:
            statuses.note(connection, connector, listed, to_instant(read_at), unread)

    def snapshot(self, query: SnapshotQuery) -> Snapshot:
        """See `Store.snapshot`."""
        known_at, budgets_at = to_instant(query.known_at), to_instant(query.budgets_at or query.known_at)
        with self._readers() as (connection, *beside):
            moves, switches = ledger.confirmed(connection, to_instant(query.known_at - MOVES_WINDOW), known_at)
            known = Known(
                series=catalogue.read_series(connection, known_at, query.today.toordinal()),
                budgets=tuple(catalogue.read_budgets(connection, budgets_at).values()),
                amounts=catalogue.read_amounts(connection, min(_outset(query), budgets_at), budgets_at),
                entities=catalogue.read_entities(connection, budgets_at, first=True),
                moves=moves,
                priors=refits.latest_priors(connection, known_at),
                ads=tuple(statuses.read(connection, budgets_at).values()),
                switches=switches,
                experiments=experiments.newest(connection, ALL_EXPERIMENTS),
                ad_priors=refits.latest_ad_priors(connection, known_at),
                doubts=doubted.read(connection, known_at),
                appraisals=appraisals.known(connection, known_at),
                lift_tests=lift_tests.newest(connection),
            )
            return assemble(query, known, _FACTS[connection.dialect.name](connection, known_at, beside))

    def performance(self, known_at: datetime, since: date, until: date) -> Performance:
        """See `Store.performance`."""
        instant = to_instant(known_at)
        with self._readers() as (connection, *beside):
            series = catalogue.read_series(connection, instant, until.toordinal() + 1)
            entities = catalogue.read_entities(connection, instant, first=True)
            facts_then = _FACTS[connection.dialect.name](connection, instant, beside)
            return performed(known_at, since, until, series, entities, facts_then)

    @contextmanager
    def _readers(self) -> Iterator[tuple[Connection, ...]]:
        """Two connections for many series, one for few, of which a second thread would take longer to start."""
        with self._database.read() as connection:
            many = catalogue.count_series(connection) >= _MANY
            if not many:
                yield (connection,)
        if many:
            with self._database.read_alike() as connections:
                yield connections

    def commit(self, transitions: Sequence[Transition], epoch: int | None = None) -> None:
        """See `Store.commit`."""
        with self._database.write() as connection:
            if epoch is not None:
                office.may_commit(connection, epoch)
            ledger.commit(connection, transitions)

    def advance(self, before: Intent, after: Intent, event: Event, epoch: int | None = None) -> None:
        """See `Store.advance`."""
        with self._database.write() as connection:
            office.may_advance(connection, before, after, epoch)
            ledger.advance(connection, before, after, event)

    def record(self, rec_id: str, revision: int | None = None) -> Record:
        """See `Store.record`."""
        with self._database.read() as connection:
            return ledger.record(connection, rec_id, revision)

    def records(
        self, states: frozenset[State] | None = None, limit: int = 50, since: datetime | None = None
    ) -> tuple[Record, ...]:
        """See `Store.records`."""
        with self._database.read() as connection:
            return ledger.records(connection, states, limit, since)

    def intents(self, rec_id: str, revision: int) -> tuple[Intent, ...]:
        """See `Store.intents`."""
        with self._database.read() as connection:
            return ledger.intents(connection, rec_id, revision)

    def open_intents(self) -> tuple[Intent, ...]:
        """See `Store.open_intents`."""
        with self._database.read() as connection:
            return ledger.open_intents(connection)

    def basis(self, rec_id: str, revision: int) -> Basis | None:
        """See `Store.basis`."""
        with self._database.read() as connection:
            return ledger.basis(connection, rec_id, revision)

    def events(self, rec_id: str) -> tuple[Event, ...]:
        """See `Store.events`."""
        with self._database.read() as connection:
            return chain.events(connection, rec_id)

    def audit(self, after: int = 0, limit: int = 1_000) -> tuple[Entry, ...]:
        """See `Store.audit`."""
        with self._database.read() as connection:
            return chain.entries(connection, after, limit)

    def stray(self) -> tuple[str, ...]:
        """See `Store.stray`."""
        with self._database.read() as connection:
            rows_of = _ROWS_OF[connection.dialect.name]
            return (*stray.stray(connection), *packs.contradictions(connection, rows_of))

    def record_refit(self, refit: RefitRecord) -> None:
        """See `Store.record_refit`."""
        with self._database.write() as connection:
            refits.record(connection, refit)

    def refits(self, limit: int = 50) -> tuple[RefitRecord, ...]:
        """See `Store.refits`."""
        with self._database.read() as connection:
            return refits.newest(connection, limit)

    def latest_priors(self, known_at: datetime) -> ResponsePriors | None:
        """See `Store.latest_priors`."""
        with self._database.read() as connection:
            return refits.latest_priors(connection, to_instant(known_at))

    def latest_ad_priors(self, known_at: datetime) -> AdPriors | None:
        """See `Store.latest_ad_priors`."""
        with self._database.read() as connection:
            return refits.latest_ad_priors(connection, to_instant(known_at))

    def record_appraisal(self, made: Appraisal) -> None:
        """See `Store.record_appraisal`."""
        with self._database.write() as connection:
            appraisals.record(connection, made)

    def appraisals(self, limit: int = 50) -> tuple[Appraisal, ...]:
        """See `Store.appraisals`."""
        with self._database.read() as connection:
            return appraisals.newest(connection, limit)

    def latest_appraisals(self, known_at: datetime) -> tuple[Appraisal, ...]:
        """See `Store.latest_appraisals`."""
        with self._database.read() as connection:
            return appraisals.known(connection, to_instant(known_at))

    def own(self, name: str) -> None:
        """See `Store.own`. Where it is somebody's already nothing is written, nor waited for."""
        known = self.owner()
        if known is not None:
            terms.check_owner(known, name)
            return
        with self._database.write() as connection:
            office.own(connection, name)

    def owner(self) -> str | None:
        """See `Store.owner`."""
        with self._database.read() as connection:
            return office.owner(connection)

    def rename(self, name: str, by: str, now: datetime) -> str | None:
        """See `Store.rename`."""
        with self._database.write() as connection:
            return office.rename(connection, name, by, now)

    def take_lead(self, holder: str, now: datetime, until: datetime) -> Lease | None:
        """See `Store.take_lead`; who can lock the file beside the database knows that whoever led from it is gone."""
        free = self._seat.take()
        lease = None
        try:
            with self._database.write() as connection:
                lease = office.take_lead(connection, holder, now, until, free=free, seated=self._seat.held)
        finally:
            if free and lease is None:
                self._seat.free()
        return lease

    def renew_lead(self, lease: Lease, until: datetime) -> Lease:
        """See `Store.renew_lead`."""
        self._seat.take()  # held already, but for a leader who took over from a process that stood still
        try:
            with self._database.write() as connection:
                return office.renew_lead(connection, lease, until, seated=self._seat.held)
        except Fenced:
            self._seat.free()
            raise

    def leave_lead(self, lease: Lease, now: datetime) -> None:
        """See `Store.leave_lead`."""
        try:
            with self._database.write() as connection:
                office.leave_lead(connection, lease, now)
        finally:
            self._seat.free()

    def leader(self) -> Lease | None:
        """See `Store.leader`."""
        with self._database.read() as connection:
            return office.leader(connection)

    def may_send(self, epoch: int) -> None:
        """See `Store.may_send`."""
        with self._database.read() as connection:
            office.may_send(connection, epoch)

    def begin_run(self, job: str, due_at: datetime, epoch: int, now: datetime) -> JobRun | None:
        """See `Store.begin_run`."""
        with self._database.write() as connection:
            return office.begin_run(connection, job, due_at, epoch, now)

    def end_run(self, run: JobRun, outcome: Outcome, words: str, now: datetime) -> None:
        """See `Store.end_run`."""
        with self._database.write() as connection:
            office.end_run(connection, run, outcome, words, now)

    def runs(self, job: str | None = None, limit: int = 50) -> tuple[JobRun, ...]:
        """See `Store.runs`."""
        with self._database.read() as connection:
            return office.runs(connection, job, limit)

    def forget_runs(self, before: datetime) -> int:
        """See `Store.forget_runs`."""
        with self._database.write() as connection:
            return office.forget_runs(connection, before)

    def pulse(self) -> Pulse:
        """See `Store.pulse`."""
        with self._database.read() as connection:
            return office.pulse(connection)

    def throw_brake(self, brake: Brake) -> None:
        """See `Store.throw_brake`."""
        with self._database.write() as connection:
            office.throw_brake(connection, brake)

    def lift_brake(self, now: datetime) -> Brake | None:
        """See `Store.lift_brake`."""
        with self._database.write() as connection:
            return office.lift_brake(connection, now)

    def brake(self) -> Brake | None:
        """See `Store.brake`."""
        with self._database.read() as connection:
            return office.newest_brake(connection)

    def brakes(self) -> tuple[Brake, ...]:
        """See `Store.brakes`."""
        with self._database.read() as connection:
            return office.brakes(connection)

    def keep_circuit(self, before: Circuit, after: Circuit, now: datetime) -> None:
        """See `Store.keep_circuit`."""
        with self._database.write() as connection:
            office.keep_circuit(connection, before, after, now)

    def circuits(self) -> tuple[Circuit, ...]:
        """See `Store.circuits`."""
        with self._database.read() as connection:
            return office.circuits(connection)

    def keep_user(self, before: User | None, after: User, by: str, now: datetime) -> None:
        """See `People.keep_user`."""
        with self._database.write() as connection:
            people.keep_user(connection, before, after, by, now)

    def keep_hash(self, before: User, password: str, now: datetime) -> None:
        """See `People.keep_hash`."""
        with self._database.write() as connection:
            people.keep_hash(connection, before, replace(before, password=password), now)

    def user(self, name: str) -> User | None:
        """See `People.user`."""
        with self._database.read() as connection:
            return people.user(connection, name)

    def user_of(self, subject: str) -> User | None:
        """See `People.user_of`."""
        with self._database.read() as connection:
            return people.user_of(connection, subject)

    def users(self) -> tuple[User, ...]:
        """See `People.users`."""
        with self._database.read() as connection:
            return people.users(connection)

    def open_session(self, session: Session, by: str | None = None) -> None:
        """See `People.open_session`."""
        with self._database.write() as connection:
            people.open_session(connection, session, by)

    def session(self, secret_hash: str, now: datetime) -> tuple[Session, User] | None:
        """See `People.session`."""
        with self._database.read() as connection:
            return people.session(connection, secret_hash, now)

    def confirm_session(self, secret_hash: str, at: datetime) -> None:
        """See `People.confirm_session`."""
        with self._database.write() as connection:
            people.confirm_session(connection, secret_hash, at)

    def end_session(self, secret_hash: str, now: datetime, by: str | None = None) -> None:
        """See `People.end_session`."""
        with self._database.write() as connection:
            people.end_session(connection, secret_hash, now, by)

    def tokens(self) -> tuple[Session, ...]:
        """See `People.tokens`."""
        with self._database.read() as connection:
            return people.tokens(connection)

    def note_login_failure(self, name: str, now: datetime) -> None:
        """See `People.note_login_failure`."""
        with self._database.read() as connection:
            event = people.failure(connection, name, now)
        if event is not None:
            with self._database.write() as connection:
                people.note_login_failure(connection, name, now)

    def forget_sessions(self, before: datetime) -> int:
        """See `People.forget_sessions`."""
        with self._database.write() as connection:
            return people.forget_sessions(connection, before)

    def register_experiment(self, record: ExperimentRecord) -> None:
        """See `Store.register_experiment`."""
        with self._database.write() as connection:
            experiments.register(connection, record)

    def close_experiment(self, closing: Closing) -> None:
        """See `Store.close_experiment`."""
        with self._database.write() as connection:
            experiments.close(connection, closing)

    def experiments(self, limit: int = 50) -> tuple[ExperimentRecord, ...]:
        """See `Store.experiments`."""
        with self._database.read() as connection:
            return experiments.newest(connection, limit)

    def register_lift_test(self, record: LiftRecord) -> None:
        """See `Store.register_lift_test`."""
        with self._database.write() as connection:
            lift_tests.register(connection, record)

    def end_lift_test(self, end: LiftEnd) -> None:
        """See `Store.end_lift_test`."""
        with self._database.write() as connection:
            lift_tests.close(connection, end)

    def lift_tests(self) -> tuple[LiftRecord, ...]:
        """See `Store.lift_tests`."""
        with self._database.read() as connection:
            return lift_tests.newest(connection)

    def rest(self) -> None:
        """See `Store.rest`."""
        self._database.rest()

    def close(self) -> None:
        """See `Store.close`."""
        self._seat.free()
        self._database.close()


def _outset(query: SnapshotQuery) -> int:
    """An instant before the first day of a query's history, whatever the zones of its accounts."""
    first = date.fromordinal(span_of(query).since)
    return to_instant(datetime(first.year, first.month, first.day, tzinfo=UTC) - timedelta(days=1))
