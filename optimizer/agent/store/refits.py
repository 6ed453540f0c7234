"""Refits of the slow tier in SQL: entered once, never changed."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, bindparam, insert, not_, select

from optimizer.agent.store import tables as t
from optimizer.agent.store.instants import from_instant, to_instant
from optimizer.agent.store.rules import same_refit
from optimizer.plan.canonical import adapter
from optimizer.plan.priors import AdPriors, ChannelPrior, ResponsePriors
from optimizer.plan.refits import ADS, Check, RefitRecord

_CHANNELS = tuple[ChannelPrior, ...]
_AD_MODELS = f"{ADS}/"
_REFITS: Final = t.core(t.Refit)
_ABOUT_ADS: Final = _REFITS.c.model.startswith(_AD_MODELS)
# Written out once: to put a statement together takes longer than to run it.
_SAME: Final = select(_REFITS.c.id).where(_REFITS.c.refit_id == bindparam("of"))
_NEWEST: Final[Select[Any]] = (
    select(_REFITS).order_by(_REFITS.c.fitted_at.desc(), _REFITS.c.id.desc()).limit(bindparam("most"))
)
_PASSED: Final = _NEWEST.where(_REFITS.c.passed, _REFITS.c.fitted_at <= bindparam("known_at"))
_LATEST: Final = _PASSED.where(not_(_ABOUT_ADS))
_LATEST_OF_ADS: Final = _PASSED.where(_ABOUT_ADS)


def record(connection: Connection, refit: RefitRecord) -> None:
    """Enter a refit; see `Store.record_refit`. The write lock is held, so that the check and the entry are one."""
    if connection.execute(_SAME, {"of": refit.refit_id}).first() is not None:
        raise same_refit(refit.refit_id)
    connection.execute(insert(_REFITS), _columns(refit))


def newest(connection: Connection, limit: int) -> tuple[RefitRecord, ...]:
    """Return the refits, the newest first; see `Store.refits`."""
    return tuple(map(_record, connection.execute(_NEWEST, {"most": limit})))


def latest_priors(connection: Connection, known_at: int) -> ResponsePriors | None:
    """Return the priors that stood at an instant; see `Store.latest_priors`."""
    row = _latest(connection, known_at, _LATEST)
    return None if row is None or row.priors is None else _response(row, row.priors)


def latest_ad_priors(connection: Connection, known_at: int) -> AdPriors | None:
    """Return the priors of ads that stood at an instant; see `Store.latest_ad_priors`."""
    row = _latest(connection, known_at, _LATEST_OF_ADS)
    return None if row is None or row.priors is None else _ads(row.priors)


def _latest(connection: Connection, known_at: int, newest_of: Select[Any]) -> Row[Any] | None:
    return connection.execute(newest_of, {"known_at": known_at, "most": 1}).one_or_none()


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


def _record(row: Row[Any]) -> RefitRecord:
    return RefitRecord(
        row.refit_id, from_instant(row.fitted_at), row.model, row.code_version, row.seed, row.evidence, row.seconds,
        tuple(_check(plain) for plain in json.loads(row.checks)), _priors(row), row.file,
    )  # fmt: skip


def _priors(row: Row[Any]) -> ResponsePriors | AdPriors | None:
    if row.priors is None:
        return None
    return _ads(row.priors) if row.model.startswith(_AD_MODELS) else _response(row, row.priors)


def _response(row: Row[Any], text: str) -> ResponsePriors:
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
