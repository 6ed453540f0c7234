"""One file at a time, whole or as it was: what a crash in the midst of writing leaves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield the place to write a file at; at the end it stands in the place of the one before, and never in part.

    The caller keeps other writers away: the part that is being written has one fixed name, so that what a killed
    process left there is written over.

    Raises:
        OSError: The file cannot be written; the one before stands, as it does after any other error of the caller.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader, even after a crash, finds all of it or the one before; see `whole`.

    Raises:
        OSError: The file cannot be written; the one before stands.
    """
    with whole(path) as part, part.open("w", encoding="utf-8", newline="") as out:
        out.write(text)
