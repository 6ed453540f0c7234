"""Tables to take away, as CSV that no spreadsheet runs."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi.responses import Response

from optimizer.agent.cells import csv_text


def csv_file(name: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> Response:
    """Return a table as a CSV file. A text that a spreadsheet would take for a formula gets an apostrophe before it."""
    return Response(
        csv_text(head, rows),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
