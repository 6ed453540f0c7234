"""Insights asked for and prepared: directly, or as report runs that take a while."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from simulations.emulators.meta.errors import GraphError, not_there, too_many_rows
from simulations.emulators.meta.insights import Query, rows
from simulations.emulators.meta.layout import Layout

Body = dict[str, Any]

_KEPT = 2


@dataclass(slots=True)
class Run:
    """One report: what it is asked for, how often it was looked at, and whether it will fail."""

    query: Query
    fails: bool
    looks: int = 0


class Reports:
    """The reports of an account.

    Args:
        layout: Whose insights they tell.

    Attributes:
        failing: How many of the reports that are asked for next will fail.
        runs: By id, in the order in which they were asked for.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._told: OrderedDict[tuple[Query, int], list[Body]] = OrderedDict()
        self.failing = 0
        self.runs: dict[str, Run] = {}

    def direct(self, query: Query) -> list[Body]:
        """Return rows at once.

        Raises:
            GraphError: They are too many.
        """
        found = self._rows(query)
        if len(found) > self._layout.options.rows_at_once:
            raise too_many_rows()
        return found

    def order(self, query: Query) -> Body:
        """Begin a report, and return its id."""
        fails, self.failing = self.failing > 0, max(self.failing - 1, 0)
        report = str(self._layout.account.account_id + 700_000_001 + len(self.runs))
        self.runs[report] = Run(query, fails)
        return {"report_run_id": report}

    def look(self, report: str) -> Body:
        """Return how far a report is."""
        run = self._run(report)
        run.looks += 1
        status, percent = self._progress(run)
        return {
            "id": report,
            "account_id": str(self._layout.account.account_id),
            "async_status": status,
            "async_percent_completion": percent,
            "date_start": run.query.since.isoformat(),
            "date_stop": run.query.until.isoformat(),
            "is_running": status in ("Job Started", "Job Running"),
        }

    def read(self, report: str) -> list[Body]:
        """Return the rows of a report.

        Raises:
            GraphError: It is not completed.
        """
        run = self._run(report)
        if self._progress(run)[0] != "Job Completed":
            raise GraphError("(#2601) Error accessing adreport job.", 2601, 1_815_107)
        return self._rows(run.query)

    def _run(self, report: str) -> Run:
        if report not in self.runs:
            raise not_there(report, "get")
        return self.runs[report]

    def _progress(self, run: Run) -> tuple[str, int]:
        """All of a report is there one look before it is completed."""
        most = self._layout.options.report_polls
        if run.looks > most:
            too_large = len(self._rows(run.query)) > self._layout.options.rows_a_report
            return ("Job Failed", 0) if run.fails or too_large else ("Job Completed", 100)
        if run.looks == most:
            return "Job Running", 100
        return ("Job Not Started", 0) if run.looks <= 1 else ("Job Running", 100 * run.looks // most)

    def _rows(self, query: Query) -> list[Body]:
        """Return the rows of a query; the last few are kept, since they are asked for page by page."""
        key = (query, len(self._layout.gone))
        if key not in self._told:
            self._told[key] = rows(self._layout, query)
            while len(self._told) > _KEPT:
                self._told.popitem(last=False)
        self._told.move_to_end(key)
        return self._told[key]
