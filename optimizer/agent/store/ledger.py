"""Recommendations, their history and their writes in SQL. Every step is a compare-and-set under the write lock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, or_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from connectors.contract import BudgetKey
from connectors.money import Money
from optimizer.agent.store import chain
from optimizer.agent.store import tables as t
from optimizer.agent.store.engine import is_taken
from optimizer.agent.store.instants import from_instant, to_instant
from optimizer.agent.store.rules import acknowledged_at, check_alone, check_intent, check_step, no_such_record, taken
from optimizer.approval import OPEN
from optimizer.plan.basis import Basis
from optimizer.plan.recommendation import (
    Event,
    Intent,
    IntentState,
    Recommendation,
    Record,
    State,
    Transition,
    content_hash,
    from_json,
    to_json,
)
from optimizer.plan.snapshot import BudgetMove


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


def records(connection: Connection, states: frozenset[State] | None, limit: int) -> tuple[Record, ...]:
    """Return the latest revisions, newest first; see `Store.records`."""
    newer = aliased(t.Recommendation)
    statement = select(t.Recommendation).where(
        ~select(newer.id)
        .where(newer.rec_id == t.Recommendation.rec_id, newer.revision > t.Recommendation.revision)
        .exists()
    )
    if states is not None:
        statement = statement.where(col(t.Recommendation.state).in_([state.value for state in states]))
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
        goals, guards = (session.get_one(t.Setting, digest).content for digest in (row.goals, row.guards))
        return Basis(from_instant(row.known_at), row.days, goals, guards)


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
    """Return the changes that a platform acknowledged within a span of instants, both ends included."""
    statement = select(t.Intent).where(
        col(t.Intent.acknowledged_at).is_not(None),
        col(t.Intent.acknowledged_at) >= since,
        col(t.Intent.acknowledged_at) <= until,
    )
    with Session(connection) as session:
        return [
            BudgetMove(_key(row), from_instant(row.acknowledged_at), *_amounts(row))
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
    digests = [hashlib.sha256(content.encode()).hexdigest() for content in (kept.goals, kept.guards)]
    for digest, content in zip(digests, (kept.goals, kept.guards), strict=True):
        if session.get(t.Setting, digest) is None:
            session.add(t.Setting(digest=digest, content=content))
            session.flush()
    goals, guards = digests
    known_at = to_instant(kept.known_at)
    session.add(t.Basis(rec_id=made.rec_id, revision=made.revision, known_at=known_at, days=kept.days,
                        goals=goals, guards=guards))  # fmt: skip


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
        "approved_lines": json.dumps([[k.connector, k.account_id, k.budget_id] for k in record.approved_lines]),
        "approvals": json.dumps(record.approvals),
    }


def _record(row: t.Recommendation) -> Record:
    return Record(
        from_json(Recommendation, row.payload),
        State(row.state),
        row.approved_by,
        tuple(BudgetKey(*parts) for parts in json.loads(row.approved_lines)),
        tuple(json.loads(row.approvals)),
    )


def _columns(intent: Intent, confirmed: datetime | None) -> dict[str, Any]:
    return {
        "idempotency_key": intent.idempotency_key,
        "rec_id": intent.rec_id,
        "revision": intent.revision,
        "connector": intent.key.connector,
        "account_id": intent.key.account_id,
        "budget_id": intent.key.budget_id,
        "currency": intent.target.currency,
        "base": intent.base.micros,
        "target": intent.target.micros,
        "position": intent.order,
        "state": intent.state.value,
        "attempts": intent.attempts,
        "request_id": intent.request_id,
        "note": intent.note,
        "updated_at": _instant(intent.updated_at),
        "acknowledged_at": _instant(acknowledged_at(intent, confirmed)),
    }


def _intent(row: t.Intent) -> Intent:
    return Intent(
        row.idempotency_key, row.rec_id, row.revision, _key(row), *_amounts(row), row.position,
        IntentState(row.state), row.attempts, row.request_id, row.note, _moment(row.updated_at),
    )  # fmt: skip


def _key(row: t.Intent) -> BudgetKey:
    return BudgetKey(row.connector, row.account_id, row.budget_id)


def _amounts(row: t.Intent) -> tuple[Money, Money]:
    return Money(row.base, row.currency), Money(row.target, row.currency)


def _instant(moment: datetime | None) -> int | None:
    return None if moment is None else to_instant(moment)


def _moment(instant: int | None) -> datetime | None:
    return None if instant is None else from_instant(instant)
