"""What people are told besides proposals: that what they approved or were to approve came to nothing, and why."""

from __future__ import annotations

from typing import Final

from optimizer.agent.cycle import House
from optimizer.agent.daemon.following import Following
from optimizer.agent.store.terms import BREAKER
from optimizer.plan.audit import Entry
from optimizer.plan.record import Record
from optimizer.ports import Clock, NotFound

JOB: Final = "alarms"
_FAILED: Final = "failed"
_DRIFTED: Final = "drifted"
_EXPIRED: Final = "expired"
_OPENED: Final = "opened"


def alarms(clock: Clock) -> Following:
    """Return what tells the addresses of `[notify]`, each thing once, also over restarts."""
    return Following(JOB, clock, _is_told, _told)


def _is_told(entry: Entry) -> bool:
    if entry.event.rec_id == BREAKER:
        return entry.event.action == _OPENED
    return entry.event.action in (_FAILED, _DRIFTED, _EXPIRED)


def _told(house: House, entry: Entry) -> str:
    event = entry.event
    if event.rec_id == BREAKER:
        house.notifier.tell(f"{house.name}: an account is not called for a while", f"{event.detail}; outlay status")
        return "told that a breaker opened"
    try:
        record = house.store.record(event.rec_id, event.revision)
    except NotFound:  # the entry is of something else that ended so
        return f"nothing is told of {event.rec_id}"
    title = f"{house.name}: {event.rec_id} {_became(event.action, record)}"
    house.notifier.tell(title, f"{event.detail}; outlay show {event.rec_id}", event.rec_id)
    return f"told that {event.rec_id} {event.action}"


def _became(action: str, record: Record) -> str:
    """What became of a recommendation, in words; some of what it asked for may be written."""
    if action == _FAILED:
        return "failed: not all of it is written as approved"
    if action == _DRIFTED:
        return "was closed, since what it was made from was changed"
    return "expired before it was written" if record.approved_by else "expired, and nobody approved it in time"
