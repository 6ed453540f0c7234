"""The store's speed against bare SQL in the same run, on ad-level rows.

Ingest is compared with one `sqlite3.executemany` upsert of ready tuples into an equal table of (series, day) and
measures, and the sums with one bare GROUP BY over that table; each pair runs on files with the same PRAGMAs, several
times in turn, and medians are compared. What is timed of ours includes reading the row objects, the checks and the
history; making the rows themselves is timed for neither.

Beside a PostgreSQL server (`.ci/postgres.py --durable .venv/bin/python benchmarks/store.py`) the same ingest is
measured there, against one bare COPY of ready tuples into an equal table; without one it says that it is left out.

    python benchmarks/store.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where bandits.py hides the package

from connectors.contract import Account, BudgetTarget, Level, PerformanceRow, Series
from connectors.money import Money
from optimizer.agent.store import open_sql
from optimizer.agent.store.engine import Database
from optimizer.agent.store.facts import SqlFacts
from optimizer.agent.store.instants import to_instant
from optimizer.agent.store.known import Span
from optimizer.ports import SnapshotQuery

SEED = 20_260_101
SERVER = "OUTLAY_TEST_POSTGRES"
FIRST_DAY = date(2026, 1, 1)
FETCHED = datetime(2026, 6, 1, 6, tzinfo=UTC)
ACCOUNT = Account("bench", "1", "USD", "UTC")
RAW_TABLE = """
    CREATE TABLE raw (series_id INTEGER NOT NULL, day INTEGER NOT NULL, spend BIGINT NOT NULL, conversions BIGINT NOT
    NULL, value BIGINT, impressions BIGINT, clicks BIGINT, PRIMARY KEY (series_id, day)) WITHOUT ROWID
"""
RAW_UPSERT = """
    INSERT INTO raw VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (series_id, day) DO UPDATE SET spend = excluded.spend,
    conversions = excluded.conversions, value = excluded.value, impressions = excluded.impressions,
    clicks = excluded.clicks
"""
RAW_SUMS = """
    SELECT s.campaign_id, r.day, SUM(spend), SUM(conversions), SUM(value), SUM(impressions), SUM(clicks)
    FROM series s JOIN raw r ON r.series_id = s.id WHERE r.day >= ? AND r.day < ? GROUP BY s.campaign_id, r.day
"""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    ads: int
    days: int
    repeats: int


@dataclass(frozen=True)
class Bar:
    """A figure and what it must not pass."""

    name: str
    value: float
    bar: float

    @property
    def holds(self) -> bool:
        """Whether the figure is within its bar."""
        return self.value <= self.bar


def series_of(ads: int) -> list[Series]:
    """Return ads spread over a hundred campaigns."""
    return [
        Series(ACCOUNT, f"c{n % 100}", "social", f"g{n % 1000}", f"ad{n}", f"cr{n % 50}", f"au{n % 7}")
        for n in range(ads)
    ]


def tuples(size: Size) -> list[tuple[int, ...]]:
    """Return (series, day, measures), day by day as platforms report them."""
    rng = random.Random(SEED)
    draw = rng.randrange
    first = FIRST_DAY.toordinal()
    return [
        (n, first + d, draw(10**8), draw(10**7), draw(10**8), draw(10**10), draw(10**8))
        for d in range(size.days)
        for n in range(size.ads)
    ]


def rows(series: list[Series], facts: list[tuple[int, ...]]) -> Iterator[PerformanceRow]:
    """Yield the same facts as a connector would."""
    for n, day, spend, conversions, value, impressions, clicks in facts:
        yield PerformanceRow(series[n], date.fromordinal(day), spend, conversions, value, impressions, clicks, FETCHED)


def seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def bare(path: Path) -> sqlite3.Connection:
    """Open a bare database with the store's PRAGMAs."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "cache_size = -65536"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute(RAW_TABLE)
    return connection


def upsert(connection: sqlite3.Connection, facts: list[tuple[int, ...]]) -> None:
    """Write all facts in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(RAW_UPSERT, facts)
    connection.execute("COMMIT")


def measure_ingest(size: Size, folder: Path) -> tuple[list[Bar], Path, sqlite3.Connection]:
    """Measure ingest and re-ingest; return the store's last file, and the last bare one opened."""
    series, facts = series_of(size.ads), tuples(size)
    making = statistics.median(seconds(lambda: [None for _ in rows(series, facts)]) for _ in range(3))
    ours, raws, again = [], [], []
    for turn in range(size.repeats):
        connection = bare(folder / f"raw{turn}.sqlite")
        raws.append(seconds(lambda: upsert(connection, facts)))  # noqa: B023 - called at once
        file = folder / f"ours{turn}.sqlite"
        store = open_sql(f"sqlite:///{file}")
        ours.append(seconds(lambda: store.ingest(rows(series, facts))) - making)  # noqa: B023
        before = file.stat().st_size
        again.append(seconds(lambda: store.ingest(rows(series, facts))) - making)  # noqa: B023
        grown = file.stat().st_size - before
        store.close()
        if turn + 1 < size.repeats:
            connection.close()
    raw, own = statistics.median(raws), statistics.median(ours)
    print(f"rows {len(facts):,} ({size.ads:,} ads x {size.days} days), repeats {size.repeats}, seed {SEED}")
    print(f"  making the row objects      {making:7.2f} s (timed for neither)")
    print(f"  bare executemany upsert     {raw:7.2f} s  {len(facts) / raw:10,.0f} rows/s")
    print(f"  ingest                      {own:7.2f} s  {len(facts) / own:10,.0f} rows/s  ratio {own / raw:.2f}")
    print(f"  re-ingest, nothing changed  {statistics.median(again):7.2f} s  file grown by {grown} bytes")
    return [Bar("ingest_over_bare", own / raw, 3.0), Bar("reingest_growth_bytes", grown, 0.0)], file, connection


def measure_sums(size: Size, store_file: Path, connection: sqlite3.Connection) -> Bar:
    """Measure the daily sums by campaign that a snapshot is made of, over up to 90 days."""
    connection.execute("CREATE TABLE series (id INTEGER PRIMARY KEY, campaign_id TEXT NOT NULL)")
    named = [(n, s.campaign_id) for n, s in enumerate(series_of(size.ads))]
    connection.executemany("INSERT INTO series VALUES (?, ?)", named)
    first = FIRST_DAY.toordinal()
    until = first + min(size.days, 90)
    database = Database(store_file)
    with database.read() as own:
        found = own.exec_driver_sql("SELECT id, campaign_id FROM series").all()
        campaigns = {name: place for place, name in enumerate(sorted({name for _, name in found}))}
        groups = {number: campaigns[name] for number, name in found}
        facts = SqlFacts(own, to_instant(FETCHED))
        ours, raws = [], []
        for _ in range(size.repeats):
            raws.append(seconds(lambda: connection.execute(RAW_SUMS, (first, until)).fetchall()))
            ours.append(seconds(lambda: facts.totals(groups, Span(first, until))))
    database.close()
    raw, own_time = statistics.median(raws), statistics.median(ours)
    print(f"sums by campaign and day over {until - first} days")
    print(f"  bare GROUP BY               {raw:7.2f} s")
    print(f"  the store's                 {own_time:7.2f} s  ratio {own_time / raw:.2f}")
    return Bar("sums_over_bare", own_time / raw, 3.0)


def measure_snapshot(folder: Path, repeats: int) -> Bar:
    """Measure the snapshot of 300 campaigns over 365 days, each with a budget."""
    series = [Series(ACCOUNT, f"c{n}", "search") for n in range(300)]
    facts = tuples(Size(ads=300, days=365, repeats=1))
    store = open_sql(f"sqlite:///{folder / 'campaigns.sqlite'}")
    store.ingest(rows(series, facts))
    budgets = [
        BudgetTarget(ACCOUNT, f"b{n}", f"Budget {n}", Level.CAMPAIGN, (f"c{n}",), Money.of(50 + n, "USD"))
        for n in range(300)
    ]
    store.note_budgets(ACCOUNT.connector, budgets, FETCHED)
    query = SnapshotQuery(FETCHED, FIRST_DAY + timedelta(days=365), 365, "USD", "UTC")
    taken = statistics.median(seconds(lambda: store.snapshot(query)) for _ in range(repeats))
    store.close()
    print(f"snapshot of 300 campaigns x 365 days  {taken:.2f} s")
    return Bar("snapshot_300x365_seconds", taken, 0.5)


def copied(url: str, facts: list[tuple[int, ...]]) -> float:
    """Time one bare COPY of all facts into an empty table with the same key."""
    import psycopg  # noqa: PLC0415 - an extra: only who has a server needs it

    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS raw")
        cursor.execute(RAW_TABLE.replace("WITHOUT ROWID", ""))
        connection.commit()

        def work() -> None:
            with cursor.copy("COPY raw FROM STDIN") as copy:
                for fact in facts:
                    copy.write_row(fact)
            connection.commit()

        taken = seconds(work)
        cursor.execute("DROP TABLE raw")
    return taken


def measure_server(size: Size, url: str) -> list[Bar]:
    """Measure ingest, re-ingest and a daily restatement on a PostgreSQL server; each turn in a database of its own."""
    import psycopg  # noqa: PLC0415 - as above

    series, facts = series_of(size.ads), tuples(size)
    changed = facts[-size.ads * 7 :]  # the last week is restated
    making = statistics.median(seconds(lambda: [None for _ in rows(series, facts)]) for _ in range(3))
    ours, raws, again, restated = [], [], [], []
    for turn in range(size.repeats):
        name = f"bench{turn}"
        place = f"{url.rpartition('/')[0]}/{name}"
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}")
            raws.append(copied(url, facts))
            store = open_sql(place)
            ours.append(seconds(lambda: store.ingest(rows(series, facts))) - making)  # noqa: B023 - called at once
            again.append(seconds(lambda: store.ingest(rows(series, facts))) - making)  # noqa: B023
            later = [(n, day, spend, conversions + 1, *rest) for n, day, spend, conversions, *rest in changed]
            restated.append(seconds(lambda: store.ingest(restate(series, later))))  # noqa: B023
            store.close()
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    raw, own = statistics.median(raws), statistics.median(ours)
    print(f"PostgreSQL, the same {len(facts):,} rows, repeats {size.repeats}")
    print(f"  bare COPY                   {raw:7.2f} s  {len(facts) / raw:10,.0f} rows/s")
    print(f"  ingest                      {own:7.2f} s  {len(facts) / own:10,.0f} rows/s  ratio {own / raw:.2f}")
    print(f"  re-ingest, nothing changed  {statistics.median(again):7.2f} s")
    print(f"  {len(changed):,} rows restated        {statistics.median(restated):7.2f} s")
    return [Bar("postgres_ingest_over_bare_copy", own / raw, 6.0)]


def restate(series: list[Series], facts: list[tuple[int, ...]]) -> Iterator[PerformanceRow]:
    """Yield facts as they are read a day later."""
    for row in rows(series, facts):
        yield replace(row, fetched_at=FETCHED + timedelta(days=1))


def main() -> None:
    """Print the table and the bars."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="300,000 rows instead of 1,000,000")
    quick = parser.parse_args().quick
    size = Size(ads=3_000, days=100, repeats=3) if quick else Size(ads=10_000, days=100, repeats=3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bars, file, connection = measure_ingest(size, folder)
        bars.append(measure_sums(size, file, connection))
        connection.close()
        bars.append(measure_snapshot(folder, 5))
    server = os.environ.get(SERVER)
    if server is None:
        print(f"PostgreSQL is left out: {SERVER} names no server (.ci/postgres.py --durable runs this beside one)")
    else:
        bars += measure_server(replace(size, repeats=1) if quick else size, server)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:,.0f} MB, of which the tuples of the bare run are most")
    print(json.dumps({"bars": [
        {"name": bar.name, "value": round(bar.value, 3), "bar": bar.bar, "holds": bar.holds} for bar in bars
    ]}))  # fmt: skip
    sys.exit(0 if all(bar.holds for bar in bars) else 1)


if __name__ == "__main__":
    main()
