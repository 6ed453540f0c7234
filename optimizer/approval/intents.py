"""The machine of one write: planned -> sending -> acknowledged -> verified, or drift, refused, cancelled.

The promise is an effect that happens at most once, not a call that does: `sending` is committed before the call,
the set is absolute, and after a lost answer what is live is read before anything else is sent. A caller that
commits each step with `Store.advance` may be killed between any two of them.

Budgets and ads walk the same states; what is compared is an amount or a status.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from connectors.contract import AdKey, EntityStatus, Receipt, StatusReceipt
from connectors.money import Money
from optimizer.approval.table import PROGRAM
from optimizer.plan.recommendation import AdLine, Line, LineKey, Recommendation
from optimizer.plan.record import AdIntent, BudgetIntent, Event, Intent, IntentState

Standing = Money | EntityStatus | None
"""What is live: a budget's amount, an ad's status, or None where the budget or ad is gone."""

OPEN: Final = frozenset({IntentState.PLANNED, IntentState.SENDING})
DONE: Final = frozenset({IntentState.ACKNOWLEDGED, IntentState.VERIFIED})
UNRESOLVED: Final = frozenset({IntentState.REFUSED, IntentState.CANCELLED})

STEPS: Final = MappingProxyType({
    (IntentState.PLANNED, IntentState.SENDING): "write-sent",
    (IntentState.PLANNED, IntentState.ACKNOWLEDGED): "write-acknowledged",
    (IntentState.PLANNED, IntentState.DRIFT): "write-drifted",
    (IntentState.PLANNED, IntentState.CANCELLED): "write-cancelled",
    (IntentState.PLANNED, IntentState.REFUSED): "write-refused",
    (IntentState.SENDING, IntentState.ACKNOWLEDGED): "write-acknowledged",
    (IntentState.SENDING, IntentState.PLANNED): "write-postponed",
    (IntentState.SENDING, IntentState.SENDING): "write-unanswered",
    (IntentState.SENDING, IntentState.REFUSED): "write-refused",
    (IntentState.SENDING, IntentState.DRIFT): "write-drifted",
    (IntentState.ACKNOWLEDGED, IntentState.VERIFIED): "write-verified",
    (IntentState.ACKNOWLEDGED, IntentState.DRIFT): "write-drifted",
})  # fmt: skip
"""Every step that a write may take, and what its history calls it."""

# Twice a client's timeout of 30 s: a call that has not landed by then will not land any more.
RESEND_AFTER: Final = timedelta(seconds=60)


def planned(
    recommendation: Recommendation, line: Line | AdLine, *, order: int, now: datetime, earlier: tuple[Intent, ...] = ()
) -> Intent:
    """Plan the write of one line.

    Args:
        recommendation: The revision that it carries out.
        line: What it sets.
        order: Its place in the sequence.
        now: Aware UTC.
        earlier: Intents of the same revision and line that came to nothing, oldest first; the new one takes over
            their count of attempts, since a call of theirs might in theory still land.
    """
    unique = _unique(recommendation, line.key, len(earlier) + 1)
    identity = (unique, recommendation.rec_id, recommendation.revision)
    place = (order, IntentState.PLANNED, earlier[-1].attempts if earlier else 0)
    match line:
        case Line():
            return BudgetIntent(*identity, line.key, line.current, line.proposed, *place, updated_at=now)
        case AdLine():
            return AdIntent(*identity, line.key, line.current, line.proposed, *place, updated_at=now)


def latest(intents: Iterable[Intent]) -> dict[LineKey, Intent]:
    """The intent that counts for each budget and ad, the last that was planned, in the order of writing."""
    by_key = {intent.key: intent for intent in sorted(intents, key=_order)}
    return {intent.key: intent for intent in sorted(by_key.values(), key=_order)}


def sending(intent: Intent, live: Standing, now: datetime, *, touched: bool = False) -> Intent:
    """Compare what is live with the approved base and, if they agree, make ready to call.

    Only a result in `sending` may be sent, and only after it was committed. What somebody changed comes back as drift;
    what an earlier attempt has set after all, as acknowledged.

    Args:
        intent: A planned intent.
        live: The amount or status as read just before; None if the budget or ad is gone.
        now: Aware UTC.
        touched: Whether the platform shows that somebody changed it since the plan, wherever it stands now: then an
            earlier attempt may have taken effect and been undone, and nothing is sent again.

    Raises:
        ValueError: The intent is not planned.
    """
    _require(intent, IntentState.PLANNED)
    if live == intent.base and not (touched and intent.attempts):
        return _to(intent, IntentState.SENDING, now, "about to be sent", attempts=intent.attempts + 1)
    if live == intent.target and intent.attempts:
        return _to(intent, IntentState.ACKNOWLEDGED, now, "an earlier attempt had taken effect")
    return drifted(intent, live, now)


def acknowledged(intent: Intent, receipt: Receipt | StatusReceipt, live: Standing, now: datetime) -> Intent:
    """Take the platform's receipt together with the amount or status as read back at once.

    A receipt alone is not believed: while the read-back shows the base the intent stays in `sending`, to be
    settled by `recover`; with anything else it is drift.

    Raises:
        ValueError: The intent is not being sent, or the receipt is of another budget or ad.
    """
    _require(intent, IntentState.SENDING)
    if receipt.key != intent.key:
        raise ValueError(f"the receipt is of {receipt.key}, the intent of {intent.key}")
    known = replace(intent, request_id=receipt.request_id)
    if live == intent.target:
        return _to(known, IntentState.ACKNOWLEDGED, now, f"acknowledged by the platform as {receipt.request_id}")
    if live == intent.base:
        return unknown(known, f"the platform acknowledged {_stated(receipt)}, but {live} is read back", now)
    return drifted(known, live, now)


def refused(intent: Intent, why: str, now: datetime) -> Intent:
    """The platform refused for good, and nothing was done: the call itself, or asked to judge it before it was made.

    Raises:
        ValueError: The intent is neither planned nor being sent.
    """
    return _to(_require(intent, IntentState.PLANNED, IntentState.SENDING), IntentState.REFUSED, now, why)


def postponed(intent: Intent, why: str, now: datetime) -> Intent:
    """The platform asked to come again later, and nothing was done.

    Raises:
        ValueError: The intent is not being sent.
    """
    return _to(_require(intent, IntentState.SENDING), IntentState.PLANNED, now, why)


def unknown(intent: Intent, why: str, now: datetime) -> Intent:
    """The answer was lost: the intent stays in `sending` until what is live tells.

    Raises:
        ValueError: The intent is not being sent.
    """
    return _to(_require(intent, IntentState.SENDING), IntentState.SENDING, now, why)


def drifted(intent: Intent, live: Standing, now: datetime) -> Intent:
    """Somebody else changed it: the intent ends and the change is left as it is.

    Raises:
        ValueError: The intent is at its end already.
    """
    _require(intent, IntentState.PLANNED, IntentState.SENDING, IntentState.ACKNOWLEDGED)
    gone = "the ad is gone" if isinstance(intent, AdIntent) else "the budget is gone"
    found = gone if live is None else f"live is {live}"
    note = f"drift: expected {intent.base} or {intent.target}, {found}"
    return _to(intent, IntentState.DRIFT, now, note)


def recover(
    intent: Intent, live: Standing, now: datetime, *, wait: timedelta = RESEND_AFTER, touched: bool = False
) -> Intent:
    """Settle a write whose outcome is not known, from what is live.

    Live as the target: it took effect. Live as the base: it did not, but a call may still be under way, so that the
    intent comes back unchanged until `wait` has passed since it was last touched, and only then may be sent again.
    Anything else: drift.

    Args:
        intent: An intent in `sending`.
        live: The amount or status as read now; None if the budget or ad is gone.
        now: Aware UTC.
        wait: How long a call may be under way; twice the client's timeout.
        touched: As in `sending`; what stands at the base again is drift then.

    Raises:
        ValueError: The intent is not being sent.
    """
    _require(intent, IntentState.SENDING)
    if live == intent.target:
        return _to(intent, IntentState.ACKNOWLEDGED, now, "the answer was lost; read back as written")
    if live != intent.base or touched:
        return drifted(intent, live, now)
    if intent.updated_at is None or now - intent.updated_at < wait:
        return intent
    return _to(intent, IntentState.PLANNED, now, "the answer was lost; read back as not written")


def verify(intent: Intent, live: Standing, now: datetime) -> Intent:
    """Compare what is live with what was written, after the platform had time to settle.

    Raises:
        ValueError: The intent is not acknowledged.
    """
    _require(intent, IntentState.ACKNOWLEDGED)
    if live == intent.target:
        return _to(intent, IntentState.VERIFIED, now, "read back as written")
    return drifted(intent, live, now)


def cancel(intent: Intent, why: str, now: datetime) -> Intent:
    """Give up a write that is not under way.

    Raises:
        ValueError: The intent is not planned.
    """
    return _to(_require(intent, IntentState.PLANNED), IntentState.CANCELLED, now, why)


def told(before: Intent, after: Intent, now: datetime) -> Event:
    """What the history says of a step of a write.

    Raises:
        ValueError: No write takes such a step.
    """
    action = STEPS.get((before.state, after.state))
    if action is None:
        raise ValueError(f"no write goes from {before.state.value} to {after.state.value}: {before.idempotency_key}")
    detail = f"{after.key}: {after.base} -> {after.target}; {after.note}"
    return Event(after.rec_id, after.revision, now, PROGRAM, action, detail)


def most(intent: BudgetIntent, live: Money) -> int:
    """The most that the budget of an intent may stand at, or come to stand at without a further call; micros.

    Done: the target. Drifted and never sent: what is live. Never sent, or refused at the first attempt: the base. Else
    a call may yet land: the larger of the two. Never less than what is live.
    """
    if intent.state in DONE:
        own = intent.target.micros
    elif intent.state is IntentState.DRIFT and not intent.attempts:
        own = live.micros
    elif intent.attempts <= (1 if intent.state is IntentState.REFUSED else 0):
        own = intent.base.micros
    else:
        own = max(intent.base.micros, intent.target.micros)
    return max(own, live.micros)


def _order(intent: Intent) -> int:
    return intent.order


def _to(intent: Intent, state: IntentState, now: datetime, note: str, *, attempts: int | None = None) -> Intent:
    count = intent.attempts if attempts is None else attempts
    return replace(intent, state=state, updated_at=now, note=note, attempts=count)


def _require(intent: Intent, *states: IntentState) -> Intent:
    if intent.state not in states:
        wanted = " or ".join(state.value for state in states)
        raise ValueError(f"intent {intent.idempotency_key} is {intent.state.value}; this needs one that is {wanted}")
    return intent


def _stated(receipt: Receipt | StatusReceipt) -> str:
    return str(receipt.amount if isinstance(receipt, Receipt) else receipt.status)


def _unique(recommendation: Recommendation, key: LineKey, number: int) -> str:
    # The parts of a key may hold the slash that joins them as text, so that the text alone is not unique.
    subject = ["ad", key.ad_id] if isinstance(key, AdKey) else [key.budget_id]
    parts = json.dumps([key.connector, key.account_id, *subject])
    digest = hashlib.sha256(parts.encode()).hexdigest()[:16]
    return f"{recommendation.rec_id}.{recommendation.revision}.{digest}.{number}"
