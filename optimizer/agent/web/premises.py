"""One portfolio as the page knows it: settings, store, and what was drawn of its recommendations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from threading import Lock, RLock
from typing import Final

from optimizer.agent import settings as configuration
from optimizer.agent.bootstrap import house_of, open_house, store_at
from optimizer.agent.cycle import House, snapshot
from optimizer.agent.deciding import Surroundings
from optimizer.agent.measuring import KpiState, kpi_states
from optimizer.agent.scoring import Reading, read
from optimizer.agent.settings import Settings, SettingsError
from optimizer.agent.settings.kpis import KpiTable
from optimizer.agent.settings.refit import LiftTestTable
from optimizer.agent.settings.store import StoreTable
from optimizer.agent.settings.web import slug
from optimizer.agent.store import SqlStore
from optimizer.agent.store.places import is_there
from optimizer.agent.web.kept import Kept, one_at_a_time
from optimizer.agent.web.plans import Plan, alone
from optimizer.agent.web.played import Shelf
from optimizer.agent.whereabouts import named_url, used_url
from optimizer.decide import Picture, paces, pictures
from optimizer.goals import Goals
from optimizer.guardrails import Guardrails
from optimizer.pacing import Pace
from optimizer.plan.canonical import from_json
from optimizer.plan.office import Pulse
from optimizer.plan.record import Event, Intent, Record, State
from optimizer.plan.snapshot import Snapshot
from optimizer.ports import Clock, SnapshotQuery, Store, StoreError, StoreGone

_Known = tuple[int, datetime | None, int, date]
Database = Callable[[Path, StoreTable], str]
"""Tells, of a settings file and what is known of its `[store]`, the address of the database that is meant."""

_Stand = tuple[tuple[str, int, State], ...]
"""Id, revision and state of each recommendation."""

_KEPT_RECORDS: Final = 64
_PULLS: Final = 5  # one may run, and a few may have been cut off
_KEPT_PLANS: Final = 16
_KEPT_PICTURES: Final = 4  # of 300 budgets each a megabyte or so
_KEPT_PARTS: Final = 32  # of 300 budgets each a few hundred kilobytes
_LISTED: Final = 200
_READ_MINUTES: Final = 10  # to read a million rows keeps readers waiting, and new ones come a few times a day


class Premises:
    """A portfolio at the page. What is read is kept until its history has grown, since many look and few decide.

    Its store is the one that the agent writes by, so that an approval or the kill switch reaches the agent: once that
    is another one, the old is closed, and what was read from it is forgotten.

    Attributes:
        slug: Its name in addresses.
        kept: Parts of its pages that were rendered.
        shelf: Reads the runs of `outlay simulate`.
        trouble: Why settings that were edited are not used; empty while they are.
    """

    def __init__(self, config: Path, clock: Clock, database: Database) -> None:
        """Open a portfolio; `close` it in the end.

        Args:
            config: The settings file.
            clock: Tells the time.
            database: Tells the address of the database that the portfolio's agent uses.

        Raises:
            SettingsError, StoreError: It cannot be opened, with the mend.
        """
        self._config, self._clock, self._lock, self._database = config, clock, Lock(), database
        self._read: tuple[float, Settings] = (config.stat().st_mtime, configuration.load(config))
        self.shelf = Shelf()
        self.trouble = ""
        self.slug = slug(self._read[1].portfolio.name)
        self._moving = RLock()
        self._url = self._wanted()
        self._store = self._opened(self._url)
        self._forget()

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    @property
    def store(self) -> Store:
        """The store that the agent uses at this moment.

        Raises:
            StoreError: It cannot be opened: then nothing is read from, or written to, the one that was open before.
        """
        wanted = self._wanted()
        with self._moving:
            if wanted != self._url:
                self._move(wanted)
            return self._store

    def refresh(self) -> Pulse:
        """Return the store's pulse; a database file that another one took the place of is opened anew first.

        Raises:
            StoreGone: The file is gone.
            StoreError: The store does not answer.
        """
        store = self.store
        try:
            return store.pulse()
        except StoreGone as gone:
            if not gone.replaced or not is_there(self._url):
                raise
        with self._moving:
            if self._store is store:
                self._move(self._url)
        return self.store.pulse()

    def _wanted(self) -> str:
        return self._database(self._config, self.settings.store)

    def _opened(self, url: str) -> SqlStore:
        """Open the store at an address, which must be this portfolio's."""
        with ExitStack() as held:
            store = held.enter_context(closing(store_at(url)))
            store.own(self.settings.portfolio.name)
            held.pop_all()
        return store

    def _move(self, url: str) -> None:
        """Open another store in place of the one that is open; whoever reads from that still may end."""
        opened, old = self._opened(url), self._store
        self._store, self._url = opened, url
        self._forget()  # after the store: what is read now must not be kept with what the old one said
        old.close()

    def _forget(self) -> None:
        """Keep nothing of what was read."""
        self.kept = Kept(_KEPT_PARTS)
        self._record = one_at_a_time(lru_cache(_KEPT_RECORDS)(self._read_record))
        self._records = one_at_a_time(lru_cache(1)(self._read_records))
        self._plan = lru_cache(_KEPT_PLANS)(self._put_together)
        self._plans = lru_cache(1)(self._put_side_by_side)
        self._pictures = one_at_a_time(lru_cache(_KEPT_PICTURES)(self._draw))
        self._seen = one_at_a_time(lru_cache(1)(self._look))
        self._kpis = one_at_a_time(lru_cache(1)(self._measure))
        self._scorecard = one_at_a_time(lru_cache(1)(self._keep_score))
        self._paces = one_at_a_time(lru_cache(1)(self._pace))

    @property
    def settings(self) -> Settings:
        """The settings of the file as it stands; those that were read before where it cannot be used."""
        try:
            written = self._config.stat().st_mtime
        except OSError:
            written = 0.0
        with self._lock:
            if written != self._read[0]:
                try:
                    self._read, self.trouble = (written, configuration.load(self._config)), ""
                except SettingsError as error:
                    self._read, self.trouble = (written, self._read[1]), str(error)
            return self._read[1]

    @property
    def runs_folder(self) -> Path:
        """Where runs of `outlay simulate` are looked for."""
        return self._config.parent / self.settings.web.runs

    @property
    def lift_tests(self) -> tuple[LiftTestTable, ...]:
        """The lift tests that the settings, and the file that they name, tell of.

        Raises:
            SettingsError: The file cannot be read.
        """
        return configuration.lift_tests(self.settings, self._config.parent)

    @property
    def house(self) -> House:
        """A house without connectors, for what reaches no platform."""
        return house_of(self.settings, str(self._config), self.store, self._clock)

    @contextmanager
    def connected(self) -> Iterator[House]:
        """Open a house with its connectors, for what reads live budgets.

        Raises:
            SettingsError, StoreError, ConnectorError: It cannot be opened, with the mend; also where the settings name
                another database than the agent uses.
        """
        settings = configuration.load(self._config)
        if named_url(self._config, settings.store) != self._wanted():
            words = f"{self._config} names another database than the agent uses, which goes on with older settings"
            raise StoreError(f"{words}. Mend: correct what `outlay status` says of the settings, then try again")
        with open_house(self._config, self._clock, settings) as house:
            yield house

    def record(self, rec_id: str, revision: int | None = None) -> Record:
        """Return a revision as it stands.

        Raises:
            NotFound: There is none.
        """
        return self._record(rec_id, revision, self.entries)

    def records(self) -> tuple[Record, ...]:
        """Return the newest recommendations as they stand, the newest first."""
        return self._records(self.entries)

    def plan(self, rec_id: str, revision: int | None = None) -> Plan:
        """Return a revision as it stands, with all that its page shows.

        Raises:
            NotFound: There is none.
        """
        found = self.record(rec_id, revision).recommendation.revision
        return self._plan(rec_id, found, self.entries)

    def plans(self) -> tuple[Plan, ...]:
        """Return the newest recommendations as they stand, the newest first, each by itself."""
        return self._plans(self.entries)

    def events(self, rec_id: str) -> tuple[Event, ...]:
        """Return a recommendation's history, oldest first."""
        return self.store.events(rec_id)

    def intents(self, record: Record) -> tuple[Intent, ...]:
        """Return the writes of a revision in their order."""
        return self.store.intents(record.recommendation.rec_id, record.recommendation.revision)

    def before(self, record: Record) -> Record | None:
        """Return the recommendation before this one, or the revision that this one edits; None for none."""
        made = record.recommendation
        if made.revision > 1:
            return self.record(made.rec_id, made.revision - 1)
        older = (known for known in self.records() if known.recommendation.created_at < made.created_at)
        return next(older, None)

    def pictures(self, record: Record) -> dict[str, Picture]:
        """Return what stands behind the lines of a revision, by key; empty for a rollback, which nobody decided."""
        return self._pictures(
            record.recommendation.plan_hash, record.recommendation.rec_id, record.recommendation.revision
        )

    def seen(self) -> Snapshot:
        """Return what is known of the portfolio; read anew with each step of the history, pull, and ten minutes."""
        return self._seen(self._known)

    def kpis(self) -> tuple[KpiState, ...]:
        """Return how the goals stand; worked out anew as `seen` is read, and after an edit of the settings."""
        return self._kpis(self._known, self.settings.kpis, self.house.goals.digest())

    def look_ahead(self) -> None:
        """Work out what takes long, so that it is kept: the newest recommendation, what is known now, the scorecard.

        Raises:
            StoreError: The store cannot be read.
        """
        for newest in self.records()[:1]:
            self.plan(newest.recommendation.rec_id)
        self.kpis()
        self.seen()
        self.scorecard()

    def scorecard(self) -> Reading:
        """Return the scorecard of what is known today; made anew with each pull, day, and step of a recommendation.

        Not with every entry of the history: of a quarter with a plan a day and 300 budgets it takes half a minute.
        """
        stand = tuple((each.recommendation.rec_id, each.recommendation.revision, each.state) for each in self.records())
        return self._scorecard(stand, self.pulled, self.house.today())

    def paces(self) -> tuple[Pace, ...]:
        """Return the flights that run today, as a plan of this moment would see them; read anew like `seen`."""
        wanted = self.house.goals
        return self._paces(self._known, wanted.digest()) if wanted.flights else ()

    @property
    def pulled(self) -> datetime | None:
        """When the agent's newest reading of the platforms that is over ended; None before the first."""
        return next((run.ended_at for run in self.store.runs("pull", limit=_PULLS) if run.ended_at), None)

    @property
    def _known(self) -> _Known:
        """What changes as soon as more is known, or a day begins; and every ten minutes, for pulls of commands."""
        minute = int(self._clock.now().timestamp()) // 60
        return self.entries, self.pulled, minute // _READ_MINUTES, self.house.today()

    @property
    def entries(self) -> int:
        """The number of the history's newest entry: what was read before it grew is as it was."""
        return self.refresh().entries

    def _read_record(self, rec_id: str, revision: int | None, _entries: int) -> Record:
        return self.store.record(rec_id, revision)

    def _read_records(self, _entries: int) -> tuple[Record, ...]:
        return self.store.records(limit=_LISTED)

    def _put_together(self, rec_id: str, revision: int, _entries: int) -> Plan:
        record, newest = self.record(rec_id, revision), self.record(rec_id)
        is_newest = revision == newest.recommendation.revision
        return Plan(record, self.pictures(record), self.before(record), is_newest=is_newest)

    def _put_side_by_side(self, _entries: int) -> tuple[Plan, ...]:
        return tuple(map(alone, self.records()))

    def _look(self, known: _Known) -> Snapshot:
        return snapshot(self.house, known[-1])

    def _measure(self, known: _Known, tables: tuple[KpiTable, ...], _goals: str) -> tuple[KpiState, ...]:
        return kpi_states(self.house, tables, self.seen(), known[-1]) if tables else ()

    def _keep_score(self, _stand: _Stand, _pulled: datetime | None, _today: date) -> Reading:
        return read(self.house, self.seen())

    def _pace(self, _known: _Known, _goals: str) -> tuple[Pace, ...]:
        house, known = self.house, self.seen()
        return paces(known, house.goals, house.guards, self._clock.now(), known.occasions)

    def _draw(self, _plan_hash: str, rec_id: str, revision: int) -> dict[str, Picture]:
        made = self.store.record(rec_id, revision).recommendation
        basis = self.store.basis(rec_id, revision)
        if basis is None:
            return {}
        told = made.decision
        wanted, guards = from_json(Goals, basis.goals), from_json(Guardrails, basis.guards)
        around = from_json(Surroundings, basis.around)
        query = SnapshotQuery(
            basis.known_at, told.as_of, basis.days, told.currency, told.time_zone, restated_within=guards.doubt
        )
        reach = {line.key: line.proposed.micros / 1e6 for line in told.lines}
        drawn = pictures(self.store.snapshot(query), wanted, around.occasions, reach, made.seed)
        return {str(picture.key): picture for picture in drawn}


@contextmanager
def open_premises(
    configs: Sequence[Path], clock: Clock, database: Database = used_url
) -> Iterator[tuple[Premises, ...]]:
    """Open portfolios for the page, each with a name of its own in addresses.

    Args:
        configs: Their settings files.
        clock: Tells the time.
        database: Tells the address of the database that the agent of a portfolio uses; by default what the agent has
            left word of, else what the settings name.

    Raises:
        SettingsError, StoreError: One of them cannot be opened, or two have one name, with the mend.
    """
    with ExitStack() as held:
        opened = [held.enter_context(closing(Premises(config, clock, database))) for config in configs]
        apart(opened)
        yield tuple(opened)


def apart(opened: Sequence[Premises]) -> None:
    """See that no two portfolios have one name in addresses.

    Raises:
        SettingsError: Two have.
    """
    slugs = [premises.slug for premises in opened]
    if twice := sorted({each for each in slugs if slugs.count(each) > 1}):
        words = f"two portfolios would have the address /{twice[0]}/"
        raise SettingsError([f"{words}. Mend: give them different names in [portfolio]."])
