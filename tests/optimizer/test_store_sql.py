"""What only the store in a file has: a disk, other writers, other programs."""

import gc
import hashlib
import sqlite3
import threading
import tracemalloc
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import Engine, event

from connectors.contract import Account, BudgetKey, BudgetTarget, Entity, EntityKind, Level, PerformanceRow, Series
from connectors.money import Money
from optimizer.agent.store import SqlStore, catalogue, engine, open_sql, sql
from optimizer.agent.store.engine import Database
from optimizer.plan.recommendation import Decision, Effect, Objective, Recommendation
from optimizer.plan.record import BudgetIntent, Event, IntentState, Record, State, Transition
from optimizer.ports import SnapshotQuery, StateConflict, StoreError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = date(2026, 2, 20)
SERIES = Series(Account("ads", "1", "USD", "UTC"), "c1", "search")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outlay.sqlite"


@pytest.fixture
def store(path):
    opened = open_sql(f"sqlite:///{path}")
    yield opened
    opened.close()


@pytest.fixture
def bare(store, path):
    connection = sqlite3.connect(path, isolation_level=None)
    yield connection
    connection.close()


def row(spend=1, day=DAY, series=SERIES, at=NOON):
    return PerformanceRow(series, day, spend, 2, None, None, 4, at)


def _refit(**changes):
    """The statement that enters a refit which was refused."""
    plain = {
        "refit_id": "'F'", "fitted_at": "0", "model": "'m'", "code_version": "'0'", "seed": "0",
        "evidence": f"'{'e' * 64}'", "seconds": "0", "passed": "0", "checks": "'[]'", "priors": "NULL", "file": "''",
    }  # fmt: skip
    values = plain | changes
    return f"INSERT INTO refit ({', '.join(values)}) VALUES ({', '.join(values.values())})"


def step(rec_id, state=State.PROPOSED, before=None, intents=(), by=None):
    none = Effect(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    decision = Decision(DAY, "USD", "UTC", Objective.PROFIT, "USD a day", (), none, 0.0, 0.0, (), (), (), (), (), None,
                        "m", "g", "", "")  # fmt: skip
    made = Recommendation(rec_id, 1, None, NOON, NOON, "outlay", 1, "0.1", decision, "hash")
    return Transition(Record(made, state, by), before, Event(rec_id, 1, NOON, by or "", state.value, ""), intents)


def intent(key="k"):
    return BudgetIntent(
        key, "R", 1, BudgetKey("ads", "1", "b"), Money(1, "USD"), Money(2, "USD"), 0, IntentState.PLANNED
    )


def test_whoever_updates_a_fact_what_it_replaces_is_kept(store, bare):
    store.ingest([row(1)])
    with pytest.raises(sqlite3.IntegrityError, match="ck_fact_revision_interval"):
        bare.execute("UPDATE fact SET spend = 7")
    bare.execute("UPDATE fact SET spend = 7, known_from = known_from + 5")
    kept = bare.execute("SELECT spend, conversions, value, clicks, known_to - known_from FROM fact_revision").fetchall()
    assert kept == [(1, 2, None, 4, 5)]
    bare.execute("UPDATE fact SET value = 3, known_from = known_from + 5")
    bare.execute("UPDATE fact SET value = 3, known_from = known_from + 5")
    assert bare.execute("SELECT spend, value FROM fact_revision ORDER BY known_from").fetchall() == [
        (1, None),
        (7, None),
    ]


def test_history_is_never_rewritten(store, bare):
    store.commit([step("R")])
    bare.execute(_refit())
    changes = ("UPDATE event SET actor = 'nobody'", "UPDATE refit SET priors = '[]', passed = 1")
    for statement in (*changes, "DELETE FROM event", "DELETE FROM refit"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            bare.execute(statement)
    assert len(store.events("R")) == len(store.refits()) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE fact SET spend = -1, known_from = known_from + 1",
        "UPDATE account SET currency = ''",
        "UPDATE account SET time_zone = ''",
        "UPDATE recommendation SET state = 'paid'",
        "UPDATE intent SET state = 'maybe'",
        "UPDATE intent SET target = -1",
        "UPDATE budget_reading SET amount = -1",
        "UPDATE budget_reading SET kind = 'weekly'",
        "UPDATE entity_reading SET status = 'asleep'",
        _refit(passed="1"),
        _refit(priors="'[]'"),
        _refit(seed="-1"),
        _refit(seconds="-0.5"),
        _refit(evidence="'abc'"),
    ],
)
def test_values_that_mean_nothing_are_refused_by_the_database(store, bare, statement):
    store.ingest([row()])
    store.commit([step("R", intents=(intent(),))])
    budget = BudgetTarget(SERIES.account, "b", "B", Level.CAMPAIGN, ("c1",), Money(1, "USD"))
    store.note_budgets("ads", [budget], NOON)
    store.note_entities([Entity(SERIES.account, EntityKind.CAMPAIGN, "c1", "C")])
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        bare.execute(statement)


def test_reading_everything_again_leaves_the_same_bytes(path):
    def fill():
        store = open_sql(f"sqlite:///{path}")
        store.ingest(row(n, DAY + timedelta(days=n)) for n in range(50))
        store.ingest(row(n + n % 2, DAY + timedelta(days=n), at=NOON + timedelta(days=1)) for n in range(50))
        store.note_entities([Entity(SERIES.account, EntityKind.CAMPAIGN, "c1", "C", tags=("a",))])
        budget = BudgetTarget(SERIES.account, "b", "B", Level.CAMPAIGN, ("c1",), Money(1, "USD"))
        store.note_budgets("ads", [budget], NOON)
        store.note_budgets("ads", [budget], NOON + timedelta(days=1))
        store.close()
        return hashlib.sha256(path.read_bytes()).hexdigest()

    assert fill() == fill()
    assert list(path.parent.iterdir()) == [path]


def test_a_locked_file_is_told_with_its_mend(store, bare, path):
    impatient = SqlStore(Database(path, busy_seconds=0.01))
    bare.execute("BEGIN IMMEDIATE")
    for attempt in (lambda: impatient.commit([step("R")]), lambda: impatient.ingest([row()])):
        with pytest.raises(StoreError, match=r"outlay\.sqlite.*locked.*Mend: another process is writing"):
            attempt()
    assert impatient.records() == ()  # reading goes on beside a writer
    bare.execute("ROLLBACK")
    impatient.commit([step("R")])
    assert impatient.ingest([row()]).new == 1
    impatient.close()


def test_a_slow_platform_keeps_nobody_from_writing(store, path):
    other = SqlStore(Database(path, busy_seconds=0.01))

    def rows():
        for n in range(3):
            other.commit([step(f"R{n}")])
            yield row(n, DAY + timedelta(days=n))

    assert store.ingest(rows()).new == 3
    assert len(store.records()) == 3
    other.close()


def test_a_full_disk_loses_nothing_that_stood(store, path, bare):
    store.ingest([row()])
    pages = bare.execute("PRAGMA page_count").fetchone()[0]
    full = SqlStore(Database(path))
    with full._database.connect() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreError, match=r"full.*free some space"):
        full.ingest(row(n, DAY + timedelta(days=n)) for n in range(5000))
    full.close()
    assert store.ingest([row(), row(9, DAY + timedelta(days=1))]).new == 1


def test_of_two_who_take_the_same_step_exactly_one_wins(store, path):
    rounds = 25
    store.commit([step(f"R{n}") for n in range(rounds)])
    gate = threading.Barrier(2, timeout=30)
    won = []

    def approve(name):
        mine = open_sql(f"sqlite:///{path}")
        for n in range(rounds):
            gate.wait()
            try:
                mine.commit([step(f"R{n}", State.APPROVED, State.PROPOSED, by=name)])
            except StateConflict:
                continue
            won.append((n, name))
        mine.close()

    threads = [threading.Thread(target=approve, args=(name,)) for name in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(n for n, _ in won) == list(range(rounds))
    assert all(store.record(f"R{n}").approved_by == name for n, name in won)
    assert all([e.actor for e in store.events(f"R{n}")] == ["", name] for n, name in won)


def test_all_who_open_a_new_file_at_once_get_it(tmp_path):
    gate = threading.Barrier(8, timeout=30)
    failures = []

    def begin():
        for n in range(10):  # the race is lost about once in a hundred files
            gate.wait()
            try:
                open_sql(f"sqlite:///{tmp_path / f'{n}.sqlite'}").close()
            except StoreError as error:
                failures.append(error)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_new_file_that_stays_locked_is_told_after_the_wait(path):
    holder = sqlite3.connect(path)
    holder.execute("BEGIN EXCLUSIVE")
    database = Database(path, busy_seconds=0.05)
    with pytest.raises(StoreError, match="another process is writing"), database.read():
        pass
    holder.rollback()
    with database.read():
        pass
    database.close()
    holder.close()


def test_memory_does_not_grow_with_the_rows(store):
    ads = [replace(SERIES, ad_id=f"a{n}") for n in range(200)]

    def rows(days):
        for n in range(days):
            for ad in ads:
                yield row(n, DAY + timedelta(days=n), ad)

    def peak(days):
        gc.collect()
        tracemalloc.start()
        store.ingest(rows(days))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(60)  # the first call fills caches that stay
    assert peak(180) < 1.3 * peak(60)


def test_a_snapshot_sees_one_state_while_others_write(store, path):
    store.ingest([row(1_000_000)])
    budget = BudgetTarget(SERIES.account, "b", "B", Level.CAMPAIGN, ("c1",), Money(1, "USD"))
    store.note_budgets("ads", [budget], NOON)
    query = SnapshotQuery(NOON + timedelta(days=2), DAY + timedelta(days=1), 1, "USD", "UTC")
    before = store.snapshot(query).digest()
    other = open_sql(f"sqlite:///{path}")
    with store._database.read() as connection:
        assert connection.exec_driver_sql("SELECT spend FROM fact").scalar() == 1_000_000
        other.ingest([row(2_000_000, at=NOON + timedelta(days=1))])
        assert connection.exec_driver_sql("SELECT spend FROM fact").scalar() == 1_000_000
    assert store.snapshot(query).digest() != before
    other.close()


# Two readers


def count(connection):
    return connection.exec_driver_sql("SELECT COUNT(*) FROM fact").scalar_one()


def test_two_readers_see_one_state_whatever_is_written_meanwhile(store, path):
    store.ingest([row()])
    with Database(path).read_alike() as connections:
        store.ingest([row(day=DAY + timedelta(days=1))])
        assert [count(connection) for connection in connections] == [1, 1]


def test_a_write_between_the_two_is_noticed(store, path, monkeypatch):
    """A commit after the first has looked and before the second has: they would not see the same."""
    store.ingest([row()])
    versions = []

    def version(connection):
        versions.append(engine_version(connection))
        if len(versions) == 1:
            store.ingest([row(day=DAY + timedelta(days=1))])
        return versions[-1]

    engine_version = engine._data_version
    monkeypatch.setattr(engine, "_data_version", version)
    with Database(path).read_alike() as connections:
        assert [count(connection) for connection in connections] == [2, 2]
    assert len(versions) == 4
    assert versions[0] != versions[1] == versions[2] == versions[3]


def test_where_others_never_cease_to_write_one_reader_does_it(store, path, monkeypatch):
    versions = iter(range(100))
    monkeypatch.setattr(engine, "_data_version", lambda _: next(versions))
    with Database(path).read_alike() as connections:
        assert len(connections) == 1


def test_two_readers_find_what_one_finds(store, monkeypatch):
    series = [replace(SERIES, campaign_id=f"c{k}") for k in range(7)]
    store.ingest(row(1_000 + k, DAY, own) for k, own in enumerate(series))
    store.ingest(row(2_000 + k, DAY, own, NOON + timedelta(days=1)) for k, own in enumerate(series[:3]))
    budgets = [
        BudgetTarget(SERIES.account, f"b{k}", "B", Level.CAMPAIGN, (f"c{k}",), Money(10_000_000, "USD"))
        for k in range(6)
    ]
    store.note_budgets("ads", budgets, NOON)
    query = SnapshotQuery(NOON + timedelta(days=2), DAY + timedelta(days=9), 30, "USD", "UTC")
    alone = store.snapshot(query)
    monkeypatch.setattr(sql, "_MANY", 1)
    together = store.snapshot(query)
    assert np.nansum(alone.panel.spend) > 0
    assert together.digest() == alone.digest()


def test_a_snapshot_reads_no_more_of_budgets_the_longer_the_store_lives(store, monkeypatch):
    read = []
    plain = catalogue.read_amounts

    def counted(*given):
        read.append(sum(map(len, (found := plain(*given)).values())))
        return found

    monkeypatch.setattr(catalogue, "read_amounts", counted)
    store.ingest([row()])
    for number in range(200):
        amount = Money.of(10 + number % 2, "USD")
        budget = BudgetTarget(SERIES.account, "b1", "Budget", Level.CAMPAIGN, ("c1",), amount)
        store.note_budgets("ads", [budget], NOON - timedelta(days=200 - number))
    store.snapshot(SnapshotQuery(NOON, NOON.date(), 7, "USD", "UTC"))
    assert read == [9]  # of seven days, and of two before them: a day somewhere begins half a day early


def test_what_a_morning_asks_scans_none_of_the_tables_that_grow_with_every_day(store, path):
    asked = []
    event.listen(Engine, "before_cursor_execute", listener := lambda *given: asked.append(given[2:4]))
    try:
        store.snapshot(SnapshotQuery(NOON, NOON.date(), 7, "USD", "UTC"))
        store.budgets("ads", NOON)
        store.records(frozenset({State.PROPOSED, State.APPROVED}), 10)
        store.open_intents()
        store.last_written()
    finally:
        event.remove(Engine, "before_cursor_execute", listener)
    growing = {"recommendation", "intent", "budget_reading", "fact", "fact_revision", "event", "job_run"}
    with closing(sqlite3.connect(path)) as bare:
        lasting = [(words, given) for words, given in asked if "temp." not in words]
        steps = [row[3] for words, given in lasting for row in bare.execute(f"EXPLAIN QUERY PLAN {words}", given)]
    assert {"recommendation", "intent", "budget_reading"} <= {step.split()[1] for step in steps}
    assert not [step for step in steps if step.split()[0] == "SCAN" and step.split()[1] in growing]
