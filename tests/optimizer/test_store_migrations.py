"""The database's version, and how files that cannot be opened are told."""

import re
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import IntegrityError

from connectors.contract import BudgetKey
from connectors.money import Money
from optimizer.agent.store import current, migrate, open_sql, tables, upgrade
from optimizer.agent.store.tables import Table
from optimizer.plan.refits import RefitRecord
from optimizer.ports import SnapshotQuery, StoreError


def _shapes(engine):
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql IS NOT NULL "
            "AND name NOT LIKE 'sqlite%' AND name <> 'alembic_version'"
        ).fetchall()
    # Columns and constraints stand in any order, a column that was added beside another: what is compared is the set of
    # a table's clauses.
    return {name: sorted(re.sub(r'[\s"]+', " ", clause).strip(" ,") for clause in _clauses(sql)) for name, sql in rows}


def _clauses(sql):
    return (clause for line in sql.splitlines() for clause in re.split(r",\s+(?![^(]*\))", line) if clause)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'outlay.sqlite'}"


@pytest.fixture
def engine(url):
    built = create_engine(url)
    yield built
    built.dispose()


def test_migrations_from_empty_give_the_declared_tables(url, engine):
    upgrade(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Table.metadata) == []


def test_migrations_give_the_declared_checks_and_storage_too(url, engine):
    upgrade(url)
    declared = create_engine("sqlite://")
    Table.metadata.create_all(declared)
    assert _shapes(engine) == _shapes(declared)
    declared.dispose()


def test_the_page_of_the_store_names_every_table_and_which_only_grow(url, engine):
    upgrade(url)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars().all()
    growing = {name.removesuffix("_stays") for name in rows if name.endswith("_stays")}
    page = (Path(__file__).parents[2] / "docs" / "store.md").read_text(encoding="utf-8")
    cells = [row.split("|")[1] for row in page.splitlines() if row.startswith("| `")]
    named = {name: bool(mark) for cell in cells for name, mark in re.findall(r"`(\w+)`( \(!\))?", cell)}
    assert named == {name: name in growing for name in Table.metadata.tables}


def test_the_template_of_new_migrations_gives_one_that_runs(engine, url, tmp_path):
    upgrade(url)
    folder = shutil.copytree(Path(tables.__file__).parent / "migrations", tmp_path / "migrations")
    config = Config()
    config.set_main_option("script_location", str(folder))
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP INDEX ix_event_rec_id")
        config.attributes["connection"] = connection
        made = command.revision(config, "mend an index", rev_id="9999", autogenerate=True)
        assert "create_index" in Path(made.path).read_text()
        command.upgrade(config, "head")
        assert "ix_event_rec_id" in {index["name"] for index in inspect(connection).get_indexes("event")}


def test_a_new_file_is_brought_up_to_date_once(url):
    assert current(url) is None
    assert upgrade(url) == upgrade(url) == current(url) == migrate.HEAD
    open_sql(url).close()


def test_an_older_file_keeps_what_it_holds_and_takes_refits(url, engine, tmp_path):
    config = Config()
    config.set_main_option("script_location", str(migrate._MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql("INSERT INTO account VALUES (1, 'ads', '1', 'USD', 'UTC')")
        connection.exec_driver_sql(
            "INSERT INTO series VALUES (1, 1, 'c1', 'search', '', '', '', '', 'all', 'platform')"
        )
        connection.exec_driver_sql("INSERT INTO fact VALUES (1, 739000, 5000000, 2000000, NULL, NULL, NULL, 0)")
    assert current(url) == "0001"
    store = open_sql(url)
    day = date.fromordinal(739_000)
    query = SnapshotQuery(datetime(2026, 3, 1, tzinfo=UTC), day + timedelta(days=1), 5, "USD", "UTC")
    before = store.snapshot(query)
    assert [f.last_day for f in before.freshness] == [day]
    assert (store.refits(), before.priors) == ((), None)
    fitted = RefitRecord("F-1", datetime(2026, 2, 1, tzinfo=UTC), "m/1", "0.1", 7, "e" * 64, 1.0, (), None)
    store.record_refit(fitted)
    store.close()
    assert current(url) == migrate.HEAD
    again = open_sql(url)
    assert again.refits() == (fitted,)
    again.close()


def test_an_older_file_keeps_its_writes_and_takes_those_of_ads(url, engine):
    config = Config()
    config.set_main_option("script_location", str(migrate._MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.exec_driver_sql(
            "INSERT INTO intent VALUES (1, 'k1', 'R-1', 1, 'ads', '1', 'b1', 'USD', 10000000, 12000000, 0, 'planned', "
            "1, 'req', 'note', 5, NULL)"
        )
    store = open_sql(url)
    budget = BudgetKey("ads", "1", "b1")
    (kept,) = store.open_intents()
    assert (kept.key, kept.base, kept.target) == (budget, Money.of(10, "USD"), Money.of(12, "USD"))
    assert (kept.attempts, kept.request_id, kept.note) == (1, "req", "note")
    store.close()
    columns = (
        "INSERT INTO intent (idempotency_key, rec_id, revision, connector, account_id, position, state, attempts, "
    )
    columns += "request_id, note, ad_id, base_status, target_status, budget_id) VALUES "
    row = "('{}', 'R-1', 1, 'ads', '1', 0, 'planned', 0, '', '', {})"
    with engine.begin() as connection:
        connection.exec_driver_sql(columns + row.format("k2", "'b1', 'active', 'paused', NULL"))
    for change in (
        "'b1', 'paused', 'active', NULL",  # a second open write of one ad
        "'x', 'active', NULL, NULL",
        "'x', 'active', 'paused', 'b9'",
        "'x', 'active', 'removed', NULL",
        "NULL, NULL, NULL, NULL",
    ):
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.exec_driver_sql(columns + row.format("k3", change))


def test_a_database_of_a_newer_program_is_left_alone(url, tmp_path):
    upgrade(url)
    with sqlite3.connect(tmp_path / "outlay.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = (tmp_path / "outlay.sqlite").read_bytes()
    with pytest.raises(StoreError, match=r"version '9999'.*install"):
        open_sql(url)
    assert current(url) == "9999"
    assert (tmp_path / "outlay.sqlite").read_bytes() == before


def test_a_database_of_another_program_is_left_alone(url, tmp_path):
    connection = sqlite3.connect(tmp_path / "outlay.sqlite")
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    with pytest.raises(StoreError, match=r"another program.*\[store\] url"):
        open_sql(url)


def test_a_file_that_is_no_database_is_told(url, tmp_path):
    (tmp_path / "outlay.sqlite").write_text("campaign,spend\n" * 1000)
    with pytest.raises(StoreError, match=r"outlay\.sqlite.*not a database.*Mend"):
        open_sql(url)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sqlite:///{}/missing/outlay.sqlite", "does not exist; create it"),
        ("sqlite:///{}", "is a folder"),
        ("sqlite://", "names no SQLite file"),
        ("sqlite:///:memory:", "names no SQLite file"),
        ("mysql://me:hidden@localhost/outlay", r"names no SQLite file; write sqlite:///.* or postgresql://"),
        ("postgresql://me:hidden@localhost:port/outlay", "cannot be read; write postgresql://"),
        ("postgresql://me:hidden@localhost", "cannot be read; write postgresql://"),
        ("postgresql://me:hidden@127.0.0.1:1/outlay", r"//127\.0\.0\.1:1/outlay: .*refused.* Mend: start the server"),
        ("me:hidden", "names no SQLite file"),
        ("outlay.sqlite", "names no SQLite file"),
    ],
)
def test_an_address_that_cannot_be_opened_is_told_with_its_mend(name, words, tmp_path):
    with pytest.raises(StoreError, match=words) as caught:
        open_sql(name.format(tmp_path))
    assert "hidden" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_path_is_taken_as_it_is_written(tmp_path):
    (tmp_path / "odd?name=1").mkdir()
    open_sql(f"sqlite:///{tmp_path}/odd?name=1/outlay.sqlite").close()
    assert (tmp_path / "odd?name=1" / "outlay.sqlite").is_file()


def test_the_head_that_the_program_names_is_the_newest_migration() -> None:
    assert ScriptDirectory(str(migrate._MIGRATIONS)).get_current_head() == migrate.HEAD


def test_several_new_files_are_opened_at_the_same_time(tmp_path):
    urls = [f"sqlite:///{tmp_path / name}" for name in ("a", "b", "c", "d")]
    with ThreadPoolExecutor(len(urls)) as pool:
        for store in pool.map(open_sql, urls):
            store.close()
    assert [current(url) for url in urls] == [migrate.HEAD] * len(urls)
