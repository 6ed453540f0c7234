"""The kill switch, on every screen: it stops the next write within a second, and says who threw it and why."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from optimizer.agent.web import acts
from optimizer.agent.web.gate import Approver, Viewer, Visitor
from optimizer.agent.web.pages import page

router = APIRouter(include_in_schema=False)


@router.post("/{portfolio}/pause")
def pause(
    request: Request, visitor: Approver, reason: Annotated[str, Form()] = "", hours: Annotated[str, Form()] = ""
) -> Response:
    """Stop writes."""
    return _thrown(request, visitor, reason, stops=True, hours=hours)


@router.post("/{portfolio}/resume")
def resume(request: Request, visitor: Approver, reason: Annotated[str, Form()] = "") -> Response:
    """Let writes go on."""
    return _thrown(request, visitor, reason, stops=False, hours="")


@router.get("/{portfolio}/switch")
def switch(request: Request, visitor: Viewer) -> Response:
    """Show the switch by itself, and every throw of it."""
    facts = {"throws": visitor.store.brakes()[::-1], "trouble": ""}
    return page(request, visitor.premises, "switch.html", facts, visitor=visitor)


def _thrown(request: Request, visitor: Visitor, reason: str, *, stops: bool, hours: str) -> Response:
    try:
        acts.throw_switch(visitor, reason, stops=stops, hours=_length(hours))
    except acts.Unclear as error:
        facts = {"throws": visitor.store.brakes()[::-1], "trouble": str(error)}
        return page(request, visitor.premises, "switch.html", facts, visitor=visitor, status=422)
    return RedirectResponse(f"/{visitor.premises.slug}/?said={'paused' if stops else 'resumed'}", 303)


def _length(hours: str) -> float | None:
    try:
        return float(hours) if hours.strip() else None
    except ValueError:
        raise acts.Unclear(f"{hours!r} is no number of hours.") from None
