"""The database's version: Alembic brings a new or older file up to date, and an unknown one is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final

from sqlalchemy import Connection, inspect

from optimizer.agent.store.engine import SqlDatabase
from optimizer.agent.store.places import database_at
from optimizer.ports import StoreError

_MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION_TABLE = "alembic_version"
_ONE_AT_A_TIME: Final = Lock()
"""Alembic's operations act on what the whole process has in hand: with two databases in two threads, on either."""

HEAD: Final = "0019"
"""The newest version; a database that has it is opened without Alembic, whose import alone takes half a second."""


def upgrade(url: str) -> str:
    """Bring a database to the newest version, creating its tables if there are none, in one transaction.

    Returns:
        The version that it has then.

    Raises:
        StoreError: The address names no database, it cannot be reached, or it is of an unknown version.
    """
    database = database_at(url)
    try:
        return bring_up_to_date(database)
    finally:
        database.close()


def current(url: str) -> str | None:
    """Return a database's version, None if it is new or empty.

    Raises:
        StoreError: The address names no database, it cannot be reached, or it is not one of ours.
    """
    database = database_at(url)
    try:
        return version_of(database) if database.exists() else None
    finally:
        database.close()


def version_of(database: SqlDatabase) -> str | None:
    """Return the version of an opened database, None if it is empty.

    Raises:
        StoreError: It cannot be read, or is not one of ours.
    """
    with database.read() as connection:
        return _version(connection, database.name)


def bring_up_to_date(database: SqlDatabase) -> str:
    """Bring an opened database to the newest version and return it; see `upgrade`."""
    if version_of(database) == HEAD:
        return HEAD
    with migrating(database) as connection:
        bring_up(connection, database.name)
    return HEAD


@contextmanager
def migrating(database: SqlDatabase) -> Iterator[Connection]:
    """Open a transaction in which tables may be changed; nobody writes beside it, and no other is changed meanwhile.

    Raises:
        StoreError: The database cannot be written, or another process holds its locks for too long.
    """
    with _ONE_AT_A_TIME, database.migrate() as connection:
        yield connection


def bring_up(connection: Connection, name: str) -> None:
    """Bring a database to the newest version within a transaction of `migrating`.

    Raises:
        StoreError: It is not one of ours, or of an unknown version.
    """
    # Looked at under the lock: another process may have been first.
    _run(connection, _version(connection, name), name)


def _version(connection: Connection, name: str) -> str | None:
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    if _VERSION_TABLE not in tables:
        raise StoreError(f"{name} is a database of another program; name another in [store] url")
    version = connection.exec_driver_sql(f"SELECT version_num FROM {_VERSION_TABLE}").scalar()  # noqa: S608 - a constant
    return None if version is None else str(version)


def _run(connection: Connection, version: str | None, name: str) -> None:
    # Deferred: Alembic is heavy, and only a new or older database needs it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    known = {revision.revision for revision in ScriptDirectory(str(_MIGRATIONS)).walk_revisions()}
    if version is not None and version not in known:
        raise StoreError(
            f"{name} is of version {version!r}, which this program does not know "
            f"(its newest is {HEAD!r}); install the program that wrote it, or a newer one"
        )
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
