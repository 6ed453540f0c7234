"""Whether what was approved may still be written: limits, pins and steps as they stand at the moment of writing.

Lines are judged against the budgets that they were approved from, not against those that are live midway: what the
plan itself has done so far does not count as a change, and what somebody else has changed comes out as drift.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from connectors.contract import BudgetKey, BudgetTarget, zone
from connectors.money import Money
from optimizer import goals, guardrails
from optimizer.approval import envelopes
from optimizer.approval.envelopes import Bounds, Levels
from optimizer.approval.intents import latest
from optimizer.approval.refusal import Code, Refusal
from optimizer.goals import Box, Goals, GoalsError
from optimizer.guardrails import Guardrails
from optimizer.plan import under_test
from optimizer.plan.recommendation import Envelope
from optimizer.plan.record import BudgetIntent, Intent, IntentState, Record
from optimizer.plan.snapshot import FloatArray, Snapshot

_AGAIN: Final = "Make a new plan."
_NOT_DONE: Final = frozenset({IntentState.DRIFT, IntentState.REFUSED, IntentState.CANCELLED})


def recheck(
    record: Record,
    intents: Iterable[Intent],
    live: Mapping[BudgetKey, BudgetTarget],
    seen: Snapshot,
    wanted: Goals,
    guards: Guardrails,
    now: datetime,
) -> tuple[Bounds, ...] | Refusal:
    """Judge the planned writes of budgets of a revision by the limits of this moment; `forbidden` judges those of ads.

    A rollback restores what stood before: ceilings and pins hold for it, steps and floors must not keep it back.

    Args:
        record: The revision.
        intents: All of its intents; those that are planned are judged.
        live: All budgets of the portfolio, read now.
        seen: Who draws on which budget, under which channel and tags, and our own moves; its history is not read.
        wanted: The goals as they are now.
        guards: The guardrails as they are now.
        now: Aware UTC.

    Returns:
        The limits on sums as they are now, for `sendable`; or why the planned writes must not be made.
    """
    current = tuple(intent for intent in latest(intents).values() if isinstance(intent, BudgetIntent))
    ahead = [intent for intent in current if intent.state is IntentState.PLANNED]
    start = _start(seen, live, current)
    changed = _changed_flights(record, wanted, start)
    if changed is not None:
        return changed
    decision = record.recommendation.decision
    wanted = goals.of_day(wanted, decision.flights, replace(start, today=decision.as_of))
    known = _levels(start)
    end = known | {i.key: i.target.micros for i in current if i.state is not IntentState.DRIFT}
    gone = sorted(intent.key for intent in ahead if intent.key not in known)
    if gone:
        return Refusal(Code.NOT_WRITABLE, f"{gone[0]} is not among the budgets that are planned any more.", _AGAIN)
    try:
        room = _room(record, start, end, wanted, guards, now)
    except GoalsError as error:
        message, _, mend = str(error).partition(" Mend: ")
        return Refusal(Code.UNREADABLE, message, f"{mend or 'correct the limits'}.")
    sums = _sums(record, current, start, end, wanted)
    limits = envelopes.effective(sums, _levels(start), wanted.currency)
    late = None if record.recommendation.parent_id else _too_soon(record, current, seen, guards, now)
    return late or _outside(ahead, start, room) or _broken(limits, _levels(start), end) or limits


def _changed_flights(record: Record, wanted: Goals, start: Snapshot) -> Refusal | None:
    """Whether the amounts of the day rest on flights that are not those of now; a rollback restores what stood."""
    decision = record.recommendation.decision
    if record.recommendation.parent_id is not None:
        return None
    now = {
        (flight.name, str(flight.scope), flight.amount, span)
        for flight in wanted.flights
        if (span := flight.span(decision.as_of)) is not None and goals.indices(flight.scope, start.targets)
    }
    then = {(day.name, day.scope, day.amount, (day.first_day, day.last_day)) for day in decision.flights}
    if then == now:
        return None
    words = "The flights of config.toml were changed since: what the plan gives the day rests on others."
    return Refusal(Code.NOT_WRITABLE, words, _AGAIN)


def _too_soon(
    record: Record, current: Iterable[BudgetIntent], seen: Snapshot, guards: Guardrails, now: datetime
) -> Refusal | None:
    """Whether a budget was changed by us since the plan was made, or too many were; what a person fixed stands."""
    fixed = {key for key, _ in record.recommendation.fixed}
    own = [intent for intent in current if intent.key not in fixed and intent.state not in _NOT_DONE]
    cooling = guardrails.cooling(seen, guards, now)
    for intent in own:
        if intent.state is IntentState.PLANNED and intent.key in cooling:
            return Refusal(Code.NOT_WRITABLE, f"{intent.key} was {cooling[intent.key]}.", _AGAIN)
    day = {move.key for move in seen.moves if move.at > now - timedelta(hours=24)} | {intent.key for intent in own}
    for name, most, count in (
        ("max_changes", guards.max_changes, len(own)),
        ("max_changes_24h", guards.max_changes_24h, len(day)),
    ):
        if most and count > most:
            words = f"{count} budgets would have been changed, and {name} of [guardrails] allows {most}."
            return Refusal(Code.NOT_WRITABLE, words, f"Approve fewer lines of a new plan, or raise {name}.")
    return None


def _start(seen: Snapshot, live: Mapping[BudgetKey, BudgetTarget], current: Iterable[BudgetIntent]) -> Snapshot:
    """The daily budgets as live, but those of the revision's own lines as they were approved."""
    ours = {intent.key: intent.base for intent in current if intent.state is not IntentState.DRIFT}
    budgets = [live.get(target.key, target.budget) for target in seen.targets]
    targets = tuple(
        replace(target, budget=replace(budget, amount=ours.get(target.key, budget.amount)))
        for target, budget in zip(seen.targets, budgets, strict=True)
    )
    return guardrails.daily(replace(seen, targets=targets))[0]


def _levels(seen: Snapshot) -> dict[BudgetKey, int]:
    return {target.key: target.budget.amount.micros for target in seen.targets}


def _room(record: Record, start: Snapshot, end: Levels, wanted: Goals, guards: Guardrails, now: datetime) -> Box:
    """The room of each budget; a pin that holds today holds, whichever day was planned.

    Raises:
        GoalsError: The limits of a budget contradict one another.
    """
    decision = record.recommendation.decision
    day = min(decision.as_of, now.astimezone(zone(decision.time_zone)).date())
    if record.recommendation.parent_id is None:
        return guardrails.room(replace(start, today=day), wanted, guards, now)
    own = goals.wide_box(wanted, start.targets, start.current, day)
    restored: FloatArray = np.array([end[target.key] for target in start.targets], dtype=np.float64) / 1e6
    upper = goals.wide_box(wanted, start.targets, np.maximum(start.current, restored), day)
    pinned = np.array([any(why.code == "pin" for why in side) for side in own.upper_because], dtype=np.bool_)
    return Box(
        np.where(pinned, own.lower, 0.0),
        np.where(pinned, own.upper, upper.upper),
        own.lower_because,
        tuple(a if pin else b for a, b, pin in zip(own.upper_because, upper.upper_because, pinned, strict=True)),
    )


def _sums(
    record: Record, current: Iterable[BudgetIntent], start: Snapshot, end: Levels, wanted: Goals
) -> tuple[Envelope, ...]:
    """The sums to keep; where no total is set, it is what the budgets summed to, or what a rollback restores."""
    members = {target.key for target in start.targets}
    restores = record.recommendation.parent_id is not None
    approved = _levels(start) | {intent.key: intent.base.micros for intent in current if intent.key in members}
    present = sum(approved.values())
    asked = max(present, sum(end[key] for key in members)) if restores else present
    # A lift test may take back what it gave up, though no total is set: it is not more than before the test.
    tested = under_test.ceiling(start, None).micros
    found = goals.envelopes(wanted, start.targets, wanted.total or Money(max(asked, tested), wanted.currency))
    return tuple(replace(envelope, floor=None) for envelope in found) if restores else found


def _outside(ahead: Sequence[BudgetIntent], start: Snapshot, room: Box) -> Refusal | None:
    place = {target.key: k for k, target in enumerate(start.targets)}
    for intent in ahead:
        k = place[intent.key]
        budget = start.targets[k].budget
        if goals.takes(room, k, start.targets[k], intent.target):
            continue
        above = intent.target.micros / 1e6 > room.upper[k]
        why = "; ".join(because.words for because in (room.upper_because if above else room.lower_because)[k])
        return Refusal(Code.NOT_WRITABLE, f"{budget.name} may not be set to {intent.target} any more: {why}.", _AGAIN)
    return None


def _broken(limits: Sequence[Bounds], start: Levels, end: Levels) -> Refusal | None:
    found = envelopes.breaches(limits, start, end)
    if not found:
        return None
    return Refusal(Code.ENVELOPE, f"With the limits as they are now: {'; '.join(found)}.", _AGAIN)
