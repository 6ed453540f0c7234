"""`outlay report`: a recommendation as one HTML file, or a report on a period."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from rich.text import Text

from connectors.errors import AskMarketer
from optimizer.agent.cli.answers import Answer
from optimizer.agent.cli.commands import UsageError
from optimizer.agent.clock import SystemClock
from optimizer.agent.measuring import Statement, statement
from optimizer.agent.settings import Settings
from optimizer.agent.statements import as_csv, plain
from optimizer.agent.web.premises import Premises, open_premises
from optimizer.agent.web.printed import printed, printed_statement
from optimizer.measure.metrics import Cut, PeriodError, Question, period_of
from optimizer.ports import NotFound
from simulations.disk import write_whole

_FORMATS: Final = ("html", "csv", "json")


def report(
    rec: str, config: Path, period: str | None, by: str | None, conversion: str | None, form: str, out: Path | None
) -> Answer:
    """Write the report of the newest revision of a recommendation, or with a period that of its days."""
    if form not in _FORMATS:
        raise UsageError(f"--format {form!r} is not known. Mend: write {', '.join(_FORMATS)}.")
    if period is None and (by is not None or conversion is not None or form != "html"):
        raise UsageError("--by, --conversion and --format are about a period. Mend: add --period last-month, say.")
    if period is not None and rec != "latest":
        raise UsageError(f"a report is on a period or on {rec}, not on both. Mend: leave one of them out.")
    path = out or Path(f"report.{form}")
    with open_premises([config], SystemClock()) as (premises,):
        if period is None:
            return _of_recommendation(premises, rec, path)
        told = _of_period(premises, period, by, conversion)
        _written(path, _text(premises.settings, told, form))
    days = told.table.period
    words = f"{days.since} to {days.until} is written to {path}."
    return Answer(Text(words), {**plain(told), "written": str(path)})


def _of_recommendation(premises: Premises, rec: str, path: Path) -> Answer:
    newest = premises.records()
    if rec == "latest" and not newest:
        raise NotFound("there is no recommendation yet. Mend: make one with `outlay plan`")
    record = newest[0] if rec == "latest" else premises.record(rec)
    _written(path, printed(premises, record))
    rec_id = record.recommendation.rec_id
    words = f"{rec_id} is written to {path}; open it in a browser, which also prints it as PDF."
    return Answer(Text(words), {"recommendation": rec_id, "written": str(path)})


def _of_period(premises: Premises, period: str, by: str | None, conversion: str | None) -> Statement:
    house, seen = premises.house, premises.seen()
    cuts = [_cut(name) for name in (by or "").split(",") if name.strip()]
    try:
        days = period_of(period, seen.today)
        Question(days, tuple(cuts))
    except (PeriodError, ValueError) as error:
        raise UsageError(f"{error}.") from None
    return statement(house, premises.settings.kpis, seen, days, cuts, conversion)


def _cut(name: str) -> Cut:
    try:
        return Cut(name.strip().lower())
    except ValueError:
        known = ", ".join(Cut)
        raise UsageError(f"--by {name.strip()!r} is not known. Mend: write one or more of {known}.") from None


def _text(settings: Settings, told: Statement, form: str) -> str:
    match form:
        case "csv":
            return as_csv(told.table)
        case "json":
            return json.dumps(plain(told), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
        case _:
            return printed_statement(settings, told)


def _written(path: Path, text: str) -> None:
    try:
        write_whole(path, text)
    except OSError as error:
        mend = "choose another place with --out"
        raise AskMarketer(f"{path} cannot be written: {error.strerror}", mend=mend) from None
