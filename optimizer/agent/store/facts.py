"""The fast path: facts in and out of SQLite in bulk; `facts_postgres` is the same for the other kind of database.

A reading is staged row by row in a temporary table, which is not locked against others and does not grow in memory,
then merged by a few statements under the write lock; weeks that are settled by now are packed after it (`packs`), each
piece in a transaction of its own. Which series a total is for is told by a temporary table too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import batched

import numpy as np
from sqlalchemy import Connection

from connectors.contract import PerformanceRow, Series
from optimizer.agent.store import auctions, packs
from optimizer.agent.store.catalogue import number_series
from optimizer.agent.store.engine import transaction
from optimizer.agent.store.known import UNREPORTED, Cells, Groups, Span
from optimizer.agent.store.recalled import STATED, RecalledFacts
from optimizer.agent.store.rules import too_large
from optimizer.agent.store.staging import CHUNK, Entries, Stage, entries, steps, version
from optimizer.agent.store.timeline import Version
from optimizer.plan.snapshot import FloatArray, IntArray
from optimizer.ports import IngestReport

_MEASURES = "spend, conversions, value, impressions, clicks"
_STAGED = "local, day, known_from, spend, conversions, value, impressions, clicks"
_SAME = (
    "(r.spend, r.conversions, r.value, r.impressions, r.clicks) "
    "IS (f.spend, f.conversions, f.value, f.impressions, f.clicks)"
)
_DROP = (
    "DROP TABLE IF EXISTS temp.reading",
    "DROP TABLE IF EXISTS temp.numbered",
    "DROP TABLE IF EXISTS temp.touched",
    auctions.DROP,
)
_CREATE = (
    auctions.CREATE,
    f"CREATE TEMP TABLE reading ({_STAGED})",
    "CREATE TEMP TABLE numbered (local INTEGER PRIMARY KEY, series_id INTEGER NOT NULL)",
    f"CREATE TEMP TABLE touched (local, day, series_id, known_from, {_MEASURES}, PRIMARY KEY (local, day)) "
    "WITHOUT ROWID",
)
_STAGE = f"INSERT INTO temp.reading ({_STAGED}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - constants, here and below
# In order of time, so that of several statements of a new key the oldest is entered and the others restate it.
_ENTER_NEW = f"""
    INSERT INTO fact (series_id, day, {_MEASURES}, known_from)
    SELECT n.series_id, r.day, {_MEASURES}, r.known_from
    FROM temp.reading r JOIN temp.numbered n ON n.local = r.local
    WHERE true
    ORDER BY n.series_id, r.day, r.known_from
    ON CONFLICT (series_id, day) DO NOTHING
"""  # noqa: S608
# The keys of which some row says other than what is known now, or is older than it; with what is known now.
_TOUCH = f"""
    INSERT OR IGNORE INTO temp.touched
    SELECT r.local, r.day, f.series_id, f.known_from, f.spend, f.conversions, f.value, f.impressions, f.clicks
    FROM temp.reading r
    JOIN temp.numbered n ON n.local = r.local
    JOIN fact f ON f.series_id = n.series_id AND f.day = r.day
    WHERE NOT (r.known_from >= f.known_from AND {_SAME})
"""  # noqa: S608
_STATEMENTS = """
    SELECT t.series_id, t.day,
           r.known_from, r.spend, r.conversions, r.value, r.impressions, r.clicks,
           t.known_from, t.spend, t.conversions, t.value, t.impressions, t.clicks
    FROM temp.reading r CROSS JOIN temp.touched t ON t.local = r.local AND t.day = r.day
    ORDER BY t.series_id, t.day, r.known_from
"""
_DAYS = "SELECT MIN(day), MAX(day) FROM temp.reading"
_HISTORY = f"""
    SELECT known_from, {_MEASURES} FROM fact_revision WHERE series_id = :series AND day = :day
    UNION ALL
    SELECT known_from, {_MEASURES} FROM fact WHERE series_id = :series AND day = :day
    ORDER BY known_from
"""  # noqa: S608
_RESTATE = (
    "UPDATE fact SET known_from = ?, spend = ?, conversions = ?, value = ?, impressions = ?, clicks = ? "
    "WHERE series_id = ? AND day = ?"
)
_REMEMBER = (
    f"INSERT INTO fact_revision (known_from, {_MEASURES}, known_to, series_id, day) "  # noqa: S608
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_CUT = "UPDATE fact_revision SET known_to = ? WHERE series_id = ? AND day = ? AND known_from = ?"

_SUMS = ", ".join(f"SUM(v.{name})" for name in _MEASURES.split(", "))
_KNOWN_NOW = "fact v ON v.series_id = m.series_id AND v.day >= :since AND v.day < :until AND v.known_from <= :known_at"
# What was known then and has been replaced since: looked for only where the present version is younger.
_KNOWN_THEN = """
    fact f ON f.series_id = m.series_id AND f.day >= :since AND f.day < :until AND f.known_from > :known_at
    JOIN fact_revision v ON v.series_id = f.series_id AND v.day = f.day
        AND v.known_from <= :known_at AND v.known_to > :known_at
"""
_TOTALS = tuple(
    f"SELECT m.grp, v.day, {_SUMS} FROM temp.member m JOIN {source} GROUP BY m.grp, v.day"  # noqa: S608
    for source in (_KNOWN_NOW, _KNOWN_THEN)
)
# Where rows need not be added up by the database, a text of a whole column reaches Python in a fraction of the time
# that a row object for each day takes. All columns are listed in one order, whichever it is.
_OPTIONAL = ("value", "impressions", "clicks")
_TOTALLED = ("day", *_MEASURES.split(", "))
_REPLACED = "fact_revision v ON v.series_id = m.series_id AND v.day >= :since AND v.day < :until"
_LISTED_CHUNK = 500
_PACKED = ("day", "known_from", *_MEASURES.split(", "))
_OF_BLOCK = (
    "(SELECT id AS series_id, 0 AS grp FROM series WHERE id >= :low AND id < :high) m "
    "JOIN fact v ON v.series_id = m.series_id AND v.day >= :since AND v.day < :until"
)
# Each version that was replaced within some time, beside the one that replaced it: what came of several adds up.
_LATELY = """
    fact_revision v ON v.series_id = m.series_id AND v.day >= :since AND v.day < :until
        AND v.known_to > :then AND v.known_to <= :known_at
"""
_CHANGES = tuple(
    f"SELECT m.grp, v.day, SUM(w.spend - v.spend), SUM(w.conversions - v.conversions) FROM temp.member m "  # noqa: S608
    f"JOIN {_LATELY} JOIN {table} w ON w.series_id = v.series_id AND w.day = v.day AND w.known_from = v.known_to "
    "GROUP BY m.grp, v.day"
    for table in ("fact", "fact_revision")
)


def ingest(connection: Connection, rows: Iterable[PerformanceRow]) -> IngestReport:
    """Take in rows, in one transaction of a connection that has none; see `Store.ingest`.

    Raises:
        ConflictingRows: Two rows of one key and `fetched_at` differ.
        StoreError: A measure does not fit into 64 bits.
    """
    stage = Stage()
    try:
        with transaction(connection, "BEGIN"):
            count = _fill(connection, stage, rows)
        with transaction(connection, "BEGIN IMMEDIATE"):
            numbers = number_series(connection, stage.series)
            report = _merge(connection, count, dict(zip(numbers, stage.series, strict=True)))
            wanted = packs.due(connection, numbers, connection.exec_driver_sql(_DAYS).one()) if count else []
        for each in wanted:
            with transaction(connection, "BEGIN IMMEDIATE"):
                packs.keep(connection, each, rows_of)
        return report
    except OverflowError:
        raise too_large() from None
    finally:
        with transaction(connection, "BEGIN"):
            _execute_all(connection, _DROP)


def _fill(connection: Connection, stage: Stage, rows: Iterable[PerformanceRow]) -> int:
    """Stage all rows and return how many there were."""
    _execute_all(connection, (*_DROP, *_CREATE))
    count = 0
    for chunk in batched(stage.tuples(rows), CHUNK):
        connection.exec_driver_sql(_STAGE, list(chunk))
        if told := stage.auctions_so_far():
            connection.exec_driver_sql(auctions.STAGE, told)
        count += len(chunk)
    return count


def _merge(connection: Connection, count: int, series: dict[int, Series]) -> IngestReport:
    numbered = list(enumerate(series))
    if numbered:
        connection.exec_driver_sql("INSERT INTO temp.numbered (local, series_id) VALUES (?, ?)", numbered)
    new = connection.exec_driver_sql(_ENTER_NEW).rowcount
    restated = 0 if new == count else _restate(connection, series)
    connection.exec_driver_sql(auctions.entered_from("temp"))
    return IngestReport(rows=count, new=new, restated=restated, unchanged=count - new - restated)


def _restate(connection: Connection, series: dict[int, Series]) -> int:
    """Enter all statements of the keys that changed, and return how many added something."""
    connection.exec_driver_sql(_TOUCH)
    restated = 0
    with connection.exec_driver_sql(_STATEMENTS) as statements:
        for chunk in batched(steps(statements, series, partial(_history, connection)), CHUNK):
            _write(connection, entries(chunk))
            restated += len(chunk)
    return restated


def _write(connection: Connection, written: Entries) -> None:
    for statement, rows in ((_RESTATE, written.restate), (_REMEMBER, written.remember), (_CUT, written.cut)):
        if rows:
            connection.exec_driver_sql(statement, rows)


def _history(connection: Connection, number: int, day: int) -> list[Version]:
    return [version(row) for row in connection.exec_driver_sql(_HISTORY, {"series": number, "day": day})]


def rows_of(connection: Connection, low: int, high: int, span: Span) -> IntArray:
    """Return the facts of series from `low` until before `high`, as `packs.RowsOf` says."""
    bounds = {"low": low, "high": high, "since": span.since, "until": span.until}
    return np.delete(_listed(connection, _PACKED, _OF_BLOCK, bounds), 1, axis=0)


class SqlFacts(RecalledFacts):
    """The facts as known at one instant, read within transactions that see one state, a thread for each.

    Args:
        connection: In its transaction.
        known_at: The instant.
        beside: Others that see the same.
    """

    def __init__(self, connection: Connection, known_at: int, beside: Sequence[Connection] = ()) -> None:
        super().__init__(connection, known_at)
        self._readers = [_Reader(each, known_at) for each in (connection, *beside)]

    def auctions(self, groups: Groups, span: Span) -> Cells:
        """Return impressions to be had and those lost to the budget, where they are told."""
        table = np.zeros((0, 4))
        if self._readers[0].knows(auctions.ANY):
            table = np.concatenate(self._on_each(groups, lambda reader: reader.rows((auctions.TOTALS,), span, 4)))
        return Cells(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:])

    def _added(self, groups: Groups, span: Span) -> Cells:
        if len(set(groups.values())) == len(groups):
            table = self._columns(groups, _TOTALLED, (_KNOWN_NOW, _KNOWN_THEN), span)
            measures = table[3:].astype(np.float64)
            measures[table[3:] == UNREPORTED] = np.nan
            return Cells(table[1], table[2], measures.T)
        added = np.concatenate(self._on_each(groups, lambda reader: reader.rows(_TOTALS, span, 7)))
        return Cells(added[:, 0].astype(np.int64), added[:, 1].astype(np.int64), added[:, 2:])

    def _now(self, span: Span, groups: Groups) -> IntArray:
        return self._columns(groups, STATED, (_KNOWN_NOW,), span)

    def _replaced(self, groups: Groups, span: Span) -> IntArray:
        return self._columns(groups, (*STATED, "known_to"), (f"{_REPLACED} AND v.known_from <= :known_at",), span)

    def restated(self, groups: Groups, span: Span, then: int) -> Cells:
        """Return by how much what was known was changed after an earlier instant."""
        parts = self._on_each(groups, lambda reader: reader.rows(_CHANGES, span, 4, then=then))
        table = np.concatenate(parts)
        return Cells(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:])

    def _columns(self, groups: Groups, columns: Sequence[str], sources: Sequence[str], span: Span) -> IntArray:
        """The rows of the groups' series in some sources, one source after another; see `_Reader.columns`."""
        found = self._on_each(groups, lambda reader: [reader.columns(columns, source, span) for source in sources])
        return np.concatenate([part for parts in found for part in parts], axis=1)

    def _on_each[T](self, groups: Groups, work: Callable[[_Reader], T]) -> list[T]:
        """Do something on each connection for its part of the groups' series."""
        members = sorted(groups.items())
        size = -(-len(members) // len(self._readers))

        def own(number: int) -> T:
            self._readers[number].assign(members[number * size : (number + 1) * size])
            return work(self._readers[number])

        if len(self._readers) == 1:
            return [own(0)]
        with ThreadPoolExecutor(len(self._readers)) as pool:
            return list(pool.map(own, range(len(self._readers))))


class _Reader:
    """Reads the facts of the series that it was assigned."""

    def __init__(self, connection: Connection, known_at: int) -> None:
        self._connection = connection
        self._known_at = known_at
        self._members: Sequence[tuple[int, int]] | None = None

    def assign(self, members: Sequence[tuple[int, int]]) -> None:
        """Read these series, given with their groups, from now on."""
        if members == self._members:
            return
        self._members = members
        # Neither dropped nor made anew: each change of the tables has all statements of the connection prepared anew.
        _execute_all(self._connection, (
            "CREATE TEMP TABLE IF NOT EXISTS member (series_id INTEGER PRIMARY KEY, grp INTEGER NOT NULL)",
            "DELETE FROM temp.member",
        ))  # fmt: skip
        if members:
            self._connection.exec_driver_sql("INSERT INTO temp.member (series_id, grp) VALUES (?, ?)", list(members))

    def columns(self, columns: Sequence[str], source: str, span: Span) -> IntArray:
        """Return the rows that `source` joins to the series, shape (2 + columns, N), as `_listed` does."""
        bounds = {"since": span.since, "until": span.until, "known_at": self._known_at}
        return _listed(self._connection, columns, f"temp.member m JOIN {source}", bounds)

    def knows(self, query: str) -> bool:
        """Return what a query says that answers with one truth value."""
        return bool(self._connection.exec_driver_sql(query).scalar_one())

    def rows(self, queries: Sequence[str], span: Span, width: int, **more: int) -> FloatArray:
        """Return the queries' rows, one query after another; a float holds every instant and exact sum among them."""
        bounds = {"since": span.since, "until": span.until, "known_at": self._known_at, **more}
        parts = [np.zeros((0, width))]
        for query in queries:
            # The driver's own cursor: on hundreds of thousands of rows SQLAlchemy's row objects double the time.
            cursor = self._connection.exec_driver_sql(query, bounds).cursor
            while chunk := cursor.fetchmany(CHUNK):
                parts.append(np.array(chunk, dtype=np.float64))
        return np.concatenate(parts)


def _listed(connection: Connection, columns: Sequence[str], source: str, bounds: Mapping[str, int]) -> IntArray:
    """Return the rows v that `source` joins to series m, shape (2 + columns, N).

    The first two are the series and its group; an unreported measure is `UNREPORTED`.
    """
    lists = ", ".join(
        f"group_concat(IFNULL(v.{name}, {UNREPORTED}))" if name in _OPTIONAL else f"group_concat(v.{name})"
        for name in columns
    )
    query = f"SELECT m.series_id, m.grp, COUNT(*), {lists} FROM {source} GROUP BY m.series_id"  # noqa: S608
    parts = [np.zeros((2 + len(columns), 0), dtype=np.int64)]
    cursor = connection.exec_driver_sql(query, dict(bounds)).cursor
    while chunk := cursor.fetchmany(_LISTED_CHUNK):
        series, group, count, *texts = zip(*chunk, strict=True)
        parts.append(np.empty((2 + len(columns), sum(count)), dtype=np.int64))
        parts[-1][:2] = np.repeat(np.array([series, group]), np.array(count), axis=1)
        for row, text in zip(parts[-1][2:], texts, strict=True):
            row[:] = np.fromstring(",".join(text), dtype=np.int64, sep=",")
    return np.concatenate(parts, axis=1)


def _execute_all(connection: Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)
