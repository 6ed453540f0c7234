"""Reports that are sent by themselves: each once for the moment at which it was due."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Final

from connectors.contract import zone
from optimizer.agent.cycle import House, snapshot
from optimizer.agent.daemon.agenda import Timetable
from optimizer.agent.daemon.jobs import Jobs
from optimizer.agent.settings import Settings
from optimizer.agent.settings.reports import ReportTable

LATE: Final = timedelta(days=1)
"""A report that was missed for longer, while the agent did not run or before it was asked for, is left out."""

_DAY: Final = timedelta(days=1)
_LONGEST_MONTH: Final = 31


@dataclass(frozen=True, slots=True)
class Letter:
    """A report as it is sent: the same when it is tried again, so that nobody gets it twice."""

    due: datetime
    title: str
    body: str
    page: str


def last_due(table: ReportTable, time_zone: str, now: datetime) -> datetime:
    """Return the latest moment until now at which a report was due, in UTC.

    Args:
        table: Says when.
        time_zone: In which that is meant.
        now: Aware.
    """
    here = zone(time_zone)
    today = now.astimezone(here).date()

    def moment(day: date) -> datetime:
        return datetime.combine(day, table.at, here).astimezone(UTC)

    days = (today - back * _DAY for back in range(_LONGEST_MONTH + 1))
    return next(moment(day) for day in days if _falls_on(table, day) and moment(day) <= now)


def _falls_on(table: ReportTable, day: date) -> bool:
    return day.weekday() == table.weekday if table.weekday is not None else day.day == table.day_of_month


class Reports:
    """What is sent of a portfolio, and the letters that some address has not had yet."""

    def __init__(self, settings: Settings) -> None:
        """Have sent nothing yet."""
        self._settings = settings
        self._letters: dict[str, Letter] = {}

    def look(self, house: House, jobs: Jobs, timetable: Timetable, now: datetime) -> None:
        """Send what is due and was not sent.

        Raises:
            Fenced: Another process leads.
            StoreError: The store does not answer.
        """
        for table in self._settings.reports:
            due = last_due(table, house.time_zone, now)
            if now - due <= LATE:
                jobs.run(house, timetable, f"report:{table.name}", due, self._sending(house, table, due))

    def _sending(self, house: House, table: ReportTable, due: datetime) -> Callable[[], str]:
        return partial(self._sent, house, table, due)

    def _sent(self, house: House, table: ReportTable, due: datetime) -> str:
        letter = self._letters.get(table.name)
        if letter is None or letter.due != due:
            letter = self._letters[table.name] = _written(house, self._settings, table, due)
        house.notifier.tell(letter.title, letter.body, page=letter.page)
        del self._letters[table.name]
        return f"{table.name} was sent"


def _written(house: House, settings: Settings, table: ReportTable, due: datetime) -> Letter:
    # Deferred: it measures, and what measures takes long to load; an agent that was started anew writes first.
    from optimizer.agent.letters import letter  # noqa: PLC0415
    from optimizer.agent.web.printed import printed_statement  # noqa: PLC0415

    day = due.astimezone(zone(house.time_zone)).date()
    title, body, page = letter(house, settings, snapshot(house, house.today()), table, day, printed_statement)
    return Letter(due, title, body, page)
