"""When writes may be sent: windows of the week, in the portfolio's zone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connectors.contract import zone
from optimizer.approval.refusal import Code, Refusal

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FORM: Final = re.compile(r"(?:(\w{3})(?:-(\w{3}))?\s+)?(\d\d):(\d\d)-(\d\d):(\d\d)")
_DAY_MINUTES: Final = 24 * 60
_EXAMPLE: Final = "write one such as 'mon-fri 08:00-18:00' or '22:00-04:00'"


@dataclass(frozen=True, slots=True)
class Window:
    """A span of the clock on some days of the week.

    Attributes:
        days: On which it opens; 0 is Monday.
        opens, closes: Minutes after midnight of that day; `closes` is beyond 1,440 where it ends on the next day.
        text: As it was written.
    """

    days: frozenset[int]
    opens: int
    closes: int
    text: str

    @classmethod
    def parse(cls, text: str) -> Window:
        """Read `mon-fri 08:00-18:00`; without days it is every day, and 22:00-04:00 ends on the next.

        Raises:
            ValueError: The text is no window.
        """
        found = _FORM.fullmatch(text.strip().lower())
        if found is None:
            raise ValueError(f"{text!r} is no window: {_EXAMPLE}")
        first, last, *clock = found.groups()
        opens, closes = (_minutes(hours, minutes, text) for hours, minutes in (clock[:2], clock[2:]))
        if opens == closes:
            raise ValueError(f"{text!r} opens and closes at once: {_EXAMPLE}")
        return cls(_week(first, last, text), opens, closes + (_DAY_MINUTES if closes < opens else 0), text)

    def holds(self, moment: datetime) -> bool:
        """Whether it is open at a local time."""
        minutes = moment.hour * 60 + moment.minute
        today = moment.weekday() in self.days and self.opens <= minutes < self.closes
        return today or ((moment.weekday() - 1) % 7 in self.days and minutes < self.closes - _DAY_MINUTES)


def closed(windows: Sequence[Window], time_zone: str, now: datetime) -> Refusal | None:
    """Refuse while every window is shut; without any, writes may be sent at all times.

    Args:
        windows: Of the settings.
        time_zone: In which they are meant.
        now: Aware UTC.
    """
    local = now.astimezone(zone(time_zone))
    if not windows or any(window.holds(local) for window in windows):
        return None
    opening = next_opening(windows, time_zone, now)
    return Refusal(
        Code.WINDOW,
        f"It is {local:%a %H:%M} in {time_zone}, and writes are sent in {', '.join(w.text for w in windows)} only.",
        f"Wait until {opening:%a %H:%M}, or change [windows] writes.",
    )


def next_opening(windows: Sequence[Window], time_zone: str, now: datetime) -> datetime:
    """Return when the next window opens, in its zone.

    Raises:
        ValueError: There is no window.
    """
    local = now.astimezone(zone(time_zone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    openings = [
        opening
        for day in range(8)
        for window in windows
        if (date := midnight + timedelta(days=day)).weekday() in window.days
        and (opening := date + timedelta(minutes=window.opens)) > local
    ]
    return min(openings)


def _week(first: str | None, last: str | None, text: str) -> frozenset[int]:
    if first is None:
        return frozenset(range(7))
    names = (first, last or first)
    for name in names:
        if name not in _DAYS:
            raise ValueError(f"{text!r}: {name!r} is no day; the days are {', '.join(_DAYS)}")
    begin, end = (_DAYS.index(name) for name in names)
    return frozenset((begin + step) % 7 for step in range((end - begin) % 7 + 1))


def _minutes(hours: str, minutes: str, text: str) -> int:
    found = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or found > _DAY_MINUTES:
        raise ValueError(f"{text!r}: {hours}:{minutes} is no time of day")
    return found
