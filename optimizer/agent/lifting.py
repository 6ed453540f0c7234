"""Lift tests at work: what one would find and cost, its registration, its reading, its end. No platform is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Any, Final

import numpy as np

from connectors.errors import BadInput
from optimizer.agent import cycle
from optimizer.agent.cycle import House
from optimizer.goals import Scope, ScopeKind
from optimizer.measure import lift
from optimizer.measure.lift import Draft, GeoDesign, Outcomes, Power
from optimizer.plan.canonical import content_hash
from optimizer.plan.lift_tests import (
    Base,
    Holdout,
    LiftEnd,
    LiftPlan,
    LiftReading,
    LiftRecord,
    LiftTestError,
    Switchback,
)
from optimizer.plan.problem import Outcome
from optimizer.plan.snapshot import FloatArray, Snapshot, Target

RECENT_DAYS: Final = 28
_WHERE: Final = "outlay lift"
_MEND: Final = "write channel:NAME or campaign:ID."


@dataclass(frozen=True, slots=True, eq=False)
class Tested:
    """What is to be tested: the budgets of a channel, or of one campaign.

    Attributes:
        channel: As in `Target.channel`.
        campaign: Id of the one campaign; None for the whole channel.
        targets: Its budgets.
        spend, claimed: Currency units, and what its platforms claim, by day of `first_day` and after, shape (T,).
        first_day: Of the arrays.
    """

    channel: str
    campaign: str | None
    targets: tuple[Target, ...]
    spend: FloatArray
    claimed: FloatArray
    first_day: date

    def rate(self, day: date) -> float | None:
        """Return what is claimed per currency unit over the `RECENT_DAYS` before a day; None without spend."""
        end = max((day - self.first_day).days, 0)
        before = slice(max(end - RECENT_DAYS, 0), end)
        spent = float(self.spend[before].sum())
        return float(self.claimed[before].sum()) / spent if spent > 0 else None

    def on(self, outcomes: Outcomes, series: FloatArray) -> FloatArray:
        """Return a series on the days of the outcomes, zero where the store has none, shape (T,)."""
        found = np.zeros(outcomes.days)
        shift = (outcomes.first_day - self.first_day).days
        mine = np.arange(outcomes.days) + shift
        inside = (mine >= 0) & (mine < series.size)
        found[inside] = series[mine[inside]]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Foreseen:
    """A test before it is registered.

    Attributes:
        plan: What would be promised.
        power: What it could find, in units of the outcome a day.
        currency: Of `spend_change`.
        spend_change: Currency units more (below zero: less) over the whole test than without it.
        at_stake: What platforms claim for that spend: at most so much of the outcome is gained, or lost.
        claimed: What they claim for the contrast that is read, a day: the effect if all of it were incremental.
        geo: The regions, of a hold-out.
    """

    plan: LiftPlan
    power: Power
    currency: str
    spend_change: float
    at_stake: float
    claimed: float
    geo: GeoDesign | None = None

    @property
    def least_share(self) -> float | None:
        """Least share of what is claimed that would be told from nothing; above 1 the test cannot tell anything."""
        return self.power.smallest / abs(self.claimed) if self.claimed else None


def tested(seen: Snapshot, text: str, counted: Outcome) -> Tested:
    """Return what a scope names.

    Raises:
        BadInput: It is no channel or campaign, there is none of it, or its budgets pay for other campaigns, too.
    """
    try:
        scope = Scope.parse(text)
    except ValueError as error:
        raise BadInput(str(error), where=_WHERE, field="SCOPE", mend=_MEND) from None
    if scope.kind not in (ScopeKind.CHANNEL, ScopeKind.CAMPAIGN):
        raise BadInput(f"{text} cannot be tested", where=_WHERE, field="SCOPE", mend=_MEND)
    places = [k for k, target in enumerate(seen.targets) if scope.covers(target)]
    channels = sorted({seen.targets[k].channel for k in places})
    if len(channels) != 1:
        known = ", ".join(sorted({f"channel:{target.channel}" for target in seen.targets}))
        raise BadInput(f"{text} names budgets of {len(channels) or 'no'} channel(s)", where=_WHERE, field="SCOPE",
                       mend=f"write one of {known}." if known else "run `outlay plan` first.")  # fmt: skip
    targets = tuple(seen.targets[k] for k in places)
    campaign = None
    if scope.kind is ScopeKind.CAMPAIGN:
        if len(targets) != 1 or len(targets[0].campaigns) != 1:
            raise BadInput(f"{text} shares its budget with other campaigns, or is of several", where=_WHERE,
                           field="SCOPE", mend="test the channel, or give it a budget of its own.")  # fmt: skip
        campaign = targets[0].campaigns[0]
    panel = seen.panel
    claims = panel.value if counted is Outcome.VALUE else panel.conversions
    spend, claimed = (np.nan_to_num(table[places]).sum(axis=0) for table in (panel.spend, claims))
    return Tested(channels[0], campaign, targets, spend, claimed, panel.first_day)


def foresee(house: House, outcomes: Outcomes, words: Mapping[str, Any], sure: tuple[float, float]) -> Foreseen:
    """Lay a test out as it is asked for, and say what it could find and cost.

    Args:
        house: The wired house; the store is read.
        outcomes: What was sold in all.
        words: name, scope, kind, outcome, first_day, seed, and those of the kind.
        sure: Coverage and power.

    Raises:
        BadInput: A word cannot be, or the past is too short; the mend is in the message.
    """
    today = house.today()
    first = words["first_day"] or today + timedelta(days=1)
    if first <= today:
        raise BadInput(f"its first day, {first}, is not after today, {today}", where=_WHERE, field="--first-day",
                       mend="choose a later day: what is registered must not have been seen.")  # fmt: skip
    what = tested(cycle.snapshot(house, today), words["scope"], words["outcome"])
    rng = np.random.default_rng(words["seed"])
    make = _switchback if words["kind"] == "switchback" else _holdout
    try:
        return make(house, outcomes.until(today), {**words, "first_day": first, "what": what, "sure": sure}, rng)
    except LiftTestError as error:
        raise _told(error) from None


def _switchback(house: House, past: Outcomes, words: dict[str, Any], rng: np.random.Generator) -> Foreseen:
    what: Tested = words["what"]
    for flight in house.goals.flights:
        if flight.scope.kind is not ScopeKind.ALL and any(map(flight.scope.covers, what.targets)):
            raise LiftTestError(
                f"flight {flight.name!r} says what these budgets spend, and would make up for the test. "
                "Mend: test by regions, or what no flight is about"
            )
    draft = Draft(words["pairs"], words["block_days"], words["burn_in"], *words["sure"])
    step = min(house.goals.largest_step, house.guards.largest_step_24h)
    lower, upper = lift.levels(step, words["way"])
    plan = Switchback(
        name=words["name"],
        channel=what.channel,
        campaign=what.campaign,
        bases=tuple(Base(str(target.key), target.budget.amount) for target in what.targets),
        first_day=words["first_day"],
        block_days=draft.block_days,
        burn_in=draft.burn_in,
        high=lift.draw_blocks(draft.pairs, rng),
        lower=lower,
        upper=upper,
        outcome=words["outcome"],
    )
    if not past.days:
        raise LiftTestError("no day before today is known. Mend: give outcomes of days before today")
    power = lift.design_switchback(past.total, int(past.weekday[0]), draft, rng)
    spend, claimed = (float(series[-RECENT_DAYS:].mean()) for series in (what.spend, what.claimed))
    shift = 0.5 * (lower + upper) - 1.0
    return Foreseen(
        plan,
        power,
        house.goals.currency,
        shift * spend * plan.days,
        shift * claimed * plan.days,
        (upper - lower) * claimed,
    )


def _holdout(house: House, past: Outcomes, words: dict[str, Any], rng: np.random.Generator) -> Foreseen:
    what: Tested = words["what"]
    design = lift.design_holdout(past, words["days"], words["share"], words["sure"], rng)
    plan = Holdout(
        name=words["name"],
        channel=what.channel,
        campaign=what.campaign,
        first_day=words["first_day"],
        last_day=words["first_day"] + timedelta(days=words["days"] - 1),
        test=design.test,
        control=design.control,
        change=words["change"],
        outcome=words["outcome"],
    )
    spend, claimed = (
        plan.change * design.share * float(series[-RECENT_DAYS:].mean()) for series in (what.spend, what.claimed)
    )
    return Foreseen(plan, design.power, house.goals.currency, spend * plan.days, claimed * plan.days, claimed, design)


def register(house: House, plan: LiftPlan, actor: str) -> LiftRecord:
    """Write a test down before its first day.

    Raises:
        StateConflict: An open test has its name, or is about the same spend.
    """
    now, digest = house.clock.now().astimezone(UTC), content_hash(plan)
    record = LiftRecord(
        lift_id=f"L-{house.today():%Y%m%d}-{digest[:6]}",
        plan=plan,
        plan_hash=digest,
        registered_at=now,
        registered_by=actor,
        code_version=house.code_version,
    )
    house.store.register_lift_test(record)
    return record


def find(house: House, word: str) -> LiftRecord:
    """Return a test by its id, its name or `latest`: of one name the open one, else the newest.

    Raises:
        BadInput: There is none.
    """
    every = house.store.lift_tests()
    named = [record for record in every if word in ("latest", record.lift_id, record.plan.name)]
    if not named:
        some = ", ".join(record.lift_id for record in every[:5])
        raise BadInput(f"there is no lift test {word!r}", where=_WHERE, field="TEST",
                       mend=f"write one of {some}." if every else "register one with `outlay lift start`.")  # fmt: skip
    return next((record for record in named if record.end is None), named[0])


def read(house: House, record: LiftRecord, outcomes: Outcomes, level: float, spend: float | None) -> LiftReading:
    """Read a test that is over off what was sold.

    Raises:
        BadInput: It is not over, it has ended, or days are missing.
    """
    plan = record.plan
    if record.end is not None:
        raise BadInput(f"{plan.name!r} ended on {record.end.day}", where=_WHERE, field="TEST",
                       mend="see what it said with `outlay lift status`.")  # fmt: skip
    today = house.today()
    if plan.last_day >= today:
        raise BadInput(f"{plan.name!r} runs until {plan.last_day}: its interval holds for one look, at its end",
                       where=_WHERE, field="TEST", mend="read it then, or `outlay lift stop` it.")  # fmt: skip
    scope = f"channel:{plan.channel}" if plan.campaign is None else f"campaign:{plan.campaign}"
    what = tested(cycle.snapshot(house, today), scope, plan.outcome)
    try:
        if isinstance(plan, Holdout):
            return lift.read_holdout(plan, outcomes, spend, what.rate(plan.first_day), level)
        spent, claimed = (what.on(outcomes, series) for series in (what.spend, what.claimed))
        return lift.read_switchback(plan, outcomes, spent, claimed, level)
    except LiftTestError as error:
        raise _told(error) from None


def end(house: House, record: LiftRecord, actor: str, reason: str, read: tuple[LiftReading, str] | None) -> LiftRecord:
    """Write its end down, with its reading and the digest of what was read; without, it is broken off.

    Raises:
        StateConflict: It has ended already.
    """
    reading, evidence = (None, "") if read is None else read
    closed = LiftEnd(record.lift_id, house.clock.now().astimezone(UTC), house.today(), actor, reason, reading, evidence)
    house.store.end_lift_test(closed)
    return find(house, record.lift_id)


def _told(error: LiftTestError) -> BadInput:
    message, _, mend = str(error).partition(" Mend: ")
    return BadInput(message.removesuffix("."), where=_WHERE, mend=f"{mend or 'correct the plan of the test'}.")
