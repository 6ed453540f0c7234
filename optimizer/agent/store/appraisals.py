"""Appraisals in SQL: entered once, never changed."""

from __future__ import annotations

import json
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, insert, select

from optimizer.agent.store import tables as t
from optimizer.agent.store.instants import from_instant, to_instant
from optimizer.agent.store.rules import same_appraisal
from optimizer.plan.appraisal import Appraisal, Estimate, Subject
from optimizer.plan.canonical import adapter

_ESTIMATES = tuple[Estimate, ...]


_APPRAISALS: Final = t.core(t.Appraisal)
# Written out once: to put a statement together takes longer than to run it.
_SAME: Final = select(_APPRAISALS.c.id).where(
    _APPRAISALS.c.subject == bindparam("of"), _APPRAISALS.c.made_at == bindparam("at")
)
_NEWEST: Final = (
    select(_APPRAISALS).order_by(_APPRAISALS.c.made_at.desc(), _APPRAISALS.c.id.desc()).limit(bindparam("most"))
)
_LATEST: Final = _NEWEST.where(_APPRAISALS.c.subject == bindparam("of"), _APPRAISALS.c.made_at <= bindparam("known_at"))


def record(connection: Connection, made: Appraisal) -> None:
    """Enter an appraisal; see `Store.record_appraisal`. The write lock is held, so that check and entry are one."""
    made_at = to_instant(made.made_at)
    if connection.execute(_SAME, {"of": made.subject.value, "at": made_at}).first() is not None:
        raise same_appraisal(made)
    plain = adapter(_ESTIMATES).dump_python(made.estimates, mode="json")
    connection.execute(insert(_APPRAISALS), {
        "subject": made.subject.value,
        "model": made.model,
        "made_at": made_at,
        "evidence": made.evidence,
        "currency": made.currency,
        "estimates": json.dumps(plain, ensure_ascii=False, separators=(",", ":")),
    })  # fmt: skip


def newest(connection: Connection, limit: int) -> tuple[Appraisal, ...]:
    """Return the appraisals, the newest first; see `Store.appraisals`."""
    return tuple(map(_appraisal, connection.execute(_NEWEST, {"most": limit})))


def known(connection: Connection, known_at: int) -> tuple[Appraisal, ...]:
    """Return the newest appraisal of each subject at an instant; see `Store.latest_appraisals`."""
    newest_of = (
        connection.execute(_LATEST, {"of": subject.value, "known_at": known_at, "most": 1}).one_or_none()
        for subject in Subject
    )
    return tuple(_appraisal(row) for row in newest_of if row is not None)


def _appraisal(row: Row[Any]) -> Appraisal:
    return Appraisal(
        subject=Subject(row.subject),
        model=row.model,
        made_at=from_instant(row.made_at),
        evidence=row.evidence,
        currency=row.currency,
        estimates=adapter(_ESTIMATES).validate_python(json.loads(row.estimates)),
    )
