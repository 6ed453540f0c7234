"""A database on a PostgreSQL server: how it is reached, how a transaction is taken, and how its failures are told.

Two advisory locks stand in for SQLite's one write lock: whoever decides (recommendations, writes, refits) never waits
for whoever enters a million rows. A transaction that takes one begins as READ COMMITTED, so that each of its statements
sees what was committed until the lock was given; since no other writer runs beside it, that is one state throughout.
REPEATABLE READ would take its picture while it waits for the lock. Readers take none, and see one state.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError

from optimizer.agent.store.engine import SqlDatabase
from optimizer.agent.store.seat import Seat, SessionSeat
from optimizer.ports import StoreError

LOCK_SECONDS: Final = 10
"""How long a lock of another process is waited for."""

STATEMENT_SECONDS: Final = 900
"""After so long a statement is given up: merging tens of millions of rows takes less, a hanging server more."""

_IDLE_SECONDS = 300  # a transaction whose owner is gone or asleep lets go of its locks
_CONNECT_SECONDS = 10
_DRIVER = "postgresql+psycopg"
_SCHEMES = ("postgresql", "postgres", _DRIVER)
# "outl" as a number, and which of the two locks: others on the same server take keys of their own.
_LOCKS = 0x6F75746C
_LEDGER = f"SELECT pg_advisory_xact_lock({_LOCKS}, 1)"
_EVIDENCE = f"SELECT pg_advisory_xact_lock({_LOCKS}, 2)"
_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED"
_KEEPALIVE = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
_AGAIN = "then try again: a step that was taken already is refused, and rows that are known change nothing"
_MENDS = (
    (("55P03",), "another process is writing; let it finish, then try again"),
    (("57014",), f"it took more than {STATEMENT_SECONDS} s; look at the server's load, {_AGAIN}"),
    (("40001", "40P01"), "others wrote at the same time; try again"),
    (("53100",), "free some space on the server, then try again; nothing was half stored"),
    (("53300",), "let the server take more connections (max_connections), or end some"),
    (("28P01", "28000"), "set user and password by OUTLAY_STORE__URL, OUTLAY_STORE__PASSWORD or a secret file"),
    (("3D000",), "create the database (createdb), or name another in [store] url"),
    (("42501",), "let this user create and write tables in the database's schema"),
    (("25006",), "name the server that takes writes; this one is a copy or read-only"),
    (("22021",), "a text from a platform holds what is no text; correct it in the source"),
    (("57P01", "57P02", "57P03", "08"), f"wait until the server is up, {_AGAIN}"),
)
# What is said before a session stands carries no code.
_SIGNS = (
    ("password authentication failed", "28P01"),
    ("no password supplied", "28P01"),
    ("no pg_hba.conf entry", "28000"),
    ("does not exist", "3D000"),
    ("too many clients", "53300"),
    ("connection slots", "53300"),
    ("NUL (0x00)", "22021"),
)
_UNREACHABLE = f"start the server or correct host and port in [store] url, {_AGAIN}"


class PostgresDatabase(SqlDatabase):
    """A database on a PostgreSQL server; the driver is psycopg 3, of the extra `postgres`."""

    READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    WRITE = f"{_WRITE}; {_LEDGER}"
    LEARN = f"{_WRITE}; {_EVIDENCE}"
    STAGE = _WRITE
    """How a transaction begins that fills temporary tables; it takes no lock."""
    MIGRATE = f"{_WRITE}; {_LEDGER}; {_EVIDENCE}"

    def __init__(self, url: URL, lock_seconds: float = LOCK_SECONDS) -> None:
        """Name the database; nothing is opened yet.

        Args:
            url: Its address, by `address`.
            lock_seconds: How long to wait for a lock of another process.

        Raises:
            StoreError: The driver is not installed.
        """
        self.url = url
        try:
            engine = create_engine(
                url,
                pool_pre_ping=True,  # the server may have been restarted since a connection was used last
                hide_parameters=True,
                connect_args={
                    "connect_timeout": _CONNECT_SECONDS, "autocommit": True, "application_name": "outlay", **_KEEPALIVE,
                },
            )  # fmt: skip
        except ModuleNotFoundError:
            raise StoreError("PostgreSQL needs its driver. Mend: install outlay[postgres]") from None
        event.listen(engine, "connect", lambda connection, _record: _prepare(connection, lock_seconds))
        super().__init__(_name(url), engine)

    def words(self, error: BaseException) -> str:
        """See `SqlDatabase.words`."""
        said = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
        return f"the database says: {said}. Mend: {_mend(error, said)}"

    def seat(self) -> Seat:
        """See `SqlDatabase.seat`."""
        return SessionSeat(self._engine, (_LOCKS, 3), self._told)

    def exists(self) -> bool:
        """See `SqlDatabase.exists`: whoever names a server means one that is there."""
        return True


def address(url: str) -> URL | None:
    """Return the address of a PostgreSQL database; None if it names another kind.

    Raises:
        StoreError: It cannot be understood. It is not repeated, since it may hold a password.
    """
    scheme, colon, _ = url.partition("://")
    if not colon or scheme not in _SCHEMES:
        return None
    try:
        made = make_url(url).set(drivername=_DRIVER)
    except (ArgumentError, ValueError):
        made = None
    if made is None or not made.database:
        raise StoreError("[store] url cannot be read; write postgresql://user@host:5432/database")
    return made


def _name(url: URL) -> str:
    port = "" if url.port is None else f":{url.port}"
    return f"postgresql://{url.host or ''}{port}/{url.database}"


def _prepare(connection: Any, lock_seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SET lock_timeout = {int(lock_seconds * 1000)}; SET statement_timeout = '{STATEMENT_SECONDS}s'; "
            f"SET idle_in_transaction_session_timeout = '{_IDLE_SECONDS}s'; SET synchronous_commit = on"
        )


def _mend(error: BaseException, said: str) -> str:
    code = getattr(getattr(error, "orig", error), "sqlstate", None)
    code = code or next((code for sign, code in _SIGNS if sign in said), "")
    found = (mend for codes, mend in _MENDS if code.startswith(codes)) if code else iter(())
    lost = isinstance(error, DBAPIError) and (error.connection_invalidated or not code)
    return next(found, _UNREACHABLE if lost else "see docs/store.md")
