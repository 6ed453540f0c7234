"""What is known on one day: the only input from the world that a decision has.

Arrays are float64, nan where nothing was reported; K budget targets, T consecutive days, A arms.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bandits.experiment import Experiment
from connectors.contract import AdKey, AdState, BudgetKey, BudgetTarget, EntityStatus
from connectors.money import Money
from optimizer.plan.appraisal import Appraisal
from optimizer.plan.calendar import Occasion
from optimizer.plan.doubts import Doubt
from optimizer.plan.lift_tests import LiftRecord
from optimizer.plan.priors import AdPriors, ResponsePriors

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Target:
    """A budget target with what the goals may name it by.

    Attributes:
        budget: The live budget, as read from the platform.
        channel: The channel of its campaigns (`search`, `social`, ...).
        tags: Tags of its campaigns, sorted.
        campaigns: The ids of the campaigns whose rows it is learnt from.
        campaign_names: Their names, in the same order.
    """

    budget: BudgetTarget
    channel: str
    tags: tuple[str, ...]
    campaigns: tuple[str, ...]
    campaign_names: tuple[str, ...]

    @property
    def key(self) -> BudgetKey:
        """The budget's identity."""
        return self.budget.key


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Daily totals per budget target, each of shape (K, T); currency units and counts per day.

    A day on which a target has no row is nan in every measure; a measure that its platform does not report is
    nan on all days. `budget` is the daily budget in force on the day, nan where it is not known. `eligible` are the
    impressions that there were to be had, and `lost` those of them that the budget was too small for, of the rows that
    tell both; None where no row does.
    """

    first_day: date
    spend: FloatArray
    conversions: FloatArray
    value: FloatArray
    clicks: FloatArray
    impressions: FloatArray
    budget: FloatArray
    eligible: FloatArray | None = None
    lost: FloatArray | None = None

    def __post_init__(self) -> None:
        if (self.eligible is None) != (self.lost is None):
            raise ValueError("eligible and lost impressions come together")
        held = [getattr(self, f.name) for f in fields(self) if f.name != "first_day"]
        shapes = {measure.shape for measure in held if measure is not None}
        if len(shapes) != 1 or len(next(iter(shapes))) != 2:
            raise ValueError(f"all measures of a panel have one shape (K, T), not {sorted(shapes)}")

    @property
    def days(self) -> int:
        """T, the number of days."""
        return int(self.spend.shape[1])


TRIANGLE_DAYS: Final = 90
"""Days of a delay triangle: long enough for a stable pooled hazard, short enough to follow a platform that changes."""


@dataclass(frozen=True, slots=True, eq=False)
class DelayTriangle:
    """How conversions of one group of targets (platform x conversion type) matured, from the restatements.

    Attributes:
        group: Name of the group, such as `google/purchase`.
        targets: Indices of the group's targets in the snapshot, shape (G,).
        cumulative: Conversions of each day (D, rows) as known `lag` days after it (L, columns); nan where the
            store held no statement of that age.
    """

    group: str
    targets: IntArray
    cumulative: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Restatements:
    """What became known of late of days that were known before, by target and day; each of shape (N,).

    Attributes:
        target: Index of the target.
        day: Column of the panel.
        spend, conversions: By how much what is known now is more than what was known before, or first since, units.
    """

    target: IntArray
    day: IntArray
    spend: FloatArray
    conversions: FloatArray

    def of(self, keep: Sequence[int]) -> Restatements:
        """Those of some targets only, numbered anew in this order."""
        place = {old: new for new, old in enumerate(keep)}
        rows = [row for row, target in enumerate(self.target.tolist()) if target in place]
        target = np.array([place[old] for old in self.target[rows].tolist()], dtype=np.int64)
        return Restatements(target, self.day[rows], self.spend[rows], self.conversions[rows])


@dataclass(frozen=True, slots=True)
class Arm:
    """One ad (creative x audience) under a budget target; ids are None where the rows do not carry them."""

    target: int
    ad_group_id: str | None
    ad_id: str | None
    creative_id: str | None
    audience_id: str | None
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class ArmPanel:
    """Daily totals per arm, each of shape (A, T), over the panel's days; nan where there is no row."""

    arms: tuple[Arm, ...]
    spend: FloatArray
    conversions: FloatArray
    value: FloatArray
    clicks: FloatArray
    impressions: FloatArray


@dataclass(frozen=True, slots=True)
class BudgetMove:
    """A change of ours that was acknowledged: cool-down and the cumulative step limit count from it."""

    key: BudgetKey
    at: datetime
    before: Money
    after: Money


@dataclass(frozen=True, slots=True)
class AdSwitch:
    """A pause or resume of ours that was acknowledged: cool-down and the changes of a day count from it."""

    key: AdKey
    at: datetime
    before: EntityStatus
    after: EntityStatus


@dataclass(frozen=True, slots=True)
class Freshness:
    """The last account-local day for which an account has rows, None if it has none."""

    connector: str
    account_id: str
    last_day: date | None


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Everything that a decision may know.

    Attributes:
        known_at: Facts learnt later than this are not in it.
        today: The first day to be planned, in the portfolio's zone; rows of this day or later are left out.
        currency: Of every amount.
        time_zone: The portfolio's zone, in which `today` is meant.
        targets: The K budget targets, sorted by key.
        panel: Their history.
        delays: Maturity of conversions by group; each target is in exactly one.
        arms: Ad and audience level history, or None where no row carries one.
        moves: Our acknowledged budget changes of the last 30 days, oldest first.
        freshness: By account.
        unbudgeted: Campaigns that spent in the panel's last 28 days but draw on no readable budget.
        priors: What the slow tier last believed of the channels; None before its first fit.
        ads: Ads that can be paused and resumed, as read last, sorted by key.
        switches: Our acknowledged pauses and resumes of the last 30 days, oldest first.
        experiments: Those registered and not closed, by name; shares keep clear of their arms.
        occasions: Known events, past and to come: sales, launches, public holidays.
        ad_priors: What it last believed of ads; None before its first fit of them.
        restated: What became known of late of days that were known before; None where that was not asked for, or
            where there is nothing.
        appraisals: What conversions and new customers were last found to be worth; at most one of each subject.
        doubts: Why what some accounts tell cannot be believed, by connector, account and code.
        lift_tests: Those registered, the oldest first, with the end that was known.
    """

    known_at: datetime
    today: date
    currency: str
    time_zone: str
    targets: tuple[Target, ...]
    panel: Panel
    delays: tuple[DelayTriangle, ...]
    arms: ArmPanel | None
    moves: tuple[BudgetMove, ...] = ()
    freshness: tuple[Freshness, ...] = ()
    unbudgeted: tuple[str, ...] = ()
    priors: ResponsePriors | None = None
    ads: tuple[AdState, ...] = ()
    switches: tuple[AdSwitch, ...] = ()
    experiments: tuple[Experiment, ...] = ()
    occasions: tuple[Occasion, ...] = ()
    ad_priors: AdPriors | None = None
    restated: Restatements | None = None
    doubts: tuple[Doubt, ...] = ()
    appraisals: tuple[Appraisal, ...] = ()
    lift_tests: tuple[LiftRecord, ...] = ()

    @property
    def current(self) -> FloatArray:
        """The live daily budgets in currency units, shape (K,)."""
        return np.array([t.budget.amount.micros for t in self.targets], dtype=np.float64) / 1e6

    def select(self, keep: Sequence[int]) -> Snapshot:
        """Return the snapshot of some targets only, by index, in this order."""
        chosen = list(keep)
        place = {old: new for new, old in enumerate(chosen)}
        arms = self.arms
        if arms is not None:
            rows = [a for a, arm in enumerate(arms.arms) if arm.target in place]
            named = tuple(replace(arms.arms[a], target=place[arms.arms[a].target]) for a in rows)
            arms = replace(_rows(arms, rows), arms=named)
        return replace(
            self,
            targets=tuple(self.targets[k] for k in chosen),
            panel=_rows(self.panel, chosen),
            delays=tuple(
                replace(t, targets=np.array([place[k] for k in t.targets.tolist() if k in place], dtype=np.int64))
                for t in self.delays
            ),
            arms=arms,
            restated=None if self.restated is None else self.restated.of(chosen),
        )

    def digest(self) -> str:
        """SHA-256 of everything in it: the same digest means the same evidence, to the bit."""
        sha = hashlib.sha256()
        for part in _parts(self):
            sha.update(part)
        return sha.hexdigest()


def _rows[T: (Panel, ArmPanel)](holder: T, keep: list[int]) -> T:
    values: dict[str, Any] = {f.name: getattr(holder, f.name) for f in fields(holder)}
    arrays: dict[str, Any] = {n: v[keep] for n, v in values.items() if isinstance(v, np.ndarray)}
    return replace(holder, **arrays)


def _parts(snapshot: Snapshot) -> Iterable[bytes]:
    plain = (snapshot.known_at, snapshot.today, snapshot.currency, snapshot.time_zone, snapshot.targets)
    rest = (snapshot.moves, snapshot.freshness, snapshot.unbudgeted, snapshot.priors)
    yield json.dumps([repr(plain), repr(rest)]).encode()
    if snapshot.occasions:  # without any, evidence keeps the digest that it had before events were known
        yield repr(snapshot.occasions).encode()
    if snapshot.ad_priors is not None:
        yield repr(snapshot.ad_priors).encode()
    yield from _arrays(snapshot.panel)
    for triangle in snapshot.delays:
        yield triangle.group.encode()
        yield from _arrays(triangle)
    for experiment in snapshot.experiments:
        yield experiment.to_json().encode()
    if snapshot.arms is not None:
        yield repr(snapshot.arms.arms).encode()
        yield from _arrays(snapshot.arms)
    if snapshot.ads or snapshot.switches:  # what was known before there were any keeps its digest
        yield repr((snapshot.ads, snapshot.switches)).encode()
    if snapshot.restated is not None:
        yield from _arrays(snapshot.restated)
    for told in (snapshot.doubts, snapshot.appraisals, snapshot.lift_tests):
        if told:
            yield repr(told).encode()


def _arrays(holder: Panel | DelayTriangle | ArmPanel | Restatements) -> Iterable[bytes]:
    for item in fields(holder):
        value = getattr(holder, item.name)
        if isinstance(value, np.ndarray):
            yield f"{item.name}{value.shape}".encode()
            yield np.ascontiguousarray(value).tobytes()
