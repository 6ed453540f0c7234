"""The part of the store's door that is about the agent itself: the lead, its runs, the kill switch, the breakers."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from optimizer.plan.circuit import Circuit
from optimizer.plan.office import Brake, JobRun, Lease, Outcome, Pulse


class Office(Protocol):
    """What the agent that runs by itself keeps of itself; each method is one transaction.

    One process leads, and only it writes to platforms. It holds a lease that it renews, and a lock that goes with its
    process, so that after a crash another need not wait for the lease to end. Each change of the lead raises the
    epoch, which the leader names whenever it is about to send.
    """

    def own(self, name: str) -> None:
        """Take the store for a portfolio, if it is nobody's yet.

        Raises:
            NotOwned: It is another one's.
        """
        ...

    def owner(self) -> str | None:
        """Return the name of the portfolio whose the store is; None before the first that took it."""
        ...

    def rename(self, name: str, by: str, now: datetime) -> str | None:
        """Give the portfolio whose the store is another name, and tell it in the history.

        Returns:
            The name that it had; None if it was nobody's.
        """
        ...

    def take_lead(self, holder: str, now: datetime, until: datetime) -> Lease | None:
        """Take the lead, if nobody has it: the last lease has ended, or the process that held it is gone.

        The history tells who leads since then, and who lost the lead by that.

        Args:
            holder: Who asks, for people to read.
            now: Aware UTC.
            until: When the lease is to end.

        Returns:
            A lease with an epoch that no other had; None while somebody leads.
        """
        ...

    def renew_lead(self, lease: Lease, until: datetime) -> Lease:
        """Move the end of a lease.

        Raises:
            Fenced: Somebody has taken over.
        """
        ...

    def leave_lead(self, lease: Lease, now: datetime) -> None:
        """End a lease, so that the next may lead at once, and tell it; does nothing if somebody has taken over."""
        ...

    def leader(self) -> Lease | None:
        """Return the newest lease, ended or not; None before the first."""
        ...

    def may_send(self, epoch: int) -> None:
        """Ask, right before a call to a platform, whether it may be made.

        Raises:
            Fenced: The epoch is not the newest.
            Braked: The kill switch is on.
        """
        ...

    def begin_run(self, job: str, due_at: datetime, epoch: int, now: datetime) -> JobRun | None:
        """Begin a job for a moment, or begin it anew if it failed or was cut off in an older epoch.

        Returns:
            The run; None if it is done already, or runs.

        Raises:
            Fenced: The epoch is not the newest.
        """
        ...

    def end_run(self, run: JobRun, outcome: Outcome, words: str, now: datetime) -> None:
        """Say how a run ended.

        Raises:
            StateConflict: It is not running, or was begun anew since.
        """
        ...

    def runs(self, job: str | None = None, limit: int = 50) -> tuple[JobRun, ...]:
        """Return the runs (of one job), those due last first."""
        ...

    def forget_runs(self, before: datetime) -> int:
        """Forget the runs that were due before a moment, but for the newest of each job and those that run.

        A run that an earlier leader began and never ended was cut off, and runs no more.

        Returns:
            How many were forgotten.
        """
        ...

    def pulse(self) -> Pulse:
        """Return what differs as soon as the history has grown or another leads."""
        ...

    def throw_brake(self, brake: Brake) -> None:
        """Keep a throw of the kill switch, and tell it in the history; from then on it counts.

        Raises:
            StateConflict: It stops writes for a while, and would so end a stop that lasts longer.
        """
        ...

    def lift_brake(self, now: datetime) -> Brake | None:
        """Let writes go on if the newest throw stops them until a time that has passed, and tell so in the history.

        Returns:
            The throw that was kept; None where nothing was to be lifted.
        """
        ...

    def brake(self) -> Brake | None:
        """Return the newest throw of the kill switch; None if it was never touched."""
        ...

    def brakes(self) -> tuple[Brake, ...]:
        """Return every throw of the kill switch, oldest first."""
        ...

    def keep_circuit(self, before: Circuit, after: Circuit, now: datetime) -> None:
        """Replace where an account's breaker stands; that it opened or closed is told in the history.

        Args:
            before: As it is stored; one that is not stored yet is `Circuit(subject)`.
            after: Where it stands now.
            now: Aware UTC.

        Raises:
            StateConflict: Another process has told of the account meanwhile.
        """
        ...

    def circuits(self) -> tuple[Circuit, ...]:
        """Return the breakers of which anything is known, by their subjects."""
        ...
