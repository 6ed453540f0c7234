"""From an approval to live budgets: apply, read back, verify, roll back.

The order of every write: the store holds that it is about to be sent, then it is sent, then it is read back, then
the store holds what came of it. A crash between any two leaves what `approval.recover` can settle from the live
budget. Nothing here decides; it asks `optimizer.approval` what comes next and does that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np

from connectors.contract import BudgetChange, BudgetKey, BudgetTarget
from connectors.errors import AskMarketer, ConnectorError, Drifted, RetryLater, Stop
from connectors.money import Money
from optimizer import approval, goals, guardrails
from optimizer.agent.cycle import House, Refused, commit, live_budgets, snapshot
from optimizer.plan.recommendation import Intent, IntentState, Record, State, Transition

_PAUSE: Final = 5.0  # between looks at a write whose outcome is not known
_PATIENCE: Final = 40  # looks, or throttled attempts, before a person is asked
_LONGEST_PAUSE: Final = 60.0

Live = Mapping[BudgetKey, BudgetTarget]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a platform says of one write that was not made; `problem` is empty when it would go through."""

    key: BudgetKey
    base: Money
    target: Money
    problem: str


def apply(house: House, rec_id: str) -> Record:
    """Write what was approved; take up a revision where an earlier run was stopped; retry one that failed.

    Raises:
        Refused: It may not be written as things stand (not approved, expired, drifted, another is under way).
    """
    record = house.store.record(rec_id)
    live = live_budgets(house)
    if record.state is not State.APPLYING:
        record = commit(house, _ready(house, record, live))
    _write(house, record)
    concluded = approval.conclude(record, _intents(house, record), house.clock.now())
    return record if concluded is None else commit(house, concluded)


def rehearse(house: House, rec_id: str) -> tuple[Rehearsal, ...]:
    """Ask the platforms about each write of a revision without making any.

    Raises:
        Refused: It could not be begun as things stand.
    """
    record = house.store.record(rec_id)
    lines = approval.chosen(record)
    if record.state is State.APPROVED:
        outcome = _ready(house, record, live_budgets(house))
        if isinstance(outcome, approval.Refusal):
            raise Refused(outcome)
    changes = [BudgetChange("dry-run", line.key, line.current, line.proposed) for line in lines]
    return tuple(Rehearsal(c.key, c.expected, c.target, _objection(house, c)) for c in changes)


def verify(house: House, rec_id: str) -> Record:
    """Read every written budget back and compare.

    Raises:
        Refused: It is not applied.
    """
    record = house.store.record(rec_id)
    if record.state is not State.APPLIED:
        raise Refused(_not_applied(record))
    live, now = live_budgets(house), house.clock.now()
    for intent in _intents(house, record):
        if intent.state is IntentState.ACKNOWLEDGED:
            house.store.advance(intent, approval.verify(intent, _amount(live, intent.key), now))
    done = approval.verified(record, _intents(house, record), now)
    record = record if done is None else commit(house, done)
    _close_parent(house, record)
    return record


def rollback(house: House, rec_id: str, actor: str) -> Record:
    """Propose to restore exactly what stood before; it is approved and applied like any other.

    Raises:
        Refused: Nothing of it was written, or a budget is no longer what was written.
    """
    record = house.store.record(rec_id)
    outcome = approval.rollback(
        record,
        _intents(house, record),
        live_budgets(house),
        house.clock.now(),
        author=actor,
        valid_for=house.valid_for,
        code_version=house.code_version,
    )
    return commit(house, outcome)


def _ready(house: House, record: Record, live: Live) -> Transition | approval.Refusal:
    """The step that begins (or retries) the writes, unless the world or the limits are no longer what they were."""
    now, others = house.clock.now(), house.store.open_intents()
    if record.state is State.FAILED:
        outcome = approval.retry(record, _intents(house, record), live, now, open_intents=others)
    else:
        outcome = approval.begin(record, live, now, open_intents=others)
    return outcome if isinstance(outcome, approval.Refusal) else _outside(house, record, now) or outcome


def _outside(house: House, record: Record, now: datetime) -> approval.Refusal | None:
    """Check every line once more against limits, pins and steps as they stand at this moment.

    A rollback restores what stood before: ceilings and pins hold for it, steps and floors must not keep it back.
    """
    recommendation = record.recommendation
    seen = snapshot(house, recommendation.decision.as_of)
    if recommendation.parent_id is None:
        room = guardrails.room(seen, house.goals, house.guards, now)
    else:
        room = goals.wide_box(house.goals, seen.targets, seen.current, seen.today)
        room = replace(room, lower=np.where(room.lower == room.upper, room.lower, 0.0))
    index = {target.key: k for k, target in enumerate(seen.targets)}
    for line in approval.chosen(record):
        k, amount = index[line.key], line.proposed.micros / 1e6
        slack = seen.targets[k].budget.quantum_micros / 1e6
        if not room.lower[k] - slack <= amount <= room.upper[k] + slack:
            side = room.upper_because[k] if amount > room.upper[k] else room.lower_because[k]
            why = "; ".join(because.words for because in side)
            message = f"{line.name} may not be set to {line.proposed} any more: {why}."
            return approval.Refusal(approval.Code.NOT_WRITABLE, message, "Make a new plan.")
    return None


def _write(house: House, record: Record) -> None:
    """Send one write after the other until none is left that can be sent."""
    live, waits = live_budgets(house), 0
    while waits < _PATIENCE:
        intents = _settled(house, record, live)
        match approval.sendable(record, intents, live, house.clock.now()):
            case None:
                return
            case approval.Blocked(left, refusal):
                for intent in left:
                    house.store.advance(intent, approval.cancel(intent, refusal.message, house.clock.now()))
                return
            case approval.Waiting():
                pause = _PAUSE
            case intent:
                pause = _send(house, intent, live)
        waits = waits + 1 if pause else 0
        house.clock.sleep(pause)
        live = live_budgets(house)


def _settled(house: House, record: Record, live: Live) -> tuple[Intent, ...]:
    """The intents, after those whose outcome is not known have been settled from the live budgets."""
    for intent in _intents(house, record):
        if intent.state is IntentState.SENDING:
            after = approval.recover(intent, _amount(live, intent.key), house.clock.now())
            if after != intent:
                house.store.advance(intent, after)
    return _intents(house, record)


def _send(house: House, planned: Intent, live: Live) -> float:
    """Make one write; return how many seconds to wait before the next."""
    intent = approval.sending(planned, _amount(live, planned.key), house.clock.now())
    house.store.advance(planned, intent)
    if intent.state is not IntentState.SENDING:
        return 0.0
    change = BudgetChange(intent.idempotency_key, intent.key, intent.base, intent.target)
    try:
        receipt = house.connectors[intent.key.connector].set_budget(change)
    except ConnectorError as error:
        after, pause = _failure(intent, error, house.clock.now())
    else:
        read_back = _amount(live_budgets(house), intent.key)
        after, pause = approval.acknowledged(intent, receipt, read_back, house.clock.now()), 0.0
    house.store.advance(intent, after)
    return pause


def _failure(intent: Intent, error: ConnectorError, now: datetime) -> tuple[Intent, float]:
    """What an error of one of the four families means for the intent, and how long to wait."""
    match error:
        case RetryLater(retry_after_seconds=seconds):
            return approval.postponed(intent, f"to be sent again: {error}", now), min(seconds or _PAUSE, _LONGEST_PAUSE)
        case Drifted(live_micros=micros):
            return approval.drifted(intent, Money(micros, intent.base.currency), now), 0.0
        case AskMarketer() | Stop():
            return approval.refused(intent, str(error), now), 0.0
        case _:  # OutcomeUnknown, and whatever a connector of somebody else may invent: nothing is assumed
            return approval.unknown(intent, f"outcome not known: {error}", now), _PAUSE


def _objection(house: House, change: BudgetChange) -> str:
    try:
        house.connectors[change.key.connector].check_budget(change)
    except ConnectorError as error:
        return str(error)
    return ""


def _not_applied(record: Record) -> approval.Refusal:
    return approval.Refusal(
        approval.Code.WRONG_STATE,
        f"{record.recommendation.rec_id} is {record.state.value}; only what was applied can be read back.",
        "Apply it first." if record.state is State.APPROVED else "Look at its history with `outlay show --history`.",
    )


def _close_parent(house: House, child: Record) -> None:
    parent_id = child.recommendation.parent_id
    if parent_id is None or child.state is not State.VERIFIED:
        return
    parent = house.store.record(parent_id)
    step = approval.rolled_back(parent, _intents(house, parent), child, house.clock.now())
    if step is not None:
        house.store.commit((step,))


def _intents(house: House, record: Record) -> tuple[Intent, ...]:
    return house.store.intents(record.recommendation.rec_id, record.recommendation.revision)


def _amount(live: Live, key: BudgetKey) -> Money | None:
    return live[key].amount if key in live else None
