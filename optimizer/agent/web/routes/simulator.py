"""The simulator's screen: how policies did in simulated worlds, against the clairvoyant."""

from __future__ import annotations

import math

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse

from optimizer.agent.web.gate import Viewer, Visitor
from optimizer.agent.web.pages import page
from optimizer.agent.web.slow import slowly
from optimizer.ports import NotFound
from simulations.runs.scores import Standing

router = APIRouter(include_in_schema=False)


@router.get("/{portfolio}/simulator")
async def simulator(request: Request, visitor: Viewer) -> HTMLResponse:
    """Show the newest runs, the newest first."""
    return await slowly(_shown, request, visitor)


@router.get("/{portfolio}/simulator/{name}/report")
async def report(visitor: Viewer, name: str) -> FileResponse:
    """Give the page of pictures of a run as a file to keep: its styles stand within it, which no page of ours may have.

    Raises:
        NotFound: There is no such run, or no page of it.
    """
    return await slowly(_file, visitor, name)


def _shown(request: Request, visitor: Visitor) -> HTMLResponse:
    premises = visitor.premises
    facts = {"runs": premises.shelf.runs(premises.runs_folder), "folder": premises.settings.web.runs, "known": _known}
    return page(request, premises, "simulator.html", facts, visitor=visitor)


def _file(visitor: Visitor, name: str) -> FileResponse:
    premises = visitor.premises
    found = premises.shelf.run(premises.runs_folder, name)
    if found is None or found.report is None:
        raise NotFound(f"there is no report of a run {name!r}. Mend: `outlay simulate` writes one as it ends")
    return FileResponse(found.report, media_type="text/html", filename=f"{found.name}.html")


def _known(standing: Standing) -> bool:
    """Whether there are worlds enough for an error of the mean."""
    return math.isfinite(standing.whole.error)
