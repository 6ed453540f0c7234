"""Which days are meant: `last-7-days`, `last-month`, `2026-10`, `2026-10-01..2026-10-31`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

_FORMS: Final = (
    "yesterday, last-7-days (any number), last-week, this-month, last-month, 2026-10, 2026-10-05 or "
    "2026-10-01..2026-10-31"
)
_LAST_DAYS: Final = re.compile(r"last-([1-9]\d{0,3})-days?")
_MONTH: Final = re.compile(r"(\d{4})-(\d{2})")
_DAY: Final = timedelta(days=1)


class PeriodError(ValueError):
    """A text names no period, or one that has no day before today; the message names the mend."""


@dataclass(frozen=True, slots=True)
class Period:
    """Some days, both ends included.

    Raises:
        ValueError: The last day is before the first.
    """

    since: date
    until: date

    def __post_init__(self) -> None:
        if self.until < self.since:
            raise ValueError(f"the period ends on {self.until}, before it begins on {self.since}")

    @property
    def days(self) -> int:
        """How many days there are."""
        return (self.until - self.since).days + 1

    def holds(self, day: date) -> bool:
        """Whether a day is one of them."""
        return self.since <= day <= self.until

    def __str__(self) -> str:
        return f"{self.since}..{self.until}"


def period_of(text: str, today: date) -> Period:
    """Read a period, in any case. Days from today on are left out, since they are not over.

    Args:
        text: One of the forms that the error names. A week begins on Monday.
        today: The first day that is not over.

    Raises:
        PeriodError: It is none of them, or no day of it is over.
    """
    since, until = _meant(text.strip().lower(), text, today)
    if until < since:
        raise PeriodError(f"the period {text!r} ends before it begins. Mend: write the earlier day first")
    if since >= today:
        raise PeriodError(f"no day of the period {text!r} is over on {today}. Mend: write one that has begun before")
    return Period(since, min(until, today - _DAY))


def month_of(day: date) -> Period:
    """Return the calendar month of a day."""
    first = day.replace(day=1)
    return Period(first, (first + timedelta(days=31)).replace(day=1) - _DAY)


def week_of(day: date) -> Period:
    """Return the week of a day, Monday to Sunday."""
    monday = day - timedelta(days=day.weekday())
    return Period(monday, monday + timedelta(days=6))


def _meant(word: str, text: str, today: date) -> tuple[date, date]:
    if (found := _LAST_DAYS.fullmatch(word)) is not None:
        return today - int(found[1]) * _DAY, today - _DAY
    named = {
        "yesterday": (today - _DAY, today - _DAY),
        "last-week": _ends(week_of(today - 7 * _DAY)),
        "this-month": _ends(month_of(today)),
        "last-month": _ends(month_of(today.replace(day=1) - _DAY)),
    }
    if word in named:
        return named[word]
    try:
        if (month := _MONTH.fullmatch(word)) is not None:
            return _ends(month_of(date(int(month[1]), int(month[2]), 1)))
        first, dots, last = word.partition("..")
        return date.fromisoformat(first), date.fromisoformat(last if dots else first)
    except ValueError:
        raise PeriodError(f"{text!r} is no period. Mend: write {_FORMS}") from None


def _ends(period: Period) -> tuple[date, date]:
    return period.since, period.until
