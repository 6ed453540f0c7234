"""Lift tests in SQL: a plan and an end are entered once, and never changed."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select

from optimizer.agent.store import tables as t
from optimizer.agent.store.instants import from_instant, to_instant
from optimizer.agent.store.rules import check_lift_end, check_lift_test
from optimizer.plan.canonical import from_json, to_json
from optimizer.plan.lift_tests import Holdout, LiftEnd, LiftReading, LiftRecord, Switchback

_PLANS: Final = t.core(t.LiftTest)
_ENDS: Final = t.core(t.LiftEnd)
# Written out once: to put a statement together takes longer than to run it.
_NEWEST: Final = select(_PLANS).order_by(_PLANS.c.registered_at.desc(), _PLANS.c.id.desc())
_ALL_ENDS: Final = select(_ENDS)


def register(connection: Connection, record: LiftRecord) -> None:
    """Enter a plan; see `Store.register_lift_test`. The write lock is held: check and entry are one."""
    check_lift_test(newest(connection), record)
    connection.execute(insert(_PLANS), {
        "lift_id": record.lift_id,
        "kind": "holdout" if isinstance(record.plan, Holdout) else "switchback",
        "plan": to_json(record.plan),
        "plan_hash": record.plan_hash,
        "registered_at": to_instant(record.registered_at),
        "registered_by": record.registered_by,
        "code_version": record.code_version,
    })  # fmt: skip


def close(connection: Connection, end: LiftEnd) -> None:
    """Enter an end; see `Store.end_lift_test`."""
    check_lift_end(newest(connection), end)
    connection.execute(insert(_ENDS), {
        "lift_id": end.lift_id,
        "ended_at": to_instant(end.at),
        "day": end.day.toordinal(),
        "actor": end.actor,
        "reason": end.reason,
        "reading": None if end.reading is None else to_json(end.reading),
        "evidence": end.evidence,
    })  # fmt: skip


def newest(connection: Connection) -> tuple[LiftRecord, ...]:
    """Return all lift tests, the newest first; see `Store.lift_tests`."""
    ends = {row.lift_id: _end(row) for row in connection.execute(_ALL_ENDS)}
    return tuple(_record(row, ends.get(row.lift_id)) for row in connection.execute(_NEWEST))


def _record(row: Row[Any], end: LiftEnd | None) -> LiftRecord:
    plan = from_json(Holdout, row.plan) if row.kind == "holdout" else from_json(Switchback, row.plan)
    return LiftRecord(
        lift_id=row.lift_id,
        plan=plan,
        plan_hash=row.plan_hash,
        registered_at=from_instant(row.registered_at),
        registered_by=row.registered_by,
        code_version=row.code_version,
        end=end,
    )


def _end(row: Row[Any]) -> LiftEnd:
    return LiftEnd(
        lift_id=row.lift_id,
        at=from_instant(row.ended_at),
        day=date.fromordinal(row.day),
        actor=row.actor,
        reason=row.reason,
        reading=None if row.reading is None else from_json(LiftReading, row.reading),
        evidence=row.evidence,
    )
