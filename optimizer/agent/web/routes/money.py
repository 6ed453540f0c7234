"""Pacing, scorecard and attribution: how the month goes, what advice became, and what conversions are worth."""

from __future__ import annotations

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from optimizer.agent.shown.flights import flight
from optimizer.agent.web import readings
from optimizer.agent.web.drawn import top_of
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


@router.get("/{portfolio}/attribution")
async def attribution(request: Request, visitor: Viewer) -> HTMLResponse:
    """Show what conversions count as claimed, as credited and as incremental, and what new customers bring."""
    return await slowly(_attribution, request, visitor)


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


def _attribution(request: Request, visitor: Visitor) -> HTMLResponse:
    told = readings.attribution(visitor.premises, visitor.now)
    ways = [way for row in told.channels for way in (row.credited, row.incremental) if way is not None]
    facts = {"told": told, "top": top_of([way.per_claimed.high80 for way in ways])}
    return page(request, visitor.premises, "attribution.html", facts, visitor=visitor)
