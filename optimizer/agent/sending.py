"""One write, from planned to what came of it: judged, made ready, called once, read back, told in the history.

Only the process that leads writes; it proves so, and that the kill switch is off, in the step that makes ready to
send and once more right before the call.

The order of every write: a platform that can judge it without making it does, then the store holds that it is about
to be sent, then it is sent, then it is read back, then the store holds what came of it. A crash between any two leaves
what `approval.recover` can settle from what is live.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connectors.changes import Change, reported
from connectors.contract import (
    AdKey,
    AdState,
    BudgetChange,
    BudgetKey,
    BudgetTarget,
    EntityStatus,
    Receipt,
    StatusChange,
    StatusReceipt,
)
from connectors.errors import AskMarketer, ConnectorError, Drifted, RetryLater, StatusDrifted, Stop
from connectors.money import Money
from optimizer import approval
from optimizer.agent.cycle import House, live_ads, live_budgets, patiently
from optimizer.agent.secrecy import discreetly
from optimizer.agent.watching import acknowledged, left_unread
from optimizer.plan.recommendation import AdLine, Line, LineKey
from optimizer.plan.record import AdIntent, BudgetIntent, Intent, IntentState, Record
from optimizer.plan.running import NO_ADS
from optimizer.plan.snapshot import Snapshot
from optimizer.ports import Braked

PAUSE: Final = 5.0  # seconds between looks at a write whose outcome is not known
_LONGEST_PAUSE: Final = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Live:
    """What stands on the platforms, read now: all budgets, and all ads where the plan switches any."""

    budgets: Mapping[BudgetKey, BudgetTarget]
    ads: Mapping[AdKey, AdState]
    unread: frozenset[tuple[str, str]] = frozenset()
    """Connector and id of accounts of which nothing was taken in: their budgets are as they were read before."""

    def of(self, key: LineKey) -> Money | EntityStatus | None:
        """A budget's amount or an ad's status; None where it is gone."""
        return approval.standing(key, self.budgets, self.ads)

    def tells(self, key: LineKey) -> bool:
        """Whether it says anything of what became of a write."""
        return (key.connector, key.account_id) not in self.unread


def look(house: House, record: Record) -> Live:
    """Read what stands on the platforms now, and which accounts were not read."""
    ads = live_ads(house) if record.recommendation.decision.ads else NO_ADS
    budgets, now = live_budgets(house), house.clock.now()
    unread = {(name, account) for name in house.connectors for account in left_unread(house.store, name, now)}
    return Live(budgets, ads, frozenset(unread))


def send(house: House, record: Record, planned: Intent, live: Live, seen: Snapshot) -> float:
    """Make one write; return how many seconds to wait before the next.

    Raises:
        Fenced: Another process leads; the write stays as being sent, for that one to settle.
        Braked: The kill switch was thrown meanwhile; the write is planned again.
    """
    changed = touched(house, record, planned, live)
    intent = approval.sending(planned, live.of(planned.key), house.clock.now(), touched=changed)
    advance(house, planned, named(house, record, intent))
    if intent.state is not IntentState.SENDING:
        return 0.0
    _confirm(house, intent)
    try:
        receipt = discreetly(lambda: _call(house, record, intent, live, seen))
    except ConnectorError as error:
        after, pause = _failure(intent, error, house.clock.now())
    else:
        read_back = look(house, record).of(intent.key)
        acknowledged(house.store, house.guards, intent.key.connector, receipt.acknowledged_at, house.clock.now())
        after, pause = approval.acknowledged(intent, receipt, read_back, house.clock.now()), 0.0
    advance(house, intent, named(house, record, after))
    return pause


def judged(house: House, record: Record, intent: Intent, asked: set[str]) -> bool:
    """Have a platform that can judge a write before its first call; one that it does not take ends here, unsent.

    Args:
        house: The wired house.
        record: The revision.
        intent: Planned.
        asked: The keys of writes that were judged in this run; this one is added.

    Returns:
        Whether the platform was asked just now.

    Raises:
        ConnectorError: There is no judgement; nothing was sent, so that it is asked for again like any reading.
    """
    judges = house.connectors[intent.key.connector].capabilities.validates
    if intent.attempts or intent.idempotency_key in asked or not judges:
        return False
    asked.add(intent.idempotency_key)
    try:
        patiently(house, lambda: _check(house, intent))
    except (AskMarketer, Stop) as error:
        after, _ = _failure(intent, error, house.clock.now())
        advance(house, intent, named(house, record, after))
    return True


def touched(house: House, record: Record, intent: Intent, live: Live) -> bool:
    """Whether what stands at the base was changed since the plan: by its etag, or by the history of changes.

    A call of ours may have taken effect and been undone; the amounts alone then look as if it had never been made.

    Raises:
        ConnectorError: A history that there is cannot be read; nothing is sent again on a guess.
    """
    if approval.touched(record, intent, live.ads):
        return True
    if not intent.attempts or live.of(intent.key) != intent.base:
        return False
    return approval.landed(intent, _history(house, record, intent.key), record.recommendation.created_at)


def _history(house: House, record: Record, key: LineKey) -> tuple[Change, ...]:
    """What a platform tells of its changes since the plan was made, with a day to spare for rough times of day."""
    since = record.recommendation.created_at - timedelta(days=1)
    return patiently(house, lambda: tuple(reported(house.connectors[key.connector], since)))


def told_of(house: House, record: Record, keys: Iterable[LineKey]) -> tuple[Change, ...]:
    """The same to name who changed these; nobody is named where it cannot be read."""
    found: list[Change] = []
    for key in {key.connector: key for key in keys}.values():
        with suppress(ConnectorError):
            found += _history(house, record, key)
    return tuple(found)


def named(house: House, record: Record, intent: Intent) -> Intent:
    """A write as it stands; where it ended as drift, with who changed its budget or ad."""
    if intent.state is not IntentState.DRIFT:
        return intent
    return approval.named(intent, told_of(house, record, [intent.key]))


def _confirm(house: House, intent: Intent) -> None:
    """The last look before the wire: a process that stood still since its last commit must not call late."""
    try:
        house.tenure.confirm()
    except Braked as braked:
        advance(house, intent, approval.postponed(intent, str(braked), house.clock.now()))
        raise


def _call(house: House, record: Record, intent: Intent, live: Live, seen: Snapshot) -> Receipt | StatusReceipt:
    """Set what an intent says, once, unless the written limits forbid it whatever was judged before.

    Raises:
        ConnectorError: Of one of the four families.
    """
    why = approval.barred(record, intent, live.budgets, seen, house.goals, house.clock.now())
    if why is not None:
        raise Stop(f"{intent.key} is not set to {intent.target}, though it was let through until here: {why}")
    connector = house.connectors[intent.key.connector]
    match intent:
        case BudgetIntent():
            return connector.set_budget(BudgetChange(intent.idempotency_key, intent.key, intent.base, intent.target))
        case AdIntent():
            return connector.set_status(StatusChange(intent.idempotency_key, intent.key, intent.base, intent.target))


def _check(house: House, intent: Intent) -> None:
    """Ask whether what an intent says would be set; set nothing.

    Raises:
        ConnectorError: Of one of the four families.
    """
    connector = house.connectors[intent.key.connector]
    match intent:
        case BudgetIntent():
            connector.check_budget(BudgetChange(intent.idempotency_key, intent.key, intent.base, intent.target))
        case AdIntent():
            connector.check_status(StatusChange(intent.idempotency_key, intent.key, intent.base, intent.target))


def _failure(intent: Intent, error: ConnectorError, now: datetime) -> tuple[Intent, float]:
    """What an error of one of the four families means for the intent, and how long to wait."""
    match error:
        case RetryLater(retry_after_seconds=seconds):
            return approval.postponed(intent, f"to be sent again: {error}", now), min(seconds or PAUSE, _LONGEST_PAUSE)
        case Drifted(live_micros=micros) if isinstance(intent, BudgetIntent):
            return approval.drifted(intent, Money(micros, intent.base.currency), now), 0.0
        case StatusDrifted(live=status):
            return approval.drifted(intent, EntityStatus(status), now), 0.0
        case AskMarketer() | Stop():
            return approval.refused(intent, str(error), now), 0.0
        case _:  # OutcomeUnknown, and whatever a connector of somebody else may invent: nothing is assumed
            return approval.unknown(intent, f"outcome not known: {error}", now), PAUSE


def objection(house: House, line: Line | AdLine) -> str:
    """What a platform has against a line, asked without writing; nothing where it would take it."""
    connector = house.connectors[line.key.connector]
    try:
        match line:
            case Line():
                planned = BudgetChange("dry-run", line.key, line.current, line.proposed)
                discreetly(lambda: connector.check_budget(planned))
            case AdLine():
                switched = StatusChange("dry-run", line.key, line.current, line.proposed)
                discreetly(lambda: connector.check_status(switched))
    except ConnectorError as error:
        return str(error)
    return ""


def advance(house: House, before: Intent, after: Intent) -> None:
    """Store a step of a write, and tell it in the history."""
    house.store.advance(before, after, approval.told(before, after, house.clock.now()), house.tenure.epoch)
