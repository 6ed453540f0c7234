"""One portfolio's work: at each look, whatever is due, each job by itself, so that one that fails holds up no other.

What the jobs do stands in `daily` and `writes`, how they are kept in `jobs`, what is told of them in `seen`.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Final

import structlog

from connectors.contract import zone
from optimizer.agent import cycle
from optimizer.agent import settings as configuration
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cycle import House
from optimizer.agent.daemon import daily
from optimizer.agent.daemon.agenda import Timetable
from optimizer.agent.daemon.alarms import alarms
from optimizer.agent.daemon.board import Board
from optimizer.agent.daemon.claims import Shared
from optimizer.agent.daemon.following import Following
from optimizer.agent.daemon.hooks import Hooks
from optimizer.agent.daemon.jobs import Jobs
from optimizer.agent.daemon.refits import Refits
from optimizer.agent.daemon.reports import Reports
from optimizer.agent.daemon.seen import Seen, sight, told
from optimizer.agent.daemon.writes import RESTED, Writes
from optimizer.agent.settings import Settings
from optimizer.agent.settings.daemon import DaemonTable
from optimizer.agent.store.places import is_there
from optimizer.agent.whereabouts import Word
from optimizer.plan.office import Outcome
from optimizer.ports import Clock, Fenced, StoreError, StoreGone

_LOG: Final = structlog.get_logger("outlay.daemon")
_SETTINGS: Final = "the settings that were read before stand: "
_NEVER: Final = datetime.max.replace(tzinfo=UTC)
HANGS: Final = timedelta(hours=1)
"""A look that lasts longer is taken to hang: its lease is renewed no more, and it gives no sign of life. To read a
large account for the first time, or to write while a platform throttles, takes less."""


class Desk:
    """A portfolio with its house, its timetable and what it did last.

    Attributes:
        name: The portfolio's; that of the file until it was opened.
        url: Of the database that is in use, with any password; empty before one was opened.
        seen: What the last look saw.
    """

    def __init__(self, config: Path, clock: Clock, shared: Shared | None = None) -> None:
        """Open nothing yet; `look` does, and tries again if it cannot.

        Args:
            config: The settings file.
            clock: Tells the time.
            shared: What it has in common with the agent's other portfolios; by default nothing.
        """
        self.name = str(config)
        self.url = ""
        self.seen = Seen()
        self.config, self._clock, self._shared = config, clock, shared or Shared()
        self._held = ExitStack()
        self._house: House | None = None
        self._board: Board | None = None
        self._table = DaemonTable()
        self._timetable: Timetable | None = None
        self._written: float | None = None
        self._jobs = Jobs(clock)
        self._word = Word(config)
        self._writes = Writes(clock, self._jobs)
        self._settled: str | None = None  # what was kept last of settings that were refused; None: the store knows
        self._refits: Refits | None = None
        self._hooks: Hooks | None = None
        self._alarms: Following | None = None
        self._reports: Reports | None = None
        self._leaving = False
        self._mute = False  # whether word of the database cannot be left
        self._again = _NEVER  # when settings that were refused are read again
        self._refused = ""  # why they were
        self._began: datetime | None = None

    def open(self) -> None:
        """Read the settings and wire the house.

        Raises:
            SettingsError, StoreError, ConnectorError: What cannot be opened, with the mend.
        """
        written = self.config.stat().st_mtime if self.config.exists() else None
        settings = configuration.load(self.config)
        url = configuration.store_url(settings.store, self.config.resolve().parent)
        if url == self.url and not is_there(url):
            raise StoreGone("the database", replaced=False)
        with self._shared.claims.taking(self.config, settings.portfolio.name, url), ExitStack() as held:
            house = held.enter_context(open_house(self.config, self._clock, settings))
            house = replace(house, call=self._shared.call)
            board, timetable = Board(house.store), _timetable(settings)
            refits = Refits(self.config, settings, house.store)
            hooks, reports = Hooks(settings, self._clock), Reports(settings)
            try:
                self.leave()
            except Exception as error:  # noqa: BLE001 - what was open may fail to close; what takes its place is whole
                told(self.name, "settings", error)
            self._held = held.pop_all()
        # All of it stands: from here on nothing raises, so that settings are in force as a whole or not at all.
        self.url, self.name = url, house.name
        self._house, self._written, self._table = house, written, settings.daemon
        self._board, self._timetable = board, timetable
        self._refits, self._hooks, self._reports, self._alarms = refits, hooks, reports, alarms(self._clock)
        self._again, self._refused = _NEVER, ""
        house.tenure.leaving = self._leaving

    def look(self) -> None:
        """Do whatever is due. Never raises: trouble is told in `seen` and in the log, and the next look tries again."""
        self._began = self._clock.now()
        try:
            self.seen = self._sight(self._looked())
            self._rest()
        finally:
            self._began = None

    def _looked(self) -> str:
        """Do whatever is due; return why that came to nothing, or why the settings were refused."""
        trouble = self._reloaded()
        try:
            if self._house is not None and self._leads(self._house):
                self._work(self._house)
                self._settle_settings(self._house, trouble)
        except Fenced as fenced:
            _LOG.warning("stepped down", portfolio=self.name, why=str(fenced))
            self._step_down()
        except StoreGone as gone:
            trouble = told(self.name, "look", gone)
            self._again = self._clock.now() if gone.replaced else self._again
        except Exception as error:  # noqa: BLE001 - one portfolio's defect must not end the others
            trouble = told(self.name, "look", error)
        return trouble

    def _rest(self) -> None:
        """Let the store rest; one that cannot is told of with the look that ended."""
        try:
            if self._house is not None:
                self._jobs.rest(self._house)
        except Exception as error:  # noqa: BLE001 - as in any look
            words = told(self.name, "rest", error)
            self.seen = replace(self.seen, trouble=self.seen.trouble or words)

    def keep(self) -> None:
        """Renew the lease, also in the midst of a long look; called by another thread, from time to time."""
        house, sign = self._house, self._began or self.seen.at
        if house is None or sign is None or self._clock.now() - sign > HANGS:
            return
        try:
            house.tenure.keep()
        except StoreError as error:
            _LOG.warning("lease not renewed", portfolio=self.name, why=str(error))

    def at_work(self, now: datetime) -> bool:
        """Whether it is in the midst of a look that does not last longer than one may."""
        began = self._began
        return began is not None and now - began <= HANGS

    @property
    def busy(self) -> bool:
        """Whether it is in the midst of a look, however long that lasts."""
        return self._began is not None

    def stop(self) -> None:
        """Finish the write in hand and begin none after it; may be called from a signal handler."""
        self._leaving = True
        if self._house is not None:
            self._house.tenure.leaving = True

    def leave(self) -> None:
        """Give up the lead and close what is open."""
        try:
            if self._refits is not None:
                self._refits.stop()
            self._step_down()
        finally:
            self._house = None
            self._held.close()

    def _step_down(self) -> None:
        """Give up the lead; where the store does not answer, the lease ends by itself."""
        self._jobs.forget()
        self._word.take_back()
        if self._house is not None:
            try:
                self._house.tenure.leave()
            except StoreError as error:
                _LOG.warning("lead not given up", portfolio=self.name, why=str(error))

    def _reloaded(self) -> str:
        """Open the house, or open it anew after an edit of its settings; the old stand if the new cannot be read."""
        try:
            written = self.config.stat().st_mtime
        except OSError:
            written = None
        if (self._house or self._refused) and written == self._written and self._clock.now() < self._again:
            return self._refused
        try:
            self.open()
        except Exception as error:  # noqa: BLE001 - settings may name anything
            self._written, self._again = written, self._clock.now() + RESTED
            self._refused = f"{_SETTINGS if self._house else ''}{told(self.name, 'settings', error)}"
            return self._refused
        _LOG.info("settings read", portfolio=self.name, file=str(self.config))
        return ""

    def _settle_settings(self, house: House, trouble: str) -> None:
        """Keep that new settings were refused, for whoever asks the store, and that they are well again."""
        if self._settled is None and not trouble:
            kept = house.store.runs("settings", limit=1)
            self._settled = "" if all(run.outcome is Outcome.DONE for run in kept) else None
        if trouble == self._settled:
            return
        ended = (Outcome.FAILED, trouble) if trouble else (Outcome.DONE, "the settings of the file are in force")
        self._jobs.say(house, "settings", "file", ended)
        self._settled = trouble

    def _leads(self, house: House) -> bool:
        if house.tenure.epoch is not None:
            house.tenure.renew()
            self._leave_word()
            return True
        if self._leaving or not house.tenure.take():
            return False
        _LOG.info("leads", portfolio=self.name, epoch=house.tenure.epoch)
        self._jobs.forget()
        for telling in (self._hooks, self._alarms):
            if telling is not None:
                telling.forget()
        self._settled = None
        self._leave_word()
        return True

    def _leave_word(self) -> None:
        """Leave word of the database beside the settings; it goes on without where that cannot be written."""
        if self._mute:
            return
        try:
            self._word.leave(self.url)
        except OSError as error:
            self._mute = True
            mend = "Mend: make the folder of the settings writable, or pause with settings that can be read"
            _LOG.warning("no word left of the database", portfolio=self.name, why=f"{error.strerror}. {mend}.")

    def _work(self, house: House) -> None:
        """The jobs in their order; an approval given a moment ago is written before anything slow begins."""
        assert self._timetable is not None and self._board is not None  # noqa: S101, PT018 - set together with the house
        board = self._board
        self._jobs.mend(house)
        board.read()
        if board.pause_is_over(self._clock.now()):
            self._writes.lift(house)
            board.read()
        if board.any_expired(self._clock.now()):
            for record in cycle.expire(house):
                name = record.recommendation.rec_id
                self._jobs.say(house, "expire", name, (Outcome.DONE, f"{name} has expired"))
            board.read()
        self._writes.apply(house, board)
        self._writes.verify(house, board, timedelta(minutes=self._table.settle_minutes))
        self._writes.end(house, board)
        if self._hooks is not None:
            self._hooks.look(house, board, self._jobs, self._timetable)
        if self._alarms is not None:
            self._alarms.look(house, board, self._jobs, self._timetable)
        due = self._timetable.last_due(self._clock.now())
        if due is not None and not self._leaving:
            daily.plan_of_the_day(house, board, self._jobs, self._timetable, due)
        daily.announce(house, board, self._jobs, self._timetable)
        if self._reports is not None and not self._leaving:
            self._reports.look(house, self._jobs, self._timetable, self._clock.now())
        self._jobs.tidy(house, timedelta(days=self._table.keep_runs_days))
        if self._refits is not None and not self._leaving and (ended := self._refits.look(self._clock.now())):
            self._jobs.say(house, ended.command, str(self._clock.now()), (ended.outcome, ended.words))

    def _sight(self, trouble: str) -> Seen:
        now = self._clock.now()
        if self._house is None or self._board is None:
            return Seen(at=now, trouble=trouble)
        try:
            return sight(self._house, self._board, self._jobs.newest(self._house), now, trouble)
        except Exception as error:  # noqa: BLE001 - a look that ended is told of, whatever the store holds
            return Seen(at=now, trouble=trouble or told(self.name, "look", error))


def _timetable(settings: Settings) -> Timetable:
    table = settings.daemon
    return Timetable(
        at=tuple(map(time.fromisoformat, table.decide_at)),
        zone=zone(settings.portfolio.time_zone),
        retry=timedelta(minutes=table.retry_minutes),
        give_up=timedelta(hours=table.give_up_hours),
    )
