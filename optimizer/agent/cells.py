"""Tables that people open in a spreadsheet, as CSV that none of them runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from connectors.errors import AskMarketer
from simulations.disk import write_whole

_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r")


def harmless(cell: object) -> object:
    """A text that no spreadsheet runs (OWASP, CSV Injection); numbers stay as they are."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_DANGEROUS) else cell


def csv_text(head: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a table as CSV, its cells `harmless`; None becomes an empty cell."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return out.getvalue()


def write_csv(path: Path, head: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a table as `csv_text` to the file that --csv names, whole or not at all.

    Raises:
        AskMarketer: It cannot be written; what stood there stands.
    """
    try:
        write_whole(path, csv_text(head, rows))
    except OSError as error:
        raise AskMarketer(
            f"{path} cannot be written: {error.strerror}", mend="choose another place with --csv"
        ) from None
