"""What only the store on a PostgreSQL server has: passwords, locks of its own, a server that goes away."""

import tempfile
import threading
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, make_url, text

from connectors.contract import Account, BudgetKey, Entity, EntityKind, PerformanceRow, Series
from connectors.money import Money
from optimizer.agent.store import SqlStore, current, migrate, open_sql, upgrade
from optimizer.agent.store.postgres import PostgresDatabase, address
from optimizer.agent.store.tables import Table
from optimizer.plan.audit import prove
from optimizer.plan.office import Brake
from optimizer.plan.record import BudgetIntent, IntentState, State
from optimizer.ports import SnapshotQuery, StateConflict, StoreError
from tests.optimizer.test_store_sql import step
from tests.postgres_server import own_server

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = date(2026, 2, 20)
SERIES = Series(Account("ads", "1", "USD", "UTC"), "c1", "search")
IDLE_SESSIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"
)
END_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE application_name = 'outlay' AND datname = current_database()"
)
OLD_ROWS = (
    "INSERT INTO account VALUES (1, 'ads', '1', 'USD', 'UTC')",
    "INSERT INTO entity VALUES (1, 'campaign', 'c1', 'Brand', '', 'active', '[]')",
    "INSERT INTO budget VALUES (1, 1, 'b1')",
    "INSERT INTO budget_reading VALUES "
    "(1, 5, 'Brand', 'campaign', '[\"c1\"]', 10000000, 'daily', false, NULL, 10000, '')",
    "INSERT INTO event (rec_id, revision, at, actor, action, detail) VALUES ('R-1', 1, 5, 'outlay', 'proposed', '')",
    "INSERT INTO event (rec_id, revision, at, actor, action, detail) VALUES ('R-1', 1, 6, 'Anna', 'approved', 'yes')",
    "INSERT INTO intent VALUES (1, 'k1', 'R-1', 1, 'ads', '1', 'b1', 'USD', 10000000, 12000000, 0, 'planned', 1, "
    "'req', 'note', 5, NULL)",
)


@pytest.fixture
def store(postgres):
    opened = open_sql(postgres)
    yield opened
    opened.close()


@pytest.fixture
def bare(store, postgres):
    with psycopg.connect(postgres, autocommit=True) as connection:
        yield connection


def row(spend=1, day=DAY, series=SERIES, at=NOON):
    return PerformanceRow(series, day, spend, 2, None, None, 4, at)


def impatient(url):
    return SqlStore(PostgresDatabase(address(url), lock_seconds=0.05))


def test_migrations_from_empty_give_the_declared_tables(new_postgres):
    assert current(new_postgres) is None
    assert upgrade(new_postgres) == current(new_postgres) == migrate.HEAD
    engine = create_engine(make_url(new_postgres).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Table.metadata) == []
        checks = "SELECT conname FROM pg_constraint WHERE contype = 'c'"
        found = {name for (name,) in connection.exec_driver_sql(checks)}
    engine.dispose()
    declared = {
        f"ck_{table.name}_{constraint.name}" if not str(constraint.name).startswith("ck_") else str(constraint.name)
        for table in Table.metadata.tables.values()
        for constraint in table.constraints
        if constraint.__visit_name__ in ("check_constraint", "table_or_column_check_constraint")
    }
    assert declared <= found


def test_whoever_updates_a_fact_what_it_replaces_is_kept(store, bare):
    store.ingest([row(1)])
    with pytest.raises(psycopg.errors.CheckViolation, match="ck_fact_revision_interval"):
        bare.execute("UPDATE fact SET spend = 7")
    bare.execute("UPDATE fact SET spend = 7, known_from = known_from + 5")
    bare.execute("UPDATE fact SET spend = 7, known_from = known_from + 5")
    kept = bare.execute("SELECT spend, conversions, value, clicks, known_to - known_from FROM fact_revision").fetchall()
    assert kept == [(1, 2, None, 4, 5)]


def test_history_is_never_rewritten(store, bare):
    store.commit([step("R")])
    for statement in ("UPDATE event SET actor = 'nobody'", "DELETE FROM event", "TRUNCATE event", "TRUNCATE refit"):
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="append-only"):
            bare.execute(statement)
    assert len(store.events("R")) == 1


@pytest.mark.parametrize(
    "statement", ["UPDATE fact SET spend = -1, known_from = 1", "UPDATE account SET currency = ''"]
)
def test_values_that_mean_nothing_are_refused_by_the_database(store, bare, statement):
    store.ingest([row()])
    with pytest.raises(psycopg.errors.CheckViolation):
        bare.execute(statement)


def test_a_lock_that_is_held_is_told_with_its_mend_and_others_go_on(store, bare, postgres):
    other = impatient(postgres)
    with store._database.write():
        with pytest.raises(StoreError, match=r"lock timeout.*Mend: another process is writing"):
            other.commit([step("R")])
        assert other.records() == ()
        assert other.ingest([row()]).new == 1  # who enters evidence waits for nobody who decides
    with store._database.learn():
        with pytest.raises(StoreError, match="another process is writing"):
            other.ingest([row(2, at=NOON + timedelta(days=1))])
        other.commit([step("R")])
    assert other.ingest([row(2, at=NOON + timedelta(days=1))]).restated == 1
    other.close()


def test_a_slow_platform_holds_no_lock_and_no_transaction(store, postgres, bare):
    other = impatient(postgres)

    def rows():
        for n in range(3):
            other.commit([step(f"R{n}")])
            assert bare.execute(IDLE_SESSIONS).fetchone() == (0,)
            yield row(n, DAY + timedelta(days=n))

    assert store.ingest(rows()).new == 3
    other.close()


def test_a_reading_that_fails_leaves_nothing_behind(store, bare):
    def rows():
        yield row(1)
        raise ValueError("the platform broke off")

    with pytest.raises(ValueError, match="broke off"):
        store.ingest(rows())
    assert bare.execute("SELECT count(*) FROM fact").fetchone() == (0,)
    tables = "SELECT count(*) FROM pg_class WHERE relname = 'reading'"
    for _ in range(100):  # the server sweeps up when the connection is gone
        if bare.execute(tables).fetchone() == (0,):
            break
        time.sleep(0.05)
    assert bare.execute(tables).fetchone() == (0,)
    assert store.ingest([row(1)]).new == 1


def _end_in_the_midst(store, bare):
    with store._database.write() as connection:
        bare.execute(END_SESSIONS)
        connection.exec_driver_sql("SELECT 1")


def test_connections_that_broke_are_replaced(store, bare):
    store.ingest([row()])
    bare.execute(END_SESSIONS)
    assert store.ingest([row()]).unchanged == 1
    with pytest.raises(StoreError, match=r"wait until the server is up.*refused") as caught:
        _end_in_the_midst(store, bare)
    assert "password" not in str(caught.value)
    store.commit([step("R")])


def test_a_server_that_was_restarted_is_found_again():
    with tempfile.TemporaryDirectory(prefix="outlay-restart-") as folder:
        Path(folder).chmod(0o755)  # the server's user is not this one
        with own_server(Path(folder) / "server") as server:
            store = open_sql(server.url)
            store.commit([step("R")])
            server.stop()
            with pytest.raises(StoreError, match=r"Mend: (start the server|wait until the server is up)"):
                store.records()
            server.start(make_url(server.url).port)
            assert [record.recommendation.rec_id for record in store.records()] == ["R"]
            store.commit([step("S")])
            store.close()


def test_of_two_who_take_the_same_step_exactly_one_wins(store, postgres):
    rounds = 15
    store.commit([step(f"R{n}") for n in range(rounds)])
    gate = threading.Barrier(2, timeout=30)
    won = []

    def approve(name):
        mine = open_sql(postgres)
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


def test_all_who_open_a_new_database_at_once_get_it(new_postgres):
    gate = threading.Barrier(4, timeout=30)
    failures = []

    def begin():
        gate.wait()
        try:
            open_sql(new_postgres).close()
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert current(new_postgres) == migrate.HEAD


def test_a_snapshot_sees_one_state_while_others_write(store, postgres):
    store.ingest([row(1)])
    other = open_sql(postgres)
    with store._database.read() as connection:
        assert connection.exec_driver_sql("SELECT spend FROM fact").scalar() == 1
        other.ingest([row(2, at=NOON + timedelta(days=1))])
        assert connection.exec_driver_sql("SELECT spend FROM fact").scalar() == 1
        with pytest.raises(StoreError, match="read-only"), store._database.read() as reader:
            reader.exec_driver_sql("DELETE FROM fact")
    other.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "wr0ng-secret"}, r"password authentication failed.*Mend: set user and password"),
        ({"database": "nowhere"}, r'"nowhere" does not exist.*Mend: create the database'),
        ({"port": 1}, r"refused.*Mend: start the server or correct host and port"),
    ],
)
def test_a_server_that_lets_nobody_in_is_told_without_the_password(postgres, change, words):
    url = make_url(postgres).set(**change)
    with pytest.raises(StoreError, match=words) as caught:
        open_sql(url.render_as_string(hide_password=False))
    assert str(url.password) not in str(caught.value)
    assert f"{url.host}:{url.port}/{url.database}" in str(caught.value)


def test_a_database_of_a_newer_or_another_program_is_left_alone(new_postgres):
    with psycopg.connect(new_postgres, autocommit=True) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
        with pytest.raises(StoreError, match=r"another program.*\[store\] url"):
            open_sql(new_postgres)
        connection.execute("DROP TABLE recipes")
        upgrade(new_postgres)
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"version '9999'.*install"):
        open_sql(new_postgres)
    assert current(new_postgres) == "9999"


def test_open_writes_are_told_in_one_order_whatever_the_server_sorts_by(postgres_server):
    url = postgres_server.new("LOCALE_PROVIDER icu ICU_LOCALE 'en' LOCALE 'C'")
    store = open_sql(url)
    keys = ["b", "A", "a", "B", "_"]
    planned = [
        BudgetIntent(key, "R", 1, BudgetKey("ads", "1", key), Money(1, "USD"), Money(2, "USD"), n, IntentState.PLANNED)
        for n, key in enumerate(keys)
    ]
    store.commit([step("R", State.APPLYING, intents=tuple(planned))])
    assert [intent.idempotency_key for intent in store.open_intents()] == sorted(keys)
    with pytest.raises(StateConflict, match=r"/A"):
        store.commit([step("S", State.APPLYING, intents=(replace(planned[0], idempotency_key="z", rec_id="S"),))])
    store.close()
    postgres_server.drop(url)


def test_a_text_that_is_none_is_told(store):
    with pytest.raises(StoreError, match=r"NUL.*Mend: a text from a platform"):
        store.note_entities([Entity(SERIES.account, EntityKind.CAMPAIGN, "c1", "a\x00b")])


def test_a_seat_whose_session_was_lost_is_taken_again_when_the_lease_is_renewed(store, bare, postgres):
    """Else whoever asks next, as `outlay apply` does, takes the lead from a process that is alive."""
    minute = timedelta(minutes=1)
    lease = store.take_lead("a", NOON, NOON + minute)
    bare.execute(END_SESSIONS)
    lease = store.renew_lead(lease, NOON + 2 * minute)
    other = open_sql(postgres)
    assert other.take_lead("b", NOON + minute, NOON + 3 * minute) is None
    store.leave_lead(lease, NOON + minute)
    assert other.take_lead("b", NOON + minute, NOON + 3 * minute).epoch == 2
    other.close()


def test_a_seat_that_cannot_be_asked_for_is_told_as_every_failure_is(store):
    store._seat._try = text("SELECT pg_try_advisory_lock('of no number')")
    with pytest.raises(StoreError, match="the database says"):
        store.take_lead("a", NOON, NOON + timedelta(minutes=1))


def test_ads_are_noted_beside_whoever_decides_and_under_the_lock_of_the_evidence(store, bare, postgres):
    """They may bring a new account, as budgets do, and two that enter the same one must wait for each other."""
    bare.execute(f"SELECT pg_advisory_lock({0x6F75746C}, 1)")
    store.note_ads("ads", (), NOON)
    bare.execute(f"SELECT pg_advisory_lock({0x6F75746C}, 2)")
    hasty = impatient(postgres)
    with pytest.raises(StoreError, match="another process is writing"):
        hasty.note_ads("ads", (), NOON)
    hasty.close()


def test_an_older_database_that_holds_something_is_brought_up_to_date_and_keeps_it(new_postgres):
    """Each table that a later migration alters has rows when it does."""
    config = Config()
    config.set_main_option("script_location", str(migrate._MIGRATIONS))
    engine = create_engine(make_url(new_postgres).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        for statement in OLD_ROWS:
            connection.exec_driver_sql(statement)
    engine.dispose()
    store = open_sql(new_postgres)
    (kept,) = store.open_intents()
    assert (kept.key, kept.target) == (BudgetKey("ads", "1", "b1"), Money.of(12, "USD"))
    entries = store.audit()
    assert [(e.number, e.event.action) for e in entries] == [(1, "proposed"), (2, "approved")]
    assert prove(entries).broken is None
    seen = store.snapshot(SnapshotQuery(NOON, DAY, 5, "USD", "UTC"))
    assert [target.campaign_names for target in seen.targets] == [("Brand",)]
    store.throw_brake(Brake(True, NOON, "mia", "stop"))
    assert prove(store.audit()).entries == 3
    store.close()
