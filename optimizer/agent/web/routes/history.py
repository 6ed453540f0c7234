"""Who did what, when and why: the chained history, to be searched and taken away as a table."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from optimizer.agent import trail
from optimizer.agent.web.gate import Viewer
from optimizer.agent.web.pages import page
from optimizer.agent.web.sheets import csv_file
from optimizer.plan.audit import prove

router = APIRouter(include_in_schema=False)

_SHOWN: Final = 200
_MOST: Final = 100_000


@router.get("/{portfolio}/history")
def history(
    request: Request, visitor: Viewer, rec: str = "", actor: str = "", action: str = "", prove_it: bool = False
) -> HTMLResponse:
    """Show the last entries that are asked for; the proof walks the whole chain, and so only on request."""
    store = visitor.store
    found = trail.newest(store, _asked(rec, actor, action), _SHOWN)
    facts = {
        "entries": found[::-1],
        "rec": rec,
        "actor": actor,
        "action": action,
        "proof": prove(trail.entries(store)) if prove_it else None,
    }
    return page(request, visitor.premises, "history.html", facts, visitor=visitor)


@router.get("/{portfolio}/history.csv")
def table(
    visitor: Viewer, rec: str = "", actor: str = "", action: str = "",
    limit: Annotated[int, Query(ge=1, le=_MOST)] = _MOST,
) -> Response:  # fmt: skip
    """Return the entries as CSV, oldest first."""
    found = trail.newest(visitor.store, _asked(rec, actor, action), limit)
    head = ("number", "at", "recommendation", "revision", "actor", "action", "detail", "hash")
    rows = [
        (e.number, e.event.at.isoformat(), e.event.rec_id, e.event.revision, e.event.actor, e.event.action,
         e.event.detail, e.hash)
        for e in found
    ]  # fmt: skip
    return csv_file("history.csv", head, rows)


def _asked(rec: str, actor: str, action: str) -> trail.Asked:
    return trail.Asked(rec or None, actor or None, action or None)
