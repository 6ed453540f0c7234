"""Appraisals in SQL: entered once, never changed."""

from __future__ import annotations

import json

from sqlalchemy import Connection
from sqlmodel import Session, col, select

from optimizer.agent.store import tables as t
from optimizer.agent.store.instants import from_instant, to_instant
from optimizer.agent.store.rules import same_appraisal
from optimizer.plan.appraisal import Appraisal, Estimate, Subject
from optimizer.plan.recommendation import adapter

_ESTIMATES = tuple[Estimate, ...]


def record(connection: Connection, made: Appraisal) -> None:
    """Enter an appraisal; see `Store.record_appraisal`. The write lock is held, so that check and entry are one."""
    with Session(connection) as session:
        same = select(t.Appraisal.id).where(
            t.Appraisal.subject == made.subject.value, t.Appraisal.made_at == to_instant(made.made_at)
        )
        if session.exec(same).first() is not None:
            raise same_appraisal(made)
        plain = adapter(_ESTIMATES).dump_python(made.estimates, mode="json")
        session.add(
            t.Appraisal(
                subject=made.subject.value,
                model=made.model,
                made_at=to_instant(made.made_at),
                evidence=made.evidence,
                currency=made.currency,
                estimates=json.dumps(plain, ensure_ascii=False, separators=(",", ":")),
            )
        )
        session.flush()


def newest(connection: Connection, limit: int) -> tuple[Appraisal, ...]:
    """Return the appraisals, the newest first; see `Store.appraisals`."""
    statement = select(t.Appraisal).order_by(col(t.Appraisal.made_at).desc(), col(t.Appraisal.id).desc()).limit(limit)
    with Session(connection) as session:
        return tuple(_appraisal(row) for row in session.exec(statement))


def known(connection: Connection, known_at: int) -> tuple[Appraisal, ...]:
    """Return the newest appraisal of each subject at an instant; see `Store.latest_appraisals`."""
    found = []
    with Session(connection) as session:
        for subject in Subject:
            of = select(t.Appraisal).where(t.Appraisal.subject == subject.value, t.Appraisal.made_at <= known_at)
            row = session.exec(of.order_by(col(t.Appraisal.made_at).desc()).limit(1)).one_or_none()
            if row is not None:
                found.append(_appraisal(row))
    return tuple(found)


def _appraisal(row: t.Appraisal) -> Appraisal:
    return Appraisal(
        subject=Subject(row.subject),
        model=row.model,
        made_at=from_instant(row.made_at),
        evidence=row.evidence,
        currency=row.currency,
        estimates=adapter(_ESTIMATES).validate_python(json.loads(row.estimates)),
    )
