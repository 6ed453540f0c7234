"""The store in an SQLite file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from connectors.contract import BudgetTarget, Entity, PerformanceRow
from optimizer.agent.store import catalogue, facts, ledger, refits
from optimizer.agent.store.assemble import MOVES_WINDOW, assemble
from optimizer.agent.store.engine import Database, sqlite_path
from optimizer.agent.store.instants import to_instant
from optimizer.agent.store.known import Known
from optimizer.agent.store.migrate import bring_up_to_date
from optimizer.plan.priors import AdPriors, ResponsePriors
from optimizer.plan.recommendation import Event, Intent, Record, State, Transition
from optimizer.plan.refits import RefitRecord
from optimizer.plan.snapshot import Snapshot
from optimizer.ports import IngestReport, SnapshotQuery


def open_sql(url: str) -> SqlStore:
    """Open the store in an SQLite file, creating it or bringing it up to date.

    Args:
        url: `sqlite:///relative/path` or `sqlite:////absolute/path`; its folder must exist.

    Raises:
        StoreError: The file cannot be opened, is not a database of ours, or was written by a newer program.
    """
    database = Database(sqlite_path(url))
    try:
        bring_up_to_date(database)
    except BaseException:
        database.close()
        raise
    return SqlStore(database)


class SqlStore:
    """`optimizer.ports.Store` on SQLite; may be shared by threads, and the file by processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ingest(self, rows: Iterable[PerformanceRow]) -> IngestReport:
        """See `Store.ingest`. The write lock is not held while `rows` are read."""
        with self._database.connect() as connection:
            return facts.ingest(connection, rows)

    def note_entities(self, entities: Iterable[Entity]) -> None:
        """See `Store.note_entities`."""
        listed = list(entities)
        with self._database.write() as connection:
            catalogue.note_entities(connection, listed)

    def note_budgets(self, connector: str, budgets: Iterable[BudgetTarget], read_at: datetime) -> None:
        """See `Store.note_budgets`."""
        listed = list(budgets)
        with self._database.write() as connection:
            catalogue.note_budgets(connection, connector, listed, to_instant(read_at))

    def snapshot(self, query: SnapshotQuery) -> Snapshot:
        """See `Store.snapshot`."""
        known_at, budgets_at = to_instant(query.known_at), to_instant(query.budgets_at or query.known_at)
        with self._database.read() as connection:
            known = Known(
                series=catalogue.read_series(connection, known_at, query.today.toordinal()),
                budgets=tuple(catalogue.read_budgets(connection, budgets_at).values()),
                amounts=catalogue.read_amounts(connection, budgets_at),
                entities=catalogue.read_entities(connection),
                moves=ledger.moves(connection, to_instant(query.known_at - MOVES_WINDOW), known_at),
                priors=refits.latest_priors(connection, known_at),
                ad_priors=refits.latest_ad_priors(connection, known_at),
            )
            return assemble(query, known, facts.SqlFacts(connection, known_at))

    def commit(self, transitions: Sequence[Transition]) -> None:
        """See `Store.commit`."""
        with self._database.write() as connection:
            ledger.commit(connection, transitions)

    def advance(self, before: Intent, after: Intent, event: Event) -> None:
        """See `Store.advance`."""
        with self._database.write() as connection:
            ledger.advance(connection, before, after, event)

    def record(self, rec_id: str, revision: int | None = None) -> Record:
        """See `Store.record`."""
        with self._database.read() as connection:
            return ledger.record(connection, rec_id, revision)

    def records(self, states: frozenset[State] | None = None, limit: int = 50) -> tuple[Record, ...]:
        """See `Store.records`."""
        with self._database.read() as connection:
            return ledger.records(connection, states, limit)

    def intents(self, rec_id: str, revision: int) -> tuple[Intent, ...]:
        """See `Store.intents`."""
        with self._database.read() as connection:
            return ledger.intents(connection, rec_id, revision)

    def open_intents(self) -> tuple[Intent, ...]:
        """See `Store.open_intents`."""
        with self._database.read() as connection:
            return ledger.open_intents(connection)

    def events(self, rec_id: str) -> tuple[Event, ...]:
        """See `Store.events`."""
        with self._database.read() as connection:
            return ledger.events(connection, rec_id)

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

    def close(self) -> None:
        """See `Store.close`."""
        self._database.close()
