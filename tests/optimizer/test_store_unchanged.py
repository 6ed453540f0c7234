"""What is read again and is as it was leaves no trace: a database does not grow by being read into."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from connectors.contract import (
    Account,
    AdState,
    BudgetTarget,
    Entity,
    EntityKind,
    EntityStatus,
    Level,
    PerformanceRow,
    Series,
)
from connectors.money import Money
from optimizer.agent.store import open_sql
from optimizer.agent.store.contents import contents
from optimizer.agent.store.sql import SqlStore

FIRST = date(2026, 1, 1)
READ = datetime(2026, 3, 1, 6, tzinfo=UTC)
ACCOUNT = Account("shop", "a1", "EUR", "Europe/Berlin")
TIMES = 100


def rows(read: datetime) -> list[PerformanceRow]:
    """Twenty days of three campaigns, as they were stated on the morning after each, read at a later time."""
    found = []
    for number in range(20):
        day = FIRST + timedelta(days=number)
        for name in ("brand", "video", "shopping"):
            series = Series(ACCOUNT, name, "search", ad_id=f"{name}-1", ad_group_id=f"{name}-g")
            measures = (10_000_000 + number, 3_500_000, 90_000_000, 7_000_000_000, 40_000_000)
            found.append(PerformanceRow(series, day, *measures, read, 800_000, 200_000))
    return found


def read_all(store: SqlStore, read: datetime) -> None:
    """One morning's reading of everything."""
    store.ingest(rows(read))
    store.note_entities([Entity(ACCOUNT, EntityKind.CAMPAIGN, "brand", "Brand", tags=("always on",))], read)
    budget = BudgetTarget(ACCOUNT, "b1", "Brand", Level.CAMPAIGN, ("brand",), Money.of("50.00", "EUR"), etag="e1")
    store.note_budgets("shop", [budget], read)
    store.note_ads("shop", [AdState(ACCOUNT, "brand-1", "An ad", "brand", "brand-g", EntityStatus.ACTIVE)], read)


@pytest.fixture(scope="module")
def new_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "new.sqlite"
    open_sql(f"sqlite:///{path}").close()
    return path


def test_an_sqlite_file_does_not_grow_by_a_hundred_unchanged_readings(new_file: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(new_file, tmp_path / "outlay.sqlite"))
    store = open_sql(f"sqlite:///{path}")
    read_all(store, READ)
    store.close()  # the last connection puts the log into the file
    size, whole = path.stat().st_size, _contents(f"sqlite:///{path}")
    store = open_sql(f"sqlite:///{path}")
    for number in range(1, TIMES + 1):
        report = store.ingest(rows(READ + timedelta(hours=number)))
        assert (report.rows, report.new, report.restated, report.unchanged) == (60, 0, 0, 60)
        read_all(store, READ + timedelta(hours=number))
    log = path.with_name(f"{path.name}-wal")
    assert not log.exists() or log.stat().st_size < 100_000
    store.close()
    assert path.stat().st_size == size
    assert _contents(f"sqlite:///{path}") == whole


def test_tables_of_a_server_do_not_grow_by_a_hundred_unchanged_readings(postgres: str) -> None:
    store = open_sql(postgres)
    try:
        read_all(store, READ)
        whole = _contents(postgres)
        for number in range(1, TIMES + 1):
            read_all(store, READ + timedelta(hours=number))
        assert _contents(postgres) == whole
    finally:
        store.close()


def test_a_reading_that_differs_does_leave_a_trace(new_file: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(new_file, tmp_path / "outlay.sqlite"))
    store = open_sql(f"sqlite:///{path}")
    read_all(store, READ)
    before = _contents(f"sqlite:///{path}")
    store.note_budgets("shop", [], READ + timedelta(hours=1))
    store.close()
    after = _contents(f"sqlite:///{path}")
    assert after[0]["budget_reading"] == before[0]["budget_reading"] + 1
    assert after[1] != before[1]


def _contents(url: str) -> tuple[dict[str, int], str]:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.connect() as connection:
            found = contents(connection)
            return dict(found.rows), found.digest
    finally:
        engine.dispose()
