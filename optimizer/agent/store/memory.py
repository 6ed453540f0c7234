"""The store in memory: for tests, rehearsals and simulations; gone with the process."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import pairwise
from operator import attrgetter, itemgetter

import numpy as np

from connectors.contract import (
    Account,
    AdKey,
    AdState,
    BudgetKey,
    BudgetKind,
    BudgetTarget,
    Entity,
    EntityKind,
    PerformanceRow,
    Series,
)
from optimizer.agent.store import terms
from optimizer.agent.store.assemble import MOVES_WINDOW, assemble
from optimizer.agent.store.instants import to_instant
from optimizer.agent.store.known import Cells, EntityKey, Groups, Known, KnownSeries, Revisions, Span
from optimizer.agent.store.memory_office import seal
from optimizer.agent.store.memory_people import MemoryPeople
from optimizer.agent.store.performed import performed
from optimizer.agent.store.rules import (
    LARGEST,
    acknowledged_at,
    check_ads,
    check_alone,
    check_budgets,
    check_closing,
    check_doubts,
    check_intent,
    check_lift_end,
    check_lift_test,
    check_registration,
    check_step,
    check_unapproved,
    new_plans,
    no_such_record,
    same_account,
    same_appraisal,
    same_refit,
    taken,
    too_large,
)
from optimizer.agent.store.timeline import Clash, Measures, Version, fold, in_force
from optimizer.approval import OPEN
from optimizer.plan.appraisal import Appraisal, Subject
from optimizer.plan.audit import Entry
from optimizer.plan.basis import Basis
from optimizer.plan.canonical import content_hash
from optimizer.plan.doubts import Doubt
from optimizer.plan.experiments import Closing, ExperimentRecord
from optimizer.plan.lift_tests import LiftEnd, LiftRecord
from optimizer.plan.office import Pulse
from optimizer.plan.performance import Performance
from optimizer.plan.priors import AdPriors, ResponsePriors
from optimizer.plan.record import AdIntent, BudgetIntent, Event, Intent, Record, State, Transition
from optimizer.plan.refits import RefitRecord
from optimizer.plan.snapshot import AdSwitch, BudgetMove, Snapshot
from optimizer.ports import LONG_AGO, ConflictingRows, IngestReport, SnapshotQuery

_Histories = dict[Series, dict[int, list[Version]]]
_Auctions = dict[tuple[Series, int], dict[int, tuple[int, int]]]  # by the instant that they were stated at
_Readings = dict[BudgetKey, list[tuple[int, BudgetTarget | None]]]  # None: it had left the platform
_Statuses = dict[AdKey, list[tuple[int, AdState | None]]]  # likewise


class MemoryStore(MemoryPeople):
    """`optimizer.ports.Store` in plain dictionaries; for one thread."""

    def __init__(self) -> None:
        super().__init__()
        self._accounts: dict[tuple[str, str], Account] = {}
        self._histories: _Histories = {}
        self._channels: dict[Series, str] = {}
        self._auctions: _Auctions = {}
        self._entities: dict[EntityKey, list[tuple[int, Entity]]] = {}
        self._readings: _Readings = {}
        self._statuses: _Statuses = {}
        self._records: dict[tuple[str, int], Record] = {}
        self._bases: dict[tuple[str, int], Basis] = {}
        self._intents: dict[str, tuple[Intent, datetime | None]] = {}
        self._refits: tuple[RefitRecord, ...] = ()
        self._appraisals: tuple[Appraisal, ...] = ()
        self._experiments: tuple[ExperimentRecord, ...] = ()
        self._lift_tests: tuple[LiftRecord, ...] = ()
        self._doubts: tuple[tuple[Doubt, datetime | None], ...] = ()  # with when it ended

    def ingest(self, rows: Iterable[PerformanceRow]) -> IngestReport:
        """See `Store.ingest`. Unlike the others this one holds all rows, as it does anyway."""
        stated, auctions, count = _by_key(rows)
        accounts = self._with_accounts(series.account for series, _ in stated)
        numbers = {series: n for n, series in enumerate(dict.fromkeys((*self._histories, *(s for s, _ in stated))))}
        entered, new, restated = {}, 0, 0
        for series, day in sorted(stated, key=lambda key: (numbers[key[0]], key[1])):
            history = list(self._histories.get(series, {}).get(day, ()))
            new += not history
            try:
                restated += len(fold(history, sorted(stated[series, day], key=attrgetter("known_from"))))
            except Clash:
                raise ConflictingRows(series, date.fromordinal(day)) from None
            entered[series, day] = history
        self._accounts = accounts
        self._channels |= {series: series.channel for series, _ in stated}
        for key, told in auctions.items():
            self._auctions.setdefault(key, {}).update(told)
        for (series, day), history in entered.items():
            self._histories.setdefault(series, {})[day] = history
        restated -= new
        return IngestReport(rows=count, new=new, restated=restated, unchanged=count - new - restated)

    def note_entities(self, entities: Iterable[Entity], read_at: datetime = LONG_AGO) -> None:
        """See `Store.note_entities`."""
        listed = list(entities)
        self._accounts = self._with_accounts(entity.account for entity in listed)
        for entity in listed:
            key = (entity.account.connector, entity.account.account_id, EntityKind(entity.kind), entity.entity_id)
            _enter(self._entities.setdefault(key, []), to_instant(read_at), entity)

    def accounts(self, connector: str) -> tuple[Account, ...]:
        """See `Store.accounts`."""
        found = (account for account in self._accounts.values() if account.connector == connector)
        return tuple(sorted(found, key=attrgetter("account_id")))

    def note_doubts(self, connector: str, doubts: Sequence[Doubt], read_at: datetime) -> None:
        """See `Store.note_doubts`."""
        check_doubts(connector, doubts)
        standing = [doubt for doubt, ended in self._doubts if ended is None and doubt.connector == connector]
        over = [old for old in standing if not any(old.same(doubt) for doubt in doubts)]
        kept = ((d, read_at if ended is None and d in over else ended) for d, ended in self._doubts)
        plain = read_at.astimezone(UTC)
        new = ((replace(d, since=plain), None) for d in doubts if not any(d.same(old) for old in standing))
        self._doubts = (*((d, ended) for d, ended in kept if ended is None or ended > d.since), *new)

    def doubts(self, known_at: datetime) -> tuple[Doubt, ...]:
        """See `Store.doubts`."""
        found = [d for d, ended in self._doubts if d.since <= known_at and (ended is None or ended > known_at)]
        return tuple(sorted(found, key=attrgetter("connector", "account_id", "code")))

    def last_written(self) -> datetime | None:
        """See `Store.last_written`."""
        told = [entry.event for entry in self._entries]
        resumed = (k for k, event in enumerate(told) if (event.rec_id, event.action) == (terms.SWITCH, terms.RESUMED))
        return max((event.at for event in told[max(resumed, default=0) :]), default=None)

    def budgets(self, connector: str, known_at: datetime) -> tuple[BudgetTarget, ...]:
        """See `Store.budgets`."""
        at = to_instant(known_at)
        return tuple(
            budget
            for key, readings in sorted(self._readings.items(), key=itemgetter(0))
            if key.connector == connector
            and (place := bisect_right(readings, at, key=itemgetter(0)))
            and (budget := readings[place - 1][1]) is not None
        )

    def note_budgets(
        self,
        connector: str,
        budgets: Iterable[BudgetTarget],
        read_at: datetime,
        unread: Collection[str] = frozenset(),
    ) -> None:
        """See `Store.note_budgets`."""
        listed = list(budgets)
        check_budgets(connector, listed)
        self._accounts = self._with_accounts(budget.account for budget in listed)
        instant = to_instant(read_at)
        for budget in listed:
            _enter(self._readings.setdefault(budget.key, []), instant, budget)
        read = {budget.key for budget in listed}
        for key, readings in self._readings.items():
            if key.connector == connector and key not in read and key.account_id not in unread:
                _enter(readings, instant, None)

    def note_ads(
        self, connector: str, ads: Iterable[AdState], read_at: datetime, unread: Collection[str] = frozenset()
    ) -> None:
        """See `Store.note_ads`."""
        listed = list(ads)
        check_ads(connector, listed)
        self._accounts = self._with_accounts(ad.account for ad in listed)
        instant = to_instant(read_at)
        for ad in listed:
            _enter(self._statuses.setdefault(ad.key, []), instant, ad)
        read = {ad.key for ad in listed}
        for key, readings in self._statuses.items():
            if key.connector == connector and key not in read and key.account_id not in unread:
                _enter(readings, instant, None)

    def snapshot(self, query: SnapshotQuery) -> Snapshot:
        """See `Store.snapshot`."""
        known_at, today = to_instant(query.known_at), query.today.toordinal()
        budgets_at = to_instant(query.budgets_at or query.known_at)
        readings = {
            key: read
            for key, history in self._readings.items()
            if (read := history[: bisect_right(history, budgets_at, key=itemgetter(0))])
        }
        known = Known(
            series=_known_series(self._histories, self._channels, known_at, today),
            budgets=tuple(last for history in readings.values() if (last := history[-1][1]) is not None),
            amounts={key: [_amount(*reading) for reading in history] for key, history in readings.items()},
            entities={key: _read_at(readings, budgets_at) for key, readings in self._entities.items()},
            moves=self._moves(query.known_at),
            priors=self.latest_priors(query.known_at),
            ads=self._ads(budgets_at),
            switches=self._switches(query.known_at),
            experiments=self._experiments,
            ad_priors=self.latest_ad_priors(query.known_at),
            doubts=self.doubts(query.known_at),
            appraisals=self.latest_appraisals(query.known_at),
            lift_tests=self.lift_tests(),
        )
        return assemble(query, known, _MemoryFacts(self._histories, self._auctions, known_at))

    def performance(self, known_at: datetime, since: date, until: date) -> Performance:
        """See `Store.performance`."""
        instant = to_instant(known_at)
        series = _known_series(self._histories, self._channels, instant, until.toordinal() + 1)
        entities = {key: _read_at(readings, instant) for key, readings in self._entities.items()}
        facts = _MemoryFacts(self._histories, self._auctions, instant)
        return performed(known_at, since, until, series, entities, facts)

    def commit(self, transitions: Sequence[Transition], epoch: int | None = None) -> None:
        """See `Store.commit`."""
        self._may_commit(epoch)
        records, intents, entries = dict(self._records), dict(self._intents), self._entries
        for step in transitions:
            key = (step.record.recommendation.rec_id, step.record.recommendation.revision)
            stored = records.get(key)
            check_step(stored, step)
            if step.intents:
                check_alone(_open_beside(intents, key))
            records[key] = replace(step.record, recommendation=(stored or step.record).recommendation)
            entries = (*entries, seal(entries, step.event, content_hash(step.record)))
            for intent in step.intents:
                if intent.idempotency_key in intents or _open_elsewhere(intents, intent):
                    raise taken(step.intents)
                intents[intent.idempotency_key] = (intent, acknowledged_at(intent, None))
        if new := new_plans(transitions):
            others = (record for (rec_id, _), record in records.items() if rec_id not in new)
            check_unapproved(next((record for record in others if record.approval_stands), None))
        self._records, self._intents, self._entries = records, intents, entries
        for step in transitions:
            if step.basis is not None:
                self._bases[step.record.recommendation.rec_id, step.record.recommendation.revision] = step.basis

    def advance(self, before: Intent, after: Intent, event: Event, epoch: int | None = None) -> None:
        """See `Store.advance`."""
        self._may_advance(before, after, epoch)
        stored, confirmed = self._intents.get(before.idempotency_key, (None, None))
        record = self._records.get((before.rec_id, before.revision))
        check_intent(stored, None if record is None else record.state, before, after)
        if _open_elsewhere(self._intents, after):
            raise taken((after,))
        self._intents[after.idempotency_key] = (after, acknowledged_at(after, confirmed))
        self._tell(event, after)

    def record(self, rec_id: str, revision: int | None = None) -> Record:
        """See `Store.record`."""
        revisions = {number: record for (name, number), record in self._records.items() if name == rec_id}
        wanted = max(revisions, default=None) if revision is None else revision
        if wanted is None or wanted not in revisions:
            raise no_such_record(rec_id, revision)
        return revisions[wanted]

    def records(
        self, states: frozenset[State] | None = None, limit: int = 50, since: datetime | None = None
    ) -> tuple[Record, ...]:
        """See `Store.records`."""
        latest = {rec_id: max(r for name, r in self._records if name == rec_id) for rec_id, _ in self._records}
        entered = [record for (name, revision), record in self._records.items() if latest[name] == revision]
        found = [record for record in reversed(entered) if states is None or record.state in states]
        if since is not None:
            found = [record for record in found if record.recommendation.created_at >= since]
        found.sort(key=lambda record: record.recommendation.created_at, reverse=True)
        return tuple(found[:limit])

    def intents(self, rec_id: str, revision: int) -> tuple[Intent, ...]:
        """See `Store.intents`."""
        mine = (i for i, _ in self._intents.values() if (i.rec_id, i.revision) == (rec_id, revision))
        return tuple(sorted(mine, key=attrgetter("order")))

    def open_intents(self) -> tuple[Intent, ...]:
        """See `Store.open_intents`."""
        found = (intent for intent, _ in self._intents.values() if intent.state in OPEN)
        return tuple(sorted(found, key=attrgetter("idempotency_key")))

    def basis(self, rec_id: str, revision: int) -> Basis | None:
        """See `Store.basis`."""
        if (rec_id, revision) not in self._records:
            raise no_such_record(rec_id, revision)
        return self._bases.get((rec_id, revision))

    def events(self, rec_id: str) -> tuple[Event, ...]:
        """See `Store.events`."""
        return tuple(entry.event for entry in self._entries if entry.event.rec_id == rec_id)

    def audit(self, after: int = 0, limit: int = 1_000) -> tuple[Entry, ...]:
        """See `Store.audit`."""
        return self._entries[after : after + limit]  # numbered without a gap, from 1

    def stray(self) -> tuple[str, ...]:
        """See `Store.stray`; here nothing stands twice."""
        return ()

    def pulse(self) -> Pulse:
        """See `Store.pulse`."""
        return Pulse(len(self._entries), self.leader())

    def record_refit(self, refit: RefitRecord) -> None:
        """See `Store.record_refit`."""
        if any(stored.refit_id == refit.refit_id for stored in self._refits):
            raise same_refit(refit.refit_id)
        self._refits = (*self._refits, refit)

    def refits(self, limit: int = 50) -> tuple[RefitRecord, ...]:
        """See `Store.refits`."""
        return tuple(sorted(self._refits, key=attrgetter("fitted_at"))[::-1][:limit])

    def latest_priors(self, known_at: datetime) -> ResponsePriors | None:
        """See `Store.latest_priors`."""
        return next((p for p in self._priors(known_at) if isinstance(p, ResponsePriors)), None)

    def latest_ad_priors(self, known_at: datetime) -> AdPriors | None:
        """See `Store.latest_ad_priors`."""
        return next((p for p in self._priors(known_at) if isinstance(p, AdPriors)), None)

    def _priors(self, known_at: datetime) -> Iterator[ResponsePriors | AdPriors | None]:
        return (refit.priors for refit in self.refits(len(self._refits)) if refit.fitted_at <= known_at)

    def record_appraisal(self, made: Appraisal) -> None:
        """See `Store.record_appraisal`."""
        if any((stored.subject, stored.made_at) == (made.subject, made.made_at) for stored in self._appraisals):
            raise same_appraisal(made)
        self._appraisals = (*self._appraisals, made)

    def appraisals(self, limit: int = 50) -> tuple[Appraisal, ...]:
        """See `Store.appraisals`."""
        return tuple(sorted(self._appraisals, key=attrgetter("made_at"))[::-1][:limit])

    def latest_appraisals(self, known_at: datetime) -> tuple[Appraisal, ...]:
        """See `Store.latest_appraisals`."""
        known = [made for made in self.appraisals(len(self._appraisals)) if made.made_at <= known_at]
        newest = (next((made for made in known if made.subject is subject), None) for subject in Subject)
        return tuple(made for made in newest if made is not None)

    def register_experiment(self, record: ExperimentRecord) -> None:
        """See `Store.register_experiment`."""
        check_registration(self.experiments(len(self._experiments)), record)
        self._experiments = (*self._experiments, record)

    def close_experiment(self, closing: Closing) -> None:
        """See `Store.close_experiment`."""
        check_closing(self._experiments, closing)
        self._experiments = tuple(
            replace(record, closing=closing) if record.experiment_id == closing.experiment_id else record
            for record in self._experiments
        )

    def experiments(self, limit: int = 50) -> tuple[ExperimentRecord, ...]:
        """See `Store.experiments`."""
        return tuple(sorted(self._experiments, key=attrgetter("registered_at"))[::-1][:limit])

    def register_lift_test(self, record: LiftRecord) -> None:
        """See `Store.register_lift_test`."""
        check_lift_test(self._lift_tests, record)
        self._lift_tests = (*self._lift_tests, record)

    def end_lift_test(self, end: LiftEnd) -> None:
        """See `Store.end_lift_test`."""
        check_lift_end(self._lift_tests, end)
        self._lift_tests = tuple(
            replace(record, end=end) if record.lift_id == end.lift_id else record for record in self._lift_tests
        )

    def lift_tests(self) -> tuple[LiftRecord, ...]:
        """See `Store.lift_tests`."""
        return tuple(sorted(self._lift_tests, key=attrgetter("registered_at"))[::-1])

    def rest(self) -> None:
        """See `Store.rest`; nothing is held for speed here."""

    def close(self) -> None:
        """See `Store.close`; there is nothing to release."""

    def _with_accounts(self, accounts: Iterable[Account]) -> dict[tuple[str, str], Account]:
        known = dict(self._accounts)
        for account in dict.fromkeys(accounts):
            same_account(known.setdefault((account.connector, account.account_id), account), account)
        return known

    def _moves(self, known_at: datetime) -> list[BudgetMove]:
        return [
            BudgetMove(intent.key, at, intent.base, intent.target)
            for intent, at in self._confirmed(known_at)
            if isinstance(intent, BudgetIntent)
        ]

    def _switches(self, known_at: datetime) -> list[AdSwitch]:
        return [
            AdSwitch(intent.key, at, intent.base, intent.target)
            for intent, at in self._confirmed(known_at)
            if isinstance(intent, AdIntent)
        ]

    def _confirmed(self, known_at: datetime) -> Iterable[tuple[Intent, datetime]]:
        since = known_at - MOVES_WINDOW
        for intent, confirmed in self._intents.values():
            if confirmed is not None and since <= confirmed <= known_at:
                yield intent, confirmed

    def _ads(self, instant: int) -> list[AdState]:
        last = (
            history[place - 1][1]
            for history in self._statuses.values()
            if (place := bisect_right(history, instant, key=itemgetter(0)))
        )
        return [ad for ad in last if ad is not None]


class _MemoryFacts:
    """`Facts` over the histories."""

    def __init__(self, histories: _Histories, auctions: _Auctions, known_at: int) -> None:
        self._series = tuple(histories.values())
        self._names, self._auctions = tuple(histories), auctions
        self._known_at = known_at

    def totals(self, groups: Groups, span: Span) -> Cells:
        """Return one cell per series and day that has a row."""
        cells = [
            (group, day, *known.measures)
            for group, day, history in self._days(groups, span)
            if (known := in_force(history, self._known_at)) is not None
        ]
        table = np.array(cells, dtype=np.float64).reshape(-1, 7)
        return Cells(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:])

    def auctions(self, groups: Groups, span: Span) -> Cells:
        """Return one cell per series and day of which auctions are told."""
        cells = []
        for number, group in groups.items() if self._auctions else ():
            for day in self._series[number]:
                told = self._auctions.get((self._names[number], day), {})
                known = max((instant for instant in told if instant <= self._known_at), default=None)
                if known is not None and span.since <= day < span.until:
                    cells.append((group, day, *told[known]))
        table = np.array(cells, dtype=np.float64).reshape(-1, 4)
        return Cells(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:])

    def revisions(self, groups: Groups, span: Span) -> Revisions:
        """Return one change per statement."""
        keys, changes = [], []
        for number, ordinal, history in self._days(groups, span):
            before = 0
            for version in history[: bisect_right(history, self._known_at, key=attrgetter("known_from"))]:
                keys.append((number, ordinal, history[0].known_from, version.known_from))
                changes.append(version.measures[1] - before)
                before = version.measures[1]
        group, day, first, known_from = np.array(keys, dtype=np.int64).reshape(-1, 4).T
        return Revisions(group, day, first, known_from, np.array(changes, dtype=np.float64))

    def restated(self, groups: Groups, span: Span, then: int) -> Cells:
        """Return one cell per change of what was known."""
        cells = [
            (group, day, *((new.measures[m] or 0) - (old.measures[m] or 0) for m in (0, 1)))
            for group, day, history in self._days(groups, span)
            for old, new in pairwise(history)
            if then < new.known_from <= self._known_at
        ]
        table = np.array(cells, dtype=np.float64).reshape(-1, 4)
        return Cells(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:])

    def _days(self, groups: Groups, span: Span) -> Iterable[tuple[int, int, list[Version]]]:
        for number, group in groups.items():
            for day, history in self._series[number].items():
                if span.since <= day < span.until:
                    yield group, day, history


def _by_key(rows: Iterable[PerformanceRow]) -> tuple[dict[tuple[Series, int], list[Version]], _Auctions, int]:
    """Return what the rows state by series and day, what of auctions, and how many rows there were."""
    stated: dict[tuple[Series, int], list[Version]] = {}
    auctions: _Auctions = {}
    count = 0
    for row in rows:
        version = Version(to_instant(row.fetched_at), _measures(row))
        stated.setdefault((row.series, row.day.toordinal()), []).append(version)
        if (told := row.auctions) is not None:
            auctions.setdefault((row.series, row.day.toordinal()), {})[version.known_from] = told
        count += 1
    return stated, auctions, count


def _measures(row: PerformanceRow) -> Measures:
    measures = (
        row.spend_micros, row.conversions_micros, row.value_micros, row.impressions_micros, row.clicks_micros
    )  # fmt: skip
    if any(abs(measure or 0) > LARGEST for measure in measures):
        raise too_large()
    return measures


def _known_series(
    histories: _Histories, channels: Mapping[Series, str], known_at: int, today: int
) -> list[KnownSeries]:
    found = []
    for number, (series, days) in enumerate(histories.items()):
        known = [day for day, history in days.items() if day < today and history[0].known_from <= known_at]
        if known:
            found.append(KnownSeries(number, replace(series, channel=channels[series]), max(known)))
    return found


def _amount(instant: int, budget: BudgetTarget | None) -> tuple[int, int | None]:
    return instant, budget.amount.micros if budget is not None and budget.kind is BudgetKind.DAILY else None


def _enter[T](readings: list[tuple[int, T]], instant: int, read: T) -> None:
    """Enter a reading that differs from what was in force at its time; one of the same instant replaces."""
    place = bisect_right(readings, instant, key=itemgetter(0))
    if (readings[place - 1][1] if place else None) == read:
        return
    if place and readings[place - 1][0] == instant:
        readings[place - 1] = (instant, read)
    else:
        insort(readings, (instant, read), key=itemgetter(0))


def _read_at(readings: list[tuple[int, Entity]], instant: int) -> Entity:
    """What was read last at or before an instant, else first."""
    return readings[max(bisect_right(readings, instant, key=itemgetter(0)) - 1, 0)][1]


def _open_beside(intents: Mapping[str, tuple[Intent, datetime | None]], own: tuple[str, int]) -> Intent | None:
    """An open intent of any other revision, the first by its key."""
    found = [i for i, _ in intents.values() if i.state in OPEN and (i.rec_id, i.revision) != own]
    return min(found, key=attrgetter("idempotency_key"), default=None)


def _open_elsewhere(intents: Mapping[str, tuple[Intent, datetime | None]], intent: Intent) -> bool:
    """Whether another intent keeps this one from being open."""
    others = (other for other, _ in intents.values() if other.idempotency_key != intent.idempotency_key)
    return intent.state in OPEN and any(other.state in OPEN and other.key == intent.key for other in others)
