"""Files that are whole or absent, in a folder that one process at a time works in."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from connectors.errors import AskMarketer
from simulations import disk

_LOCK: Final = ".lock"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Make the folder where it is not there, and keep other processes from working in it meanwhile.

    Raises:
        AskMarketer: It cannot be made or written in, or another process is at work in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / _LOCK).open("a")
    except OSError as error:
        raise _unusable(folder, error) from None
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AskMarketer(
                f"Another process is at work in {folder}", mend="wait for it to end, or name another folder."
            ) from None
        yield


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader, even after a crash, finds all of it or the one before; inside `alone`.

    Raises:
        AskMarketer: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        disk.write_whole(path, text)
    except OSError as error:
        raise _unusable(path, error) from None


def append_line(path: Path, line: str) -> None:
    """Append a line that ends in a newline, at one stroke.

    Raises:
        AskMarketer: The file cannot be written.
    """
    try:
        with path.open("ab", buffering=0) as out:
            out.write(line.encode())
    except OSError as error:
        raise _unusable(path, error) from None


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        FileNotFoundError: There is none.
        UnicodeDecodeError: It is not UTF-8.
        AskMarketer: It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unusable(path, error) from None


def _unusable(path: Path, error: OSError) -> AskMarketer:
    return AskMarketer(f"{path} cannot be used: {error.strerror}", mend="name a folder that exists and can be written.")
