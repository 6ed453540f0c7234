"""The history as a chain: each entry carries the hash of what it says and of the entry before it.

Whoever changes, removes or inserts an entry breaks the chain from there on, unless all that follows is written anew;
then the head differs from one that was kept elsewhere. The idea is that of linked time-stamping (Haber and Stornetta,
"How to time-stamp a digital document", Journal of Cryptology 3, 1991).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from optimizer.plan.record import Event

GENESIS: Final = "0" * 64
"""What stands before the first entry."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """One event in the chain.

    Attributes:
        number: Its place; numbers rise, and may leave some out.
        event: What happened.
        subject: SHA-256 of what the step left: the revision with where it stands, or the write. Empty where the event
            is older than the chain.
        previous: The hash of the entry before it.
        hash: SHA-256 of all the others.
    """

    number: int
    event: Event
    subject: str
    previous: str
    hash: str

    def computed_hash(self) -> str:
        """The hash that the content has; differs from `hash` only if it was tampered with."""
        event = self.event
        at = (event.at - _EPOCH) // timedelta(microseconds=1)
        said = [event.rec_id, event.revision, at, event.actor, event.action, event.detail]
        told = json.dumps([self.number, *said, self.subject, self.previous], separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(told.encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True)
class Broken:
    """The first entry at which the chain does not hold.

    Attributes:
        number: The entry's; None if it is the kept head that is missing.
        words: What does not hold.
    """

    number: int | None
    words: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What a walk along the chain found.

    Attributes:
        entries: How many hold.
        head: The hash of the last of them; `GENESIS` if there is none.
        broken: Where the walk ended early, or which kept head is missing; None if all holds.
    """

    entries: int
    head: str
    broken: Broken | None


def sealed(number: int, event: Event, subject: str, previous: str) -> Entry:
    """Return the entry of an event that follows the one whose hash is `previous`."""
    return _with_hash(Entry(number, event, subject, previous, ""))


def prove(entries: Iterable[Entry], kept: str | None = None) -> Proof:
    """Walk the chain from its beginning, holding one entry at a time.

    Args:
        entries: All of them, in order.
        kept: A head that was noted elsewhere, and must be in the chain: whole, or 8 digits of it or more.
    """
    last: Entry | None = None
    count, found = 0, kept is None
    for entry in entries:
        words = _fault(last, entry)
        if words:
            return Proof(count, GENESIS if last is None else last.hash, Broken(entry.number, words))
        last, count = entry, count + 1
        found = found or entry.hash.startswith(kept or GENESIS)
    head = GENESIS if last is None else last.hash
    if found or kept == GENESIS:
        return Proof(count, head, None)
    words = f"the kept head {kept} is not in the chain: entries at its end were removed, or all were written anew"
    return Proof(count, head, Broken(None, words))


def _fault(last: Entry | None, entry: Entry) -> str:
    """What does not hold between two neighbours; empty if all does."""
    previous, number = (GENESIS, None) if last is None else (last.hash, last.number)
    if entry.hash != entry.computed_hash():
        return f"entry {entry.number} does not say what was sealed: somebody changed it"
    if entry.previous != previous or (number is not None and entry.number <= number):
        before = "the beginning" if number is None else f"entry {number}"
        return f"entry {entry.number} does not follow {before}: entries between them were removed or put in"
    return ""


def _with_hash(entry: Entry) -> Entry:
    return Entry(entry.number, entry.event, entry.subject, entry.previous, entry.computed_hash())
