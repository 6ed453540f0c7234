"""Who leads, which jobs ran and the kill switch in memory; the part of `MemoryStore` that knows no rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from optimizer.agent.store import terms
from optimizer.plan.audit import GENESIS, Entry, sealed
from optimizer.plan.canonical import content_hash
from optimizer.plan.circuit import Circuit
from optimizer.plan.office import Brake, JobRun, Lease, Outcome
from optimizer.plan.record import Event, Intent


class MemoryOffice:
    """`optimizer.ports.Office` in plain dictionaries; nothing dies with its process here but the store itself."""

    def __init__(self) -> None:
        self._owner: str | None = None
        self._lease: Lease | None = None
        self._runs: dict[tuple[str, datetime], JobRun] = {}
        self._brakes: tuple[Brake, ...] = ()
        self._circuits: dict[str, Circuit] = {}
        self._entries: tuple[Entry, ...] = ()

    def own(self, name: str) -> None:
        """See `Store.own`."""
        self._owner = self._owner or name
        terms.check_owner(self._owner, name)

    def owner(self) -> str | None:
        """See `Store.owner`."""
        return self._owner

    def rename(self, name: str, by: str, now: datetime) -> str | None:
        """See `Store.rename`."""
        before, self._owner = self._owner, name
        if before not in (None, name):
            self._tell(terms.renamed(before, name, by, now), name)
        return before

    def take_lead(self, holder: str, now: datetime, until: datetime) -> Lease | None:
        """See `Store.take_lead`."""
        lease = terms.next_lease(self._lease, holder, now, until, gone=False)
        if lease is not None:
            for event, about in terms.took(self._told(), self._lease, lease, now):
                self._tell(event, about)
            self._lease = lease
        return lease

    def renew_lead(self, lease: Lease, until: datetime) -> Lease:
        """See `Store.renew_lead`."""
        known = terms.check_epoch(self._lease, lease.epoch)
        self._lease = Lease(known.epoch, known.holder, until)
        return self._lease

    def leave_lead(self, lease: Lease, now: datetime) -> None:
        """See `Store.leave_lead`."""
        if self._lease is not None and self._lease.epoch == lease.epoch:
            self._lease = Lease(lease.epoch, self._lease.holder, now)
            if (event := terms.left(self._told(), self._lease, now)) is not None:
                self._tell(event, self._lease)

    def leader(self) -> Lease | None:
        """See `Store.leader`."""
        return self._lease

    def may_send(self, epoch: int) -> None:
        """See `Store.may_send`."""
        terms.check_epoch(self._lease, epoch)
        terms.check_brake(self.brake())

    def begin_run(self, job: str, due_at: datetime, epoch: int, now: datetime) -> JobRun | None:
        """See `Store.begin_run`."""
        terms.check_epoch(self._lease, epoch)
        run = terms.begun(self._runs.get((job, due_at)), job, due_at, epoch, now)
        if run is not None:
            self._runs[job, due_at] = run
        return run

    def end_run(self, run: JobRun, outcome: Outcome, words: str, now: datetime) -> None:
        """See `Store.end_run`."""
        key = (run.job, run.due_at)
        self._runs[key] = terms.ended(self._runs.get(key), run, outcome, words, now)

    def runs(self, job: str | None = None, limit: int = 50) -> tuple[JobRun, ...]:
        """See `Store.runs`."""
        found = [run for run in reversed(self._runs.values()) if job in (None, run.job)]
        found.sort(key=lambda run: run.due_at, reverse=True)
        return tuple(found[:limit])

    def forget_runs(self, before: datetime) -> int:
        """See `Store.forget_runs`."""
        newest = {run.job: run.due_at for run in sorted(self._runs.values(), key=lambda run: run.due_at)}
        led = 0 if self._lease is None else self._lease.epoch
        old = [
            (run.job, run.due_at)
            for run in self._runs.values()
            if run.due_at < min(before, newest[run.job]) and (run.outcome is not Outcome.RUNNING or run.epoch < led)
        ]
        for key in old:
            del self._runs[key]
        return len(old)

    def throw_brake(self, brake: Brake) -> None:
        """See `Store.throw_brake`."""
        terms.check_throw(self.brake(), brake)
        self._keep_brake(brake, terms.thrown(brake))

    def lift_brake(self, now: datetime) -> Brake | None:
        """See `Store.lift_brake`."""
        brake = terms.lifted(self.brake(), now)
        if brake is not None:
            self._keep_brake(brake, terms.thrown(brake, by_itself=True))
        return brake

    def _keep_brake(self, brake: Brake, event: Event) -> None:
        self._brakes = (*self._brakes, brake)
        self._tell(event, brake)

    def brake(self) -> Brake | None:
        """See `Store.brake`."""
        return self._brakes[-1] if self._brakes else None

    def brakes(self) -> tuple[Brake, ...]:
        """See `Store.brakes`."""
        return self._brakes

    def keep_circuit(self, before: Circuit, after: Circuit, now: datetime) -> None:
        """See `Store.keep_circuit`."""
        terms.check_circuit(self._circuits.get(before.subject), before)
        self._circuits[after.subject] = after
        if (event := terms.tripped(before, after, now)) is not None:
            self._tell(event, after)

    def circuits(self) -> tuple[Circuit, ...]:
        """See `Store.circuits`."""
        return tuple(self._circuits[subject] for subject in sorted(self._circuits))

    def _told(self) -> Event | None:
        """What the history said last of the lead."""
        return next((entry.event for entry in reversed(self._entries) if entry.event.rec_id == terms.LEAD), None)

    def _tell(self, event: Event, about: Any) -> None:
        self._entries = (*self._entries, seal(self._entries, event, content_hash(about)))

    def _may_commit(self, epoch: int | None) -> None:
        if epoch is not None:
            terms.check_epoch(self._lease, epoch)

    def _may_advance(self, before: Intent, after: Intent, epoch: int | None) -> None:
        if epoch is not None:
            terms.check_epoch(self._lease, epoch)
        if terms.is_sent(before, after):
            terms.check_brake(self.brake())


def seal(entries: tuple[Entry, ...], event: Event, subject: str) -> Entry:
    """Return the entry that follows others in the chain."""
    number, previous = (entries[-1].number, entries[-1].hash) if entries else (0, GENESIS)
    plain = replace(event, at=event.at.astimezone(UTC))
    return sealed(number + 1, plain, subject, previous)
