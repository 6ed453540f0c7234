"""Total outcomes from a CSV file: what was sold in all, by day and region, from the advertiser's own books."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from connectors.errors import BadInput
from optimizer.measure.lift import Outcomes
from optimizer.plan.problem import Outcome

WHOLE: Final = "all"
"""The region of a file that names none."""


def read_outcomes(path: Path, counted: Outcome) -> Outcomes:
    """Read a CSV file: `date`, `conversions` and/or `value`, and if known `region` and `spend` of what is tested.

    A row is a day of a region; each region has one for every day from the first to the last.

    Args:
        path: The file, in UTF-8 with a header.
        counted: Which column is the outcome.

    Raises:
        BadInput: The file cannot be read, a column or day is missing, a row stands there twice, or a cell is no number.
    """
    rows, header = _rows(path)
    for needed in ("date", counted.value):
        if needed not in header:
            raise BadInput(f"there is no column {needed!r}", where=path.name,
                           mend=f"give it the columns date and {counted.value}, and region where known.")  # fmt: skip
    cells: dict[tuple[str, date], tuple[float, float]] = {}
    for where, row in rows:
        day = _day(where, row["date"])
        region = row.get("region", "").strip() or WHOLE
        if (region, day) in cells:
            raise BadInput(f"{day} of region {region!r} stands there twice", where=where, mend="sum these rows up.")
        spend = _number(where, "spend", row["spend"]) if "spend" in header else 0.0
        cells[region, day] = (_number(where, counted.value, row[counted.value]), spend)
    return _laid_out(path, cells, told="spend" in header)


def _laid_out(path: Path, cells: dict[tuple[str, date], tuple[float, float]], *, told: bool) -> Outcomes:
    if not cells:
        raise BadInput("there is no row", where=path.name, mend="export the days before the test, and those of it.")
    regions = tuple(sorted({region for region, _ in cells}))
    first, last = (end(day for _, day in cells) for end in (min, max))
    days = [first + timedelta(days=d) for d in range((last - first).days + 1)]
    missing = next(((region, day) for region in regions for day in days if (region, day) not in cells), None)
    if missing is not None:
        raise BadInput(f"{missing[1]} of region {missing[0]!r} is missing", where=path.name,
                       mend="write 0 where nothing was sold.")  # fmt: skip
    table = np.array([[cells[region, day] for day in days] for region in regions])
    return Outcomes(first, regions, table[..., 0], table[..., 1] if told else None)


def _rows(path: Path) -> tuple[list[tuple[str, dict[str, str]]], set[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, restval="")
            header = {name.strip() for name in reader.fieldnames or ()}
            return list(_named(path, reader)), header
    except OSError as error:
        raise BadInput(f"it cannot be read: {error.strerror}", where=str(path),
                       mend="correct --outcomes, or outcomes_file of [lift].") from None  # fmt: skip
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"it is not a CSV file in UTF-8: {error}", where=path.name, mend="save it as one.") from None


def _named(path: Path, reader: csv.DictReader[str]) -> Iterator[tuple[str, dict[str, str]]]:
    for row in reader:
        if None in row:
            raise BadInput("it has more cells than the header", where=f"{path.name}:{reader.line_num}",
                           mend="put texts with commas into quotes.")  # fmt: skip
        yield f"{path.name}:{reader.line_num}", {key.strip(): cell for key, cell in row.items()}


def _day(where: str, text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise BadInput(f"{text!r} is not a day", where=where, field="date", mend="write it as YYYY-MM-DD.") from None


def _number(where: str, field: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise BadInput(f"{text!r} is no number of 0 or more", where=where, field=field, mend="write it as 12.5.")
    return number
