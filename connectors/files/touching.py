"""From rows of text to batches of touches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.files.bridge import from_numpy, to_numpy
from connectors.files.cells import Fault
from connectors.files.instants import instants, span
from connectors.files.told import Rows
from connectors.touches import SCHEMA

_CLICKS: Final = ("click", "clicks")
_VIEWS: Final = ("view", "views", "impression")


def touches(rows: Iterable[Rows], since: date, until: date, time_zone: str | None) -> Iterator[Any]:
    """Yield the touches of some days as record batches of `connectors.touches.SCHEMA`.

    Args:
        rows: Of files or of an answer.
        since: The first day.
        until: The last day, included.
        time_zone: Of times without an offset, and of the days; None for no zone, and days in UTC.

    Raises:
        BadInput: A cell cannot be read as it stands; it names row, column and mend.
    """
    first, last = span(since, until, time_zone)
    for each in rows:
        made, times = _batch(each, time_zone)
        inside = (times >= first) & (times < last)
        if inside.any():
            yield made if inside.all() else made.filter(pa.array(inside.tolist(), pa.bool_()))


def _batch(rows: Rows, time_zone: str | None) -> tuple[Any, np.ndarray[Any, np.dtype[np.int64]]]:
    for field in ("person", "channel"):
        _refuse_empty(rows, field)
    try:
        times = instants(rows.columns["at"], time_zone)
    except Fault as fault:
        raise rows.bad(fault, "at") from None
    campaigns = rows.columns.get("campaign")
    columns = [
        rows.columns["person"],
        from_numpy(times).view(SCHEMA.field("at").type),
        rows.columns["channel"],
        pa.nulls(rows.count, pa.string()) if campaigns is None else _or_null(campaigns),
        _views(rows),
    ]
    return pa.record_batch(columns, schema=SCHEMA), times


def _or_null(texts: Any) -> Any:
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def _refuse_empty(rows: Rows, field: str) -> None:
    lengths = to_numpy(pc.binary_length(rows.columns[field]), np.int32)
    if not lengths.all():
        fault = Fault("is empty", f"give every touch its {field}, or leave the row out.", index=int(np.argmin(lengths)))
        raise rows.bad(fault, field)


def _views(rows: Rows) -> Any:
    """Whether each touch is a view; all are clicks where nothing says."""
    kinds = rows.columns.get("kind")
    if kinds is None:
        return pc.fill_null(pa.nulls(rows.count, pa.bool_()), fill_value=False)
    plain = pc.utf8_lower(pc.utf8_trim_whitespace(kinds))
    known = pc.is_in(plain, pa.array([*_CLICKS, *_VIEWS]))
    if not pc.all(known).as_py():
        index = pc.index(known, value=False).as_py()
        words = f"{kinds[index].as_py()[:60]!r} is no kind of touch"
        raise rows.bad(Fault(words, "write click or view; impression is taken for view.", index=index), "kind")
    return pc.is_in(plain, pa.array(_VIEWS))
