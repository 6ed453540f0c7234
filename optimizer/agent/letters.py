"""A report on a period as a message: a few lines, and the whole as a page beside them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Final

from optimizer.agent.cycle import House
from optimizer.agent.measuring import Statement, statement
from optimizer.agent.settings import Settings
from optimizer.agent.settings.reports import ReportTable
from optimizer.agent.shown.formats import Formats, formats
from optimizer.agent.shown.measures import KpiRow, figure_of, sums_of, title
from optimizer.measure.metrics import Cut, Metric, period_of
from optimizer.plan.snapshot import Snapshot

_SUMS: Final = ("spend", "conversions", "to_come", "value")
_FIGURES: Final = (Metric.CPA, Metric.ROAS, Metric.PROFIT)


def letter(
    house: House,
    settings: Settings,
    seen: Snapshot,
    table: ReportTable,
    day: date,
    printed: Callable[[Settings, Statement], str],
) -> tuple[str, str, str]:
    """Return a report's title, lines and page.

    Args:
        house: Of the portfolio.
        settings: Of the portfolio.
        seen: What is known now.
        table: What is to be reported.
        day: On which it was due; the period is that before it.
        printed: Puts the whole report as a page.
    """
    period = period_of(table.period, day)
    told = statement(house, settings.kpis, seen, period, tuple(map(Cut, table.by)))
    shown = formats(settings.web.locale, "", settings.portfolio.time_zone)
    days = f"{shown.day(period.since)} \N{EN DASH} {shown.day(period.until)}"
    return f"{house.name}: {table.name}, {days}", "\n".join(_lines(told, shown)), printed(settings, told)


def _lines(told: Statement, shown: Formats) -> list[str]:
    total, currency = told.table.total, told.table.currency
    lines = [f"{title(name)}: {text}" for name, text in zip(_SUMS, sums_of(total, _SUMS, shown, currency), strict=True)]
    for metric in _FIGURES:
        text, interval = figure_of(total, metric, shown, currency)
        lines.append(f"{title(metric)}: {text}" + (f" (95%: {interval})" if interval else ""))
    return lines + [f"Goal {row.name}: {row.standing}" for row in map(KpiRow, told.kpis)]
