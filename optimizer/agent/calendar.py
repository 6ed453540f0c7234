"""The days that the settings know of: events that people wrote down, and public holidays of countries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

from optimizer.agent.settings.calendar import EventTable, HolidaysTable, holiday_names
from optimizer.goals import Scope, ScopeKind
from optimizer.plan.calendar import HOLIDAYS, Occasion
from optimizer.plan.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Calendar:
    """Events and countries as they stand in the settings."""

    events: tuple[EventTable, ...] = ()
    holidays: tuple[HolidaysTable, ...] = ()

    def fill(self, snapshot: Snapshot) -> Snapshot:
        """Return a snapshot that knows the events of its history and of the year after it."""
        occasions = tuple(self._occasions(snapshot))
        return replace(snapshot, occasions=occasions) if occasions else snapshot

    def _occasions(self, snapshot: Snapshot) -> Iterator[Occasion]:
        years = (snapshot.panel.first_day.year, snapshot.today.year + 1)
        for table in self.holidays:
            named = _in_a_row(holiday_names(table.country, table.subdivision, years))
            yield from _for(table.scope, snapshot, [Occasion(*each, kind=HOLIDAYS) for each in named])
        for event in self.events:
            said = Occasion(event.name, event.first_day, event.last_day, guess=event.factor)
            yield from _for(event.scope, snapshot, [said])


def _in_a_row(named: dict[date, str]) -> Iterator[tuple[str, date, date]]:
    """Days of one name that follow each other as one occurrence: name, first and last day."""
    run: tuple[str, date, date] | None = None
    for day, name in sorted(named.items()):
        if run is not None and run[0] == name and (day - run[2]).days == 1:
            run = (name, run[1], day)
            continue
        if run is not None:
            yield run
        run = (name, day, day)
    if run is not None:
        yield run


def _for(scope: Scope, snapshot: Snapshot, occasions: list[Occasion]) -> Iterator[Occasion]:
    """The occurrences for the budgets of a scope; of a scope without any, none."""
    if scope.kind is ScopeKind.ALL:
        yield from occasions
        return
    keys = tuple(target.key for target in snapshot.targets if scope.covers(target))
    if keys:
        yield from (replace(occasion, budgets=keys) for occasion in occasions)
