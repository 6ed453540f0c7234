"""Refits of the slow tier in SQL: entered once, never changed."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC
from typing import Any

from sqlalchemy import ColumnElement, Connection
from sqlmodel import Session, col, select

from optimizer.agent.store import tables as t
from optimizer.agent.store.instants import from_instant, to_instant
from optimizer.agent.store.rules import same_refit
from optimizer.plan.priors import AdPriors, ChannelPrior, ResponsePriors
from optimizer.plan.recommendation import adapter
from optimizer.plan.refits import ADS, Check, RefitRecord

_CHANNELS = tuple[ChannelPrior, ...]
_AD_MODELS = f"{ADS}/"
_ABOUT_ADS = col(t.Refit.model).startswith(_AD_MODELS)


def record(connection: Connection, refit: RefitRecord) -> None:
    """Enter a refit; see `Store.record_refit`. The write lock is held, so that the check and the entry are one."""
    with Session(connection) as session:
        if session.exec(select(t.Refit.id).where(t.Refit.refit_id == refit.refit_id)).first() is not None:
            raise same_refit(refit.refit_id)
        session.add(t.Refit(**_columns(refit)))
        session.flush()


def newest(connection: Connection, limit: int) -> tuple[RefitRecord, ...]:
    """Return the refits, the newest first; see `Store.refits`."""
    statement = select(t.Refit).order_by(col(t.Refit.fitted_at).desc(), col(t.Refit.id).desc()).limit(limit)
    with Session(connection) as session:
        return tuple(_record(row) for row in session.exec(statement))


def latest_priors(connection: Connection, known_at: int) -> ResponsePriors | None:
    """Return the priors that stood at an instant; see `Store.latest_priors`."""
    row = _latest(connection, known_at, ~_ABOUT_ADS)
    return None if row is None or row.priors is None else _response(row, row.priors)


def latest_ad_priors(connection: Connection, known_at: int) -> AdPriors | None:
    """Return the priors of ads that stood at an instant; see `Store.latest_ad_priors`."""
    row = _latest(connection, known_at, _ABOUT_ADS)
    return None if row is None or row.priors is None else _ads(row.priors)


def _latest(connection: Connection, known_at: int, of: ColumnElement[bool]) -> t.Refit | None:
    statement = (
        select(t.Refit)
        .where(col(t.Refit.passed), t.Refit.fitted_at <= known_at, of)
        .order_by(col(t.Refit.fitted_at).desc(), col(t.Refit.id).desc())
        .limit(1)
    )
    with Session(connection) as session:
        row = session.exec(statement).one_or_none()
        if row is not None:
            session.expunge(row)
        return row


def _columns(refit: RefitRecord) -> dict[str, Any]:
    return {
        "refit_id": refit.refit_id,
        "fitted_at": to_instant(refit.fitted_at),
        "model": refit.model,
        "code_version": refit.code_version,
        "seed": refit.seed,
        "evidence": refit.evidence,
        "seconds": refit.seconds,
        "passed": refit.passed,
        "checks": _json([_plain(check) for check in refit.checks]),
        "priors": None if refit.priors is None else _json(_dumped(refit.priors)),
        "file": refit.file,
    }


def _record(row: t.Refit) -> RefitRecord:
    return RefitRecord(
        row.refit_id, from_instant(row.fitted_at), row.model, row.code_version, row.seed, row.evidence, row.seconds,
        tuple(_check(plain) for plain in json.loads(row.checks)), _priors(row), row.file,
    )  # fmt: skip


def _priors(row: t.Refit) -> ResponsePriors | AdPriors | None:
    if row.priors is None:
        return None
    return _ads(row.priors) if row.model.startswith(_AD_MODELS) else _response(row, row.priors)


def _response(row: t.Refit, text: str) -> ResponsePriors:
    """The priors of a row; their time and model stand in its columns."""
    channels: tuple[ChannelPrior, ...] = adapter(_CHANNELS).validate_json(text)
    return ResponsePriors(from_instant(row.fitted_at), row.model, channels)


def _ads(text: str) -> AdPriors:
    priors: AdPriors = adapter(AdPriors).validate_json(text)
    return replace(priors, fitted_at=priors.fitted_at.astimezone(UTC))


def _dumped(priors: ResponsePriors | AdPriors) -> Any:
    if isinstance(priors, AdPriors):
        return adapter(AdPriors).dump_python(priors, mode="json")
    return adapter(_CHANNELS).dump_python(priors.channels, mode="json")


def _plain(check: Check) -> list[Any]:
    return [check.name, _number(check.value), _number(check.limit), check.passed, check.words]


def _check(plain: list[Any]) -> Check:
    name, value, limit, passed, words = plain
    return Check(name, float(value), float(limit), passed, words)


def _number(value: float) -> float | str:
    """A number as JSON holds it, which has no word for what is not finite: `nan`, `inf` and `-inf` stand as texts."""
    return value if math.isfinite(value) else str(value)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
