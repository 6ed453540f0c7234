"""Columns of texts to moments, a whole array at a time where they are of one form."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.contract import zone
from connectors.files.bridge import to_numpy
from connectors.files.cells import Fault, IntArray
from connectors.files.days import once

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)


def instants(texts: Any, time_zone: str | None) -> IntArray:
    """Return ISO 8601 times as microseconds since 1970 in UTC, shape (n,); ` UTC` may stand for an offset of none.

    Args:
        texts: An Arrow array of strings without nulls, shape (n,).
        time_zone: The zone of times without an offset; None where there is none.

    Raises:
        Fault: A text is no time, or has neither an offset nor a zone, or its zone lacks or repeats it.
    """
    texts = pc.replace_substring_regex(texts, pattern=r"\s*UTC$", replacement="Z")
    try:
        return to_numpy(pc.cast(texts, pa.timestamp("us", tz="UTC")), np.int64)
    except pa.ArrowInvalid:
        pass
    try:
        if time_zone is not None:
            local = pc.cast(texts, pa.timestamp("us"))
            return to_numpy(pc.assume_timezone(local, time_zone), np.int64)
    except pa.ArrowInvalid:
        pass
    return _by_text(texts, time_zone)


def span(since: date, until: date, time_zone: str | None) -> tuple[int, int]:
    """Return the first moment of `since` and the first after `until` in a zone, UTC by default; as `instants` does."""
    place = UTC if time_zone is None else zone(time_zone)
    ends = (datetime(day.year, day.month, day.day, tzinfo=place) for day in (since, until + timedelta(days=1)))
    first, last = ((moment - _EPOCH) // _TICK for moment in ends)
    return first, last


def moments(numbers: IntArray) -> list[datetime]:
    """Return microseconds since 1970 as datetimes in UTC."""
    return [_EPOCH + timedelta(microseconds=number) for number in numbers.tolist()]


def _by_text(texts: Any, time_zone: str | None) -> IntArray:
    """Read each distinct text by itself, and find the one at fault."""
    encoded = texts.dictionary_encode()
    codes = to_numpy(encoded.indices, np.int32)
    found = np.empty(len(encoded.dictionary), dtype=np.int64)
    for code, text in enumerate(encoded.dictionary.to_pylist()):
        try:
            found[code] = (_moment(text, time_zone) - _EPOCH) // _TICK
        except Fault as fault:
            fault.index = int(np.argmax(codes == code))
            raise
    return found[codes]


def _moment(text: str, time_zone: str | None) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        words = f"{text[:60]!r} is not a time of the form YYYY-MM-DDTHH:MM:SS+00:00"
        raise Fault(words, "write ISO 8601, with the offset from UTC.") from None
    if moment.tzinfo is not None:
        return moment
    if time_zone is None:
        mend = 'export times with their offset, or set time_zone = "Europe/Berlin" (whichever it is).'
        raise Fault(f"{text[:60]!r} has no zone", mend)
    return once(text, moment, time_zone)
