"""Writes a file whole or not at all, one process at a time, and keeps the log of what was changed."""

from __future__ import annotations

import csv
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from connectors.contract import BudgetChange, StatusChange
from connectors.errors import AskMarketer, BadInput, OutcomeUnknown, RetryLater
from connectors.files.budgets import plain, read_document

LOG_HEADER: Final = ("time", "account_id", "budget_id", "from", "to", "currency", "idempotency_key", "request_id")
SWITCH_HEADER: Final = ("time", "account_id", "ad_id", "from", "to", "idempotency_key", "request_id")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that belongs to a file while it is read and rewritten.

    Raises:
        RetryLater: Another process holds it.
        AskMarketer: The folder cannot be written.
    """
    try:
        handle = (path.parent / f".{path.name}.lock").open("ab")
    except OSError as error:
        raise unwritable(path, error) from None
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RetryLater(f"{path.name} is being written by another process", retry_after_seconds=1.0) from None
        yield


def replace_text(path: Path, text: str) -> None:
    """Put a text in a file's place: readers see the old file or the new one, also after a loss of power.

    Raises:
        AskMarketer: The folder cannot be written; the old file stands.
        OutcomeUnknown: The new file stands but may not survive a loss of power.
    """
    target = path.resolve()
    part = target.parent / f".{target.name}.{os.getpid()}.part"
    try:
        with part.open("wb") as handle:
            if target.exists():
                os.fchmod(handle.fileno(), target.stat().st_mode & 0o7777)
            handle.write(text.encode())
            handle.flush()
            os.fsync(handle.fileno())
        part.replace(target)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise unwritable(path, error) from None
    try:
        _sync_folder(target.parent)
    except OSError as error:
        raise OutcomeUnknown(f"{path.name} was written but not confirmed by the disk: {error.strerror}") from None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unwritable(path: Path, error: OSError) -> AskMarketer:
    """The error for a budgets file that cannot be replaced."""
    return AskMarketer(
        f"{path.name} cannot be written in {path.parent}: {error.strerror}; nothing was changed.",
        mend="grant writing to the folder, or free space on its disk.",
    )


@dataclass(frozen=True, slots=True)
class ChangeLog:
    """The file beside the budgets, or the statuses of ads, that lists every change made through the connector.

    Attributes:
        path: The file.
        header: Its columns.
        what: What it is a log of, in words.
    """

    path: Path
    header: tuple[str, ...] = LOG_HEADER
    what: str = "budget changes"

    def holds(self, idempotency_key: str) -> bool:
        """Whether a change with this key was made before.

        Raises:
            BadInput: The log is damaged, so that this cannot be told.
        """
        document = read_document(self.path)
        if document is None:
            return False
        if document.header != self.header:
            raise BadInput(f"is not the log of {self.what}", where=self.path.name, mend="move the file away.")
        return any(document.cell(record, "idempotency_key") == idempotency_key for record in document.records)

    def append(self, change: BudgetChange, request_id: str, at: datetime) -> None:
        """Add a change that was made.

        Raises:
            OutcomeUnknown: The change stands, but could not be logged.
        """
        amounts = (plain(change.expected), plain(change.target), change.target.currency)
        key = change.key
        row = (at.isoformat(), key.account_id, key.budget_id, *amounts, change.idempotency_key, request_id)
        self._add(row, f"budget {key} was set")

    def append_switch(self, change: StatusChange, request_id: str, at: datetime) -> None:
        """Add a switch of an ad that was made.

        Raises:
            OutcomeUnknown: The switch stands, but could not be logged.
        """
        key, statuses = change.key, (change.expected.value, change.target.value)
        row = (at.isoformat(), key.account_id, key.ad_id, *statuses, change.idempotency_key, request_id)
        self._add(row, f"ad {key} was switched")

    def _add(self, row: tuple[str, ...], done: str) -> None:
        try:
            new = not self.path.exists()
            with self.path.open("a", encoding="utf-8", newline="") as handle:
                writer = csv.writer(handle, lineterminator="\n")
                writer.writerows([self.header, row] if new else [row])
                handle.flush()
                os.fsync(handle.fileno())
        except OSError as error:
            words = f"{done}, but {self.path.name} could not be written: {error.strerror}"
            raise OutcomeUnknown(words) from None
