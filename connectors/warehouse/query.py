"""The rows of a query, streamed into a Parquet file of text columns; memory does not grow with their number."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, Engine, TextClause, bindparam, column, literal_column, select, table, text
from sqlalchemy import Date as SqlDate
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from connectors.credentials import Redactor
from connectors.errors import AskMarketer, BadInput, ConnectorError, RetryLater
from connectors.files.layout import IDS, Layout, resolve
from connectors.files.options import Options as FileOptions
from connectors.files.reading import Source
from connectors.files.told import Rows, found_columns, ids

ROWS_AT_ONCE: Final = 10_000

_MARGIN: Final = timedelta(days=1)
_SHOWN: Final = 300
_REFUSED: Final = re.compile(r"passw|authenticat|credential|denied|permission|not permitted|token|role ", re.IGNORECASE)
"""How databases word that they do not want this user; drivers have no class of their own for it."""


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A database and the one query that is asked of it.

    Attributes:
        engine: SQLAlchemy's.
        name: What errors call the query.
        table: The table, with its schema where it has one.
        query: Instead of the table.
        reading: Which columns hold what.
        redactor: Knows the password.
    """

    engine: Engine
    name: str
    table: str
    query: str | None
    reading: FileOptions
    redactor: Redactor

    def layout(self) -> Layout:
        """Return which columns of the query hold what; no row is read.

        Raises:
            BadInput: The query cannot be run, or a column is missing.
            AskMarketer, RetryLater: The database cannot be reached.
        """
        with self._reading() as connection:
            return self._layout(connection)

    @contextmanager
    def laid_down(self, since: date, until: date, now: datetime) -> Iterator[Source | None]:
        """Lay the rows of the days down in a file for as long as the context lasts; None where there are none.

        Raises:
            BadInput: The query cannot be run, a column is missing, or ids are stored as floats.
            AskMarketer, RetryLater: The database cannot be reached.
        """
        with TemporaryDirectory(prefix="outlay-") as folder:
            path = Path(folder) / "rows.parquet"
            with self._reading() as connection:
                found = self._layout(connection)
                count = self._write(connection, found, since, until, path)
            yield Source(path, self.name, now, (count, 0)) if count else None

    def told(
        self, query: str, fields: Mapping[str, tuple[str, ...]], setting: str, since: date, until: date
    ) -> Generator[Rows]:
        """Yield the rows that another query gives for the days, as text.

        Args:
            query: With `:since` and `:until` in it.
            fields: Well-known names of columns by field.
            setting: `touch_columns` or `order_columns`, which may choose columns.
            since: The first day.
            until: The last day, included.

        Raises:
            BadInput: The query cannot be run, a column is missing, or ids are stored as floats.
            AskMarketer, RetryLater: The database cannot be reached.
        """
        days = {"since": since, "until": until}
        with self._reading() as connection:
            streaming = connection.execution_options(stream_results=True, yield_per=ROWS_AT_ONCE)
            with streaming.execute(_with_days(query), days) as answer:
                names = list(answer.keys())
                found = found_columns(names, fields, getattr(self.reading, setting), setting, self.name)
                start = 0
                for rows in answer.columns(*found.values()).partitions():
                    columns = self._as_columns(list(found.values()), rows, ids(found), start)
                    yield Rows(len(rows), dict(zip(found, columns, strict=True)), found, _numbered(self.name, start))
                    start += len(rows)

    def _layout(self, connection: Connection) -> Layout:
        if self.query is None:
            # A WHERE that no row meets: the names of the columns are all that is wanted.
            everything: Any = select(literal_column("*")).select_from(self._table()).where(text("1 = 0"))
            answer: Any = connection.execute(everything)
        else:
            answer = connection.execute(self._asked(), {"since": date(1, 1, 1), "until": date(1, 1, 1)})
        with answer:
            return resolve(list(answer.keys()), self.reading, self.name)

    def _write(self, connection: Connection, found: Layout, since: date, until: date, path: Path) -> int:
        columns = list(found.among(tuple(found.columns)))
        days = {"since": since, "until": until}
        if self.query is None:
            # Wider than the days: a time is past its day's midnight, and an account's day is not the database's. What
            # lies beyond is cut off by whoever reads the file, who knows the zone.
            days = {"since": since - _MARGIN, "until": until + 2 * _MARGIN}
            day: Any = column(str(found.column("date")))
            span = (day >= bindparam("since", type_=SqlDate)) & (day < bindparam("until", type_=SqlDate))
            asked: Any = select(*map(column, columns)).select_from(self._table()).where(span)
        else:
            asked = self._asked()
        streaming = connection.execution_options(stream_results=True, yield_per=ROWS_AT_ONCE)
        id_columns, count = frozenset(found.among(IDS)), 0
        schema = pa.schema([(name, pa.string()) for name in columns])
        with streaming.execute(asked, days) as answer, pq.ParquetWriter(path, schema) as writer:
            for rows in answer.columns(*columns).partitions():
                writer.write_batch(pa.record_batch(self._as_columns(columns, rows, id_columns, count), schema=schema))
                count += len(rows)
        return count

    def _as_columns(
        self, names: Sequence[str], rows: Sequence[Any], id_columns: frozenset[str], start: int
    ) -> list[Any]:
        """The rows as one Arrow array of text for each column; the first is the row of number `start`."""
        texts = [
            [self._text(name, value, name in id_columns, start + place) for place, value in enumerate(values)]
            for name, values in zip(names, zip(*rows, strict=True), strict=True)
        ]
        return [pa.array(one, pa.string()) for one in texts]

    def _table(self) -> Any:
        schema, _, name = self.table.rpartition(".")
        return table(name, schema=schema or None)

    def _asked(self) -> TextClause:
        return _with_days(str(self.query))

    def _text(self, name: str, value: Any, is_id: bool, row: int) -> str:
        if isinstance(value, float) and is_id:
            raise BadInput(
                "ids are stored as floats, which rounds long ones",
                where=f"{self.name}:{row + 1}",
                field=name,
                mend="cast them to text or to whole numbers in the query.",
            )
        return _as_text(value)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """A connection for reading; what the database says becomes words without a password."""
        connection = self._opened()
        with connection:
            try:
                yield connection
            except SQLAlchemyError as error:
                failure = self._failure(error)
            else:
                return
        raise failure from None

    def _opened(self) -> Connection:
        try:
            return self.engine.connect()
        except Exception as error:  # noqa: BLE001 - beside SQLAlchemy's, drivers raise what their own libraries do
            said = self._words(error)
            away = isinstance(error, OperationalError) and not _REFUSED.search(said)
        words = f"{self.name}: the database cannot be opened ({said})"
        if away:
            raise RetryLater(words)
        raise AskMarketer(
            words, mend="check address, credentials and network; once it answers, the next cycle reads it"
        )

    def _failure(self, error: SQLAlchemyError) -> ConnectorError:
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            return RetryLater(f"{self.name}: the connection broke ({self._words(error)})")
        mend = "correct table or query, and grant reading it."
        return BadInput(f"the database refuses it: {self._words(error)}", where=self.name, mend=mend)

    def _words(self, error: Exception) -> str:
        """The database's own words on one line, without the statement and without a secret."""
        said = getattr(error, "orig", None) or error
        return self.redactor.clean(" ".join(str(said).split()))[:_SHOWN]


def _with_days(query: str) -> TextClause:
    return text(query).bindparams(bindparam("since", type_=SqlDate), bindparam("until", type_=SqlDate))


def _numbered(name: str, start: int) -> Callable[[int], str]:
    return lambda index: f"{name}:{start + index + 1}"


def _as_text(value: Any) -> str:
    """A value as an export would write it: decimals in full, days and times as ISO 8601, nothing for NULL."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, date | datetime):
        return value.isoformat()
    return repr(value) if isinstance(value, float) else str(value)


def columns_of(found: Layout, fields: Sequence[str]) -> frozenset[str]:
    """Return which of the fields the query carries."""
    return frozenset(fields) & found.columns.keys()
