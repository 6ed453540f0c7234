"""A run as one page to look at: a single HTML file that needs nothing but itself."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from simulations.runs.folder import alone, write_whole
from simulations.runs.record import read_run
from simulations.runs.scores import scores_of

REPORT_FILE: Final = "report.html"


def write(folder: Path) -> Path:
    """Write the report of a complete run into its folder; the same folder gives the same bytes.

    Args:
        folder: Of the run (`runs.execute`).

    Returns:
        Where the report is.

    Raises:
        BadInput: There is no run, it is not complete, or a file is not its own.
        AskMarketer: The folder cannot be written, or another process is at work in it.
    """
    from simulations.report.page import render  # noqa: PLC0415 - Matplotlib is heavy

    run = read_run(folder)
    page = render(run, scores_of(run))
    with alone(folder):
        write_whole(folder / REPORT_FILE, page)
    return folder / REPORT_FILE
