"""Experiments in SQL: a registration and an end are entered once, and never changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from sqlalchemy import Connection
from sqlmodel import Session, col, select

from bandits.experiment import Experiment
from bandits.readout import Verdict
from optimizer.agent.store import tables as t
from optimizer.agent.store.instants import from_instant, to_instant
from optimizer.agent.store.rules import check_closing, check_registration
from optimizer.plan.experiments import Closing, ExperimentRecord


def register(connection: Connection, record: ExperimentRecord) -> None:
    """Enter a registration; see `Store.register_experiment`. The write lock is held: check and entry are one."""
    with Session(connection) as session:
        check_registration(_read(session), record)
        session.add(
            t.Experiment(
                experiment_id=record.experiment_id,
                name=record.plan.name,
                plan=record.plan.to_json(),
                plan_hash=record.plan_hash,
                registered_at=to_instant(record.registered_at),
                registered_by=record.registered_by,
                code_version=record.code_version,
            )
        )
        session.flush()


def close(connection: Connection, closing: Closing) -> None:
    """Enter an end; see `Store.close_experiment`."""
    with Session(connection) as session:
        check_closing(_read(session), closing)
        told = asdict(closing) | {"closed_at": to_instant(closing.closed_at), "verdict": closing.verdict.value}
        session.add(t.ExperimentClosing(**told))
        session.flush()


def newest(connection: Connection, limit: int) -> tuple[ExperimentRecord, ...]:
    """Return the experiments, the newest first; see `Store.experiments`."""
    with Session(connection) as session:
        return tuple(_read(session))[:limit]


def _read(session: Session) -> Iterable[ExperimentRecord]:
    ends = {row.experiment_id: _closing(row) for row in session.exec(select(t.ExperimentClosing))}
    statement = select(t.Experiment).order_by(col(t.Experiment.registered_at).desc(), col(t.Experiment.id).desc())
    return [_record(row, ends.get(row.experiment_id)) for row in session.exec(statement)]


def _record(row: t.Experiment, closing: Closing | None) -> ExperimentRecord:
    return ExperimentRecord(
        experiment_id=row.experiment_id,
        plan=Experiment.from_json(row.plan),
        plan_hash=row.plan_hash,
        registered_at=from_instant(row.registered_at),
        registered_by=row.registered_by,
        code_version=row.code_version,
        closing=closing,
    )


def _closing(row: t.ExperimentClosing) -> Closing:
    return Closing(
        experiment_id=row.experiment_id,
        closed_at=from_instant(row.closed_at),
        closed_by=row.closed_by,
        verdict=Verdict(row.verdict),
        kept=row.kept,
        reason=row.reason,
        evidence=row.evidence,
    )
