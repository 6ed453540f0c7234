"""What of the history somebody is still to be told: each entry once, in order, over restarts.

How far it was told is kept as the number of the last entry that was, in the words of the job's own runs: times of
entries say nothing, since two may have one time, and clocks are set back.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from optimizer.agent.cycle import House
from optimizer.agent.daemon.agenda import Timetable
from optimizer.agent.daemon.board import Board
from optimizer.agent.daemon.jobs import Jobs
from optimizer.plan.audit import Entry
from optimizer.plan.office import Outcome
from optimizer.ports import Clock

_PAGE: Final = 1_000
_A_LOOK: Final = 20  # entries told in one look: approvals are not to wait for a long backlog
_RUNS: Final = 1_000  # looked through for the last that is done
_STEP: Final = timedelta(microseconds=1)
_TOLD_TO: Final = re.compile(r"entry (\d+)$")


class Following:
    """Tells somebody what happens, by a job of its own: what fails is tried again, and what comes after it waits."""

    def __init__(self, job: str, clock: Clock, wanted: Callable[[Entry], bool], tell: Callable[[House, Entry], str]):
        """Have told nothing yet.

        Args:
            job: The name of its runs.
            clock: Tells the time.
            wanted: Whether an entry is to be told.
            tell: Tells one, and returns in words what was told; raises where it could not.
        """
        self._job, self._clock, self._wanted, self._tell_one = job, clock, wanted, tell
        self._read_to: int | None = None
        self._waiting: tuple[tuple[Entry, datetime], ...] = ()

    def look(self, house: House, board: Board, jobs: Jobs, timetable: Timetable) -> None:
        """Tell what happened since the last look, or could not be told before and is due again.

        Args:
            house: Of the portfolio.
            board: As it was read in this look.
            jobs: Keeps what came of it.
            timetable: How long what fails is tried again.

        Raises:
            Fenced: Another process leads.
            StoreError: The store does not answer.
        """
        if self._read_to is None:
            self._begin(house, board.entries, jobs, timetable)
        self._read(house, board.entries, jobs)
        for entry, due in self._waiting[:_A_LOOK]:
            jobs.run(house, timetable, self._job, due, partial(self._told, house, entry))
            if not (jobs.is_done(self._job, due) or jobs.is_given_up(self._job, due, timetable)):
                return
            self._waiting = self._waiting[1:]

    def forget(self) -> None:
        """Ask the store anew, where another process may have led, and told, meanwhile."""
        self._read_to, self._waiting = None, ()

    def _begin(self, house: House, entries: int, jobs: Jobs, timetable: Timetable) -> None:
        """Go on after what was told last; where nothing ever was, with what happens from now on."""
        done = (run.words for run in house.store.runs(self._job, limit=_RUNS) if run.outcome is Outcome.DONE)
        known = next((int(found[1]) for found in map(_TOLD_TO.search, done) if found), None)
        if known is None:
            due = self._next_due(house, jobs)
            jobs.run(house, timetable, self._job, due, lambda: f"tells what comes after entry {entries}")
            known = entries if jobs.is_done(self._job, due) else None
        self._read_to = known

    def _read(self, house: House, entries: int, jobs: Jobs) -> None:
        """Take what was entered meanwhile; each entry is due at a moment of its own."""
        while self._read_to is not None and self._read_to < entries:
            found = house.store.audit(self._read_to, _PAGE)
            if not found:
                break
            for entry in filter(self._wanted, found):
                self._waiting += ((entry, self._next_due(house, jobs)),)
            self._read_to = found[-1].number

    def _next_due(self, house: House, jobs: Jobs) -> datetime:
        """A moment after those of all its runs, also where the clock was set back."""
        newest = jobs.newest(house).get(self._job)
        before = [due for _, due in self._waiting[-1:]] + ([] if newest is None else [newest.due_at])
        return max([self._clock.now(), *(due + _STEP for due in before)])

    def _told(self, house: House, entry: Entry) -> str:
        return f"{self._tell_one(house, entry)}; entry {entry.number}"
