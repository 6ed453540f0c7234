"""Doubts about what was read, in SQL, by the time they were seen. Plain statements, which any database takes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, or_, select

from optimizer.agent.store import tables as t
from optimizer.agent.store.instants import from_instant, to_instant
from optimizer.agent.store.rules import check_doubts
from optimizer.plan.doubts import Doubt

_DOUBT = t.core(t.Doubt)
_KEY = ("connector", "account_id", "code", "noted_at")


def note(connection: Connection, connector: str, doubts: Sequence[Doubt], read_at: datetime) -> None:
    """Enter what is new, and the end of what stands no more; what was entered at this very instant is replaced."""
    check_doubts(connector, doubts)
    standing = [doubt for doubt in read(connection, None) if doubt.connector == connector]
    for old in standing:
        if not any(old.same(doubt) for doubt in doubts):
            _end(connection, old, to_instant(read_at))
    new = [doubt for doubt in doubts if not any(doubt.same(old) for old in standing)]
    if new:
        at = to_instant(read_at)
        connection.execute(_DOUBT.insert(), [
            {"connector": d.connector, "account_id": d.account_id, "code": d.code, "noted_at": at, "words": d.words,
             "mend": d.mend} for d in new
        ])  # fmt: skip


def read(connection: Connection, known_at: int | None) -> list[Doubt]:
    """Return what stood in doubt at an instant; with None what stands now, whatever the clock says."""
    open_ended = _DOUBT.c.ended_at.is_(None)
    statement = select(_DOUBT).where(open_ended)
    if known_at is not None:
        then = or_(open_ended, _DOUBT.c.ended_at > known_at)
        statement = select(_DOUBT).where(_DOUBT.c.noted_at <= known_at, then)
    rows = connection.execute(statement)
    found = [
        Doubt(row.code, row.connector, row.account_id, row.words, row.mend, from_instant(row.noted_at)) for row in rows
    ]
    return sorted(found, key=lambda doubt: (doubt.connector, doubt.account_id, doubt.code))


def _end(connection: Connection, doubt: Doubt, at: int) -> None:
    since = to_instant(doubt.since)
    named = and_(*(
        _DOUBT.c[name] == value
        for name, value in zip(_KEY, (doubt.connector, doubt.account_id, doubt.code, since), strict=True)
    ))  # fmt: skip
    if at <= since:
        connection.execute(_DOUBT.delete().where(named))
    else:
        connection.execute(_DOUBT.update().where(named).values(ended_at=at))
