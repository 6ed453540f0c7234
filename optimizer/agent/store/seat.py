"""A lock that goes with its process: whoever holds it is alive, and whoever can take it knows that nobody is."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from threading import Lock
from typing import Final, Protocol

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from optimizer.ports import StoreError

_NOTHING: Final = text("SELECT 1")


class Seat(Protocol):
    """Held by one process of all that share a database; freed when that process ends, however it ends."""

    @property
    def held(self) -> bool:
        """Whether this object has the seat, as far as it knows; `take` asks."""
        ...

    def take(self) -> bool:
        """Take the seat; False if anybody has it, this object included.

        Raises:
            StoreError: It cannot be asked for.
        """
        ...

    def free(self) -> None:
        """Leave the seat; may be called twice."""
        ...


class FileSeat:
    """`flock` on a file beside the database; the kernel frees it."""

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is opened yet."""
        self._path = path
        self._held: int | None = None
        self._guard = Lock()

    @property
    def held(self) -> bool:
        """See `Seat.held`."""
        return self._held is not None

    def take(self) -> bool:
        """See `Seat.take`."""
        with self._guard:
            if self._held is not None:
                return False
            descriptor = self._open()
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            self._held = descriptor
            return True

    def free(self) -> None:
        """See `Seat.free`."""
        with self._guard:
            if self._held is not None:
                os.close(self._held)
                self._held = None

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            mend = "make the folder of the database writable"
            raise StoreError(f"{self._path}: cannot be opened: {error.strerror}. Mend: {mend}") from None


class SessionSeat:
    """An advisory lock of a session of its own; the server frees it when the connection ends."""

    def __init__(self, engine: Engine, lock: tuple[int, int], told: Callable[[], AbstractContextManager[None]]) -> None:
        """Name the lock; nothing is connected yet.

        Args:
            engine: Of which one connection is kept while the seat is held.
            lock: The two halves of the lock's number.
            told: Within it a failure of the server becomes a `StoreError`.
        """
        self._engine, self._told = engine, told
        self._try = text(f"SELECT pg_try_advisory_lock({lock[0]}, {lock[1]})")
        self._leave = text(f"SELECT pg_advisory_unlock({lock[0]}, {lock[1]})")
        self._held: Connection | None = None
        self._guard = Lock()

    @property
    def held(self) -> bool:
        """See `Seat.held`."""
        return self._held is not None

    def take(self) -> bool:
        """See `Seat.take`. A session that was lost meanwhile, and the lock with it, is not held any more."""
        with self._guard:
            if self._held is not None and self._is_alive(self._held):
                return False
            self._drop()
            with self._told():
                return self._taken()

    def _taken(self) -> bool:
        connection = self._engine.connect()
        try:
            taken = bool(connection.execute(self._try).scalar())
            connection.commit()
        except BaseException:
            connection.invalidate()
            connection.close()
            raise
        if taken:
            self._held = connection
        else:
            connection.close()
        return taken

    def _is_alive(self, connection: Connection) -> bool:
        try:
            connection.execute(_NOTHING)
            connection.commit()
        except DBAPIError:
            return False
        return True

    def free(self) -> None:
        """See `Seat.free`. The connection is ended, not handed back; a server may be slow at that, so unlock first."""
        with self._guard:
            if self._held is not None:
                with suppress(DBAPIError):
                    self._held.execute(self._leave)
                    self._held.commit()
            self._drop()

    def _drop(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            with suppress(DBAPIError):  # the server may have gone already, and the lock with it
                held.invalidate()
            held.close()
