"""What happened, in SQL: entries are only ever added, each at the end of the chain."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func
from sqlmodel import Session, col, select

from optimizer.agent.store import tables as t
from optimizer.agent.store import terms
from optimizer.agent.store.instants import from_instant, to_instant
from optimizer.plan.audit import GENESIS, Entry, sealed
from optimizer.plan.recommendation import Event


class End:
    """The end of the chain within a transaction that holds the write lock, to which entries are added."""

    def __init__(self, session: Session) -> None:
        """Find the last entry, and lock it against whoever does not take the write lock."""
        newest = select(t.Event).order_by(col(t.Event.id).desc()).limit(1).with_for_update()
        last = session.exec(newest).one_or_none()
        self._session = session
        self._number, self._hash = (0, GENESIS) if last is None else (last.id or 0, last.hash)

    def add(self, event: Event, subject: str) -> None:
        """Add an event; `subject` is the hash of what the step left."""
        entry = sealed(self._number + 1, event, subject, self._hash)
        said: dict[str, Any] = {
            "rec_id": event.rec_id,
            "revision": event.revision,
            "at": to_instant(event.at),
            "actor": event.actor,
        }
        said |= {"action": event.action, "detail": event.detail, "subject": subject}
        self._session.add(t.Event(id=entry.number, previous=entry.previous, hash=entry.hash, **said))
        self._number, self._hash = entry.number, entry.hash


def events(connection: Connection, rec_id: str) -> tuple[Event, ...]:
    """Return a recommendation's history, oldest first."""
    statement = select(t.Event).where(t.Event.rec_id == rec_id).order_by(col(t.Event.id))
    with Session(connection) as session:
        return tuple(_event(row) for row in session.exec(statement))


def last(session: Session, rec_id: str) -> Event | None:
    """Return the newest event of a recommendation, or of what stands in place of one; None without any."""
    return next(iter(newest(session, rec_id, 1)), None)


def newest(session: Session, rec_id: str, limit: int) -> tuple[Event, ...]:
    """Return the newest events of what stands in place of a recommendation, the newest first."""
    statement = select(t.Event).where(t.Event.rec_id == rec_id).order_by(col(t.Event.id).desc()).limit(limit)
    return tuple(map(_event, session.exec(statement)))


def entries(connection: Connection, after: int, limit: int) -> tuple[Entry, ...]:
    """Return the next entries; see `Store.audit`."""
    statement = select(t.Event).where(col(t.Event.id) > after).order_by(col(t.Event.id)).limit(limit)
    with Session(connection) as session:
        return tuple(
            Entry(row.id or 0, _event(row), row.subject, row.previous, row.hash) for row in session.exec(statement)
        )


def last_written(connection: Connection) -> datetime | None:
    """Return the latest time at which an entry was written; see `Store.last_written`."""
    said = select(func.max(t.Event.id)).where(t.Event.rec_id == terms.SWITCH, t.Event.action == terms.RESUMED)
    with Session(connection) as session:
        resumed = session.exec(said).one() or 0
        at: int | None = session.exec(select(func.max(t.Event.at)).where(col(t.Event.id) >= resumed)).one()
    return None if at is None else from_instant(at)


def _event(row: t.Event) -> Event:
    return Event(row.rec_id, row.revision, from_instant(row.at), row.actor, row.action, row.detail)
