"""What happened, in SQL: entries are only ever added, each at the end of the chain."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, func, insert, select

from optimizer.agent.store import tables as t
from optimizer.agent.store import terms
from optimizer.agent.store.instants import from_instant, to_instant
from optimizer.plan.audit import GENESIS, Entry, sealed
from optimizer.plan.record import Event

_EVENTS: Final = t.core(t.Event)
# Written out once: to put a statement together takes longer than to run it.
_NEWEST: Final = select(_EVENTS).order_by(_EVENTS.c.id.desc()).limit(bindparam("most"))
_END: Final = select(_EVENTS.c.id, _EVENTS.c.hash).order_by(_EVENTS.c.id.desc()).limit(1).with_for_update()
_ENTER: Final = insert(_EVENTS)
_OF: Final = select(_EVENTS).where(_EVENTS.c.rec_id == bindparam("of")).order_by(_EVENTS.c.id)
_NEWEST_OF: Final = _NEWEST.where(_EVENTS.c.rec_id == bindparam("of"))
_AFTER: Final = select(_EVENTS).where(_EVENTS.c.id > bindparam("after")).order_by(_EVENTS.c.id).limit(bindparam("most"))
_RESUMED: Final = select(func.max(_EVENTS.c.id)).where(
    _EVENTS.c.rec_id == terms.SWITCH, _EVENTS.c.action == terms.RESUMED
)
# Sought from the time of the newest entry on, so that the index of times gives a few entries and not all since then.
_TAIL: Final = select(_EVENTS.c.at).where(_EVENTS.c.id == select(func.max(_EVENTS.c.id)).scalar_subquery())
_LAST_WRITTEN: Final = select(func.max(_EVENTS.c.at)).where(
    _EVENTS.c.id >= func.coalesce(_RESUMED.scalar_subquery(), 0), _EVENTS.c.at >= _TAIL.scalar_subquery()
)


class End:
    """The end of the chain within a transaction that holds the write lock, to which entries are added."""

    def __init__(self, connection: Connection) -> None:
        """Find the last entry, and lock it against whoever does not take the write lock."""
        last = connection.execute(_END).one_or_none()
        self._connection = connection
        self._number: int = 0 if last is None else last.id
        self._hash: str = GENESIS if last is None else last.hash

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
        self._connection.execute(_ENTER, {"id": entry.number, "previous": entry.previous, "hash": entry.hash, **said})
        self._number, self._hash = entry.number, entry.hash


def events(connection: Connection, rec_id: str) -> tuple[Event, ...]:
    """Return a recommendation's history, oldest first."""
    return tuple(map(_event, connection.execute(_OF, {"of": rec_id})))


def last(connection: Connection, rec_id: str) -> Event | None:
    """Return the newest event of a recommendation, or of what stands in place of one; None without any."""
    return next(iter(newest(connection, rec_id, 1)), None)


def newest(connection: Connection, rec_id: str, limit: int) -> tuple[Event, ...]:
    """Return the newest events of what stands in place of a recommendation, the newest first."""
    return tuple(map(_event, connection.execute(_NEWEST_OF, {"of": rec_id, "most": limit})))


def entries(connection: Connection, after: int, limit: int) -> tuple[Entry, ...]:
    """Return the next entries; see `Store.audit`."""
    rows = connection.execute(_AFTER, {"after": after, "most": limit})
    return tuple(Entry(row.id, _event(row), row.subject, row.previous, row.hash) for row in rows)


def last_written(connection: Connection) -> datetime | None:
    """Return the latest time at which an entry was written; see `Store.last_written`."""
    at: int | None = connection.execute(_LAST_WRITTEN).scalar_one()
    return None if at is None else from_instant(at)


def _event(row: Row[Any]) -> Event:
    return Event(row.rec_id, row.revision, from_instant(row.at), row.actor, row.action, row.detail)
