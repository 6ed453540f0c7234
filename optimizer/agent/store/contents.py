"""What a database holds, in figures: rows by table and one digest, the same whichever kind of database keeps it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, String, inspect
from sqlalchemy.engine import Inspector

VERSION_TABLE: Final = "alembic_version"
_CHUNK: Final = 5_000


@dataclass(frozen=True, slots=True)
class Contents:
    """A database in figures.

    Attributes:
        version: Of its tables; None if it has none.
        rows: How many rows each table has, by its name.
        digest: SHA-256 of all of them: the same digest means the same rows.
    """

    version: str | None
    rows: Mapping[str, int]
    digest: str


def contents(connection: Connection) -> Contents:
    """Count and digest all rows, within one transaction and holding few of them at a time."""
    seen = inspect(connection)
    names = sorted(seen.get_table_names())
    sha = hashlib.sha256()
    rows = {name: _fold(sha, connection, seen, name) for name in names if name != VERSION_TABLE}
    version = None
    if VERSION_TABLE in names:
        version = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()  # noqa: S608
    return Contents(version, rows, sha.hexdigest())


def _fold(sha: Any, connection: Connection, seen: Inspector, table: str) -> int:
    columns = sorted(column["name"] for column in seen.get_columns(table))
    sha.update(_line([table, *columns]))
    count = 0
    for row in _rows(connection, _select(connection, seen, table, columns)):
        sha.update(_line([_plain(value) for value in row]))
        count += 1
    return count


def _rows(connection: Connection, statement: str) -> Iterator[Iterable[Any]]:
    options = {"stream_results": True, "max_row_buffer": _CHUNK}
    with connection.exec_driver_sql(statement, execution_options=options) as result:
        for chunk in result.partitions(_CHUNK):
            yield from chunk


def _select(connection: Connection, seen: Inspector, table: str, columns: list[str]) -> str:
    """The rows by their key; texts by their bytes, not by the rules of a language."""
    quote = connection.dialect.identifier_preparer.quote
    texts = {column["name"] for column in seen.get_columns(table) if isinstance(column["type"], String)}
    by_bytes = ' COLLATE "C"' if connection.dialect.name == "postgresql" else ""
    key = seen.get_pk_constraint(table)["constrained_columns"]
    order = ", ".join(quote(name) + (by_bytes if name in texts else "") for name in key)
    listed = ", ".join(map(quote, columns))
    return f"SELECT {listed} FROM {quote(table)} ORDER BY {order}"  # noqa: S608 - names of the database's own


def _plain(value: Any) -> Any:
    """A value as JSON has it, the same whichever database it comes from."""
    if isinstance(value, bool):
        return int(value)
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else value


def _line(values: list[Any]) -> bytes:
    return json.dumps(values, separators=(",", ":")).encode("ascii") + b"\n"
