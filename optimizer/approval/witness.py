"""Whether what is stored is what the history says of it.

Each entry of the chain carries the hash of what its step left: a revision with where it stands, or a write. So the last
entry about either must carry the hash of what is stored now. A row that was altered behind the history's back does not
agree with it, though the chain itself holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from optimizer.approval.intents import STEPS, planned
from optimizer.approval.table import Action, title
from optimizer.plan.audit import Entry
from optimizer.plan.canonical import content_hash
from optimizer.plan.record import Event, Intent, IntentState, Record

_WRITES: Final = frozenset(STEPS.values())
_STARTS: Final = frozenset({Action.BEGUN.value, Action.RETRIED.value})


@dataclass(slots=True)
class Testimony:
    """What the history says of one revision, gathered entry by entry.

    Attributes:
        standing: The hash that its last step left; empty where that step is older than the chain.
        starts: Each step that planned writes.
        writes: Each step of a write, and the hash that it left.
    """

    standing: str = ""
    starts: list[Event] = field(default_factory=list)
    writes: list[tuple[Event, str]] = field(default_factory=list)

    def hear(self, entry: Entry) -> None:
        """Take the next entry about the revision, oldest first."""
        if entry.event.action in _WRITES:
            self.writes.append((entry.event, entry.subject))
            return
        self.standing = entry.subject
        if entry.event.action in _STARTS:
            self.starts.append(entry.event)


def contradictions(record: Record, intents: Iterable[Intent], told: Testimony) -> Iterator[str]:
    """Say in sentences what is stored of a revision and is not what its history says.

    Args:
        record: As it is stored.
        intents: All of its writes, as they are stored.
        told: What the history says.
    """
    name = title(record)
    if told.standing and told.standing != content_hash(record):
        yield f"{name} is not what its last entry left"
    ordered = sorted(intents, key=_order)
    if _listed(record, ordered) != "; ".join(event.detail for event in told.starts):
        yield f"{name} has other writes, or in another order, than its history says"
    for _, group in groupby(sorted(ordered, key=_place), key=_key):
        yield from _of_one(record, tuple(group), told)


def _of_one(record: Record, group: Sequence[Intent], told: Testimony) -> Iterator[str]:
    """The writes of one budget or ad, oldest first."""
    first = group[0]
    head = f"{first.key}: {first.base} -> {first.target}; "
    said = [subject for event, subject in told.writes if event.detail.startswith(head)]
    moved = [intent for place, intent in enumerate(group) if not _untouched(record, group[: place + 1], told)]
    left = iter(said)
    for intent in moved:
        if said and not said[-1]:
            return  # older than the chain
        if content_hash(intent) not in left:
            yield f"write {intent.idempotency_key} is not what its last entry left"
            return
    if next(left, None) is not None:
        yield f"write {first.idempotency_key} or one after it stands where it stood before its last entry"


def _untouched(record: Record, group: Sequence[Intent], told: Testimony) -> bool:
    """Whether the last of these is planned as its line was, and nothing was done of it yet."""
    intent = group[-1]
    line = next((line for line in record.recommendation.decision.all_lines if line.key == intent.key), None)
    if line is None or intent.state is not IntentState.PLANNED:
        return False
    return any(
        intent == planned(record.recommendation, line, order=intent.order, now=event.at, earlier=tuple(group[:-1]))
        for event in told.starts
    )


def _listed(record: Record, ordered: Iterable[Intent]) -> str:
    names = {line.key: line.name for line in record.recommendation.decision.all_lines}
    return "; ".join(f"{names.get(i.key, '?')}: {i.base} -> {i.target}" for i in ordered)


def _order(intent: Intent) -> int:
    return intent.order


def _key(intent: Intent) -> str:
    return str(intent.key)


def _place(intent: Intent) -> tuple[str, int]:
    return str(intent.key), intent.order
