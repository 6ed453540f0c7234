"""Who leads, which jobs ran and the kill switch in SQL; the write lock makes each check and its set one."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, delete, exists, func
from sqlalchemy import select as choose
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from optimizer.agent.store import chain, terms
from optimizer.agent.store import tables as t
from optimizer.agent.store.instants import from_instant, to_instant
from optimizer.plan.office import Brake, JobRun, Lease, Outcome, Pulse
from optimizer.plan.recommendation import Intent, content_hash


def _alone(column: Any, name: str) -> Any:
    return choose(column).scalar_subquery().label(name)


_PULSE: Final[Select[Any]] = choose(
    _alone(func.max(t.Event.id), "entries"),
    *(_alone(getattr(t.Lead, name), name) for name in ("epoch", "holder", "until")),
)


def take_lead(connection: Connection, holder: str, now: datetime, until: datetime, *, gone: bool) -> Lease | None:
    """Give the next lease; see `Store.take_lead` and `terms.next_lease`."""
    with Session(connection) as session:
        lease = terms.next_lease(_leader(session), holder, now, until, gone=gone)
        if lease is not None:
            session.merge(_lead(lease))
            session.flush()
        return lease


def renew_lead(connection: Connection, lease: Lease, until: datetime) -> Lease:
    """Move the end of a lease; see `Store.renew_lead`."""
    with Session(connection) as session:
        known = terms.check_epoch(_leader(session), lease.epoch)
        renewed = Lease(known.epoch, known.holder, until)
        session.merge(_lead(renewed))
        session.flush()
        return renewed


def leave_lead(connection: Connection, lease: Lease, now: datetime) -> None:
    """End a lease; see `Store.leave_lead`."""
    with Session(connection) as session:
        known = _leader(session)
        if known is not None and known.epoch == lease.epoch:
            session.merge(_lead(Lease(known.epoch, known.holder, now)))
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


def forget_runs(connection: Connection, before: datetime) -> int:
    """See `Store.forget_runs`."""
    newer = aliased(t.JobRun)
    later = exists().where(col(newer.job) == col(t.JobRun.job), col(newer.due_at) > col(t.JobRun.due_at))
    old = (col(t.JobRun.due_at) < to_instant(before)) & (col(t.JobRun.outcome) != Outcome.RUNNING.value)
    return connection.execute(delete(t.JobRun).where(old, later)).rowcount


def pulse(connection: Connection) -> Pulse:
    """See `Store.pulse`."""
    row = connection.execute(_PULSE).one()
    lease = None if row.epoch is None else Lease(row.epoch, row.holder, from_instant(row.until))
    return Pulse(row.entries or 0, lease)


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


def _leader(session: Session) -> Lease | None:
    row = session.get(t.Lead, 1)
    return None if row is None else Lease(row.epoch, row.holder, from_instant(row.until))


def _lead(lease: Lease) -> t.Lead:
    return t.Lead(id=1, epoch=lease.epoch, holder=lease.holder, until=to_instant(lease.until))


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
