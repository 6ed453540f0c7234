"""From an approval to live budgets and ads: begin, choose the next write, conclude, verify, retry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from connectors.changes import Change
from connectors.contract import AdKey, AdState, BudgetKey, BudgetKind, BudgetTarget, zone
from connectors.money import Money
from optimizer.approval import envelopes, switching
from optimizer.approval.hands import NO_CHANGES
from optimizer.approval.intents import DONE, OPEN, UNRESOLVED, latest, most, planned
from optimizer.approval.proposals import ad_lines, budget_lines, chosen, drifts, lapsed, listed, outdate, tally
from optimizer.approval.refusal import Code, Refusal
from optimizer.approval.table import PROGRAM, Action, take, title, unready
from optimizer.approval.verdicts import unsound
from optimizer.plan.recommendation import AdLine, Decision, Line, LineKey
from optimizer.plan.record import AdIntent, BudgetIntent, Intent, IntentState, Record, State, Transition
from optimizer.plan.running import NO_ADS, crews

Live = Mapping[BudgetKey, BudgetTarget]
Ads = Mapping[AdKey, AdState]

_LATER: Final = "Retry later, or plan anew."


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing can be sent before the outcome of these writes is known (`recover` settles them)."""

    intents: tuple[Intent, ...]


@dataclass(frozen=True, slots=True)
class Blocked:
    """What is still planned may not be sent: a ceiling would be passed, a budget left without ads, or time has passed.

    Attributes:
        intents: What is to be cancelled.
        refusal: Why.
    """

    intents: tuple[Intent, ...]
    refusal: Refusal


def begin(
    record: Record,
    live: Live,
    now: datetime,
    *,
    open_intents: Iterable[Intent],
    ads: Ads = NO_ADS,
    changes: Sequence[Change] = NO_CHANGES,
) -> Transition | Refusal:
    """Plan the writes of an approval, if the world is still as it was approved.

    Args:
        record: An approved revision.
        live: All budgets of the portfolio, read now.
        now: Aware UTC.
        open_intents: Every planned or sending intent of any recommendation. Two plans under way at once could keep
            each its envelopes and together break them, so that only one may be.
        ads: All ads of the portfolio, read now; those that the plan switches must be among them.
        changes: What the platforms tell of who changed what since the plan was made, oldest first.

    Returns:
        The step with its intents, in the order of writing; or a refusal, whose `step` closes the approval if it has
        expired or a budget or ad has drifted.
    """
    if (refusal := _unfounded(record, Action.BEGUN, now)) is not None:
        return refusal
    lines = chosen(record)
    return _start(record, Action.BEGUN, lines, (), live, now, open_intents, ads, changes)


def retry(
    record: Record,
    intents: Sequence[Intent],
    live: Live,
    now: datetime,
    *,
    open_intents: Iterable[Intent],
    ads: Ads = NO_ADS,
    changes: Sequence[Change] = NO_CHANGES,
) -> Transition | Refusal:
    """Plan anew the writes of a failed revision that were refused or cancelled; what drifted is left alone.

    Each gets a new intent with a key of its own; the old ones stay as history. The approval must still be valid.

    Args:
        record: A failed revision.
        intents: All of its intents.
        live: All budgets of the portfolio, read now.
        now: Aware UTC.
        open_intents: Every planned or sending intent of any recommendation.
        ads: All ads of the portfolio, read now.
        changes: As in `begin`.
    """
    if (refusal := _unfounded(record, Action.RETRIED, now)) is not None:
        return refusal
    unresolved = {key for key, intent in _of(record, intents).items() if intent.state in UNRESOLVED}
    lines = tuple(line for line in chosen(record) if line.key in unresolved)
    if not lines:
        return Refusal(
            Code.NOTHING_TO_DO,
            f"{title(record)} has no write that was refused or cancelled.",
            "Make a new plan, or roll it back.",
        )
    return _start(record, Action.RETRIED, lines, tuple(intents), live, now, open_intents, ads, changes)


def sendable(
    record: Record,
    intents: Iterable[Intent],
    live: Live,
    now: datetime,
    *,
    limits: Sequence[envelopes.Bounds] = (),
    ads: Ads = NO_ADS,
    keep: int = 1,
) -> Intent | Waiting | Blocked | None:
    """Choose the next write, so that no ceiling is passed at any instant whatever becomes of the open ones.

    Each budget counts at the most that it may come to stand at (`intents.most`). A cut can always be sent; a raise
    only where every envelope that holds it keeps its ceiling. A resume can always be sent; a pause only where enough
    ads of its budget run for sure (`switching.darkens`). Nothing is sent on an approval whose time has passed.

    Args:
        record: The revision that is being applied.
        intents: All of its intents.
        live: All budgets of the portfolio, read now.
        now: Aware UTC.
        limits: Limits on sums as they stand now (`recheck`), besides those that the plan was made with.
        ads: All ads of the portfolio, read now.
        keep: How many ads of a budget must go on running as the settings stand now; a rollback restores what ran.

    Returns:
        The intent to send; what to wait for; what to cancel; or None when nothing is left to send.

    Raises:
        ValueError: The record is not being applied, or the intents are not those of its approved lines.
    """
    if record.state is not State.APPLYING:
        raise ValueError(f"{title(record)} is {record.state.value}: nothing of it may be sent")
    current = _of(record, intents)
    ahead = tuple(intent for intent in current.values() if intent.state is IntentState.PLANNED)
    if ahead and (late := lapsed(record, now)) is not None:
        return Blocked(ahead, late)
    both = (*envelopes.bounds(record.recommendation.decision), *limits)
    lines = {line.key: line for line in ad_lines(chosen(record))}
    crew = crews(live.values(), ads.values()) if any(isinstance(intent, AdIntent) for intent in ahead) else {}
    floor = keep if record.recommendation.parent_id is None else 1
    obstacles: list[Refusal] = []
    for intent in ahead:
        if isinstance(intent, AdIntent):
            line = lines[intent.key]
            found = _darkens(intent, line, current, crew.get(line.target, ()), floor)
        else:
            found = _overrun(intent, current, both, live)
        if found is None:
            return intent
        obstacles.append(found)
    if under_way := tuple(intent for intent in current.values() if intent.state is IntentState.SENDING):
        return Waiting(under_way)
    if not ahead:
        return None
    return Blocked(ahead, obstacles[0])


def conclude(record: Record, intents: Iterable[Intent], now: datetime) -> Transition | None:
    """End the applying once no write is open: applied if all are acknowledged, else failed; None before.

    Raises:
        ValueError: The record is not being applied, or the intents are not those of its approved lines.
    """
    current = _of(record, intents)
    states = {intent.state for intent in current.values()}
    if states & OPEN:
        return None
    if states <= DONE:
        return take(record, Action.APPLIED, at=now, actor=PROGRAM, detail=f"{_told(current)} were set")
    return _failed(record, current, now)


def verified(record: Record, intents: Iterable[Intent], now: datetime) -> Transition | None:
    """Close an applied revision once every line was read back; failed if one has drifted, None before.

    Raises:
        ValueError: The record is not applied, or the intents are not those of its approved lines.
    """
    current = _of(record, intents)
    states = {intent.state for intent in current.values()}
    if IntentState.DRIFT in states:
        return _failed(record, current, now)
    if states != {IntentState.VERIFIED}:
        return None
    return take(record, Action.VERIFIED, at=now, actor=PROGRAM, detail=f"{_told(current)} read back as written")


def _start(
    record: Record,
    action: Action,
    lines: tuple[Line | AdLine, ...],
    earlier: tuple[Intent, ...],
    live: Live,
    now: datetime,
    open_intents: Iterable[Intent],
    ads: Ads,
    changes: Sequence[Change],
) -> Transition | Refusal:
    budgets, switched = budget_lines(lines), ad_lines(lines)
    refusal = (
        _drift(record, lines, live, ads, now, changes)
        or _busy(open_intents)
        or _unwritable(budgets, live)
        or _infeasible(record, budgets, live)
        or switching.darkened(switched, live, ads)
    )
    if refusal is not None:
        return refusal
    limits = envelopes.bounds(record.recommendation.decision)
    first = envelopes.in_order(budgets, limits, _levels(live))
    ordered: tuple[Line | AdLine, ...] = (*first, *switching.in_order(switched))
    intents = tuple(
        planned(
            record.recommendation,
            line,
            order=len(earlier) + place,
            now=now,
            earlier=tuple(intent for intent in earlier if intent.key == line.key),
        )
        for place, line in enumerate(ordered)
    )
    detail = "; ".join(f"{line.name}: {line.current} -> {line.proposed}" for line in ordered)
    return take(record, action, at=now, actor=PROGRAM, detail=detail, intents=intents)


def _failed(record: Record, current: Mapping[LineKey, Intent], now: datetime) -> Transition:
    ended = [intent for intent in current.values() if intent.state not in DONE]
    detail = "; ".join(f"{intent.key}: {intent.state.value}, {intent.note}" for intent in ended)
    return take(record, Action.FAILED, at=now, actor=PROGRAM, detail=detail)


def _unfounded(record: Record, action: Action, now: datetime) -> Refusal | None:
    return (
        unready(record, action)
        or _unapproved(record)
        or lapsed(record, now)
        or unsound(record)
        or _early(record.recommendation.decision, now)
    )


def _early(decision: Decision, now: datetime) -> Refusal | None:
    today = now.astimezone(zone(decision.time_zone)).date()
    if decision.as_of <= today:
        return None
    return Refusal(
        Code.TOO_EARLY,
        f"The plan is for {decision.as_of}; in {decision.time_zone} it is {today}.",
        f"Begin it on that day, or make a plan for {today}.",
    )


def _unapproved(record: Record) -> Refusal | None:
    if record.approved_by and record.approvals and record.approved_lines:
        return None
    return Refusal(Code.UNREADABLE, f"{title(record)} names no approval.", "Approve it anew, in a new plan.")


def _drift(
    record: Record,
    lines: Sequence[Line | AdLine],
    live: Live,
    ads: Ads,
    now: datetime,
    changes: Sequence[Change],
) -> Refusal | None:
    found = drifts(lines, live, ads, changes)
    if not found:
        return None
    what = "ads" if all(isinstance(drift.key, AdKey) for drift in found) else "budgets"
    return Refusal(
        Code.DRIFT,
        f"Somebody changed {what} since {title(record)} was made: {listed(found)}.",
        f"Make a new plan from the {what} as they are now.",
        drifts=found,
        step=outdate(record, live, now, ads=ads, changes=changes),
    )


def _busy(open_intents: Iterable[Intent]) -> Refusal | None:
    first = next((intent for intent in open_intents if intent.state in OPEN), None)
    if first is None:
        return None
    return Refusal(
        Code.BUSY,
        f"{first.rec_id} is being written: {first.key} is {first.state.value}.",
        "Let it end first; `outlay apply` takes it up where it stopped.",
    )


def _unwritable(lines: Sequence[Line], live: Live) -> Refusal | None:
    for line in lines:
        if (why := _unfit(live[line.key], line.proposed)) is not None:
            return Refusal(
                Code.NOT_WRITABLE, f"{line.name} cannot be set to {line.proposed}: {why}.", "Make a new plan."
            )
    return None


def _unfit(target: BudgetTarget, proposed: Money) -> str | None:
    if target.shared:
        return "others draw on this budget too"
    if target.kind is not BudgetKind.DAILY:
        return "it is not a daily budget"
    if proposed.micros < 0 or (target.minimum is not None and proposed < target.minimum):
        return f"the least that it may be is {target.minimum or 0}"
    if proposed.micros % target.quantum_micros:
        return f"the platform takes multiples of {Money(target.quantum_micros, proposed.currency)}"
    return None


def _infeasible(record: Record, lines: Sequence[Line], live: Live) -> Refusal | None:
    decision = record.recommendation.decision
    limits = envelopes.bounds(decision)
    if missing := sorted({key for limit in limits for key in limit.keys} - set(live)):
        return Refusal(
            Code.UNREADABLE,
            f"{missing[0]} counts towards a limit, but its live budget cannot be read.",
            "Mend the connector, or make a new plan.",
        )
    start = _levels(live)
    found = envelopes.breaches(limits, start, start | {line.key: line.proposed.micros for line in lines})
    if not found:
        return None
    return Refusal(Code.ENVELOPE, f"With the budgets as they are now: {'; '.join(found)}.", "Make a new plan.")


def _levels(live: Live) -> dict[BudgetKey, int]:
    return {key: target.amount.micros for key, target in live.items()}


def _darkens(
    intent: AdIntent, line: AdLine, current: Mapping[LineKey, Intent], crew: Sequence[AdState], keep: int
) -> Refusal | None:
    found = switching.darkens(intent, line, current, crew, keep)
    return None if found is None else Refusal(Code.LAST_AD, f"No further pause fits: {found}.", _LATER)


def _overrun(
    intent: BudgetIntent, current: Mapping[LineKey, Intent], limits: Sequence[envelopes.Bounds], live: Live
) -> Refusal | None:
    if intent.target < intent.base:
        return None
    for limit in limits:
        if intent.key not in limit.keys:
            continue
        if missing := sorted(limit.keys - set(live)):
            return _no_room(f"{missing[0]} counts towards {limit.name}, but cannot be read")
        total = sum(_most(key, current, live) for key in limit.keys - {intent.key})
        if found := limit.over(total + max(intent.target.micros, _most(intent.key, current, live))):
            return _no_room(found)
    return None


def _no_room(why: str) -> Refusal:
    return Refusal(Code.ENVELOPE, f"No further raise fits: {why}.", _LATER)


def _most(key: BudgetKey, current: Mapping[LineKey, Intent], live: Live) -> int:
    amount, intent = live[key].amount, current.get(key)
    return most(intent, amount) if isinstance(intent, BudgetIntent) else amount.micros


def _told(current: Mapping[LineKey, Intent]) -> str:
    ads = sum(isinstance(intent, AdIntent) for intent in current.values())
    return tally(len(current) - ads, ads)


def _of(record: Record, intents: Iterable[Intent]) -> dict[LineKey, Intent]:
    current = latest(intents)
    approved = {(line.key, line.current, line.proposed) for line in chosen(record)}
    if {(intent.key, intent.base, intent.target) for intent in current.values()} != approved:
        raise ValueError(f"the intents given are not those of the approved lines of {title(record)}")
    return current
