"""The whole history, entry by entry: read page by page, so that its length does not matter."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from optimizer import approval
from optimizer.agent.store import admission
from optimizer.agent.store.terms import BREAKER, LEAD, PEOPLE, PORTFOLIO, SWITCH
from optimizer.approval import Testimony
from optimizer.goals import Goals
from optimizer.plan.audit import Entry
from optimizer.plan.basis import Basis
from optimizer.plan.canonical import content_hash, from_json
from optimizer.ports import NotFound, Store

_ALL: Final = 1_000_000


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


def contradictions(store: Store) -> Iterator[str]:
    """Say what is stored and is not what the history says of it; to be asked once the chain itself holds."""
    told, thrown, people = _testimonies(store)
    yield from _of_the_switch(store, thrown)
    yield from _of_people(store, people)
    yield from store.stray()
    for name in sorted(told.keys() | set(_revisions(store))):
        yield from _of_revision(store, name, told.get(name))


def _of_the_switch(store: Store, thrown: list[str]) -> Iterator[str]:
    try:
        kept = [content_hash(brake) for brake in store.brakes()]
    except ValueError as error:
        yield f"a throw of the kill switch cannot be read: {error}"
        return
    if kept != thrown:
        yield "the throws of the kill switch are not those that the history tells of"


def _of_people(store: Store, told: admission.Testimony) -> Iterator[str]:
    try:
        users, tokens = store.users(), store.tokens()
    except ValueError as error:
        yield f"a user or token cannot be read: {error}"
        return
    yield from told.contradictions(users, tokens)


def _testimonies(store: Store) -> tuple[dict[tuple[str, int], Testimony], list[str], admission.Testimony]:
    """What the history says of each revision, the hashes of the throws of the kill switch, and what of people."""
    told: dict[tuple[str, int], Testimony] = {}
    thrown: list[str] = []
    people = admission.Testimony()
    for entry in entries(store):
        if entry.event.rec_id == SWITCH:
            thrown.append(entry.subject)
        elif entry.event.rec_id == PEOPLE:
            people.hear(entry)
        elif entry.event.rec_id not in (BREAKER, LEAD, PORTFOLIO):
            told.setdefault((entry.event.rec_id, entry.event.revision), Testimony()).hear(entry)
    return told, thrown, people


def _revisions(store: Store) -> Iterator[tuple[str, int]]:
    for record in store.records(limit=_ALL):
        latest = record.recommendation
        yield from ((latest.rec_id, number + 1) for number in range(latest.revision))


def _of_revision(store: Store, name: tuple[str, int], told: Testimony | None) -> Iterator[str]:
    words = f"{name[0]} revision {name[1]}"
    if told is None:
        yield f"{words} is stored, and no entry tells of it"
        return
    try:
        record, basis = store.record(*name), store.basis(*name)
    except (NotFound, ValueError):
        yield f"{words} is told of, and is not stored as it was"
        return
    yield from approval.contradictions(record, store.intents(*name), told)
    if basis is not None and _goals(basis) != record.recommendation.decision.goals_digest:
        yield f"{words} was not decided on the goals that are kept with it"


def _goals(basis: Basis) -> str:
    """The digest of the goals of a basis; empty where they cannot be read, which is not what was kept either."""
    try:
        return from_json(Goals, basis.goals).digest()
    except ValueError:
        return ""


def newest(store: Store, asked: Asked, limit: int) -> tuple[Entry, ...]:
    """Return the last entries that are wanted, oldest first."""
    return tuple(deque(filter(asked.matches, entries(store)), maxlen=limit))
