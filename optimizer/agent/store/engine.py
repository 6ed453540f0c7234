"""How a database is opened, how a transaction is taken, and how failures are told; here of the SQLite file.

A server of PostgreSQL stands in `postgres`, and `places` says which of the two an address names.
"""

from __future__ import annotations

import os
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import Connection, Dialect, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.util import LRUCache

from optimizer.agent.store.seat import FileSeat, Seat
from optimizer.ports import StoreError, StoreGone

_BUSY_SECONDS = 10.0
_RETRY_SECONDS = 0.01
_SCHEME = "sqlite:///"
_UNIQUE_VIOLATION = "23505"
_ALIKE_TRIES = 3
_COMPILED = 1_000  # statements; there are some hundred
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
    ("disk I/O error", "look at the disk, its quota and its mount, then try again; nothing was half stored"),
    ("disk is full", "free some space, then try again; nothing was half stored"),
    ("not a database", "name another file in [store] url; this one is something else"),
    ("malformed", "the file is damaged; restore it from a backup"),
)


class SqlDatabase(ABC):
    """A database that is open to many: each transaction sees whole others only, and a check and its set are one.

    Attributes:
        READ: How a transaction begins that sees one state throughout; it writes to temporary tables at most.
        WRITE: How one begins that nobody else decides beside: recommendations, writes, refits.
        LEARN: How one begins that nobody else enters evidence beside: accounts, names, budgets, facts.
        MIGRATE: How one begins beside which nobody else writes.
        name: How messages call it; never with a password.
    """

    READ: ClassVar[str]
    WRITE: ClassVar[str]
    LEARN: ClassVar[str]
    MIGRATE: ClassVar[str]

    def __init__(self, name: str, engine: Engine) -> None:
        """Take an engine of which nothing is open yet."""
        self.name = name
        self._engine = engine
        self._driver_error: type[Exception] = driver_error(engine, "Error")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that sees one state throughout.

        Raises:
            StoreError: The database cannot be read.
        """
        with self._transaction(self.READ) as connection:
            yield connection

    @contextmanager
    def read_alike(self) -> Iterator[tuple[Connection, ...]]:
        """Open transactions as `read` does that all see one state, as many as threads can use; here one.

        Raises:
            StoreError: The database cannot be read.
        """
        with self.read() as connection:
            yield (connection,)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that holds the write lock from its first statement, so that a check and its set are one.

        Raises:
            StoreError: The database cannot be written, or another process holds the lock for too long.
        """
        with self._transaction(self.WRITE) as connection:
            yield connection

    @contextmanager
    def learn(self) -> Iterator[Connection]:
        """Open a transaction like `write` for what was read from a platform; on a server it keeps no approval waiting.

        Raises:
            StoreError: The database cannot be written, or another process holds the lock for too long.
        """
        with self._transaction(self.LEARN) as connection:
            yield connection

    @contextmanager
    def migrate(self) -> Iterator[Connection]:
        """Open a transaction like `write`, to change the tables.

        Raises:
            StoreError: The database cannot be written, or another process holds the lock for too long.
        """
        with self._transaction(self.MIGRATE) as connection:
            yield connection

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Open a connection without a transaction; `transaction` takes one on it.

        Raises:
            StoreError: The database cannot be opened.
        """
        with self._told(), self._engine.connect() as connection:
            yield connection

    def rest(self) -> None:
        """Close the connections that nobody uses; others are opened when they are needed."""
        self._engine.dispose()

    def close(self) -> None:
        """Let go of all that is held; may be called twice."""
        self.rest()

    @abstractmethod
    def words(self, error: BaseException) -> str:
        """Return what a failure means, with its mend."""

    @abstractmethod
    def seat(self) -> Seat:
        """Return the lock that tells whether the process that leads is alive."""

    @abstractmethod
    def exists(self) -> bool:
        """Whether there is anything to be opened; asking creates nothing."""

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection]:
        with self.connect() as connection, transaction(connection, begin):
            yield connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, self._driver_error) as error:
            raise StoreError(f"{self.name}: {self.words(error)}") from error


class Database(SqlDatabase):
    """An SQLite file in WAL mode: many readers and one writer at a time.

    Attributes:
        path: The file.
    """

    READ = "BEGIN"
    WRITE = "BEGIN IMMEDIATE"
    LEARN = "BEGIN IMMEDIATE"
    MIGRATE = "BEGIN IMMEDIATE"

    def __init__(self, path: Path, busy_seconds: float = _BUSY_SECONDS) -> None:
        """Name the file; nothing is opened yet.

        Args:
            path: The file.
            busy_seconds: How long to wait for the write lock of another process.
        """
        self.path = path
        self._file: tuple[int, int] | None = None
        self._pinned: int | None = None
        dialect, compiled = _shared()
        engine = create_engine(
            URL.create("sqlite", database=str(path)),
            connect_args={"timeout": busy_seconds},
            execution_options={"compiled_cache": compiled},
        )
        engine.dialect = dialect
        event.listen(engine, "connect", lambda connection, _record: _prepare(connection, busy_seconds))
        super().__init__(str(path), engine)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """See `SqlDatabase.connect`. What is written to a file that was removed is lost with the last who has it open.

        Raises:
            StoreGone: The file that was opened is no longer there, or is another one.
            StoreError: It cannot be opened.
        """
        there = _identity(self.path)
        if self._file is not None and there != self._file:
            raise StoreGone(str(self.path), replaced=there is not None)
        with super().connect() as connection:
            if self._file is None:
                self._pinned, self._file = _pinned(self.path), _identity(self.path)
            yield connection

    def close(self) -> None:
        """See `SqlDatabase.close`."""
        super().close()
        if self._pinned is not None:
            os.close(self._pinned)
            self._pinned = None

    def words(self, error: BaseException) -> str:
        """See `SqlDatabase.words`."""
        said = str(error.orig if isinstance(error, DBAPIError) else error)
        mend = next((mend for sign, mend in _MENDS if sign in said), "see docs/store.md")
        return f"the database says: {said}. Mend: {mend}"

    @contextmanager
    def read_alike(self) -> Iterator[tuple[Connection, ...]]:
        """Open two transactions that see the same state; see `SqlDatabase.read_alike`.

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

    def seat(self) -> Seat:
        """See `SqlDatabase.seat`. It is beside the file itself, by whatever link that was named: it has one seat."""
        file = self.path.resolve()
        return FileSeat(file.with_name(f"{file.name}.lead"))

    def exists(self) -> bool:
        """See `SqlDatabase.exists`."""
        return self.path.exists()


def driver_error(of: Connection | Engine, kind: str) -> type[Exception]:
    """Return the class of a driver's errors (PEP 249: `Error`, `DataError`), for what is done with its own cursor."""
    found: type[Exception] = getattr(of.dialect.dbapi, kind)
    return found


def is_taken(error: IntegrityError) -> bool:
    """Whether a row was refused because a UNIQUE index holds its key already, in any of the databases."""
    return getattr(error.orig, "sqlstate", None) == _UNIQUE_VIOLATION or "UNIQUE" in str(error.orig)


@contextmanager
def transaction(connection: Connection, begin: str) -> Iterator[None]:
    """Run one transaction on a connection, begun as one of the database's ways.

    Not by a listener of SQLAlchemy's: an engine that has one asks after others at each statement.
    """
    with connection.begin():
        connection.exec_driver_sql(begin)
        yield


def sqlite_file(url: str) -> Path:
    """Return the file that a database address names; whatever follows `sqlite:///` is its path.

    Raises:
        StoreError: The address is not that of an SQLite file. It is not repeated, since it may hold a password.
    """
    name = url.removeprefix(_SCHEME)
    if name == url or name in ("", ":memory:"):
        raise StoreError(
            "[store] url names no SQLite file; write sqlite:///path/to/outlay.sqlite or postgresql://host/database"
        )
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


@cache
def _shared() -> tuple[Dialect, LRUCache[Any, Any]]:
    """What all files have in common: the words of SQLite, and what statements compile to in them.

    To compile takes longer than to run, and a thousand files would each compile, and hold, the same.
    """
    engine = create_engine("sqlite://")
    with engine.connect():  # the dialect learns what this build of SQLite can do
        pass
    engine.dispose()
    return engine.dialect, LRUCache(_COMPILED)


def _prepare(connection: Any, busy_seconds: float) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: `transaction` does
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


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file stands under a name, whatever it is called; None without one."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _pinned(path: Path) -> int | None:
    """Hold a file, so that another one that takes its place cannot have its number; None where numbers are not reused.

    By its name alone: to close a file that was opened otherwise would end the locks that SQLite has on it.
    """
    by_name = getattr(os, "O_PATH", None)
    return None if by_name is None else os.open(path, by_name | os.O_CLOEXEC)


def _data_version(connection: Connection) -> int:
    """A number that differs once any other connection has committed; to be asked outside of transactions."""
    driver = connection.connection.driver_connection
    return int(driver.execute("PRAGMA data_version").fetchone()[0]) if driver is not None else 0
