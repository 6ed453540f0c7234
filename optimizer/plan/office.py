"""What the agent that runs by itself keeps of itself: who leads, which jobs ran, and whether writes are stopped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

_HOUR: Final = timedelta(hours=1)

LONGEST_PAUSE: Final = timedelta(days=366)
"""Of a pause that ends by itself; one without an end may last longer."""


def _endless(value: object) -> bool:
    return value is None  # as pauses were before they could end, whose hashes the history has


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
        until: When a stop ends by itself, aware UTC; None: when somebody lets writes go on.

    Raises:
        ValueError: Nobody is named, a stop gives no reason, or it would end before it begins or after more than
            `LONGEST_PAUSE`.
    """

    on: bool
    at: datetime
    actor: str
    reason: str
    until: Annotated[datetime | None, Field(exclude_if=_endless)] = None

    def __post_init__(self) -> None:
        if not self.actor.strip():
            raise ValueError("nobody is named: say who pauses or resumes")
        if self.on and not self.reason.strip():
            raise ValueError("a pause needs a reason: say why writes are stopped")
        if self.until is not None and not (self.on and self.at < self.until <= self.at + LONGEST_PAUSE):
            raise ValueError(f"a pause that ends does so after it begins and within {LONGEST_PAUSE.days} days")

    def __str__(self) -> str:
        """Who stopped writes when and why, and until when if that was said."""
        end = "" if self.until is None else f", until {self.until:%Y-%m-%d %H:%M} UTC"
        return f"since {self.at:%Y-%m-%d %H:%M} UTC by {self.actor}{end}: {self.reason}"

    def is_over(self, now: datetime) -> bool:
        """Whether it is a stop whose time has passed, which is yet to be told."""
        return self.until is not None and now >= self.until


def pause_until(begins: datetime, hours: float) -> datetime:
    """Return when a pause of some hours ends.

    Raises:
        ValueError: It is no length, or longer than `LONGEST_PAUSE`.
    """
    if not 0.0 < hours <= LONGEST_PAUSE / _HOUR:
        raise ValueError(f"a pause lasts more than 0 and up to {LONGEST_PAUSE // _HOUR:,} hours, not {hours:g}")
    return begins + hours * _HOUR
