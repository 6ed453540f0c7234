"""Recommendations, their history and their writes in SQL. Every step is a compare-and-set under the write lock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, or_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from connectors.contract import AdKey, BudgetKey, EntityStatus
from connectors.money import Money
from optimizer.agent.store import chain
from optimizer.agent.store import tables as t
from optimizer.agent.store.engine import is_taken
from optimizer.agent.store.instants import from_instant, to_instant
from optimizer.agent.store.rules import acknowledged_at, check_alone, check_intent, check_step, no_such_record, taken
from optimizer.approval import OPEN
from optimizer.plan.basis import Basis
from optimizer.plan.recommendation import (
    AdIntent,
    BudgetIntent,
    Event,
    Intent,
    IntentState,
    LineKey,
    Recommendation,
    Record,
    State,
    Transition,
    content_hash,
    from_json,
    to_json,
)
from optimizer.plan.snapshot import AdSwitch, BudgetMove
from optimizer.ports import StoreError


def commit(connection: Connection, transitions: Sequence[Transition]) -> None:
    """Write steps with their events and intents; see `Store.commit`."""
    with Session(connection) as session:
        history = chain.End(session)
        for step in transitions:
            stored = _find(session, step.record.recommendation.rec_id, step.record.recommendation.revision)
            check_step(None if stored is None else _record(stored), step)
            if step.intents:
                check_alone(_open_beside(session, step.record.recommendation))
            session.add(_revision(step.record) if stored is None else stored.sqlmodel_update(_standing(step.record)))
            if step.basis is not None:
                _keep(session, step.record.recommendation, step.basis)
            history.add(step.event, content_hash(step.record))
            for intent in step.intents:
                session.add(t.Intent(**_columns(intent, None)))
            _flush(session, step.intents)


def advance(connection: Connection, before: Intent, after: Intent, event: Event) -> None:
    """Replace an intent; see `Store.advance`."""
    with Session(connection) as session:
        stored = session.exec(select(t.Intent).where(t.Intent.idempotency_key == before.idempotency_key)).one_or_none()
        found = _find(session, before.rec_id, before.revision)
        state = None if found is None else State(found.state)
        check_intent(None if stored is None else _intent(stored), state, before, after)
        assert stored is not None  # noqa: S101 - an unknown intent was refused by the check
        session.add(stored.sqlmodel_update(_columns(after, _moment(stored.acknowledged_at))))
        chain.End(session).add(event, content_hash(after))
        _flush(session, (after,))


def record(connection: Connection, rec_id: str, revision: int | None) -> Record:
    """Return a revision, the latest by default; see `Store.record`."""
    with Session(connection) as session:
        found = _find(session, rec_id, revision)
        if found is None:
            raise no_such_record(rec_id, revision)
        return _record(found)


def records(
    connection: Connection, states: frozenset[State] | None, limit: int, since: datetime | None
) -> tuple[Record, ...]:
    """Return the latest revisions, newest first; see `Store.records`."""
    newer = aliased(t.Recommendation)
    statement = select(t.Recommendation).where(
        ~select(newer.id)
        .where(newer.rec_id == t.Recommendation.rec_id, newer.revision > t.Recommendation.revision)
        .exists()
    )
    if states is not None:
        statement = statement.where(col(t.Recommendation.state).in_([state.value for state in states]))
    if since is not None:
        statement = statement.where(col(t.Recommendation.created_at) >= to_instant(since))
    statement = statement.order_by(col(t.Recommendation.created_at).desc(), col(t.Recommendation.id).desc())
    with Session(connection) as session:
        return tuple(_record(row) for row in session.exec(statement.limit(limit)))


def basis(connection: Connection, rec_id: str, revision: int) -> Basis | None:
    """Return what a revision was decided from; see `Store.basis`."""
    with Session(connection) as session:
        if _find(session, rec_id, revision) is None:
            raise no_such_record(rec_id, revision)
        row = session.get(t.Basis, (rec_id, revision))
        if row is None:
            return None
        said = (session.get_one(t.Setting, digest).content for digest in (row.goals, row.guards, row.around))
        return Basis(from_instant(row.known_at), row.days, *said)


def intents(connection: Connection, rec_id: str, revision: int) -> tuple[Intent, ...]:
    """Return a revision's intents in the order of their writing."""
    statement = (
        select(t.Intent)
        .where(t.Intent.rec_id == rec_id, t.Intent.revision == revision)
        .order_by(col(t.Intent.position), col(t.Intent.id))
    )
    with Session(connection) as session:
        return tuple(_intent(row) for row in session.exec(statement))


def open_intents(connection: Connection) -> tuple[Intent, ...]:
    """Return every intent that is planned or being sent."""
    states = [state.value for state in OPEN]
    statement = select(t.Intent).where(col(t.Intent.state).in_(states))
    with Session(connection) as session:
        # Sorted here: a server may sort texts by the rules of a language.
        return tuple(sorted(map(_intent, session.exec(statement)), key=attrgetter("idempotency_key")))


def moves(connection: Connection, since: int, until: int) -> list[BudgetMove]:
    """Return the budgets' changes that a platform acknowledged within a span of instants, both ends included."""
    return [
        BudgetMove(intent.key, at, intent.base, intent.target)
        for intent, at in _confirmed(connection, since, until)
        if isinstance(intent, BudgetIntent)
    ]


def switches(connection: Connection, since: int, until: int) -> list[AdSwitch]:
    """Return the pauses and resumes that a platform acknowledged within a span of instants, both ends included."""
    return [
        AdSwitch(intent.key, at, intent.base, intent.target)
        for intent, at in _confirmed(connection, since, until)
        if isinstance(intent, AdIntent)
    ]


def _confirmed(connection: Connection, since: int, until: int) -> list[tuple[Intent, datetime]]:
    statement = select(t.Intent).where(
        col(t.Intent.acknowledged_at).is_not(None),
        col(t.Intent.acknowledged_at) >= since,
        col(t.Intent.acknowledged_at) <= until,
    )
    with Session(connection) as session:
        return [
            (_intent(row), from_instant(row.acknowledged_at))
            for row in session.exec(statement)
            if row.acknowledged_at is not None
        ]


def _find(session: Session, rec_id: str, revision: int | None) -> t.Recommendation | None:
    statement = select(t.Recommendation).where(t.Recommendation.rec_id == rec_id)
    if revision is not None:
        statement = statement.where(t.Recommendation.revision == revision)
    return session.exec(statement.order_by(col(t.Recommendation.revision).desc()).limit(1)).one_or_none()


def _keep(session: Session, made: Recommendation, kept: Basis) -> None:
    """Keep what a revision was decided from; goals and guardrails of many stand once."""
    contents = (kept.goals, kept.guards, kept.around)
    digests = [hashlib.sha256(content.encode()).hexdigest() for content in contents]
    for digest, content in zip(digests, contents, strict=True):
        if session.get(t.Setting, digest) is None:
            session.add(t.Setting(digest=digest, content=content))
            session.flush()
    goals, guards, around = digests
    known_at = to_instant(kept.known_at)
    session.add(t.Basis(rec_id=made.rec_id, revision=made.revision, known_at=known_at, days=kept.days,
                        goals=goals, guards=guards, around=around))  # fmt: skip


def _open_beside(session: Session, own: Recommendation) -> Intent | None:
    """An open intent of any other revision, the first by its key."""
    states = [state.value for state in OPEN]
    other = or_(col(t.Intent.rec_id) != own.rec_id, col(t.Intent.revision) != own.revision)
    statement = select(t.Intent).where(col(t.Intent.state).in_(states), other)
    return min(map(_intent, session.exec(statement)), key=attrgetter("idempotency_key"), default=None)


def _flush(session: Session, written: Sequence[Intent]) -> None:
    try:
        session.flush()
    except IntegrityError as error:
        if is_taken(error):
            raise taken(written) from error
        raise


def _revision(record: Record) -> t.Recommendation:
    recommendation = record.recommendation
    return t.Recommendation(
        rec_id=recommendation.rec_id,
        revision=recommendation.revision,
        plan_hash=recommendation.plan_hash,
        created_at=to_instant(recommendation.created_at),
        valid_until=to_instant(recommendation.valid_until),
        payload=to_json(recommendation),
        **_standing(record),
    )


def _standing(record: Record) -> dict[str, Any]:
    return {
        "state": record.state.value,
        "approved_by": record.approved_by,
        "approved_lines": json.dumps([_named(key) for key in record.approved_lines]),
        "approvals": json.dumps(record.approvals),
    }


def _record(row: t.Recommendation) -> Record:
    return Record(
        from_json(Recommendation, row.payload),
        State(row.state),
        row.approved_by,
        tuple(_line_key(parts) for parts in json.loads(row.approved_lines)),
        tuple(json.loads(row.approvals)),
    )


def _named(key: LineKey) -> list[str] | dict[str, str]:
    """A key as JSON: a budget's as a list, as it has always been, an ad's with its parts named."""
    return asdict(key) if isinstance(key, AdKey) else [key.connector, key.account_id, key.budget_id]


def _line_key(parts: list[str] | dict[str, str]) -> LineKey:
    return AdKey(**parts) if isinstance(parts, dict) else BudgetKey(*parts)


def _columns(intent: Intent, confirmed: datetime | None) -> dict[str, Any]:
    return {
        "idempotency_key": intent.idempotency_key,
        "rec_id": intent.rec_id,
        "revision": intent.revision,
        "connector": intent.key.connector,
        "account_id": intent.key.account_id,
        **_change(intent),
        "position": intent.order,
        "state": intent.state.value,
        "attempts": intent.attempts,
        "request_id": intent.request_id,
        "note": intent.note,
        "updated_at": _instant(intent.updated_at),
        "acknowledged_at": _instant(acknowledged_at(intent, confirmed)),
    }


def _change(intent: Intent) -> dict[str, Any]:
    """What is written: the columns of a budget's amount or of an ad's status, the others NULL."""
    if isinstance(intent, AdIntent):
        return {"ad_id": intent.key.ad_id, "base_status": intent.base.value, "target_status": intent.target.value}
    return {
        "budget_id": intent.key.budget_id,
        "currency": intent.target.currency,
        "base": intent.base.micros,
        "target": intent.target.micros,
    }


def _intent(row: t.Intent) -> Intent:
    identity = (row.idempotency_key, row.rec_id, row.revision)
    standing: dict[str, Any] = {
        "order": row.position,
        "state": IntentState(row.state),
        "attempts": row.attempts,
        "request_id": row.request_id,
        "note": row.note,
        "updated_at": _moment(row.updated_at),
    }
    match row:
        case t.Intent(ad_id=str(ad), base_status=str(base), target_status=str(target)):
            key = AdKey(row.connector, row.account_id, ad)
            return AdIntent(*identity, key, EntityStatus(base), EntityStatus(target), **standing)
        case t.Intent(budget_id=str(budget), currency=str(currency), base=int(before), target=int(after)):
            where = BudgetKey(row.connector, row.account_id, budget)
            return BudgetIntent(*identity, where, Money(before, currency), Money(after, currency), **standing)
        case _:
            raise StoreError(f"intent {row.idempotency_key} changes neither a budget nor an ad: restore a backup")


def _instant(moment: datetime | None) -> int | None:
    return None if moment is None else to_instant(moment)


def _moment(instant: int | None) -> datetime | None:
    return None if instant is None else from_instant(instant)
