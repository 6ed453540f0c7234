"""A lock that goes with its process: whoever holds it is alive, and whoever can take it knows that nobody is."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from threading import Lock

from optimizer.ports import StoreError


class Seat:
    """`flock` on a file beside the database; the kernel frees it when its process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is opened yet."""
        self._path = path
        self._held: int | None = None
        self._guard = Lock()

    def take(self) -> bool:
        """Take the seat; False if anybody has it, this object included.

        Raises:
            StoreError: The file cannot be made.
        """
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
        """Leave the seat; may be called twice."""
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
