"""A report on a period as plain values and as CSV. Pure.

Amounts and counts are exact: integer micros among plain values, decimal text in CSV. What is not defined is null among
plain values and an empty cell in CSV, never a number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal
from typing import Any, Final

from connectors.money import MICROS
from optimizer.agent.cells import csv_text
from optimizer.agent.measuring import Advice, KpiState, Statement
from optimizer.measure.metrics import Cut, Figure, Metric, Part, Row, Table

SUMS: Final = ("spend", "impressions", "clicks", "conversions", "to_come", "value", "value_to_come")
_FACTS: Final = frozenset({Metric.CPC, Metric.CPM})


def plain(told: Statement) -> dict[str, Any]:
    """Return a report as plain values, for JSON."""
    table = told.table
    return {
        "portfolio": told.portfolio,
        "made_at": told.made_at.isoformat(),
        "currency": table.currency,
        "since": table.period.since.isoformat(),
        "until": table.period.until.isoformat(),
        "by": [cut.value for cut in table.cuts],
        "total": _plain_row(table.total),
        "rows": [_plain_row(row) for row in table.rows],
        "kpis": [plain_kpi(each) for each in told.kpis],
        "recommendations": [_plain_advice(each) for each in told.advice],
    }


def plain_kpi(told: KpiState) -> dict[str, Any]:
    """Return a KPI's state as plain values."""
    state = told.state
    return {
        "name": state.kpi.name,
        "metric": state.kpi.measure.value,
        "scope": str(told.scope),
        "conversion": state.kpi.definition,
        "target": state.kpi.target,
        "since": state.window.since.isoformat(),
        "by": state.window.until.isoformat(),
        "standing": state.standing.value,
        "so_far": state.so_far,
        "forecast": None if state.forecast is None else asdict(state.forecast),
        "probability": state.probability,
    }


def as_csv(table: Table) -> str:
    """Return the rows of a table as CSV with a head; where it is not split, its total as the only row."""
    return csv_text(_head(table), (_cells(table, row) for row in (table.rows if table.cuts else (table.total,))))


def figure_columns(metric: Metric) -> tuple[str, ...]:
    """Return the columns of a metric: its own, and the ends of its interval where it is an estimate."""
    return (metric.value,) if metric in _FACTS else (metric.value, f"{metric.value}_low", f"{metric.value}_high")


def part_columns(cut: Cut) -> tuple[str, ...]:
    """Return the columns that say what a row is about: a label, and for entities their key."""
    return (cut.value,) if cut in (Cut.CHANNEL, Cut.DAY, Cut.WEEK, Cut.MONTH) else (cut.value, f"{cut.value}_id")


def part_cells(part: Part) -> tuple[str, ...]:
    """Return the cells of `part_columns`."""
    return (part.key,) if len(part_columns(part.cut)) == 1 else (part.label, part.key)


def figure_cells(metric: Metric, figure: Figure | None) -> tuple[float | None, ...]:
    """Return the cells of `figure_columns`."""
    found = (None,) * 3 if figure is None else (figure.value, figure.low, figure.high)
    return found[: len(figure_columns(metric))]


def _head(table: Table) -> list[str]:
    parts = [column for cut in table.cuts for column in part_columns(cut)]
    figures = [column for metric in Metric for column in figure_columns(metric)]
    return [*parts, "since", "until", "currency", *SUMS, *figures]


def _cells(table: Table, row: Row) -> Iterator[object]:
    for part in row.parts:
        yield from part_cells(part)
    yield from (table.period.since, table.period.until, table.currency)
    for name in SUMS:
        micros = getattr(row.totals, name)
        yield "" if micros is None else _exact(micros)
    for metric in Metric:
        yield from ("" if cell is None else cell for cell in figure_cells(metric, row.figures.get(metric)))


def _exact(micros: int) -> Decimal:
    """Micros as units: a number that is no text, and has no trailing zeros."""
    units = Decimal(micros) / MICROS
    return units.quantize(Decimal(1)) if units == units.to_integral_value() else units.normalize()


def _plain_row(row: Row) -> dict[str, Any]:
    return {
        "parts": [{"by": part.cut.value, "key": part.key, "label": part.label} for part in row.parts],
        **{f"{name}_micros": getattr(row.totals, name) for name in SUMS},
        **{metric.value: None if (figure := row.figures.get(metric)) is None else asdict(figure) for metric in Metric},
    }


def _plain_advice(each: Advice) -> dict[str, Any]:
    made = each.record.recommendation
    total = made.decision.total
    return {
        "recommendation": made.rec_id,
        "as_of": each.day.isoformat(),
        "state": each.record.state.value,
        "changes": sum(line.changes for line in made.decision.all_lines),
        "written": each.written,
        "expected": {"mean": total.mean, "low80": total.low80, "high80": total.high80, "unit": made.decision.unit},
    }
