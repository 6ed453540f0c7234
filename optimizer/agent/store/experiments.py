"""Experiments in SQL: a registration and an end are entered once, and never changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select

from bandits.experiment import Experiment
from bandits.readout import Verdict
from optimizer.agent.store import tables as t
from optimizer.agent.store.instants import from_instant, to_instant
from optimizer.agent.store.rules import check_closing, check_registration
from optimizer.plan.experiments import Closing, ExperimentRecord

_PLANS: Final = t.core(t.Experiment)
_ENDS: Final = t.core(t.ExperimentClosing)
# Written out once: to put a statement together takes longer than to run it.
_NEWEST: Final = select(_PLANS).order_by(_PLANS.c.registered_at.desc(), _PLANS.c.id.desc())
_ALL_ENDS: Final = select(_ENDS)


def register(connection: Connection, record: ExperimentRecord) -> None:
    """Enter a registration; see `Store.register_experiment`. The write lock is held: check and entry are one."""
    check_registration(_read(connection), record)
    connection.execute(insert(_PLANS), {
        "experiment_id": record.experiment_id,
        "name": record.plan.name,
        "plan": record.plan.to_json(),
        "plan_hash": record.plan_hash,
        "registered_at": to_instant(record.registered_at),
        "registered_by": record.registered_by,
        "code_version": record.code_version,
    })  # fmt: skip


def close(connection: Connection, closing: Closing) -> None:
    """Enter an end; see `Store.close_experiment`."""
    check_closing(_read(connection), closing)
    told = asdict(closing) | {"closed_at": to_instant(closing.closed_at), "verdict": closing.verdict.value}
    connection.execute(insert(_ENDS), told)


def newest(connection: Connection, limit: int) -> tuple[ExperimentRecord, ...]:
    """Return the experiments, the newest first; see `Store.experiments`."""
    return tuple(_read(connection))[:limit]


def _read(connection: Connection) -> Iterable[ExperimentRecord]:
    ends = {row.experiment_id: _closing(row) for row in connection.execute(_ALL_ENDS)}
    return [_record(row, ends.get(row.experiment_id)) for row in connection.execute(_NEWEST)]


def _record(row: Row[Any], closing: Closing | None) -> ExperimentRecord:
    return ExperimentRecord(
        experiment_id=row.experiment_id,
        plan=Experiment.from_json(row.plan),
        plan_hash=row.plan_hash,
        registered_at=from_instant(row.registered_at),
        registered_by=row.registered_by,
        code_version=row.code_version,
        closing=closing,
    )


def _closing(row: Row[Any]) -> Closing:
    return Closing(
        experiment_id=row.experiment_id,
        closed_at=from_instant(row.closed_at),
        closed_by=row.closed_by,
        verdict=Verdict(row.verdict),
        kept=row.kept,
        reason=row.reason,
        evidence=row.evidence,
    )
