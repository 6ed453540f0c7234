"""Which database an address names: an SQLite file, or one on a PostgreSQL server."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import make_url

from optimizer.agent.store.engine import Database, SqlDatabase, sqlite_file, sqlite_path
from optimizer.agent.store.postgres import PostgresDatabase, address
from optimizer.ports import StoreError

_PORT: Final = 5432


def database_at(url: str) -> SqlDatabase:
    """Return the database that an address names; nothing is opened yet.

    Args:
        url: `sqlite:///relative/path`, `sqlite:////absolute/path` or `postgresql://user:password@host:port/database`.

    Raises:
        StoreError: The address names none, an SQLite file's folder does not exist, or a driver is missing.
    """
    server = address(url)
    return Database(sqlite_path(url)) if server is None else PostgresDatabase(server)


def place_of(url: str) -> str:
    """Return where the database of an address is, alike for addresses that lead to one, as far as that can be told.

    A file is told by its path without links, a server's database by host, port and name, whoever logs in.

    Raises:
        StoreError: The address names no database.
    """
    server = address(url)
    if server is None:
        return str(sqlite_file(url).resolve())
    host, port = (server.query.get(name) for name in ("host", "port"))
    return f"{str(server.host or host or '').lower()}:{server.port or port or _PORT}/{server.database}"


def without_password(url: str) -> str:
    """Return an address without the password that it may hold.

    Raises:
        StoreError: It cannot be understood.
    """
    if address(url) is None:
        return url
    bare = make_url(url)._replace(password=None).difference_update_query(["password", "sslpassword"])
    return bare.render_as_string(hide_password=False)


def is_there(url: str) -> bool:
    """Whether there is something to be opened at an address; who names a server means one that is there.

    Raises:
        StoreError: The address names no database.
    """
    return address(url) is not None or sqlite_file(url).exists()


def make_place(url: str) -> None:
    """Make an SQLite file's folder if only that one is missing, as `.outlay` is at the first start.

    Raises:
        StoreError: The address names no database, or the folder cannot be made.
    """
    if address(url) is not None:
        return
    place = sqlite_file(url).parent
    try:
        place.mkdir(exist_ok=True)
    except OSError as error:
        words = f"{place}: the folder of the database cannot be made: {error.strerror}"
        raise StoreError(f"{words}. Mend: make it, or set another place as [store] url") from None


def file_beside(url: str, home: Path) -> Path:
    """Return the file beside which others are kept, such as a refit's draws: the database, or one in `home`/.outlay.

    Raises:
        StoreError: The address names no database.
    """
    return sqlite_file(url) if address(url) is None else home / ".outlay" / "outlay"
