"""How jobs are begun, ended and kept: each once for the moment at which it was due, and again if it failed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

import structlog

from optimizer.agent.cycle import House
from optimizer.agent.daemon.agenda import Timetable, given_up, wanted
from optimizer.agent.daemon.seen import told
from optimizer.plan.office import JobRun, Outcome
from optimizer.ports import Clock, Fenced, StateConflict

_LOG: Final = structlog.get_logger("outlay.daemon")
_NEWEST: Final = 50  # runs among which the newest of each job is looked for
_CUT_OFF: Final = "what came of it could not be kept"


class Jobs:
    """What is remembered of a portfolio's runs while it leads, so that not each look asks the store."""

    def __init__(self, clock: Clock) -> None:
        """Remember nothing yet."""
        self._clock = clock
        self._runs: dict[str, JobRun] = {}
        self._newest: dict[str, JobRun] | None = None
        self._whole = False  # whether there was no run that was not read
        self._said: dict[tuple[str, str], str] = {}
        self._unended: tuple[JobRun, Outcome, str] | None = None  # what came of a run and could not be kept
        self._tidied: date | None = None
        self._ran = False
        self._reading: tuple[House, date] | None = None

    def forget(self) -> None:
        """Ask the store anew, where another process may have led meanwhile."""
        self._runs, self._newest, self._unended = {}, None, None

    def newest(self, house: House) -> dict[str, JobRun]:
        """Return the newest run of each job; a new dictionary whenever there is another.

        Raises:
            StoreError: The store does not answer.
        """
        if self._newest is None or house.tenure.epoch is None:
            found: dict[str, JobRun] = {}
            runs = house.store.runs(limit=_NEWEST)
            for run in runs:
                found.setdefault(run.job, run)
            self._newest, self._whole = found, len(runs) < _NEWEST
        return self._newest

    def run(self, house: House, timetable: Timetable, job: str, due: datetime, act: Callable[[], str]) -> None:
        """Run a job for a moment at which it was due, unless that is done; keep what came of it.

        Args:
            house: Of the portfolio.
            timetable: How long a job that fails is tried.
            job: Its name.
            due: The moment.
            act: Does it, and returns what came of it in words.

        Raises:
            Fenced: Another process leads.
            StoreError: What came of it could not be kept.
        """
        epoch, now = house.tenure.epoch, self._clock.now()
        known = self._unstuck(house, self._known(house, job, due))
        if epoch is None or not wanted(known, due, now, epoch, timetable):
            return
        run = house.store.begin_run(job, due, epoch, now)
        if run is None:  # it stands otherwise in the store than it is remembered
            self.forget()
            return
        self._remember(house, run)
        outcome, words = self._outcome(house, job, act)
        self._ended(house, run, outcome, words)

    def is_done(self, job: str, due: datetime) -> bool:
        """Whether a job came to its end for a moment."""
        run = self._runs.get(job)
        return run is not None and run.due_at == due and run.outcome is Outcome.DONE

    def is_given_up(self, job: str, due: datetime, timetable: Timetable) -> bool:
        """Whether a job failed, and is not tried again for a moment."""
        return given_up(self._runs.get(job), due, self._clock.now(), timetable)

    def say(self, house: House, job: str, subject: str, ended: tuple[Outcome, str]) -> None:
        """Keep what came of a job that looks often, if it is not what was said last of its subject.

        Raises:
            Fenced: Another process leads.
            StoreError: It could not be kept; where only its end was not, `mend` makes up for that.
        """
        outcome, words = ended
        if self._said.get((job, subject)) == words or house.tenure.epoch is None:
            return
        now = self._clock.now()
        run = house.store.begin_run(job, now, house.tenure.epoch, now)
        if run is not None:
            self._unended = (run, outcome, words)
            self._ended(house, run, outcome, words)
            self._unended = None
        self._said[job, subject] = words
        _LOG.info("done", portfolio=house.name, job=job, words=words)

    def mend(self, house: House) -> None:
        """Keep the end of what was said last, if the store did not take it then.

        Raises:
            StoreError: The store does not answer.
        """
        if self._unended is None:
            return
        try:
            self._ended(house, *self._unended)
        except StateConflict:  # it was kept after all, though the answer was lost
            self.forget()
        self._unended = None

    def have_read(self, house: House, day: date) -> None:
        """Remember that all of this house's connectors were read for a day."""
        self._reading = (house, day)

    def last_reading(self, house: House) -> date | None:
        """Return the day for which this house's connectors were read last; None: not yet by this process.

        Settings that were edited make another house, whose connectors may tell of other things.
        """
        return self._reading[1] if self._reading is not None and self._reading[0] is house else None

    def rest(self, house: House) -> None:
        """Let the store let go of what it holds for speed, if anything ran since the last time."""
        if self._ran:
            self._ran = False
            house.store.rest()

    def keep(self, subjects: Collection[str]) -> None:
        """Forget what was said of subjects other than these, which are at their end."""
        self._said = {key: words for key, words in self._said.items() if key[1] in subjects}

    def tidy(self, house: House, keep: timedelta) -> None:
        """Forget old runs, and sessions that have ended, once a day, also where no daily job is ever due.

        Raises:
            StoreError: The store does not answer.
        """
        now = self._clock.now()
        if self._tidied == now.date():
            return
        forgotten = house.store.forget_runs(now - keep)
        house.store.forget_sessions(now)
        self._tidied = now.date()
        if forgotten:
            _LOG.info("old runs forgotten", portfolio=house.name, runs=forgotten)

    def _ended(self, house: House, run: JobRun, outcome: Outcome, words: str) -> JobRun:
        """Keep how a run ended, and return it as it stands then."""
        self._ran, now = True, self._clock.now()
        house.store.end_run(run, outcome, words, now)
        ended = replace(run, outcome=outcome, ended_at=now, words=words)
        self._remember(house, ended)
        return ended

    def _remember(self, house: House, run: JobRun) -> None:
        known = self.newest(house)
        self._runs[run.job] = run
        if run.job not in known or known[run.job].due_at <= run.due_at:
            self._newest = {**known, run.job: run}

    def _unstuck(self, house: House, known: JobRun | None) -> JobRun | None:
        """Looks come one after the other: a run of this epoch that is not at its end was given up by an earlier one."""
        if known is None or known.outcome is not Outcome.RUNNING or known.epoch != house.tenure.epoch:
            return known
        return self._ended(house, known, Outcome.FAILED, _CUT_OFF)

    def _known(self, house: House, job: str, due: datetime) -> JobRun | None:
        """The run of a job for a moment, from what is remembered, else from the store."""
        known, newest = self._runs.get(job), self.newest(house).get(job)
        if self._whole if newest is None else newest.due_at < due:
            return None
        if known is None or known.due_at != due:
            known = next((run for run in house.store.runs(job, limit=5) if run.due_at == due), None)
            if known is not None:
                self._runs[job] = known
        return known

    def _outcome(self, house: House, job: str, act: Callable[[], str]) -> tuple[Outcome, str]:
        try:
            words = act()
        except Fenced:
            raise
        except Exception as error:  # noqa: BLE001 - a job's defect is told, and the job is tried again
            return Outcome.FAILED, told(house.name, job, error)
        _LOG.info("done", portfolio=house.name, job=job, words=words)
        return Outcome.DONE, words
