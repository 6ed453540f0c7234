"""Who leads, which jobs ran and the kill switch in SQL; the write lock makes each check and its set one."""

from __future__ import annotations

from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, bindparam, delete, exists, func, insert, select, update

from optimizer.agent.store import chain, terms
from optimizer.agent.store import tables as t
from optimizer.agent.store.instants import from_instant, to_instant
from optimizer.plan.canonical import content_hash
from optimizer.plan.circuit import Circuit
from optimizer.plan.office import Brake, JobRun, Lease, Outcome, Pulse
from optimizer.plan.record import Event, Intent

_MICROSECOND: Final = timedelta(microseconds=1)

_EVENTS: Final = t.core(t.Event)
_OWNERS: Final = t.core(t.Owner)
_LEAD: Final = t.core(t.Lead)
_RUNS: Final = t.core(t.JobRun)
_BRAKES: Final = t.core(t.Brake)
_CIRCUITS: Final = t.core(t.Circuit)
# Written out once: a thousand portfolios ask all the time, and to put a statement together takes longer than to run it.
_OWNER: Final = select(_OWNERS.c.name)
_LEADER: Final = select(_LEAD.c.epoch, _LEAD.c.holder, _LEAD.c.until, _LEAD.c.seated).where(_LEAD.c.id == 1)
_NEXT_LEAD: Final = update(_LEAD).where(_LEAD.c.id == 1)
_RUN: Final = select(_RUNS).where(_RUNS.c.job == bindparam("of"), _RUNS.c.due_at == bindparam("at"))
_NEWEST_RUNS: Final = select(_RUNS).order_by(_RUNS.c.due_at.desc(), _RUNS.c.id.desc()).limit(bindparam("most"))
_NEWEST_RUNS_OF: Final = _NEWEST_RUNS.where(_RUNS.c.job == bindparam("of"))
_FIRST_RUN: Final = insert(_RUNS)
_NEXT_RUN: Final = update(_RUNS).where(_RUNS.c.job == bindparam("of"), _RUNS.c.due_at == bindparam("at"))
_LATER_RUN: Final = _RUNS.alias("later")
_FORGET: Final = delete(_RUNS).where(
    _RUNS.c.due_at < bindparam("before"),
    (_RUNS.c.outcome != Outcome.RUNNING.value) | (_RUNS.c.epoch < select(func.max(_LEAD.c.epoch)).scalar_subquery()),
    exists().where(_LATER_RUN.c.job == _RUNS.c.job, _LATER_RUN.c.due_at > _RUNS.c.due_at),
)
_BRAKE: Final = select(_BRAKES).order_by(_BRAKES.c.id.desc()).limit(1)
_ALL_BRAKES: Final = select(_BRAKES).order_by(_BRAKES.c.id)
_CIRCUIT: Final = select(_CIRCUITS).where(_CIRCUITS.c.subject == bindparam("of"))
_NEXT_CIRCUIT: Final = update(_CIRCUITS).where(_CIRCUITS.c.subject == bindparam("of"))
_ALL_CIRCUITS: Final = select(_CIRCUITS)


def _alone(column: Any, name: str) -> Any:
    return select(column).scalar_subquery().label(name)


_PULSE: Final[Select[Any]] = select(
    _alone(func.max(_EVENTS.c.id), "entries"),
    *(_alone(_LEAD.c[name], name) for name in ("epoch", "holder", "until")),
)


def owner(connection: Connection) -> str | None:
    """See `Store.owner`."""
    name: str | None = connection.execute(_OWNER).scalar_one_or_none()
    return name


def own(connection: Connection, name: str) -> None:
    """See `Store.own`; in a transaction that writes."""
    known = owner(connection)
    if known is None:
        connection.execute(insert(_OWNERS), {"id": 1, "name": name})
    else:
        terms.check_owner(known, name)


def rename(connection: Connection, name: str, by: str, now: datetime) -> str | None:
    """See `Store.rename`."""
    before = owner(connection)
    if before is None:
        own(connection, name)
    elif before != name:
        connection.execute(update(_OWNERS), {"name": name})
        chain.End(connection).add(terms.renamed(before, name, by, now), content_hash(name))
    return before


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
    row = connection.execute(_LEADER).one_or_none()
    before = None if row is None else _lease(row)
    lease = terms.next_lease(before, holder, now, until, gone=free and row is not None and row.seated)
    if lease is not None:
        connection.execute(insert(_LEAD) if row is None else _NEXT_LEAD, _lead(lease, seated=seated))
        history = chain.End(connection)
        for event, about in terms.took(chain.last(connection, terms.LEAD), before, lease, now):
            history.add(event, content_hash(about))
    return lease


def renew_lead(connection: Connection, lease: Lease, until: datetime, *, seated: bool) -> Lease:
    """Move the end of a lease; see `Store.renew_lead`."""
    known = terms.check_epoch(leader(connection), lease.epoch)
    renewed = Lease(known.epoch, known.holder, until)
    connection.execute(_NEXT_LEAD, _lead(renewed, seated=seated))
    return renewed


def leave_lead(connection: Connection, lease: Lease, now: datetime) -> None:
    """End a lease; see `Store.leave_lead`."""
    known = leader(connection)
    if known is not None and known.epoch == lease.epoch:
        ended = Lease(known.epoch, known.holder, now)
        connection.execute(_NEXT_LEAD, _lead(ended, seated=False))
        if (event := terms.left(chain.last(connection, terms.LEAD), ended, now)) is not None:
            chain.End(connection).add(event, content_hash(ended))


def leader(connection: Connection) -> Lease | None:
    """Return the newest lease."""
    row = connection.execute(_LEADER).one_or_none()
    return None if row is None else _lease(row)


def may_send(connection: Connection, epoch: int) -> None:
    """See `Store.may_send`."""
    terms.check_epoch(leader(connection), epoch)
    terms.check_brake(newest_brake(connection))


def may_commit(connection: Connection, epoch: int) -> None:
    """Check the fence of what a leader is about to decide."""
    terms.check_epoch(leader(connection), epoch)


def may_advance(connection: Connection, before: Intent, after: Intent, epoch: int | None) -> None:
    """Check the fence of a step of a write, and the kill switch where it is about to be sent."""
    if epoch is not None:
        terms.check_epoch(leader(connection), epoch)
    if terms.is_sent(before, after):
        terms.check_brake(newest_brake(connection))


def begin_run(connection: Connection, job: str, due_at: datetime, epoch: int, now: datetime) -> JobRun | None:
    """See `Store.begin_run`."""
    terms.check_epoch(leader(connection), epoch)
    known = _known(connection, job, due_at)
    run = terms.begun(known, job, due_at, epoch, now)
    if run is not None:
        _enter(connection, run, first=known is None)
    return run


def end_run(connection: Connection, run: JobRun, outcome: Outcome, words: str, now: datetime) -> None:
    """See `Store.end_run`."""
    ended = terms.ended(_known(connection, run.job, run.due_at), run, outcome, words, now)
    _enter(connection, ended, first=False)


def runs(connection: Connection, job: str | None, limit: int) -> tuple[JobRun, ...]:
    """See `Store.runs`."""
    statement = _NEWEST_RUNS if job is None else _NEWEST_RUNS_OF
    return tuple(map(_run, connection.execute(statement, {"of": job, "most": limit})))


def forget_runs(connection: Connection, before: datetime) -> int:
    """See `Store.forget_runs`."""
    return connection.execute(_FORGET, {"before": to_instant(before)}).rowcount


def pulse(connection: Connection) -> Pulse:
    """See `Store.pulse`."""
    row = connection.execute(_PULSE).one()
    lease = None if row.epoch is None else Lease(row.epoch, row.holder, from_instant(row.until))
    return Pulse(row.entries or 0, lease)


def throw_brake(connection: Connection, brake: Brake) -> None:
    """See `Store.throw_brake`."""
    if brake.until is not None:  # nothing keeps a stop without an end from being kept, not even a row that is spoilt
        terms.check_throw(newest_brake(connection), brake)
    _keep_brake(connection, brake, terms.thrown(brake))


def lift_brake(connection: Connection, now: datetime) -> Brake | None:
    """See `Store.lift_brake`."""
    brake = terms.lifted(newest_brake(connection), now)
    if brake is not None:
        _keep_brake(connection, brake, terms.thrown(brake, by_itself=True))
    return brake


def newest_brake(connection: Connection) -> Brake | None:
    """See `Store.brake`."""
    row = connection.execute(_BRAKE).one_or_none()
    return None if row is None else _brake(row)


def brakes(connection: Connection) -> tuple[Brake, ...]:
    """See `Store.brakes`."""
    return tuple(map(_brake, connection.execute(_ALL_BRAKES)))


def keep_circuit(connection: Connection, before: Circuit, after: Circuit, now: datetime) -> None:
    """See `Store.keep_circuit`."""
    row = connection.execute(_CIRCUIT, {"of": before.subject}).one_or_none()
    terms.check_circuit(None if row is None else _circuit(row), before)
    columns = {
        "subject": after.subject,
        "failures": after.failures,
        "until": None if after.until is None else to_instant(after.until),
        "wait": after.wait // _MICROSECOND,
        "why": after.why,
    }
    if row is None:
        connection.execute(insert(_CIRCUITS), columns)
    else:
        connection.execute(_NEXT_CIRCUIT, {**columns, "of": before.subject})
    if (event := terms.tripped(before, after, now)) is not None:
        chain.End(connection).add(event, content_hash(after))


def circuits(connection: Connection) -> tuple[Circuit, ...]:
    """See `Store.circuits`."""
    # Sorted here: a server may sort texts by the rules of a language.
    return tuple(sorted(map(_circuit, connection.execute(_ALL_CIRCUITS)), key=attrgetter("subject")))


def _circuit(row: Row[Any]) -> Circuit:
    until = None if row.until is None else from_instant(row.until)
    return Circuit(row.subject, row.failures, until, row.wait * _MICROSECOND, row.why)


def _lead(lease: Lease, *, seated: bool) -> dict[str, Any]:
    return {
        "id": 1,
        "epoch": lease.epoch,
        "holder": lease.holder,
        "until": to_instant(lease.until),
        "seated": seated,
    }


def _lease(row: Any) -> Lease:
    return Lease(row.epoch, row.holder, from_instant(row.until))


def _keep_brake(connection: Connection, brake: Brake, event: Event) -> None:
    columns = {
        "stops": brake.on,
        "at": to_instant(brake.at),
        "actor": brake.actor,
        "reason": brake.reason,
        "until": None if brake.until is None else to_instant(brake.until),
    }
    connection.execute(insert(_BRAKES), columns)
    chain.End(connection).add(event, content_hash(brake))


def _brake(row: Row[Any]) -> Brake:
    until = None if row.until is None else from_instant(row.until)
    return Brake(row.stops, from_instant(row.at), row.actor, row.reason, until)


def _known(connection: Connection, job: str, due_at: datetime) -> JobRun | None:
    row = connection.execute(_RUN, {"of": job, "at": to_instant(due_at)}).one_or_none()
    return None if row is None else _run(row)


def _run(row: Row[Any]) -> JobRun:
    ended_at = None if row.ended_at is None else from_instant(row.ended_at)
    return JobRun(
        row.job, from_instant(row.due_at), row.epoch, row.attempt, from_instant(row.started_at), Outcome(row.outcome),
        ended_at, row.words,
    )  # fmt: skip


def _enter(connection: Connection, run: JobRun, *, first: bool) -> None:
    columns = {
        "job": run.job,
        "due_at": to_instant(run.due_at),
        "epoch": run.epoch,
        "attempt": run.attempt,
        "started_at": to_instant(run.started_at),
        "ended_at": None if run.ended_at is None else to_instant(run.ended_at),
        "outcome": run.outcome.value,
        "words": run.words,
    }
    if first:
        connection.execute(_FIRST_RUN, columns)
    else:
        connection.execute(_NEXT_RUN, {**columns, "of": run.job, "at": columns["due_at"]})
