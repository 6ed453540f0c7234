"""Recommendations, their history and their writes in SQL. Every step is a compare-and-set under the write lock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Connection, Executable, Row, and_, bindparam, exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from connectors.contract import AdKey, BudgetKey, EntityStatus
from connectors.money import Money
from optimizer.agent.store import chain
from optimizer.agent.store import tables as t
from optimizer.agent.store.engine import is_taken
from optimizer.agent.store.instants import from_instant, to_instant
from optimizer.agent.store.rules import (
    acknowledged_at,
    check_alone,
    check_intent,
    check_step,
    check_unapproved,
    new_plans,
    no_such_record,
    taken,
)
from optimizer.approval import OPEN
from optimizer.plan.basis import Basis
from optimizer.plan.canonical import content_hash, from_json, to_json
from optimizer.plan.recommendation import LineKey, Recommendation
from optimizer.plan.record import AdIntent, BudgetIntent, Event, Intent, IntentState, Record, State, Transition
from optimizer.plan.snapshot import AdSwitch, BudgetMove
from optimizer.ports import LONG_AGO, StoreError

_RECORDS: Final = t.core(t.Recommendation)
_INTENTS: Final = t.core(t.Intent)
_BASES: Final = t.core(t.Basis)
_SETTINGS: Final = t.core(t.Setting)
# Written out once: to put a statement together takes longer than to run it.
_ENTER: Final = insert(_RECORDS)
_MOVE: Final = update(_RECORDS).where(_RECORDS.c.id == bindparam("of"))
_LATEST: Final = (
    select(_RECORDS).where(_RECORDS.c.rec_id == bindparam("of")).order_by(_RECORDS.c.revision.desc()).limit(1)
)
_APPROVED: Final = (
    select(_RECORDS)
    .where(
        _RECORDS.c.rec_id.not_in(bindparam("new", expanding=True)),
        or_(
            _RECORDS.c.state == State.APPROVED.value,
            and_(_RECORDS.c.state == State.PROPOSED.value, _RECORDS.c.approvals != json.dumps([])),
        ),
    )
    .order_by(_RECORDS.c.id)
    .limit(1)
)
_REVISION: Final = select(_RECORDS).where(
    _RECORDS.c.rec_id == bindparam("of"), _RECORDS.c.revision == bindparam("number")
)
_NEWER: Final = _RECORDS.alias("newer")
_CHOSEN: Final = (  # by an index alone: what revisions say is long, and most of them stand where they ended
    select(_RECORDS.c.id)
    .where(
        ~exists().where(_NEWER.c.rec_id == _RECORDS.c.rec_id, _NEWER.c.revision > _RECORDS.c.revision),
        _RECORDS.c.state.in_(bindparam("states", expanding=True)),
        _RECORDS.c.created_at >= bindparam("since"),
    )
    .order_by(_RECORDS.c.created_at.desc(), _RECORDS.c.id.desc())
    .limit(bindparam("most"))
)
_NEWEST: Final = (
    select(_RECORDS)
    .where(_RECORDS.c.id.in_(_CHOSEN.scalar_subquery()))
    .order_by(_RECORDS.c.created_at.desc(), _RECORDS.c.id.desc())
)
_INTENT: Final = select(_INTENTS).where(_INTENTS.c.idempotency_key == bindparam("of"))
_INTENTS_OF: Final = (
    select(_INTENTS)
    .where(_INTENTS.c.rec_id == bindparam("of"), _INTENTS.c.revision == bindparam("number"))
    .order_by(_INTENTS.c.position, _INTENTS.c.id)
)
_OPEN: Final = select(_INTENTS).where(_INTENTS.c.state.in_([state.value for state in OPEN]))
_OPEN_BESIDE: Final = _OPEN.where(or_(_INTENTS.c.rec_id != bindparam("of"), _INTENTS.c.revision != bindparam("number")))
_CONFIRMED: Final = select(_INTENTS).where(_INTENTS.c.acknowledged_at.between(bindparam("since"), bindparam("until")))
_ENTER_INTENTS: Final = insert(_INTENTS)
_NEXT_INTENT: Final = update(_INTENTS).where(_INTENTS.c.idempotency_key == bindparam("of"))
_BASIS: Final = select(_BASES).where(_BASES.c.rec_id == bindparam("of"), _BASES.c.revision == bindparam("number"))
_ENTER_BASIS: Final = insert(_BASES)
_SETTING: Final = select(_SETTINGS.c.content).where(_SETTINGS.c.digest == bindparam("of"))
_ENTER_SETTING: Final = insert(_SETTINGS)


def commit(connection: Connection, transitions: Sequence[Transition]) -> None:
    """Write steps with their events and intents; see `Store.commit`."""
    history = chain.End(connection)
    for step in transitions:
        made = step.record.recommendation
        stored = _find(connection, made.rec_id, made.revision)
        check_step(None if stored is None else _record(stored), step)
        if step.intents:
            check_alone(_open_beside(connection, made))
        if stored is None:
            connection.execute(_ENTER, _revision(step.record))
        else:
            connection.execute(_MOVE, {"of": stored.id, **_standing(step.record)})
        if step.basis is not None:
            _keep(connection, made, step.basis)
        history.add(step.event, content_hash(step.record))
        if step.intents:
            _write(connection, _ENTER_INTENTS, [_columns(intent, None) for intent in step.intents], step.intents)
    if new := new_plans(transitions):
        row = connection.execute(_APPROVED, {"new": sorted(new)}).one_or_none()
        check_unapproved(None if row is None else _record(row))


def advance(connection: Connection, before: Intent, after: Intent, event: Event) -> None:
    """Replace an intent; see `Store.advance`."""
    stored = connection.execute(_INTENT, {"of": before.idempotency_key}).one_or_none()
    found = _find(connection, before.rec_id, before.revision)
    state = None if found is None else State(found.state)
    check_intent(None if stored is None else _intent(stored), state, before, after)
    assert stored is not None  # noqa: S101 - an unknown intent was refused by the check
    columns = _columns(after, _moment(stored.acknowledged_at))
    _write(connection, _NEXT_INTENT, {"of": before.idempotency_key, **columns}, (after,))
    chain.End(connection).add(event, content_hash(after))


def record(connection: Connection, rec_id: str, revision: int | None) -> Record:
    """Return a revision, the latest by default; see `Store.record`."""
    found = _find(connection, rec_id, revision)
    if found is None:
        raise no_such_record(rec_id, revision)
    return _record(found)


def records(
    connection: Connection, states: frozenset[State] | None, limit: int, since: datetime | None
) -> tuple[Record, ...]:
    """Return the latest revisions, newest first; see `Store.records`."""
    wanted = [state.value for state in (State if states is None else states)]
    first = to_instant(LONG_AGO if since is None else since)
    return tuple(map(_record, connection.execute(_NEWEST, {"states": wanted, "since": first, "most": limit})))


def basis(connection: Connection, rec_id: str, revision: int) -> Basis | None:
    """Return what a revision was decided from; see `Store.basis`."""
    if _find(connection, rec_id, revision) is None:
        raise no_such_record(rec_id, revision)
    row = connection.execute(_BASIS, {"of": rec_id, "number": revision}).one_or_none()
    if row is None:
        return None
    said = (connection.execute(_SETTING, {"of": digest}).scalar_one() for digest in (row.goals, row.guards, row.around))
    return Basis(from_instant(row.known_at), row.days, *said)


def intents(connection: Connection, rec_id: str, revision: int) -> tuple[Intent, ...]:
    """Return a revision's intents in the order of their writing."""
    return tuple(map(_intent, connection.execute(_INTENTS_OF, {"of": rec_id, "number": revision})))


def open_intents(connection: Connection) -> tuple[Intent, ...]:
    """Return every intent that is planned or being sent."""
    # Sorted here: a server may sort texts by the rules of a language.
    return tuple(sorted(map(_intent, connection.execute(_OPEN)), key=attrgetter("idempotency_key")))


def confirmed(connection: Connection, since: int, until: int) -> tuple[list[BudgetMove], list[AdSwitch]]:
    """Return what of budgets and of ads a platform acknowledged within a span of instants, both ends included."""
    moves: list[BudgetMove] = []
    switches: list[AdSwitch] = []
    for row in connection.execute(_CONFIRMED, {"since": since, "until": until}):
        intent, at = _intent(row), from_instant(row.acknowledged_at)
        if isinstance(intent, BudgetIntent):
            moves.append(BudgetMove(intent.key, at, intent.base, intent.target))
        else:
            switches.append(AdSwitch(intent.key, at, intent.base, intent.target))
    return moves, switches


def _find(connection: Connection, rec_id: str, revision: int | None) -> Row[Any] | None:
    if revision is None:
        return connection.execute(_LATEST, {"of": rec_id}).one_or_none()
    return connection.execute(_REVISION, {"of": rec_id, "number": revision}).one_or_none()


def _keep(connection: Connection, made: Recommendation, kept: Basis) -> None:
    """Keep what a revision was decided from; goals and guardrails of many stand once."""
    contents = (kept.goals, kept.guards, kept.around)
    digests = [hashlib.sha256(content.encode()).hexdigest() for content in contents]
    for digest, content in zip(digests, contents, strict=True):
        if connection.execute(_SETTING, {"of": digest}).one_or_none() is None:
            connection.execute(_ENTER_SETTING, {"digest": digest, "content": content})
    goals, guards, around = digests
    known_at = to_instant(kept.known_at)
    connection.execute(_ENTER_BASIS, {
        "rec_id": made.rec_id, "revision": made.revision, "known_at": known_at, "days": kept.days,
        "goals": goals, "guards": guards, "around": around,
    })  # fmt: skip


def _open_beside(connection: Connection, own: Recommendation) -> Intent | None:
    """An open intent of any other revision, the first by its key."""
    rows = connection.execute(_OPEN_BESIDE, {"of": own.rec_id, "number": own.revision})
    return min(map(_intent, rows), key=attrgetter("idempotency_key"), default=None)


def _write(
    connection: Connection,
    statement: Executable,
    columns: dict[str, Any] | list[dict[str, Any]],
    written: Sequence[Intent],
) -> None:
    """Write intents, of which one may be stored already, or have an open one beside it."""
    try:
        connection.execute(statement, columns)
    except IntegrityError as error:
        if is_taken(error):
            raise taken(written) from error
        raise


def _revision(record: Record) -> dict[str, Any]:
    recommendation = record.recommendation
    return {
        "rec_id": recommendation.rec_id,
        "revision": recommendation.revision,
        "plan_hash": recommendation.plan_hash,
        "created_at": to_instant(recommendation.created_at),
        "valid_until": to_instant(recommendation.valid_until),
        "payload": to_json(recommendation),
        **_standing(record),
    }


def _standing(record: Record) -> dict[str, Any]:
    return {
        "state": record.state.value,
        "approved_by": record.approved_by,
        "approved_lines": json.dumps([_named(key) for key in record.approved_lines]),
        "approvals": json.dumps(record.approvals),
    }


def _record(row: Row[Any]) -> Record:
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


_NO_CHANGE: Final = dict.fromkeys(("budget_id", "currency", "base", "target", "ad_id", "base_status", "target_status"))


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
        changed = {"ad_id": intent.key.ad_id, "base_status": intent.base.value, "target_status": intent.target.value}
        return _NO_CHANGE | changed
    return _NO_CHANGE | {
        "budget_id": intent.key.budget_id,
        "currency": intent.target.currency,
        "base": intent.base.micros,
        "target": intent.target.micros,
    }


def _intent(row: Row[Any]) -> Intent:
    identity = (row.idempotency_key, row.rec_id, row.revision)
    standing: dict[str, Any] = {
        "order": row.position,
        "state": IntentState(row.state),
        "attempts": row.attempts,
        "request_id": row.request_id,
        "note": row.note,
        "updated_at": _moment(row.updated_at),
    }
    match row._mapping:
        case {"ad_id": str(ad), "base_status": str(base), "target_status": str(target)}:
            key = AdKey(row.connector, row.account_id, ad)
            return AdIntent(*identity, key, EntityStatus(base), EntityStatus(target), **standing)
        case {"budget_id": str(budget), "currency": str(currency), "base": int(before), "target": int(after)}:
            where = BudgetKey(row.connector, row.account_id, budget)
            return BudgetIntent(*identity, where, Money(before, currency), Money(after, currency), **standing)
        case _:
            raise StoreError(f"intent {row.idempotency_key} changes neither a budget nor an ad: restore a backup")


def _instant(moment: datetime | None) -> int | None:
    return None if moment is None else to_instant(moment)


def _moment(instant: int | None) -> datetime | None:
    return None if instant is None else from_instant(instant)
