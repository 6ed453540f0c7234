"""Who leads, which jobs ran and the kill switch in SQL; the write lock makes each check and its set one."""

from __future__ import annotations

from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Connection
from sqlmodel import Session, col, select

from optimizer.agent.store import chain, terms
from optimizer.agent.store import tables as t
from optimizer.agent.store.instants import from_instant, to_instant
from optimizer.plan.circuit import Circuit
from optimizer.plan.office import Brake, JobRun, Lease, Outcome
from optimizer.plan.recommendation import Event, Intent, content_hash

_MICROSECOND: Final = timedelta(microseconds=1)


def take_lead(
    connection: Connection, holder: str, now: datetime, until: datetime, *, free: bool, seated: bool
) -> Lease | None:
    """Give the next lease; see `Store.take_lead` and `terms.next_lease`.

    Args:
        connection: In a transaction that writes.
        holder: Who asks.
        now: Aware UTC.
        until: When the lease is to end.
        free: Whether the seat was free until now: then whoever led from it is gone. A leader may have none, since it
            took over from a process that stood still and sits there yet: that one's end says nothing of the leader's.
        seated: Whether whoever asks has the seat.
    """
    with Session(connection) as session:
        before, row = _leader(session), session.get(t.Lead, 1)
        gone = free and row is not None and row.seated
        lease = terms.next_lease(before, holder, now, until, gone=gone)
        if lease is not None:
            session.merge(_lead(lease, seated=seated))
            history = chain.End(session)
            for event, about in terms.took(_told(session), before, lease, now):
                history.add(event, content_hash(about))
            session.flush()
        return lease


def renew_lead(connection: Connection, lease: Lease, until: datetime, *, seated: bool) -> Lease:
    """Move the end of a lease; see `Store.renew_lead`."""
    with Session(connection) as session:
        known = terms.check_epoch(_leader(session), lease.epoch)
        renewed = Lease(known.epoch, known.holder, until)
        session.merge(_lead(renewed, seated=seated))
        session.flush()
        return renewed


def leave_lead(connection: Connection, lease: Lease, now: datetime) -> None:
    """End a lease; see `Store.leave_lead`."""
    with Session(connection) as session:
        known = _leader(session)
        if known is not None and known.epoch == lease.epoch:
            ended = Lease(known.epoch, known.holder, now)
            session.merge(_lead(ended, seated=False))
            if (event := terms.left(_told(session), ended, now)) is not None:
                chain.End(session).add(event, content_hash(ended))
            session.flush()


def leader(connection: Connection) -> Lease | None:
    """Return the newest lease."""
    with Session(connection) as session:
        return _leader(session)


def may_send(connection: Connection, epoch: int) -> None:
    """See `Store.may_send`."""
    with Session(connection) as session:
        terms.check_epoch(_leader(session), epoch)
        terms.check_brake(_brake(session))


def may_commit(connection: Connection, epoch: int) -> None:
    """Check the fence of what a leader is about to decide."""
    with Session(connection) as session:
        terms.check_epoch(_leader(session), epoch)


def may_advance(connection: Connection, before: Intent, after: Intent, epoch: int | None) -> None:
    """Check the fence of a step of a write, and the kill switch where it is about to be sent."""
    with Session(connection) as session:
        if epoch is not None:
            terms.check_epoch(_leader(session), epoch)
        if terms.is_sent(before, after):
            terms.check_brake(_brake(session))


def begin_run(connection: Connection, job: str, due_at: datetime, epoch: int, now: datetime) -> JobRun | None:
    """See `Store.begin_run`."""
    with Session(connection) as session:
        terms.check_epoch(_leader(session), epoch)
        row = _row(session, job, due_at)
        run = terms.begun(None if row is None else _run(row), job, due_at, epoch, now)
        if run is not None:
            _enter(session, row, run)
        return run


def end_run(connection: Connection, run: JobRun, outcome: Outcome, words: str, now: datetime) -> None:
    """See `Store.end_run`."""
    with Session(connection) as session:
        row = _row(session, run.job, run.due_at)
        _enter(session, row, terms.ended(None if row is None else _run(row), run, outcome, words, now))


def runs(connection: Connection, job: str | None, limit: int) -> tuple[JobRun, ...]:
    """See `Store.runs`."""
    statement = select(t.JobRun).order_by(col(t.JobRun.due_at).desc(), col(t.JobRun.id).desc()).limit(limit)
    if job is not None:
        statement = statement.where(t.JobRun.job == job)
    with Session(connection) as session:
        return tuple(_run(row) for row in session.exec(statement))


def throw_brake(connection: Connection, brake: Brake) -> None:
    """See `Store.throw_brake`."""
    with Session(connection) as session:
        session.add(t.Brake(stops=brake.on, at=to_instant(brake.at), actor=brake.actor, reason=brake.reason))
        chain.End(session).add(terms.thrown(brake), content_hash(brake))
        session.flush()


def newest_brake(connection: Connection) -> Brake | None:
    """See `Store.brake`."""
    with Session(connection) as session:
        return _brake(session)


def brakes(connection: Connection) -> tuple[Brake, ...]:
    """See `Store.brakes`."""
    with Session(connection) as session:
        rows = session.exec(select(t.Brake).order_by(col(t.Brake.id)))
        return tuple(Brake(row.stops, from_instant(row.at), row.actor, row.reason) for row in rows)


def keep_circuit(connection: Connection, before: Circuit, after: Circuit, now: datetime) -> None:
    """See `Store.keep_circuit`."""
    with Session(connection) as session:
        row = session.get(t.Circuit, before.subject)
        terms.check_circuit(None if row is None else _circuit(row), before)
        until, wait = None if after.until is None else to_instant(after.until), after.wait // _MICROSECOND
        session.merge(t.Circuit(subject=after.subject, failures=after.failures, until=until, wait=wait, why=after.why))
        if (event := terms.tripped(before, after, now)) is not None:
            chain.End(session).add(event, content_hash(after))
        session.flush()


def circuits(connection: Connection) -> tuple[Circuit, ...]:
    """See `Store.circuits`."""
    with Session(connection) as session:
        # Sorted here: a server may sort texts by the rules of a language.
        return tuple(sorted(map(_circuit, session.exec(select(t.Circuit))), key=attrgetter("subject")))


def _circuit(row: t.Circuit) -> Circuit:
    until = None if row.until is None else from_instant(row.until)
    return Circuit(row.subject, row.failures, until, row.wait * _MICROSECOND, row.why)


def _told(session: Session) -> Event | None:
    """What the history said last of the lead."""
    return chain.last(session, terms.LEAD)


def _leader(session: Session) -> Lease | None:
    row = session.get(t.Lead, 1)
    return None if row is None else Lease(row.epoch, row.holder, from_instant(row.until))


def _lead(lease: Lease, *, seated: bool) -> t.Lead:
    return t.Lead(id=1, epoch=lease.epoch, holder=lease.holder, until=to_instant(lease.until), seated=seated)


def _brake(session: Session) -> Brake | None:
    row = session.exec(select(t.Brake).order_by(col(t.Brake.id).desc()).limit(1)).one_or_none()
    return None if row is None else Brake(row.stops, from_instant(row.at), row.actor, row.reason)


def _row(session: Session, job: str, due_at: datetime) -> t.JobRun | None:
    statement = select(t.JobRun).where(t.JobRun.job == job, t.JobRun.due_at == to_instant(due_at))
    return session.exec(statement).one_or_none()


def _run(row: t.JobRun) -> JobRun:
    ended_at = None if row.ended_at is None else from_instant(row.ended_at)
    return JobRun(
        row.job, from_instant(row.due_at), row.epoch, row.attempt, from_instant(row.started_at), Outcome(row.outcome),
        ended_at, row.words,
    )  # fmt: skip


def _enter(session: Session, row: t.JobRun | None, run: JobRun) -> None:
    columns: dict[str, Any] = {
        "job": run.job,
        "due_at": to_instant(run.due_at),
        "epoch": run.epoch,
        "attempt": run.attempt,
        "started_at": to_instant(run.started_at),
        "ended_at": None if run.ended_at is None else to_instant(run.ended_at),
        "outcome": run.outcome.value,
        "words": run.words,
    }
    session.add(t.JobRun(**columns) if row is None else row.sqlmodel_update(columns))
    session.flush()
