"""Pacing and scorecard: how the month goes, and what each recommendation promised and became."""

from __future__ import annotations

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from optimizer.agent.web.api_models import flight
from optimizer.agent.web.gate import Viewer, Visitor
from optimizer.agent.web.pacing import pace
from optimizer.agent.web.pages import page
from optimizer.agent.web.slow import slowly

router = APIRouter(include_in_schema=False)


@router.get("/{portfolio}/pacing")
async def pacing(request: Request, visitor: Viewer) -> HTMLResponse:
    """Show the flights and the month: planned, spent, and how they would end."""
    return await slowly(_pacing, request, visitor)


@router.get("/{portfolio}/scorecard")
async def scorecard(request: Request, visitor: Viewer) -> HTMLResponse:
    """Show what advice promised and what came of it, what was left, and whether intervals hold."""
    return await slowly(_scorecard, request, visitor)


def _pacing(request: Request, visitor: Visitor) -> HTMLResponse:
    seen = visitor.premises.seen()
    found = pace(seen, np.random.default_rng(seen.today.toordinal()))  # the same all day long
    flights = [flight(told) for told in visitor.premises.paces()]
    facts = {"pace": found, "flights": flights, "currency": seen.currency}
    return page(request, visitor.premises, "pacing.html", facts, visitor=visitor)


def _scorecard(request: Request, visitor: Visitor) -> HTMLResponse:
    premises = visitor.premises
    states = {plan.rec_id: plan.state_words for plan in premises.plans()}
    return page(request, premises, "scorecard.html", {"found": premises.scorecard(), "states": states}, visitor=visitor)
