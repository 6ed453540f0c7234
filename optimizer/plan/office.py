"""What the agent that runs by itself keeps of itself: who leads, which jobs ran, and whether writes are stopped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of one process to write, for a while.

    Attributes:
        epoch: Grows by one each time that another process takes over; what carries an older one is fenced off.
        holder: Who holds it: host, process and start, for people to read.
        until: When it ends unless it is renewed; aware UTC.
    """

    epoch: int
    holder: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Pulse:
    """What differs as soon as anything else does that is decided on; cheap to ask for.

    Attributes:
        entries: The number of the history's newest entry: each step of a recommendation or a write, each throw
            of the kill switch, each change of the lead and each breaker that opens or closes adds one. 0: none yet.
        leader: The newest lease.
    """

    entries: int
    leader: Lease | None


class Outcome(StrEnum):
    """How a run of a job ended, or that it has not."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class JobRun:
    """One run of a job for one moment at which it was due; a retry takes the same place.

    Attributes:
        job: Such as `pull` or `decide`.
        due_at: What it was due for; aware UTC. A job runs at most once to its end for each.
        epoch: Of the lease under which it was begun last.
        attempt: 1 for the first, and one more each time that it was begun anew.
        started_at, ended_at: Of the last attempt; `ended_at` is None while it runs.
        words: What came of it, for people.
    """

    job: str
    due_at: datetime
    epoch: int
    attempt: int
    started_at: datetime
    outcome: Outcome
    ended_at: datetime | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class Brake:
    """One throw of the kill switch; the newest counts.

    Attributes:
        on: Whether no write may be sent from now on.
        at: Aware UTC.
        actor, reason: Who threw it, and why.

    Raises:
        ValueError: Nobody is named, or a stop gives no reason.
    """

    on: bool
    at: datetime
    actor: str
    reason: str

    def __post_init__(self) -> None:
        if not self.actor.strip():
            raise ValueError("nobody is named: say who pauses or resumes")
        if self.on and not self.reason.strip():
            raise ValueError("a pause needs a reason: say why writes are stopped")
