"""Experiments at work: registering, reading off the store's rows, and closing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import numpy as np

from bandits.experiment import Experiment, Kind
from bandits.readout import Readout, Rows, read_out
from connectors.contract import zone
from connectors.errors import BadInput
from optimizer.agent.cycle import House
from optimizer.plan.experiments import Closing, ExperimentRecord
from optimizer.plan.snapshot import Arm, ArmPanel, FloatArray, IntArray, Snapshot
from optimizer.ports import SnapshotQuery
from optimizer.response.maturity import learn_maturity

ALL: Final = 1_000_000
_MEASURES: Final = ("impressions", "clicks", "conversions", "value")


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """An experiment as it stood at one moment.

    Attributes:
        record: Its registration, and its end where it has one.
        at: The moment: nothing learnt later counts.
        today: The day of that moment in the portfolio's zone; rows of this day and later do not count.
        rows: Of its arms, by day.
        readout: What they say.
        silent: Arms without any row.
        names: Of the arms, by id, where the platform gave one.
    """

    record: ExperimentRecord
    at: datetime
    today: date
    rows: Rows
    readout: Readout
    silent: tuple[str, ...]
    names: Mapping[str, str]

    def evidence(self) -> str:
        """SHA-256 of the registration and of all rows that were read."""
        sha = hashlib.sha256(self.record.plan_hash.encode())
        for name in (*_MEASURES, "day", "maturity"):
            values = getattr(self.rows, name)
            sha.update(f"{name}{values.shape}".encode())
            sha.update(np.ascontiguousarray(values).tobytes())
        return sha.hexdigest()


def register(house: House, plan: Experiment, actor: str) -> ExperimentRecord:
    """Write a registration down, before any row of it can have been seen.

    Raises:
        BadInput: Its first day has begun already, so that it would not be registered beforehand.
        StateConflict: An open experiment has its name or shares an arm with it.
    """
    now, today = house.clock.now(), house.today()
    if plan.first_day <= today:
        raise BadInput(
            f"its first day, {plan.first_day}, is not after today, {today}",
            where="outlay experiment register",
            field="--first-day",
            mend="choose a later day: what is registered must not have been seen.",
        )
    digest = plan.digest()
    record = ExperimentRecord(
        experiment_id=f"E-{today:%Y%m%d}-{digest[:6]}",
        plan=plan,
        plan_hash=digest,
        registered_at=now.astimezone(UTC),
        registered_by=actor,
        code_version=house.code_version,
    )
    house.store.register_experiment(record)
    return record


def close(house: House, record: ExperimentRecord, actor: str, reason: str, kept: str | None) -> Watched:
    """Write its end down, with what it says now; `kept` is by default the arm that has won.

    Raises:
        BadInput: The arm to keep is none of it.
        StateConflict: It is closed already.
    """
    watched = watch(house, record)
    if kept is not None and kept not in record.plan.ids:
        raise BadInput(
            f"{kept!r} is no arm of {record.plan.name!r}",
            where="outlay experiment close",
            field="--keep",
            mend=f"write one of {', '.join(record.plan.ids)}.",
        )
    closing = Closing(
        experiment_id=record.experiment_id,
        closed_at=house.clock.now().astimezone(UTC),
        closed_by=actor,
        verdict=watched.readout.verdict,
        kept=kept or watched.readout.winner,
        reason=reason,
        evidence=watched.evidence(),
    )
    house.store.close_experiment(closing)
    return replace(watched, record=replace(record, closing=closing))


def find(house: House, word: str) -> ExperimentRecord:
    """Return an experiment by its id, its name or `latest`: of one name the open one, else the newest.

    Raises:
        BadInput: There is none.
    """
    every = house.store.experiments(ALL)
    named = [r for r in every if word in ("latest", r.experiment_id, r.plan.name)]
    if not named:
        some = ", ".join(record.experiment_id for record in every[:5])
        raise BadInput(
            f"there is no experiment {word!r}",
            where="outlay experiment",
            field="EXPERIMENT",
            mend=f"write one of {some}." if every else "register one with `outlay experiment register`.",
        )
    return next((record for record in named if record.closing is None), named[0])


def watch(house: House, record: ExperimentRecord, as_of: date | None = None) -> Watched:
    """Read an experiment off the store.

    A closed one is read as it was known when it was closed. From the day of its last look on, one is read as it was
    known at the beginning of that day, if the rows of its last day were known by then: the last look is one look.

    Args:
        house: The wired house; nothing is asked of the platforms.
        record: Which one.
        as_of: See it as it was at the beginning of this day; by default as it is now.
    """
    now, plan = house.clock.now(), record.plan
    moment = now if record.closing is None else record.closing.closed_at
    if as_of is not None:
        moment = min(moment, _midnight(house, as_of))
    last = _midnight(house, plan.last_look)
    if moment < last:
        return _read(house, record, moment, last=False)
    seen = _read(house, record, last, last=True)
    exposure: FloatArray = getattr(seen.rows, plan.metric.exposure)
    if np.isfinite(exposure[:, seen.rows.day == plan.last_day.toordinal()]).any():
        return seen
    return _read(house, record, moment, last=True)


def path(watched: Watched) -> tuple[tuple[date, Readout], ...]:
    """Return what it said by the end of each of its days, from the rows as they are known now."""
    days = np.unique(watched.rows.day)
    final = int(days[-1]) if watched.readout.last and days.size else None
    return tuple(
        (
            date.fromordinal(int(day)),
            read_out(
                watched.record.plan, watched.rows.until(int(day)), last=int(day) == final, rng=_rng(watched.record)
            ),
        )
        for day in days
    )


def _read(house: House, record: ExperimentRecord, moment: datetime, *, last: bool) -> Watched:
    plan = record.plan
    today = moment.astimezone(zone(house.time_zone)).date()
    days = max(house.history_days, (today - plan.first_day).days)
    seen = house.store.snapshot(
        SnapshotQuery(moment, today, days, house.goals.currency, house.time_zone, budgets_at=house.clock.now())
    )
    rows = rows_of(plan, seen)
    silent = tuple(arm for arm, shown in zip(plan.ids, rows.impressions, strict=True) if not np.isfinite(shown).any())
    readout = read_out(plan, rows, last=last, rng=_rng(record))
    return Watched(record, moment, today, rows, readout, silent, _names(plan, seen))


def rows_of(plan: Experiment, seen: Snapshot) -> Rows:
    """Return the rows of an experiment's arms in its targets and days, as a snapshot knows them."""
    first = max((plan.first_day - seen.panel.first_day).days, 0)
    end = min((plan.last_day - seen.panel.first_day).days + 1, seen.panel.days)
    days = np.arange(first, max(end, first))
    ages = np.arange(seen.panel.days, 0, -1)[days]
    maturity = learn_maturity(seen.delays, len(seen.targets)).at(ages)
    places = [k for k, target in enumerate(seen.targets) if str(target.key) in plan.targets]
    measures = {
        name: np.concatenate([_cells(plan, seen.arms, k, name, days) for k in places] or [_nothing(plan)], axis=1)
        for name in _MEASURES
    }
    return Rows(
        **measures,
        day=np.tile(seen.panel.first_day.toordinal() + days, len(places)),
        age=np.tile(ages.astype(np.float64), len(places)),
        maturity=np.concatenate([maturity[k] for k in places] or [np.zeros(0)]),
    )


def _cells(plan: Experiment, panel: ArmPanel | None, target: int, measure: str, days: IntArray) -> FloatArray:
    """Sums of one measure by arm and day in a target, shape (A, days); nan where no row has it."""
    cells = np.full((len(plan.arms), days.size), np.nan)
    if panel is None:
        return cells
    values: FloatArray = getattr(panel, measure)
    for row, arm in enumerate(plan.ids):
        mine = [i for i, known in enumerate(panel.arms) if known.target == target and _id(known, plan.kind) == arm]
        found = values[mine][:, days]
        known = np.isfinite(found).any(axis=0)
        cells[row, known] = np.nansum(found[:, known], axis=0)
    return cells


def _nothing(plan: Experiment) -> FloatArray:
    return np.zeros((len(plan.arms), 0))


def _id(arm: Arm, kind: Kind) -> str | None:
    return {Kind.AD: arm.ad_id, Kind.CREATIVE: arm.creative_id, Kind.AUDIENCE: arm.audience_id}[kind]


def _names(plan: Experiment, seen: Snapshot) -> Mapping[str, str]:
    """What people call the arms; an ad goes by its own name."""
    arms: Iterable[Arm] = () if seen.arms is None else seen.arms.arms
    found = {_id(arm, plan.kind): arm.name for arm in arms if plan.kind is Kind.AD}
    return {arm: found.get(arm, arm) for arm in plan.ids}


def _midnight(house: House, day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone(house.time_zone)).astimezone(UTC)


def _rng(record: ExperimentRecord) -> np.random.Generator:
    """The same draws for the same registration, so that one look reads the same however often it is repeated."""
    return np.random.default_rng(int(record.plan_hash[:16], 16))


def default_first_day(house: House) -> date:
    """Return tomorrow: the first day of which nothing can have been seen."""
    return house.today() + timedelta(days=1)
