"""From the text of a date column to account-local days, and to the hours of hourly rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from connectors.contract import zone
from connectors.files.cells import Fault
from connectors.files.options import ISO

_ISO_START: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?!\d)")
_TICK: Final = timedelta(microseconds=1)
_HOUR: Final = timedelta(hours=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_HOURS: Final = date(1970, 1, 1).toordinal() * 24


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands in time: its account-local day as an ordinal, and the slot that it fills alone.

    The slot of a daily row is its day; that of an hourly row is its hour in UTC since day 0.
    """

    day: int
    slot: int


def locate(text: str, time_zone: str, date_format: str, *, hourly: bool) -> Place:
    """Return the day and the slot of a text of the date column.

    Raises:
        Fault: It does not parse, is not a whole day (or hour), or the zone lacks or repeats it.
    """
    moment = _parse(text, date_format)
    try:
        return _hour(text, moment, time_zone) if hourly else _day(text, moment, time_zone)
    except OverflowError:
        raise Fault(f"{text!r} is beyond the calendar", "correct the date.") from None


def instant(text: str) -> datetime:
    """Return an export time as UTC; a time without an offset is taken as UTC.

    Raises:
        Fault: It is not an ISO 8601 date and time.
    """
    moment = _parse(text, ISO)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _parse(text: str, date_format: str) -> datetime:
    try:
        if date_format != ISO:
            return datetime.strptime(text, date_format)  # noqa: DTZ007 - a naive time is the account's own
        if _ISO_START.match(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    expected = "YYYY-MM-DD" if date_format == ISO else date_format
    raise Fault(
        f"{text[:60]!r} is not a date of the form {expected}",
        'correct it, or set date_format to the form that the file uses (such as "%d.%m.%Y").',
    )


def _day(text: str, moment: datetime, time_zone: str) -> Place:
    if moment.tzinfo is None:
        whole = moment.hour == moment.minute == moment.second == moment.microsecond == 0
        day = moment.date()
    else:
        day = moment.astimezone(zone(time_zone)).date()
        whole = (moment - _TICK).astimezone(zone(time_zone)).date() != day
    if not whole:
        raise Fault(
            f"{text!r} is not the start of a day in {time_zone}",
            'export whole days of the account\'s zone, set time_zone to the zone of the file, or set rows = "hourly".',
        )
    _present(day, time_zone)
    return Place(day.toordinal(), day.toordinal())


def _hour(text: str, moment: datetime, time_zone: str) -> Place:
    local = once(text, moment, time_zone) if moment.tzinfo is None else moment.astimezone(zone(time_zone))
    if local.minute or local.second or local.microsecond:
        raise Fault(f"{text!r} is not a full hour in {time_zone}", "export by hour or by day.")
    _present(local.date(), time_zone)
    hours = (local - _EPOCH) // _HOUR
    return Place(local.date().toordinal(), _EPOCH_HOURS + hours)


def once(text: str, moment: datetime, time_zone: str) -> datetime:
    """Give a local time its zone, if the zone has that time exactly once (PEP 495)."""
    first = moment.replace(tzinfo=zone(time_zone), fold=0)
    before, after = first.utcoffset(), first.replace(fold=1).utcoffset()
    if before == after:
        return first
    how = "does not exist" if before is None or after is None or before < after else "happens twice"
    raise Fault(
        f"{text!r} {how} in {time_zone}: the clocks change then",
        "export times with their UTC offset (such as 2025-11-02T01:00:00-04:00), or export by day.",
    )


@lru_cache(maxsize=65536)
def _present(day: date, time_zone: str) -> None:
    hours = day_hours(day, zone(time_zone))
    if 0 < hours < 36:
        return
    how = "lacks that day" if hours <= 0 else "has that day twice"
    raise Fault(f"{day} is not one day in {time_zone}: the zone {how}", "correct the date or time_zone.")


def day_hours(day: date, place: ZoneInfo) -> float:
    """Return the length of a local day: 24, 23 or 25 at a change of clocks, 0 or 48 where the date line moved."""
    ends = [datetime(d.year, d.month, d.day, tzinfo=place) for d in (day, day + timedelta(days=1))]
    return (ends[1].astimezone(UTC) - ends[0].astimezone(UTC)) / _HOUR
