"""A PostgreSQL server for tests: one database that is emptied for each of them, and new ones on demand."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from optimizer.agent.store import upgrade

ADDRESS = "OUTLAY_TEST_POSTGRES"
_RUNNER = Path(__file__).resolve().parent.parent / ".ci" / "postgres.py"
_TELL = "import os, sys; print(os.environ['OUTLAY_TEST_POSTGRES'], flush=True); sys.stdin.read()"
# Triggers forbid deleting history; they rest while the role of a replica is played.
_WIPE = """
    SELECT string_agg(statement, '; ') FROM (
        SELECT format('DELETE FROM %I', tablename) AS statement FROM pg_tables
        WHERE schemaname = 'public' AND tablename <> 'alembic_version'
        UNION ALL
        SELECT format('ALTER SEQUENCE %I RESTART', sequencename) FROM pg_sequences WHERE schemaname = 'public'
    ) AS statements
"""


@contextmanager
def running_server() -> Iterator[str]:
    """Yield a server's address: that of the environment, else of one that ends with the block; skip if none can be."""
    if ADDRESS in os.environ:
        yield os.environ[ADDRESS]
        return
    command = [sys.executable, str(_RUNNER), sys.executable, "-c", _TELL]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        address = run.stdout.readline().strip()
        if not address:
            run.wait()
            pytest.skip(f"no PostgreSQL: {run.stderr.read().strip()}")
        yield address
        run.stdin.close()
        run.wait(60)


@contextmanager
def server_if_any() -> Iterator[str | None]:
    """Yield a server's address as `running_server` does, or None if there can be none; for whoever is no test."""
    with ExitStack() as held:
        try:
            address = held.enter_context(running_server())
        except pytest.skip.Exception:
            address = None
        yield address


@contextmanager
def new_database(address: str, name: str) -> Iterator[str]:
    """Yield the address of a database without tables on a server; it is dropped afterwards, whoever is connected."""
    engine = create_engine(_driven(address), isolation_level="AUTOCOMMIT")
    own = f"{name}_{os.getpid()}"
    with engine.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{own}" TEMPLATE template0'))
    engine.dispose()  # nothing may cross a fork
    yield make_url(address).set(database=own).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{own}" WITH (FORCE)'))
    engine.dispose()


class Server:
    """Makes databases.

    Attributes:
        address: Of its own superuser, who may do everything.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._numbers = count()
        self._engine = create_engine(_driven(address), isolation_level="AUTOCOMMIT")
        self._ready = self.new()
        upgrade(self._ready)
        self._wiper = create_engine(_driven(self._ready), isolation_level="AUTOCOMMIT")
        with self._wiper.connect() as connection:
            self._wipe = connection.execute(text(_WIPE)).scalar_one()

    def new(self, more: str = "") -> str:
        """Make a database without tables and return its address."""
        name = f"t{os.getpid()}_{next(self._numbers)}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE template0 {more}')
        return make_url(self.address).set(database=name).render_as_string(hide_password=False)

    def wiped(self) -> str:
        """Return the address of the database of the newest version, without rows; a new one takes ten times as long."""
        with self._wiper.connect() as connection:
            connection.exec_driver_sql(f"SET session_replication_role = replica; {self._wipe}")
            connection.exec_driver_sql("SET session_replication_role = origin")
        return self._ready

    def drop(self, url: str) -> None:
        """Drop a database, whoever is connected."""
        self.execute(f'DROP DATABASE IF EXISTS "{make_url(url).database}" WITH (FORCE)')

    def execute(self, statement: str) -> None:
        """Run a statement as the server's superuser, outside of any transaction."""
        with self._engine.connect() as connection:
            connection.execute(text(statement))

    def close(self) -> None:
        """Drop the database that was emptied for each test."""
        self._wiper.dispose()
        self.drop(self._ready)
        self._engine.dispose()


def _driven(address: str):
    return make_url(address).set(drivername="postgresql+psycopg")


@contextmanager
def own_server(folder: Path):
    """Yield a server that may be stopped and started again, as the runner makes them; skip if none can be."""
    spec = importlib.util.spec_from_file_location("postgres_runner", _RUNNER)
    runner = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(runner)
    found = runner.programs()
    if found is None:
        pytest.skip("no PostgreSQL server programs here")
    folder.mkdir()
    server = runner.Server(found, folder, False)
    try:
        server.start()
        yield server
    finally:
        server.stop()
