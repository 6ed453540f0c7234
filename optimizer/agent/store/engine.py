"""The SQLite file: how it is opened, how a transaction is taken, and how its failures are told."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from optimizer.ports import StoreError

_BUSY_SECONDS = 10.0
_RETRY_SECONDS = 0.01
_SCHEME = "sqlite:///"
_ALIKE_TRIES = 3
_FIX = "SELECT COUNT(*) FROM sqlite_master"  # the first read of a transaction settles which state it sees
# FULL: a commit that was answered survives a loss of power; what stands here is what was done with money.
_PRAGMAS = (
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -65536",
    "PRAGMA journal_size_limit = 67108864",
)
_MENDS = (
    ("locked", "another process is writing; let it finish, then try again"),
    ("readonly", "make the file and its folder writable"),
    ("unable to open", "make the file and its folder readable and writable"),
    ("disk is full", "free some space, then try again; nothing was half stored"),
    ("not a database", "name another file in [store] url; this one is something else"),
    ("malformed", "the file is damaged; restore it from a backup"),
)


class Database:
    """An SQLite file in WAL mode: many readers and one writer at a time, each seeing whole transactions only.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path, busy_seconds: float = _BUSY_SECONDS) -> None:
        """Name the file; nothing is opened yet.

        Args:
            path: The file.
            busy_seconds: How long to wait for the write lock of another process.
        """
        self.path = path
        self._engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": busy_seconds})
        event.listen(self._engine, "connect", lambda connection, _record: _prepare(connection, busy_seconds))
        event.listen(self._engine, "begin", _begin)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that sees one state throughout; it writes to temporary tables only.

        Raises:
            StoreError: The file cannot be read.
        """
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def read_alike(self) -> Iterator[tuple[Connection, ...]]:
        """Open two transactions as `read` does that see the same state, so that two threads can read it.

        Where others write so often that two such cannot be had, there is one.

        Raises:
            StoreError: The file cannot be read.
        """
        for _ in range(_ALIKE_TRIES):
            with self.connect() as watch, self.read() as first, self.read() as second:
                before = _data_version(watch)
                for connection in (first, second):
                    connection.exec_driver_sql(_FIX)
                if _data_version(watch) == before:
                    yield first, second
                    return
        with self.read() as connection:
            yield (connection,)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that holds the write lock from its first statement, so that a check and its set are one.

        Raises:
            StoreError: The file cannot be written, or another process holds the lock for too long.
        """
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Open a connection without a transaction; `begin` and `begin_immediate` take theirs on it.

        Raises:
            StoreError: The file cannot be opened.
        """
        with self._told(), self._engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Release the file."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection]:
        with self.connect() as connection, transaction(connection, begin):
            yield connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, sqlite3.Error) as error:
            raise StoreError(f"{self.path}: {_words(error)}") from error


@contextmanager
def transaction(connection: Connection, begin: str) -> Iterator[None]:
    """Run one transaction on a connection, begun by `BEGIN` or `BEGIN IMMEDIATE`."""
    connection.execution_options(begin=begin)
    with connection.begin():
        yield


def sqlite_file(url: str) -> Path:
    """Return the file that a database address names; whatever follows `sqlite:///` is its path.

    Raises:
        StoreError: The address is not that of an SQLite file. It is not repeated, since it may hold a password.
    """
    name = url.removeprefix(_SCHEME)
    if name == url or name in ("", ":memory:"):
        raise StoreError("[store] url names no SQLite file; write sqlite:///path/to/outlay.sqlite")
    return Path(name)


def sqlite_path(url: str) -> Path:
    """Return the file that a database address names, of which the folder exists.

    Raises:
        StoreError: The address is not that of an SQLite file, or its folder does not exist.
    """
    path = sqlite_file(url)
    if not path.parent.is_dir():
        raise StoreError(f"{path}: the folder {path.parent} does not exist; create it, or name another in [store] url")
    if path.is_dir():
        raise StoreError(f"{path} is a folder; name a file in it in [store] url")
    return path


def _prepare(connection: Any, busy_seconds: float) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: `_begin` does
    _use_wal(connection, time.monotonic() + busy_seconds)
    for pragma in _PRAGMAS:
        connection.execute(pragma).close()


def _use_wal(connection: Any, deadline: float) -> None:
    """Put the file into WAL mode, which it keeps; the first to open a new file does.

    While another connection switches, SQLite answers "locked" at once, whatever the driver's timeout: waiting with a
    read lock held could deadlock. So the wait is here.
    """
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return


def _data_version(connection: Connection) -> int:
    """A number that differs once any other connection has committed; to be asked outside of transactions."""
    driver = connection.connection.driver_connection
    return int(driver.execute("PRAGMA data_version").fetchone()[0]) if driver is not None else 0


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))


def _words(error: DBAPIError | sqlite3.Error) -> str:
    said = str(error.orig if isinstance(error, DBAPIError) else error)
    mend = next((mend for sign, mend in _MENDS if sign in said), "see docs/store.md")
    return f"the database says: {said}. Mend: {mend}"
