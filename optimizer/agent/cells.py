"""Tables that people open in a spreadsheet, as CSV that none of them runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from itertools import chain
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
    return "".join(_line(row) for row in chain([head], rows))


def _line(row: Iterable[object]) -> str:
    out = io.StringIO(newline="")
    # A writer quotes only the ends of lines that are its own: with \n alone, a \r within a name would begin a row.
    csv.writer(out, lineterminator="\r\n").writerow([harmless(cell) for cell in row])
    return out.getvalue().removesuffix("\r\n") + "\n"


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
