"""The database's version: Alembic brings a new or older file up to date, and an unknown one is left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect

from optimizer.agent.store.engine import Database, sqlite_path
from optimizer.ports import StoreError

_MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION_TABLE = "alembic_version"

HEAD: Final = "0005"
"""The newest version; a database that has it is opened without Alembic, whose import alone takes half a second."""


def upgrade(url: str) -> str:
    """Bring a database to the newest version, creating it if there is none, in one transaction.

    Returns:
        The version that it has then.

    Raises:
        StoreError: The address is not that of an SQLite file, or the database is of an unknown version.
    """
    database = Database(sqlite_path(url))
    try:
        return bring_up_to_date(database)
    finally:
        database.close()


def current(url: str) -> str | None:
    """Return a database's version, None if the file is new or empty.

    Raises:
        StoreError: The address is not that of an SQLite file, or the file is not a database of ours.
    """
    path = sqlite_path(url)
    if not path.exists():
        return None
    database = Database(path)
    try:
        with database.read() as connection:
            return _version(connection, path)
    finally:
        database.close()


def bring_up_to_date(database: Database) -> str:
    """Bring an opened database to the newest version and return it; see `upgrade`."""
    with database.read() as connection:
        if _version(connection, database.path) == HEAD:
            return HEAD
    with database.write() as connection:
        # Looked at again under the write lock: another process may have been first.
        _run(connection, _version(connection, database.path), database.path)
    return HEAD


def _version(connection: Connection, path: Path) -> str | None:
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    if _VERSION_TABLE not in tables:
        raise StoreError(f"{path} is a database of another program; name another file in [store] url")
    version = connection.exec_driver_sql(f"SELECT version_num FROM {_VERSION_TABLE}").scalar()  # noqa: S608 - a constant
    return None if version is None else str(version)


def _run(connection: Connection, version: str | None, path: Path) -> None:
    # Deferred: Alembic is heavy, and only a new or older database needs it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    known = {revision.revision for revision in ScriptDirectory(str(_MIGRATIONS)).walk_revisions()}
    if version is not None and version not in known:
        raise StoreError(
            f"{path} is of version {version!r}, which this program does not know "
            f"(its newest is {HEAD!r}); install the program that wrote it, or a newer one"
        )
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
