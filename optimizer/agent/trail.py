"""The whole history, entry by entry: read page by page, so that its length does not matter."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from optimizer.plan.audit import Entry
from optimizer.ports import Store


@dataclass(frozen=True, slots=True)
class Asked:
    """Which entries are wanted; None for all.

    Attributes:
        rec_id, actor, action: As they stand in the event; an action also by its beginning, such as `write`.
        since, until: Aware; both ends included.
    """

    rec_id: str | None = None
    actor: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def matches(self, entry: Entry) -> bool:
        """Whether an entry is wanted."""
        event = entry.event
        return (
            (self.rec_id is None or event.rec_id == self.rec_id)
            and (self.actor is None or event.actor == self.actor)
            and (self.action is None or event.action.startswith(self.action))
            and (self.since is None or event.at >= self.since)
            and (self.until is None or event.at <= self.until)
        )


def entries(store: Store, page: int = 1_000) -> Iterator[Entry]:
    """Yield every entry, oldest first."""
    after = 0
    while found := store.audit(after, page):
        yield from found
        after = found[-1].number


def newest(store: Store, asked: Asked, limit: int) -> tuple[Entry, ...]:
    """Return the last entries that are wanted, oldest first."""
    return tuple(deque(filter(asked.matches, entries(store)), maxlen=limit))
