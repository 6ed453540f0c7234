"""A recommendation, or a report on a period, as one HTML file that needs nothing but itself: to be mailed or kept."""

from __future__ import annotations

from optimizer.agent.measuring import Statement
from optimizer.agent.settings import Settings
from optimizer.agent.shown.formats import Formats, formats
from optimizer.agent.shown.measures import KpiRow, figure_of, sums_of, title
from optimizer.agent.statements import SUMS
from optimizer.agent.web.pages import STATIC, STYLES, templates
from optimizer.agent.web.premises import Premises
from optimizer.measure.metrics import Metric, Row, Table
from optimizer.plan.record import Record


def printed(premises: Premises, record: Record) -> str:
    """Return the page of a revision without forms and scripts, with the curve of each budget that moves.

    Args:
        premises: The portfolio.
        record: The revision, as it stands.
    """
    settings = premises.settings
    shown = formats(settings.web.locale, "", settings.portfolio.time_zone)
    made = record.recommendation
    facts = {
        "f": shown,
        "plan": premises.plan(made.rec_id, made.revision),
        "portfolio_name": settings.portfolio.name,
        "events": premises.events(made.rec_id),
        "intents": premises.intents(record),
        "names": {line.key: line.name for line in made.decision.all_lines},
        "style": _style(),
    }
    rooms = templates(shown.locale.partition("_")[0])
    return rooms.get_template("printed.html").render(facts)


def printed_statement(settings: Settings, told: Statement) -> str:
    """Return the page of a report on a period.

    Args:
        settings: Of the portfolio.
        told: The report.
    """
    shown = formats(settings.web.locale, "", settings.portfolio.time_zone)
    table, total = told.table, told.table.total
    metrics = tuple(metric for metric in Metric if any(metric in row.figures for row in (*table.rows, total)))
    sums = dict(zip(SUMS, sums_of(total, SUMS, shown, table.currency), strict=True))
    facts = {
        "f": shown,
        "told": told,
        "table": table,
        "portfolio_name": told.portfolio,
        "sums": [(title(name), text) for name, text in sums.items()],
        "figures": [(title(metric), *figure_of(total, metric, shown, table.currency)) for metric in metrics],
        "kpis": [KpiRow(each) for each in told.kpis],
        "cuts": [title(cut.replace("-", "_")) for cut in table.cuts],
        "heads": [title(name) for name in (*SUMS, *metrics)],
        "rows": [_row(row, table, metrics, shown) for row in table.rows],
        "advice": [
            {"day": each.day, "record": each.record, "written": each.written,
             "changes": sum(line.changes for line in each.record.recommendation.decision.all_lines)}
            for each in told.advice
        ],
        "style": _style(),
    }  # fmt: skip
    return templates(shown.locale.partition("_")[0]).get_template("statement.html").render(facts)


def _row(row: Row, table: Table, metrics: tuple[Metric, ...], shown: Formats) -> dict[str, object]:
    return {
        "parts": row.parts,
        "sums": sums_of(row, SUMS, shown, table.currency),
        "figures": [figure_of(row, metric, shown, table.currency) for metric in metrics],
    }


def _style() -> str:
    return "\n".join((STATIC / name).read_text(encoding="utf-8") for name in STYLES)
