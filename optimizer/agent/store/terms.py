"""The terms on which a process leads and a job runs, as every store keeps them. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from optimizer.approval.table import PROGRAM
from optimizer.plan.circuit import Circuit
from optimizer.plan.office import Brake, JobRun, Lease, Outcome
from optimizer.plan.record import Event, Intent, IntentState
from optimizer.ports import Braked, Fenced, NotOwned, StateConflict

SWITCH: Final = "kill-switch"
"""What stands in the history in place of a recommendation where the kill switch was thrown."""

RESUMED: Final = "resumed"
"""What it says where writes were let go on; whoever does so says that the clock is right, too."""

BREAKER: Final = "circuit-breaker"
"""The same where the breaker of an account opened or closed."""

LEAD: Final = "lead"
"""What stands in the history in place of a recommendation where the lead changed; its revision is the epoch."""

PEOPLE: Final = "people"
"""The same where users were changed, or people came and went."""

PORTFOLIO: Final = "portfolio"
"""The same where the portfolio whose the store is got another name."""

_TAKEN, _LOST, _RELEASED = "lead-taken", "lead-lost", "lead-released"
_PAUSE_OVER: Final = "pause-over"

LEAD_MISSING: Final = "nobody leads: take the lead first"


def next_lease(newest: Lease | None, holder: str, now: datetime, until: datetime, *, gone: bool) -> Lease | None:
    """Return the lease of the next leader, or None while somebody leads.

    Args:
        newest: The last lease that was given.
        holder: Who asks.
        now: Aware UTC.
        until: When the new lease is to end.
        gone: Whether the process that had the last lease is known to have gone.

    Raises:
        ValueError: The lease would end before it begins.
    """
    if until <= now:
        raise ValueError(f"a lease must end after now: {until} is not after {now}")
    if newest is not None and newest.until > now and not gone:
        return None
    return Lease(1 if newest is None else newest.epoch + 1, holder, until)


def took(told: Event | None, before: Lease | None, lease: Lease, now: datetime) -> tuple[tuple[Event, Lease], ...]:
    """Return what the history says of a new leader, and before that of the last one, if it did not leave by itself.

    Args:
        told: What the history said last of the lead.
        before: The lease that the new one follows.
        lease: The new one.
        now: Aware UTC.

    Returns:
        Each event with the lease that it is about.
    """
    new = (Event(LEAD, lease.epoch, now, lease.holder, _TAKEN, f"until {lease.until:%Y-%m-%d %H:%M:%S} UTC"), lease)
    if before is None or told is None or told.action != _TAKEN:
        return (new,)
    ended = f"its lease ended at {before.until:%Y-%m-%d %H:%M:%S} UTC"
    why = ended if before.until <= now else "its process is gone"
    return (Event(LEAD, before.epoch, now, before.holder, _LOST, f"{why}; {lease.holder} leads"), before), new


def left(told: Event | None, lease: Lease, now: datetime) -> Event | None:
    """Return what the history says of a leader that leaves; None if it says so already."""
    if told is not None and (told.action, told.revision) == (_RELEASED, lease.epoch):
        return None
    return Event(LEAD, lease.epoch, now, lease.holder, _RELEASED, "")


def check_epoch(newest: Lease | None, epoch: int) -> Lease:
    """Check that an epoch is the newest, and return its lease.

    Raises:
        Fenced: It is not.
    """
    if newest is None:
        raise Fenced(LEAD_MISSING)
    if newest.epoch != epoch:
        raise Fenced(f"{newest.holder} leads in epoch {newest.epoch}; what epoch {epoch} was about to do is not done")
    return newest


def check_owner(owner: str, name: str) -> None:
    """Check that a store is a portfolio's own.

    Raises:
        NotOwned: It is another one's.
    """
    if owner != name:
        raise NotOwned(owner, name)


def renamed(before: str, name: str, by: str, now: datetime) -> Event:
    """Return what the history says where the portfolio whose the store is got another name."""
    return Event(PORTFOLIO, 0, now, by, "renamed", f"from {before} to {name}")


def check_brake(brake: Brake | None) -> None:
    """Check that writes may be sent.

    Raises:
        Braked: The newest throw of the kill switch stops them.
    """
    if brake is not None and brake.on:
        raise Braked(brake)


def check_throw(newest: Brake | None, brake: Brake) -> None:
    """Check that a stop for a while ends none that lasts longer: the newest counts alone.

    Raises:
        StateConflict: It would.
    """
    if newest is None or not newest.on or brake.until is None:
        return
    if newest.until is None or newest.until > brake.until:
        mend = "Mend: pause without an end; or resume first, but what is approved may be written before you pause again"
        raise StateConflict(f"writes are paused for longer already, {newest}. {mend}")


def lifted(newest: Brake | None, now: datetime) -> Brake | None:
    """Return the throw by which a stop ends whose time has passed; None while there is none."""
    if newest is None or not newest.is_over(now):
        return None
    return Brake(False, now, PROGRAM, f"the pause by {newest.actor} was until {newest.until:%Y-%m-%d %H:%M} UTC")


def thrown(brake: Brake, *, by_itself: bool = False) -> Event:
    """Return what the history says of a throw of the kill switch, which belongs to no recommendation.

    That a pause is over by itself is no `RESUMED`, since nobody says with it that the clock is right.
    """
    action = "paused" if brake.on else _PAUSE_OVER if by_itself else RESUMED
    end = "" if brake.until is None else f"until {brake.until:%Y-%m-%d %H:%M:%S} UTC: "
    return Event(SWITCH, 0, brake.at, brake.actor, action, f"{end}{brake.reason}")


def check_circuit(stored: Circuit | None, before: Circuit) -> None:
    """Check that a breaker stands where a step of it starts from.

    Raises:
        StateConflict: It does not.
    """
    if (stored or Circuit(before.subject)) != before:
        raise StateConflict(f"another process has told of {before.subject} meanwhile")


def tripped(before: Circuit, after: Circuit, now: datetime) -> Event | None:
    """Return what the history says of a breaker that opened or closed; None where it did neither."""
    if before.is_open == after.is_open:
        return None
    if after.until is None:
        return Event(BREAKER, 0, now, PROGRAM, "closed", f"{after.subject} answers again")
    words = (
        f"{after.subject} failed {after.failures} times in a row; a probe at {after.until:%H:%M:%S} UTC; {after.why}"
    )
    return Event(BREAKER, 0, now, PROGRAM, "opened", words)


def is_sent(before: Intent, after: Intent) -> bool:
    """Whether a step makes ready to call a platform."""
    return after.state is IntentState.SENDING and before.state is not IntentState.SENDING


def begun(known: JobRun | None, job: str, due_at: datetime, epoch: int, now: datetime) -> JobRun | None:
    """Return a run as it begins, or None if it is done already, or runs in this epoch.

    Args:
        known: What is stored for the job and moment.
        job: Its name.
        due_at: What it is due for.
        epoch: Of the leader who begins it. A run of an older epoch that never ended was cut off.
        now: Aware UTC.
    """
    if known is None:
        return JobRun(job, due_at, epoch, 1, now, Outcome.RUNNING)
    if known.outcome is Outcome.DONE or (known.outcome is Outcome.RUNNING and known.epoch == epoch):
        return None
    return JobRun(job, due_at, epoch, known.attempt + 1, now, Outcome.RUNNING)


def ended(known: JobRun | None, run: JobRun, outcome: Outcome, words: str, now: datetime) -> JobRun:
    """Return a run as it ended.

    Raises:
        StateConflict: It does not run, or was begun anew since.
        ValueError: `outcome` is no end.
    """
    if outcome is Outcome.RUNNING:
        raise ValueError("a run ends as done or failed")
    if known != run or run.outcome is not Outcome.RUNNING:
        raise StateConflict(f"job {run.job!r} of {run.due_at} does not run any more, or was begun anew")
    return replace(run, outcome=outcome, ended_at=now, words=words)
