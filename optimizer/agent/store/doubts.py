"""Doubts about what was read, in SQL, by the time they were seen. Plain statements, which any database takes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, delete, insert, or_, select, update

from optimizer.agent.store import tables as t
from optimizer.agent.store.instants import from_instant, to_instant
from optimizer.agent.store.rules import check_doubts
from optimizer.plan.doubts import Doubt

_DOUBT: Final = t.core(t.Doubt)
# Written out once: to put a statement together takes longer than to run it.
_STANDING: Final[Select[Any]] = select(_DOUBT).where(_DOUBT.c.ended_at.is_(None))
_THEN: Final[Select[Any]] = select(_DOUBT).where(
    _DOUBT.c.noted_at <= bindparam("known_at"),
    or_(_DOUBT.c.ended_at.is_(None), _DOUBT.c.ended_at > bindparam("known_at")),
)
_NAMED: Final = (
    *(_DOUBT.c[name] == bindparam(f"of_{name}") for name in ("connector", "account_id", "code")),
    _DOUBT.c.noted_at == bindparam("since"),
)
_ENTER: Final = insert(_DOUBT)
_END: Final = update(_DOUBT).where(*_NAMED)
_TAKE_BACK: Final = delete(_DOUBT).where(*_NAMED)


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
        connection.execute(_ENTER, [
            {"connector": d.connector, "account_id": d.account_id, "code": d.code, "noted_at": at, "words": d.words,
             "mend": d.mend} for d in new
        ])  # fmt: skip


def read(connection: Connection, known_at: int | None) -> list[Doubt]:
    """Return what stood in doubt at an instant; with None what stands now, whatever the clock says."""
    rows = connection.execute(_STANDING) if known_at is None else connection.execute(_THEN, {"known_at": known_at})
    found = [
        Doubt(row.code, row.connector, row.account_id, row.words, row.mend, from_instant(row.noted_at)) for row in rows
    ]
    return sorted(found, key=lambda doubt: (doubt.connector, doubt.account_id, doubt.code))


def _end(connection: Connection, doubt: Doubt, at: int) -> None:
    since = to_instant(doubt.since)
    named = {"of_connector": doubt.connector, "of_account_id": doubt.account_id, "of_code": doubt.code, "since": since}
    if at <= since:
        connection.execute(_TAKE_BACK, named)
    else:
        connection.execute(_END, {**named, "ended_at": at})
