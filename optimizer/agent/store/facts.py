"""The fast path: facts in and out of SQLite in bulk; `facts_postgres` is the same for the other kind of database.

A reading is staged row by row in a temporary table, which is not locked against others and does not grow in memory,
then merged by a few statements under the write lock. Which series a total is for is told by a temporary table too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import batched
from typing import Any

import numpy as np
from sqlalchemy import Connection

from connectors.contract import PerformanceRow, Series
from optimizer.agent.store.catalogue import number_series
from optimizer.agent.store.engine import transaction
from optimizer.agent.store.known import Cells, Groups, Revisions, Span
from optimizer.agent.store.rules import too_large
from optimizer.agent.store.staging import CHUNK, Entries, Stage, entries, steps, version
from optimizer.agent.store.timeline import Version
from optimizer.plan.snapshot import FloatArray
from optimizer.ports import IngestReport

_MEASURES = "spend, conversions, value, impressions, clicks"
_STAGED = "local, day, known_from, spend, conversions, value, impressions, clicks"
_SAME = (
    "(r.spend, r.conversions, r.value, r.impressions, r.clicks) "
    "IS (f.spend, f.conversions, f.value, f.impressions, f.clicks)"
)
_DROP = ("DROP TABLE IF EXISTS temp.reading", "DROP TABLE IF EXISTS temp.numbered", "DROP TABLE IF EXISTS temp.touched")
_CREATE = (
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
# Where each group is one series there is nothing to add up. A text of a whole column then reaches Python in a fraction
# of the time that a row object for each day takes. All columns are listed in one order, whichever it is.
_UNREPORTED = -(2**63)
_COLUMNS = ("day", *_MEASURES.split(", "))
_LISTS = ", ".join(f"group_concat(IFNULL(v.{name}, {_UNREPORTED}))" for name in _COLUMNS)
_LISTED = tuple(
    f"SELECT m.grp, COUNT(*), {_LISTS} FROM temp.member m JOIN {source} GROUP BY m.series_id"  # noqa: S608
    for source in (_KNOWN_NOW, _KNOWN_THEN)
)
_LISTED_CHUNK = 500
_FIRST = "(SELECT MIN(x.known_from) FROM fact_revision x WHERE x.series_id = v.series_id AND x.day = v.day)"
_REPLACED = "fact_revision v ON v.series_id = m.series_id AND v.day >= :since AND v.day < :until"
_REVISIONS = tuple(
    f"SELECT m.grp, v.day, {first}, {then}, {change} FROM temp.member m JOIN {source} GROUP BY 1, 2, 3, 4"  # noqa: S608
    for first, then, change, source in (
        (f"COALESCE({_FIRST}, v.known_from)", "v.known_from", "SUM(v.conversions)", _KNOWN_NOW),
        (_FIRST, "v.known_from", "SUM(v.conversions)", f"{_REPLACED} AND v.known_from <= :known_at"),
        (_FIRST, "v.known_to", "-SUM(v.conversions)", f"{_REPLACED} AND v.known_to <= :known_at"),
    )
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
            count = _fill(connection, stage.tuples(rows))
        with transaction(connection, "BEGIN IMMEDIATE"):
            numbers = number_series(connection, stage.series)
            return _merge(connection, count, dict(zip(numbers, stage.series, strict=True)))
    except OverflowError:
        raise too_large() from None
    finally:
        with transaction(connection, "BEGIN"):
            _execute_all(connection, _DROP)


def _fill(connection: Connection, tuples: Iterator[tuple[Any, ...]]) -> int:
    """Stage all rows and return how many there were."""
    _execute_all(connection, (*_DROP, *_CREATE))
    count = 0
    for chunk in batched(tuples, CHUNK):
        connection.exec_driver_sql(_STAGE, list(chunk))
        count += len(chunk)
    return count


def _merge(connection: Connection, count: int, series: dict[int, Series]) -> IngestReport:
    numbered = list(enumerate(series))
    if numbered:
        connection.exec_driver_sql("INSERT INTO temp.numbered (local, series_id) VALUES (?, ?)", numbered)
    new = connection.exec_driver_sql(_ENTER_NEW).rowcount
    restated = 0 if new == count else _restate(connection, series)
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


class SqlFacts:
    """The facts as known at one instant, read within one transaction."""

    def __init__(self, connection: Connection, known_at: int) -> None:
        self._connection = connection
        self._known_at = known_at

    def totals(self, groups: Groups, span: Span) -> Cells:
        """Return the totals of groups and days that have rows."""
        if len(set(groups.values())) == len(groups):
            return self._listed(groups, span)
        table = self._read(_TOTALS, groups, span, 7)
        return Cells(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:])

    def revisions(self, groups: Groups, span: Span) -> Revisions:
        """Return how the conversions of groups and days came to be known."""
        table = self._read(_REVISIONS, groups, span, 5)
        group, day, first, known_from = table[:, :4].astype(np.int64).T
        return Revisions(group, day, first, known_from, table[:, 4])

    def _listed(self, groups: Groups, span: Span) -> Cells:
        """The facts of groups of a single series each."""
        self._assign(groups)
        bounds = {"since": span.since, "until": span.until, "known_at": self._known_at}
        parts = [np.zeros((1 + len(_COLUMNS), 0), dtype=np.int64)]
        for query in _LISTED:
            cursor = self._connection.exec_driver_sql(query, bounds).cursor
            while chunk := cursor.fetchmany(_LISTED_CHUNK):
                group, count, *texts = zip(*chunk, strict=True)
                columns = [np.fromstring(",".join(text), dtype=np.int64, sep=",") for text in texts]
                parts.append(np.stack([np.repeat(np.array(group), np.array(count)), *columns]))
        table = np.concatenate(parts, axis=1)
        measures = table[2:].astype(np.float64)
        measures[table[2:] == _UNREPORTED] = np.nan
        return Cells(table[0], table[1], measures.T)

    def _read(self, queries: Sequence[str], groups: Groups, span: Span, width: int) -> FloatArray:
        """Return the queries' rows, one query after another; a float holds every instant and exact sum among them."""
        self._assign(groups)
        bounds = {"since": span.since, "until": span.until, "known_at": self._known_at}
        parts = [np.zeros((0, width))]
        for query in queries:
            # The driver's own cursor: on hundreds of thousands of rows SQLAlchemy's row objects double the time.
            cursor = self._connection.exec_driver_sql(query, bounds).cursor
            while chunk := cursor.fetchmany(CHUNK):
                parts.append(np.array(chunk, dtype=np.float64))
        return np.concatenate(parts)

    def _assign(self, groups: Groups) -> None:
        _execute_all(self._connection, (
            "DROP TABLE IF EXISTS temp.member",
            "CREATE TEMP TABLE member (series_id INTEGER PRIMARY KEY, grp INTEGER NOT NULL)",
        ))  # fmt: skip
        if groups:
            members = sorted(groups.items())
            self._connection.exec_driver_sql("INSERT INTO temp.member (series_id, grp) VALUES (?, ?)", members)


def _execute_all(connection: Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)
