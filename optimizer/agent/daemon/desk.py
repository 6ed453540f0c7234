"""One portfolio's work: at each look, whatever is due, each job by itself, so that one that fails holds up no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from connectors.contract import zone
from connectors.errors import ConnectorError
from optimizer import approval
from optimizer.agent import cycle, writing
from optimizer.agent import settings as configuration
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cycle import House, Refused
from optimizer.agent.daemon.agenda import Timetable, given_up, settled, wanted
from optimizer.agent.daemon.refits import Refits
from optimizer.agent.secrecy import redacted
from optimizer.agent.settings import Settings, SettingsError
from optimizer.agent.settings_daemon import DaemonTable
from optimizer.agent.store.places import is_there
from optimizer.approval.table import PROGRAM
from optimizer.plan.doubts import Doubt
from optimizer.plan.office import Brake, JobRun, Lease, Outcome
from optimizer.plan.recommendation import Intent, IntentState, Record, State
from optimizer.ports import Clock, Fenced, NotTold, StoreError, StoreGone

_LOG: Final = structlog.get_logger("outlay.daemon")
_WRITTEN: Final = frozenset({State.APPROVED, State.APPLYING})
_KNOWN: Final = (ConnectorError, StoreError, SettingsError, Refused, NotTold)
_CUT_OFF: Final = "what came of it could not be kept"
HANGS: Final = timedelta(hours=1)
"""A look that lasts longer is taken to hang: its lease is renewed no more, and it gives no sign of life. To read a
large account for the first time, or to write while a platform throttles, takes less."""
_RESTED: Final = timedelta(seconds=60)
"""After so long an approval that could not be begun or went on waiting is tried again. So are settings that could not
be taken, since what they name may have been out of reach for a moment."""


@dataclass(slots=True)
class Seen:
    """What a desk saw at its last look, for status and metrics; replaced whole, so that readers need no lock.

    Attributes:
        at: When it looked; None before the first look.
        leading: Whether this process leads.
        leader: Who does.
        brake: The newest throw of the kill switch.
        runs: The newest run of each job.
        waiting: Proposals that wait for a person.
        open_writes, unknown_writes: Planned or being sent; of these, being sent.
        doubts: What stands in doubt of the data.
        trouble: Why the last look came to nothing, or why new settings were not taken; empty if all is well.
    """

    at: datetime | None = None
    leading: bool = False
    leader: Lease | None = None
    brake: Brake | None = None
    runs: dict[str, JobRun] = field(default_factory=dict)
    waiting: tuple[Record, ...] = ()
    open_writes: int = 0
    unknown_writes: int = 0
    doubts: tuple[Doubt, ...] = ()
    trouble: str = ""


class Desk:
    """A portfolio with its house, its timetable and what it did last.

    Attributes:
        name: The portfolio's; that of the file until it was opened.
        seen: What the last look saw.
    """

    def __init__(self, config: Path, clock: Clock) -> None:
        """Open nothing yet; `look` does, and tries again if it cannot."""
        self.name = str(config)
        self.seen = Seen()
        self._config, self._clock = config, clock
        self._held = ExitStack()
        self._house: House | None = None
        self._table = DaemonTable()
        self._timetable: Timetable | None = None
        self._written: float | None = None
        self._url = ""  # of the database that was opened last
        self._rest: dict[str, datetime] = {}
        self._said: dict[str, str] = {}
        self._runs: dict[str, JobRun] = {}
        self._refits: Refits | None = None
        self._leaving = False
        self._again = datetime.max.replace(tzinfo=UTC)  # when settings that were refused are read again
        self._began: datetime | None = None

    def open(self) -> None:
        """Read the settings and wire the house.

        Raises:
            SettingsError, StoreError, ConnectorError: What cannot be opened, with the mend.
        """
        written = self._config.stat().st_mtime if self._config.exists() else None
        settings = configuration.load(self._config)
        url = configuration.store_url(settings.store, self._config.resolve().parent)
        if url == self._url and not is_there(url):
            raise StoreGone("the database", replaced=False)
        with ExitStack() as held:
            house = held.enter_context(open_house(self._config, self._clock))
            self.leave()
            self._held = held.pop_all()
        self._house, self._written, self._table = house, written, settings.daemon
        self._url = url
        self._again = datetime.max.replace(tzinfo=UTC)
        house.tenure.leaving = self._leaving
        self.name = house.name
        self._timetable = _timetable(settings)
        self._refits = Refits(self._config, settings, house.store)

    def look(self) -> None:
        """Do whatever is due. Never raises: trouble is told in `seen` and in the log, and the next look tries again."""
        self._began = self._clock.now()
        trouble = self._reloaded()
        try:
            if self._house is not None and self._leads(self._house):
                self._work(self._house)
                self._settle_settings(self._house, trouble)
        except Fenced as fenced:
            _LOG.warning("stepped down", portfolio=self.name, why=str(fenced))
            self._step_down()
        except StoreGone as gone:
            trouble = self._told("look", gone)
            self._again = self._clock.now() if gone.replaced else self._again
        except Exception as error:  # noqa: BLE001 - one portfolio's defect must not end the others
            trouble = self._told("look", error)
        self.seen = self._sight(trouble)
        self._began = None

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
        self._runs = {}
        if self._house is not None:
            try:
                self._house.tenure.leave()
            except StoreError as error:
                _LOG.warning("lead not given up", portfolio=self.name, why=str(error))

    def _reloaded(self) -> str:
        """Open the house, or open it anew after an edit of its settings; the old stand if the new cannot be read."""
        try:
            written = self._config.stat().st_mtime
        except OSError:
            written = None
        if self._house is not None and written == self._written and self._clock.now() < self._again:
            return self.seen.trouble if self.seen.trouble.startswith(_SETTINGS) else ""
        try:
            self.open()
        except Exception as error:  # noqa: BLE001 - settings may name anything
            self._written, self._again = written, self._clock.now() + _RESTED
            return f"{_SETTINGS}{self._told('settings', error)}"
        _LOG.info("settings read", portfolio=self.name, file=str(self._config))
        return ""

    def _settle_settings(self, house: House, trouble: str) -> None:
        """Keep that new settings were refused, for whoever asks the store, and that they are well again."""
        if trouble:
            self._say(house, "settings", "file", Outcome.FAILED, trouble)
        elif "settings:file" in self._said:
            self._say(house, "settings", "file", Outcome.DONE, "the settings of the file are in force")

    def _leads(self, house: House) -> bool:
        if house.tenure.epoch is not None:
            house.tenure.renew()
            return True
        if self._leaving or not house.tenure.take():
            return False
        _LOG.info("leads", portfolio=self.name, epoch=house.tenure.epoch)
        self._runs = {}
        return True

    def _work(self, house: House) -> None:
        """The jobs in their order; an approval given a moment ago is written before anything slow begins."""
        assert self._timetable is not None  # noqa: S101 - set together with the house
        self._expire(house)
        self._apply(house)
        self._verify(house)
        due = self._timetable.last_due(self._clock.now())
        if due is not None and not self._leaving:
            self._daily(house, due, self._timetable)
        self._announce(house)
        if self._refits is not None and not self._leaving:
            self._refits.look(self._clock.now())

    def _daily(self, house: House, due: datetime, timetable: Timetable) -> None:
        today = due.astimezone(timetable.zone).date()
        self._job(house, "pull", due, lambda: _pulled(cycle.pull(house, today)))
        pulled, now = self._runs.get("pull"), self._clock.now()
        if pulled is not None and pulled.due_at == due and pulled.outcome is Outcome.DONE:
            self._job(house, "decide", due, lambda: _decided(house))
        elif given_up(pulled, due, now, timetable):
            self._job(house, "decide", due, _nothing_read)

    def _announce(self, house: House) -> None:
        """Tell people of each proposal once, and let the written policy look at it first."""
        for record in house.store.records(frozenset({State.PROPOSED}), limit=1):
            made = record.recommendation.created_at
            if record.recommendation.author != PROGRAM:
                continue
            if house.autonomy.mode is approval.Mode.AUTOPILOT:
                self._job(house, "approve", made, partial(_considered, house, record))
            self._job(house, "announce", made, partial(_announced, house, record))

    def _job(self, house: House, job: str, due: datetime, act: Callable[[], str]) -> None:
        """Run a job for a moment at which it was due, unless that is done; keep what came of it."""
        assert self._timetable is not None  # noqa: S101
        epoch, now = house.tenure.epoch, self._clock.now()
        known = self._unstuck(house, self._known(house, job, due), now)
        if epoch is None or not wanted(known, due, now, epoch, self._timetable):
            return
        run = house.store.begin_run(job, due, epoch, now)
        if run is None:
            self._runs.pop(job, None)
            return
        outcome, words = self._outcome(job, act)
        house.store.end_run(run, outcome, words, self._clock.now())
        self._runs.pop(job, None)
        self._known(house, job, due)

    def _unstuck(self, house: House, known: JobRun | None, now: datetime) -> JobRun | None:
        """Looks come one after the other: a run of this epoch that is not at its end was given up by an earlier one."""
        if known is None or known.outcome is not Outcome.RUNNING or known.epoch != house.tenure.epoch:
            return known
        house.store.end_run(known, Outcome.FAILED, _CUT_OFF, now)
        self._runs.pop(known.job, None)
        return self._known(house, known.job, known.due_at)

    def _known(self, house: House, job: str, due: datetime) -> JobRun | None:
        """The run of a job for a moment, from what is remembered, else from the store."""
        known = self._runs.get(job)
        if known is None or known.due_at != due:
            known = next((run for run in house.store.runs(job, limit=5) if run.due_at == due), None)
            if known is not None:
                self._runs[job] = known
        return known

    def _outcome(self, job: str, act: Callable[[], str]) -> tuple[Outcome, str]:
        try:
            words = act()
        except Fenced:
            raise
        except Exception as error:  # noqa: BLE001 - a job's defect is told, and the job is tried again
            return Outcome.FAILED, self._told(job, error)
        _LOG.info("done", portfolio=self.name, job=job, words=words)
        return Outcome.DONE, words

    def _expire(self, house: House) -> None:
        for record in cycle.expire(house):
            _LOG.info("expired", portfolio=self.name, recommendation=record.recommendation.rec_id)

    def _apply(self, house: House) -> None:
        """Write what was approved, first what was begun; what cannot be begun now rests a minute."""
        found = house.store.records(_WRITTEN, limit=20)
        for record in sorted(found, key=lambda record: record.state is not State.APPLYING):
            rec_id, now = record.recommendation.rec_id, self._clock.now()
            if self._leaving or now < self._rest.get(rec_id, now):
                continue
            ended = self._tried("apply", partial(writing.apply, house, rec_id), rec_id, "waits")
            self._rest[rec_id] = self._clock.now() + (timedelta(0) if self._on_its_way(house, rec_id) else _RESTED)
            self._say(house, "apply", rec_id, *ended)

    def _tried(self, job: str, act: Callable[[], Record], rec_id: str, otherwise: str) -> tuple[Outcome, str]:
        """What came of one recommendation; a defect that one meets is told, and must not hold up the others."""
        try:
            return Outcome.DONE, f"{rec_id} is {act().state.value}"
        except Fenced:
            raise
        except _KNOWN as error:
            return Outcome.DONE, redacted(f"{rec_id} {otherwise}: {error}")
        except Exception as error:  # noqa: BLE001
            return Outcome.FAILED, f"{rec_id} {otherwise}: {self._told(job, error)}"

    def _on_its_way(self, house: House, rec_id: str) -> bool:
        return house.store.record(rec_id).state not in _WRITTEN

    def _verify(self, house: House) -> None:
        """Read back what was written, once the platforms had time to settle."""
        settle = timedelta(minutes=self._table.settle_minutes)
        for record in house.store.records(frozenset({State.APPLIED}), limit=20):
            rec_id, now = record.recommendation.rec_id, self._clock.now()
            if now < self._rest.get(rec_id, now):
                continue
            ends = [i.updated_at for i in _intents(house, record) if i.updated_at is not None]
            if not settled(ends, now, settle):
                continue
            self._rest[rec_id] = now + _RESTED
            ended = self._tried("verify", partial(writing.verify, house, rec_id), rec_id, "cannot be verified")
            self._say(house, "verify", rec_id, *ended)

    def _say(self, house: House, job: str, rec_id: str, outcome: Outcome, words: str) -> None:
        """Keep what came of a job that looks often, if it is not what was said last."""
        if self._said.get(f"{job}:{rec_id}") == words or house.tenure.epoch is None:
            return
        self._said[f"{job}:{rec_id}"] = words
        now = self._clock.now()
        run = house.store.begin_run(job, now, house.tenure.epoch, now)
        if run is not None:
            house.store.end_run(run, outcome, words, now)
        _LOG.info("done", portfolio=self.name, job=job, words=words)

    def _sight(self, trouble: str) -> Seen:
        now = self._clock.now()
        if self._house is None:
            return Seen(at=now, trouble=trouble)
        try:
            store = self._house.store
            opened = store.open_intents()
            return Seen(
                at=now,
                leading=self._house.tenure.epoch is not None,
                leader=store.leader(),
                brake=store.brake(),
                runs=_newest(store.runs(limit=50)),
                waiting=store.records(frozenset({State.PROPOSED}), limit=20),
                open_writes=len(opened),
                unknown_writes=sum(intent.state is IntentState.SENDING for intent in opened),
                doubts=store.doubts(now),
                trouble=trouble,
            )
        except Exception as error:  # noqa: BLE001 - a look that ended is told of, whatever the store holds
            return Seen(at=now, trouble=trouble or self._told("look", error))

    def _told(self, job: str, error: Exception) -> str:
        """Log a failure, with its traceback where it is a defect of ours, and return it in words."""
        known = isinstance(error, _KNOWN)
        words = redacted(str(error) if known else f"unexpected {type(error).__name__}: {error}")
        _LOG.warning("failed", portfolio=self.name, job=job, words=words, exc_info=None if known else error)
        return words


_SETTINGS: Final = "the settings that were read before stand: "


def _timetable(settings: Settings) -> Timetable:
    table = settings.daemon
    return Timetable(
        at=tuple(map(time.fromisoformat, table.decide_at)),
        zone=zone(settings.portfolio.time_zone),
        retry=timedelta(minutes=table.retry_minutes),
        give_up=timedelta(hours=table.give_up_hours),
    )


def _newest(runs: Iterable[JobRun]) -> dict[str, JobRun]:
    found: dict[str, JobRun] = {}
    for run in runs:
        found.setdefault(run.job, run)
    return found


def _pulled(reports: Iterable[cycle.PullReport]) -> str:
    return "; ".join(
        f"{report.connector}: {report.rows.new} new rows, {report.rows.restated} restated, {report.budgets} budgets"
        for report in reports
    )


def _decided(house: House) -> str:
    """Propose, unless an approval waits to be written, for a window or a resume: a new plan would take its place."""
    if waiting := house.store.records(_WRITTEN, limit=1):
        return f"{waiting[0].recommendation.rec_id} is approved and waits to be written: no other plan is made"
    record = cycle.propose(house, house.today())
    recommendation = record.recommendation
    changed = sum(line.changes for line in recommendation.decision.lines)
    return f"{recommendation.rec_id} is {record.state.value}: {changed} budgets"


def _nothing_read() -> str:
    return "nothing was decided, since the platforms could not be read"


def _considered(house: House, record: Record) -> str:
    found = cycle.approve_by_policy(house, record)
    rec_id = record.recommendation.rec_id
    if isinstance(found, approval.Waits):
        return f"{rec_id} waits for a person: {found.words}"
    return f"{rec_id} is approved by the policy"


def _announced(house: House, record: Record) -> str:
    """Tell of a proposal as it stands now: the policy may have approved it a moment ago."""
    cycle.announce(house, house.store.record(record.recommendation.rec_id))
    return f"{record.recommendation.rec_id} was announced"


def _intents(house: House, record: Record) -> tuple[Intent, ...]:
    return house.store.intents(record.recommendation.rec_id, record.recommendation.revision)
