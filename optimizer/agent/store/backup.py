"""Backups, taken while others write and put back into an empty place only; both ends are counted and digested.

A backup is two files: the copy, and beside it NAME.json, which says what is in it. An SQLite file is copied by SQLite's
own backup, a database on a server by pg_dump; the figures are of the same moment as the copy. What is put back is seen
with the kill switch on or not at all: agents look every second, and what was approved then may have been written since.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, create_engine, inspect
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from optimizer.agent.store.contents import Contents, contents
from optimizer.agent.store.engine import Database, sqlite_file
from optimizer.agent.store.migrate import bring_up, bring_up_to_date, migrating
from optimizer.agent.store.office import throw_brake
from optimizer.agent.store.places import database_at, is_there, make_place
from optimizer.agent.store.postgres import PostgresDatabase
from optimizer.plan.office import Brake
from optimizer.ports import StoreError

_PROGRAMS: Final = Path("/usr/lib/postgresql")
_NOT_IN_URL: Final = frozenset({"host", "port", "user", "dbname", "password"})
_LOGS: Final = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file; it is taken for that file's whichever file it was of."""


def back_up(url: str, to: Path) -> Contents:
    """Copy a database into a new file, while others may write.

    Returns:
        What is in the copy.

    Raises:
        StoreError: The database cannot be read, the file exists already or cannot be written, or pg_dump is missing.
    """
    for path in (to, _figures(to)):
        if path.exists():
            raise StoreError(f"{path} exists already; name a new file, a backup is never written over another")
    if not is_there(url):
        raise StoreError(f"{sqlite_file(url)} does not exist: there is nothing to back up")
    if not to.absolute().parent.is_dir():
        raise StoreError(f"{to}: the folder {to.absolute().parent} does not exist; make it, or name another file")
    database = database_at(url)
    part = to.with_name(f"{to.name}.part")
    with _told(to), closing(database):
        try:
            held = _dump(database, part) if isinstance(database, PostgresDatabase) else _copy(Path(database.name), part)
            _make_last(part)
            _figures(to).write_text(json.dumps(asdict(held), indent=1) + "\n", encoding="ascii")
            part.rename(to)
        finally:
            part.unlink(missing_ok=True)
    return held


def restore(url: str, source: Path, brake: Brake) -> Contents:
    """Put a backup into an empty place, brought up to date and with its writes stopped before anybody sees it.

    Args:
        url: A file that does not exist, or a database without tables.
        source: What `back_up` wrote.
        brake: The throw of the kill switch.

    Returns:
        What was put back; it equals what was backed up.

    Raises:
        StoreError: The place is not empty, the backup is not whole or not one for this kind of database, or what was
            put back is not what was backed up.
    """
    wanted = _read_figures(source)
    make_place(url)
    database = database_at(url)
    with _told(source), closing(database):
        if isinstance(database, PostgresDatabase):
            return _load(database, source, wanted, brake)
        return _put(Path(database.name), source, wanted, brake)


def _copy(path: Path, part: Path) -> Contents:
    """Copy an SQLite file in one step, which holds a reader's lock and so keeps nobody from writing."""
    part.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(part)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        found = copy.execute("PRAGMA quick_check").fetchone()[0]
    if found != "ok":
        raise StoreError(f"{path} is damaged: {found}; restore it from an older backup")
    return _contents_of(part)


def _put(path: Path, source: Path, wanted: Contents, brake: Brake) -> Contents:
    """Make the file ready under another name, by which nobody looks for it, and give it its own at the end."""
    if path.exists() and path.stat().st_size:
        raise StoreError(f"{path} is not empty, and nothing is restored over it; move it away, or name another file")
    for log in _logs(path):
        if log.exists() and log.stat().st_size:
            raise StoreError(f"{log} is left of a file that was there, and would be read into this one; move it away")
    part = path.with_name(f"{path.name}.part")
    try:
        _remove(part)
        shutil.copyfile(source, part)
        held = _same(_contents_of(part), wanted, source)
        with closing(Database(part)) as database:
            bring_up_to_date(database)
            with database.write() as connection:
                throw_brake(connection, brake)
        _settle(part)
        _make_last(part)
        part.replace(path)
    finally:
        _remove(part)
    return held


def _settle(part: Path) -> None:
    """Have all of a file in the file itself, since what stands beside it does not go with its name."""
    with closing(sqlite3.connect(part)) as connection:
        mode = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
    if mode != "delete":
        raise StoreError(f"{part} is open elsewhere; end what has it open, then try again")


def _logs(path: Path) -> list[Path]:
    return [path.with_name(path.name + end) for end in _LOGS]


def _remove(part: Path) -> None:
    for path in (part, *_logs(part)):
        path.unlink(missing_ok=True)


def _dump(database: PostgresDatabase, part: Path) -> Contents:
    """Let pg_dump copy the very state that is counted: both look through one exported snapshot."""
    program = _program("pg_dump")
    with database.read() as connection:
        shared = connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one()
        _run(database, program, "--format=custom", f"--snapshot={shared}", "--no-owner", "--no-privileges",
             f"--file={part}")  # fmt: skip
        return contents(connection)


def _load(database: PostgresDatabase, source: Path, wanted: Contents, brake: Brake) -> Contents:
    """Put all of it back in one transaction that ends with the throw of the kill switch, under all locks.

    pg_restore would commit by itself; so it writes its script, which is played here.
    """
    program = _program("pg_restore")
    with migrating(database) as connection:
        if inspect(connection).get_table_names():
            raise StoreError(
                f"{database.name} is not empty, and nothing is restored over it; make a new database (createdb)"
            )
        with _script(database, program, source) as lines:
            _play(connection, lines)
        connection.exec_driver_sql("RESET search_path")  # the script empties it
        held = _same(contents(connection), wanted, source)
        bring_up(connection, database.name)
        throw_brake(connection, brake)
    return held


@contextmanager
def _script(database: PostgresDatabase, program: str, source: Path) -> Iterator[Iterator[bytes]]:
    """Yield the lines by which pg_restore puts a backup back.

    Raises:
        StoreError: It could not write all of them.
    """
    command = [program, "--file=-", "--no-owner", "--no-privileges", str(source)]
    with (
        tempfile.TemporaryFile() as told,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told) as run,  # noqa: S603 - PostgreSQL's own program
    ):
        assert run.stdout is not None  # noqa: S101 - it is a pipe
        yield iter(run.stdout)
        if run.wait():
            told.seek(0)
            raise _failed(database, program, told.read().decode(errors="replace"))


def _play(connection: Connection, lines: Iterator[bytes]) -> None:
    """Run a script of pg_restore's: statements, and rows between COPY and a line with a full stop of its own."""
    cursor = connection.connection.cursor()
    words: list[bytes] = []
    for line in lines:
        if line.startswith(b"COPY ") and line.endswith(b" FROM stdin;\n"):
            cursor.execute(b"".join(words))
            words.clear()
            with cursor.copy(line) as copy:
                for row in iter(lines.__next__, b"\\.\n"):
                    copy.write(row)
        elif not line.startswith(b"\\"):  # what is meant for psql alone
            words.append(line)
    cursor.execute(b"".join(words))


def _run(database: PostgresDatabase, program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs; the password goes by its environment, which no list of processes shows."""
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415 - an extra: only who has a server needs it

    url = database.url
    told: dict[str, Any] = {name: value for name, value in url.query.items() if name not in _NOT_IN_URL}
    told |= {"host": url.host, "port": url.port, "user": url.username, "dbname": url.database}
    secret = {} if url.password is None else {"PGPASSWORD": str(url.password)}
    target = make_conninfo(**{name: value for name, value in told.items() if value is not None})
    ran = subprocess.run(  # noqa: S603 - PostgreSQL's own program
        [program, *arguments, f"--dbname={target}"],
        env={**os.environ, **secret}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ran.returncode:
        raise _failed(database, program, ran.stderr)


def _failed(database: PostgresDatabase, program: str, said: str) -> StoreError:
    return StoreError(f"{database.name}: {Path(program).name} says: {' '.join(said.split())[:500]}")


def _program(name: str) -> str:
    folders = sorted(_PROGRAMS.glob("*/bin"), key=lambda folder: folder.parent.name.zfill(4), reverse=True)
    found = shutil.which(name) or next((str(folder / name) for folder in folders if (folder / name).exists()), None)
    if found is None:
        raise StoreError(f"{name} is not installed here. Mend: install PostgreSQL's client programs, then try again")
    return found


def _contents_of(path: Path) -> Contents:
    """Count an SQLite file without leaving a log beside it, as opening it for use would."""
    engine = create_engine(URL.create("sqlite", database=str(path)))
    try:
        with engine.begin() as connection:
            return contents(connection)
    finally:
        engine.dispose()


def _same(found: Contents, wanted: Contents, source: Path) -> Contents:
    if found != wanted:
        raise StoreError(
            f"{source} is not what was backed up: its rows differ from those that {_figures(source)} tells"
        )
    return found


def _figures(of: Path) -> Path:
    return of.with_name(f"{of.name}.json")


def _read_figures(source: Path) -> Contents:
    path = _figures(source)
    try:
        told = json.loads(path.read_text(encoding="ascii"))
        return Contents(told["version"], told["rows"], told["digest"])
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}; a backup is two files, bring both") from None
    except (ValueError, KeyError, TypeError):
        raise StoreError(f"{path} is not what a backup writes; bring the one of this backup") from None


def _make_last(path: Path) -> None:
    """Have the file's bytes on the disk before it gets its name."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def _told(where: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{error.filename or where}: {error.strerror}; make the folder, and let this user in"
        ) from None
    except (sqlite3.Error, DBAPIError) as error:
        raise StoreError(f"{where}: {error}; is it a backup of an SQLite file, and is there room for it?") from None
