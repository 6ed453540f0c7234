"""One file at a time, whole or as it was: what a crash in the midst of writing leaves."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader, even after a crash, finds all of it or the one before.

    The caller keeps other writers away: the part that is being written has one fixed name, so that what a killed
    process left there is written over.

    Raises:
        OSError: The file cannot be written; the one before stands.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
