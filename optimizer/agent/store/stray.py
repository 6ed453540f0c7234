"""Columns that repeat what stands elsewhere: whether they agree with it, since queries read them and no hash does.

And writes of no revision at all, since the history is walked by revisions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection
from sqlmodel import Session, col, select

from optimizer.agent.store import tables as t
from optimizer.agent.store.instants import to_instant
from optimizer.approval import DONE
from optimizer.plan.canonical import from_json
from optimizer.plan.people import known_as
from optimizer.plan.recommendation import Recommendation
from optimizer.plan.record import IntentState

_ACKNOWLEDGED: Final = "write-acknowledged"
_MINUTE: Final = 60_000_000  # between a step and the entry that tells of it there is less
_DONE: Final = frozenset(state.value for state in DONE)


def stray(connection: Connection) -> Iterator[str]:
    """Say in sentences which columns do not agree; see `Store.stray`."""
    with Session(connection) as session:
        for row in session.exec(
            select(t.Recommendation).order_by(col(t.Recommendation.id)).execution_options(yield_per=100)
        ):
            yield from _of_revision(row)
        for setting in session.exec(select(t.Setting).execution_options(yield_per=100)):
            if hashlib.sha256(setting.content.encode()).hexdigest() != setting.digest:
                yield f"settings {setting.digest[:12]} do not have the content that they were kept with"
        for person in session.exec(select(t.Person).order_by(col(t.Person.name))):
            if person.known_as != known_as(person.name):
                yield f"user {person.name} is found by another name"
        for intent in session.exec(select(t.Intent).order_by(col(t.Intent.id)).execution_options(yield_per=100)):
            if not _belongs(session, intent):
                words = f"{intent.rec_id} revision {intent.revision}, which no entry tells of"
                yield f"write {intent.idempotency_key} is of {words}"
            elif not _agrees(session, intent):
                yield f"write {intent.idempotency_key} was not acknowledged when its row says"


def _of_revision(row: t.Recommendation) -> Iterator[str]:
    name = f"{row.rec_id} revision {row.revision}"
    try:
        content = from_json(Recommendation, row.payload)
    except ValueError:
        yield f"{name} cannot be read"
        return
    columns = (row.rec_id, row.revision, row.plan_hash, row.created_at, row.valid_until)
    created, until = to_instant(content.created_at), to_instant(content.valid_until)
    if columns != (content.rec_id, content.revision, content.plan_hash, created, until):
        yield f"{name} has columns that its content contradicts"


def _belongs(session: Session, row: t.Intent) -> bool:
    """Whether a write is of a revision that is stored and told of; all else is asked of writes by their revisions."""
    stored = select(t.Recommendation.id).where(
        t.Recommendation.rec_id == row.rec_id, t.Recommendation.revision == row.revision
    )
    told = select(t.Event.id).where(t.Event.rec_id == row.rec_id, t.Event.revision == row.revision)
    return all(session.exec(found.limit(1)).first() is not None for found in (stored, told))


def _agrees(session: Session, row: t.Intent) -> bool:
    """Whether a write was acknowledged at the time of its row, and at all: its entry was made a moment later."""
    at = row.acknowledged_at
    if row.state == IntentState.ACKNOWLEDGED.value and at != row.updated_at:
        return False
    what = row.ad_id if row.budget_id is None else row.budget_id
    head = f"{row.connector}/{row.account_id}/{'ads/' if row.ad_id is not None else ''}{what}: "
    told = [
        event.at
        for event in session.exec(
            select(t.Event).where(
                t.Event.rec_id == row.rec_id, t.Event.revision == row.revision, t.Event.action == _ACKNOWLEDGED
            )
        )
        if event.detail.startswith(head)
    ]
    if at is None:
        return row.state not in _DONE
    return any(0 <= moment - at <= _MINUTE for moment in told)
