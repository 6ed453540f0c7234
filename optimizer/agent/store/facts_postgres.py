"""The fast path to PostgreSQL: facts go in and come out by COPY; see `facts` for the same in an SQLite file.

A reading is copied into a temporary table, chunk by chunk and each by itself, so that a slow platform holds nothing;
then it is merged by a few statements under the lock of those who enter evidence. What is read leaves as text that NumPy
parses at once: row objects would take several times as long.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import batched
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection

from connectors.contract import PerformanceRow, Series
from optimizer.agent.store import auctions, packs
from optimizer.agent.store.catalogue import number_series
from optimizer.agent.store.engine import transaction
from optimizer.agent.store.known import UNREPORTED, Cells, Groups, Span
from optimizer.agent.store.postgres import PostgresDatabase
from optimizer.agent.store.recalled import STATED, RecalledFacts
from optimizer.agent.store.rules import too_large
from optimizer.agent.store.staging import CHUNK, Entries, Stage, entries, steps, version
from optimizer.agent.store.timeline import Version
from optimizer.plan.snapshot import FloatArray, IntArray
from optimizer.ports import IngestReport

_COPIED = 10 * CHUNK
_OUT_OF_RANGE = "22003"
_STATISTICS_FROM = 10_000  # new rows from which on the planner must hear of them before its own round

_NAMES: Final = ("spend", "conversions", "value", "impressions", "clicks")
_MEASURES = ", ".join(_NAMES)
_TYPED = ", ".join(f"{name} bigint" for name in _NAMES)
_DROP = "DROP TABLE IF EXISTS pg_temp.reading, pg_temp.numbered, pg_temp.touched, pg_temp.restated, pg_temp.auction"
_CREATE = (
    "CREATE TEMP TABLE auction (local int, day int, known_from bigint, eligible bigint, lost bigint)",
    f"CREATE TEMP TABLE reading (local int, day int, known_from bigint, {_TYPED})",
    "CREATE TEMP TABLE numbered (local int PRIMARY KEY, series_id int NOT NULL)",
    f"CREATE TEMP TABLE touched (local int, day int, series_id int, known_from bigint, {_TYPED}, "
    "PRIMARY KEY (local, day))",
    f"CREATE TEMP TABLE restated (series_id int, day int, known_from bigint, {_TYPED})",
)
_STATED = ", ".join(f"r.{name}" for name in _NAMES)
_STAGE = f"COPY pg_temp.reading (local, day, known_from, {_MEASURES}) FROM STDIN"
# Of several statements of a new key the oldest is entered, and the others restate it. Nobody else enters facts beside
# this, so that a key which is not there is new; to ask each row's index for a conflict would cost a third more.
_ENTER_NEW = f"""
    INSERT INTO fact (series_id, day, {_MEASURES}, known_from)
    SELECT DISTINCT ON (n.series_id, r.day) n.series_id, r.day, {_STATED}, r.known_from
    FROM pg_temp.reading r JOIN pg_temp.numbered n ON n.local = r.local
    WHERE NOT EXISTS (SELECT FROM fact f WHERE f.series_id = n.series_id AND f.day = r.day)
    ORDER BY n.series_id, r.day, r.known_from
"""  # noqa: S608 - constants, here and below
_SAME = " AND ".join(f"r.{name} IS NOT DISTINCT FROM f.{name}" for name in _NAMES)
_LISTED = ", ".join(f"f.{name}" for name in _NAMES)
# The keys of which some row says other than what is known now, or is older than it; with what is known now.
_TOUCH = f"""
    INSERT INTO pg_temp.touched
    SELECT r.local, r.day, f.series_id, f.known_from, {_LISTED}
    FROM pg_temp.reading r
    JOIN pg_temp.numbered n ON n.local = r.local
    JOIN fact f ON f.series_id = n.series_id AND f.day = r.day
    WHERE NOT (r.known_from >= f.known_from AND {_SAME})
    ON CONFLICT DO NOTHING
"""  # noqa: S608
_STATEMENTS = f"""
    SELECT t.series_id, t.day,
           r.known_from, {_STATED},
           t.known_from, {", ".join(f"t.{name}" for name in _NAMES)}
    FROM pg_temp.reading r JOIN pg_temp.touched t ON t.local = r.local AND t.day = r.day
    ORDER BY t.series_id, t.day, r.known_from
"""  # noqa: S608
_HISTORY = f"""
    SELECT known_from, {_MEASURES} FROM fact_revision WHERE series_id = %(series)s AND day = %(day)s
    UNION ALL
    SELECT known_from, {_MEASURES} FROM fact WHERE series_id = %(series)s AND day = %(day)s
    ORDER BY known_from
"""  # noqa: S608
_PLACES = ", ".join("%s" for _ in _NAMES)
_RESTATED = f"COPY pg_temp.restated (known_from, {_MEASURES}, series_id, day) FROM STDIN"
_RESTATE = f"""
    UPDATE fact f SET known_from = r.known_from, {", ".join(f"{name} = r.{name}" for name in _NAMES)}
    FROM pg_temp.restated r WHERE f.series_id = r.series_id AND f.day = r.day
"""  # noqa: S608
_REMEMBER = (
    f"INSERT INTO fact_revision (known_from, {_MEASURES}, known_to, series_id, day) "  # noqa: S608
    f"VALUES (%s, {_PLACES}, %s, %s, %s)"
)
_CUT = "UPDATE fact_revision SET known_to = %s WHERE series_id = %s AND day = %s AND known_from = %s"

_STAGE_AUCTIONS = "COPY pg_temp.auction (local, day, known_from, eligible, lost) FROM STDIN"
_ENTER_AUCTIONS = auctions.entered_from("pg_temp")
_MEMBERS = "unnest(%(series)s::int[], %(groups)s::int[]) AS m (series_id, grp)"
_SUMS = ", ".join(f"SUM(v.{name})" for name in _NAMES)
_KNOWN_NOW = (
    "fact v ON v.series_id = m.series_id AND v.day >= %(since)s AND v.day < %(until)s AND v.known_from <= %(known_at)s"
)
# What was known then and has been replaced since: looked for only where the present version is younger.
_KNOWN_THEN = """
    fact f ON f.series_id = m.series_id AND f.day >= %(since)s AND f.day < %(until)s AND f.known_from > %(known_at)s
    JOIN fact_revision v ON v.series_id = f.series_id AND v.day = f.day
        AND v.known_from <= %(known_at)s AND v.known_to > %(known_at)s
"""
_TOTALS = tuple(
    f"SELECT m.grp, v.day, {_SUMS} FROM {_MEMBERS} JOIN {source} GROUP BY m.grp, v.day"  # noqa: S608
    for source in (_KNOWN_NOW, _KNOWN_THEN)
)
_AUCTIONS = f"""
    SELECT m.grp, a.day, SUM(a.eligible), SUM(a.lost)
    FROM {_MEMBERS} JOIN fact_auction a ON a.series_id = m.series_id AND a.day >= %(since)s AND a.day < %(until)s
    WHERE a.known_from = (
        SELECT MAX(b.known_from) FROM fact_auction b
        WHERE b.series_id = a.series_id AND b.day = a.day AND b.known_from <= %(known_at)s
    )
    GROUP BY m.grp, a.day
"""  # noqa: S608
_REPLACED = (
    "fact_revision v ON v.series_id = m.series_id AND v.day >= %(since)s AND v.day < %(until)s "
    "AND v.known_from <= %(known_at)s"
)
_OF_BLOCK = f"""
    COPY (
        SELECT series_id, day, known_from, {_MEASURES} FROM fact
        WHERE series_id >= %(low)s AND series_id < %(high)s AND day >= %(since)s AND day < %(until)s
    ) TO STDOUT (NULL '{UNREPORTED}')
"""  # noqa: S608
_DAYS = "SELECT MIN(day), MAX(day) FROM pg_temp.reading"

# Each version that was replaced within some time, beside the one that replaced it: what came of several adds up.
_CHANGES = tuple(
    f"SELECT m.grp, v.day, SUM(w.spend - v.spend), SUM(w.conversions - v.conversions) FROM {_MEMBERS} "  # noqa: S608
    f"JOIN {_REPLACED} AND v.known_to > %(then)s AND v.known_to <= %(known_at)s "
    f"JOIN {table} w ON w.series_id = v.series_id AND w.day = v.day AND w.known_from = v.known_to GROUP BY m.grp, v.day"
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
        with transaction(connection, PostgresDatabase.STAGE):
            _execute_all(connection, (_DROP, *_CREATE))
        count = _fill(connection, stage, rows)
        with transaction(connection, PostgresDatabase.LEARN):
            numbers = number_series(connection, stage.series)
            report = _merge(connection, count, dict(zip(numbers, stage.series, strict=True)))
            wanted = packs.due(connection, numbers, connection.exec_driver_sql(_DAYS).one()) if count else []
        for each in wanted:
            with transaction(connection, PostgresDatabase.LEARN):
                packs.keep(connection, each, rows_of)
    except BaseException as error:
        connection.invalidate()  # the server drops the temporary tables with it, whatever state they are in
        if getattr(error, "sqlstate", None) == _OUT_OF_RANGE:
            raise too_large() from None
        raise
    with transaction(connection, PostgresDatabase.STAGE):
        _execute_all(connection, (_DROP,))
    return report


def _fill(connection: Connection, stage: Stage, rows: Iterable[PerformanceRow]) -> int:
    """Stage all rows and return how many there were; the rows of a chunk are read before it is begun."""
    count = 0
    for chunk in batched(stage.tuples(rows), _COPIED):
        with transaction(connection, PostgresDatabase.STAGE), _driven(connection, _STAGE) as copy:
            for row in chunk:
                copy.write_row(row)
        if told := stage.auctions_so_far():
            with transaction(connection, PostgresDatabase.STAGE), _driven(connection, _STAGE_AUCTIONS) as copy:
                for statement in told:
                    copy.write_row(statement)
        count += len(chunk)
    return count


def _merge(connection: Connection, count: int, series: dict[int, Series]) -> IngestReport:
    with _driven(connection, "COPY pg_temp.numbered FROM STDIN") as copy:
        for numbered in enumerate(series):
            copy.write_row(numbered)
    _execute_all(connection, ("ANALYZE pg_temp.reading", "ANALYZE pg_temp.numbered"))
    new = connection.exec_driver_sql(_ENTER_NEW).rowcount
    if new >= _STATISTICS_FROM:
        _execute_all(connection, ("ANALYZE fact",))
    restated = 0 if new == count else _restate(connection, series)
    connection.exec_driver_sql(_ENTER_AUCTIONS)
    return IngestReport(rows=count, new=new, restated=restated, unchanged=count - new - restated)


def _restate(connection: Connection, series: dict[int, Series]) -> int:
    """Enter all statements of the keys that changed, and return how many added something."""
    connection.exec_driver_sql(_TOUCH)
    restated = 0
    options = {"stream_results": True, "max_row_buffer": CHUNK}
    with connection.exec_driver_sql(_STATEMENTS, execution_options=options) as statements:
        for chunk in batched(steps(statements, series, partial(_history, connection)), _COPIED):
            _write(connection, entries(chunk))
            restated += len(chunk)
    return restated


def _write(connection: Connection, written: Entries) -> None:
    for rows in _rounds(written.restate):
        with _driven(connection, _RESTATED) as copy:
            for row in rows:
                copy.write_row(row)
        _execute_all(connection, ("ANALYZE pg_temp.restated", _RESTATE, "TRUNCATE pg_temp.restated"))
    for statement, parameters in ((_REMEMBER, written.remember), (_CUT, written.cut)):
        if parameters:
            connection.exec_driver_sql(statement, parameters)


def _rounds(restate: Sequence[tuple[int | None, ...]]) -> list[list[tuple[int | None, ...]]]:
    """Part rows so that none names a key twice: each round is one UPDATE, and a key's versions follow one another."""
    met: dict[tuple[int | None, ...], int] = {}
    rounds: list[list[tuple[int | None, ...]]] = []
    for row in restate:
        place = met.get(row[-2:], 0)
        met[row[-2:]] = place + 1
        if place == len(rounds):
            rounds.append([])
        rounds[place].append(row)
    return rounds


def _history(connection: Connection, number: int, day: int) -> list[Version]:
    return [version(row) for row in connection.exec_driver_sql(_HISTORY, {"series": number, "day": day})]


def rows_of(connection: Connection, low: int, high: int, span: Span) -> IntArray:
    """Return the facts of series from `low` until before `high`, as `packs.RowsOf` says."""
    asked = {"low": low, "high": high, "since": span.since, "until": span.until}
    return _whole(connection, _OF_BLOCK, asked, 8)


class PostgresFacts(RecalledFacts):
    """The facts as known at one instant, read within one transaction."""

    def auctions(self, groups: Groups, span: Span) -> Cells:
        """Return impressions to be had and those lost to the budget, where they are told."""
        told = self._connection.exec_driver_sql(auctions.ANY).scalar_one()
        table = self._read((_AUCTIONS,), groups, span, 4) if told else np.zeros((0, 4))
        return Cells(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:])

    def _added(self, groups: Groups, span: Span) -> Cells:
        table = self._read(_TOTALS, groups, span, 2 + len(_NAMES))
        return Cells(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:])

    def _now(self, span: Span, groups: Groups) -> IntArray:
        return self._stated(STATED, _KNOWN_NOW, groups, span)

    def _replaced(self, groups: Groups, span: Span) -> IntArray:
        return self._stated((*STATED, "known_to"), _REPLACED, groups, span)

    def _stated(self, columns: Sequence[str], source: str, groups: Groups, span: Span) -> IntArray:
        listed = ", ".join(f"v.{name}" for name in columns)
        query = f"COPY (SELECT m.series_id, m.grp, {listed} FROM {_MEMBERS} JOIN {source}) TO STDOUT"  # noqa: S608
        return _whole(self._connection, query, self._asked(groups, span), 2 + len(columns))

    def restated(self, groups: Groups, span: Span, then: int) -> Cells:
        """Return by how much what was known was changed after an earlier instant."""
        table = self._read(_CHANGES, groups, span, 4, then=then)
        return Cells(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:])

    def _read(self, queries: Sequence[str], groups: Groups, span: Span, width: int, **more: int) -> FloatArray:
        """Return the queries' rows, one query after another; a float holds every instant and exact sum among them."""
        asked = {**self._asked(groups, span), **more}
        parts = []
        for query in queries:
            with _driven(self._connection, f"COPY ({query}) TO STDOUT (NULL 'nan')", asked) as copy:
                text = b"".join(copy)
            parts.append(np.fromstring(text.decode("ascii"), dtype=np.float64, sep=" ").reshape(-1, width))
        return np.concatenate(parts)

    def _asked(self, groups: Groups, span: Span) -> dict[str, Any]:
        return {
            "series": list(groups), "groups": list(groups.values()),
            "since": span.since, "until": span.until, "known_at": self._known_at,
        }  # fmt: skip


def _whole(connection: Connection, statement: str, asked: dict[str, Any], columns: int) -> IntArray:
    """Return rows of whole numbers that a COPY gives out, shape (columns, N)."""
    with _driven(connection, statement, asked) as copy:
        text = b"".join(copy)
    return np.fromstring(text.decode("ascii"), dtype=np.int64, sep=" ").reshape(-1, columns).T


def _driven(connection: Connection, statement: str, asked: dict[str, Any] | None = None) -> Any:
    """Begin a COPY on the driver's own cursor, which SQLAlchemy has no word for."""
    return connection.connection.cursor().copy(statement, asked)


def _execute_all(connection: Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)
