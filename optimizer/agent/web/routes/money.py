"""Pacing and scorecard: how the month goes, and what each recommendation promised and became."""

from __future__ import annotations

from typing import Final

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from optimizer.agent.web.api_models import flight
from optimizer.agent.web.gate import Viewer
from optimizer.agent.web.pacing import pace
from optimizer.agent.web.pages import page
from optimizer.plan.recommendation import State

router = APIRouter(include_in_schema=False)

_CARRIED_OUT: Final = frozenset({State.APPLIED, State.VERIFIED, State.FAILED, State.ROLLED_BACK})
_LEFT: Final = frozenset({State.REJECTED, State.EXPIRED})


@router.get("/{portfolio}/pacing")
def pacing(request: Request, visitor: Viewer) -> HTMLResponse:
    """Show the flights and the month: planned, spent, and how they would end."""
    seen = visitor.premises.seen()
    found = pace(seen, np.random.default_rng(seen.today.toordinal()))  # the same all day long
    flights = [flight(told) for told in visitor.premises.paces()]
    facts = {"pace": found, "flights": flights, "currency": seen.currency}
    return page(request, visitor.premises, "pacing.html", facts, visitor=visitor)


@router.get("/{portfolio}/scorecard")
def scorecard(request: Request, visitor: Viewer) -> HTMLResponse:
    """Show what was promised by what was carried out, and by what was left."""
    plans = visitor.premises.plans()
    facts = {
        "done": [plan for plan in plans if plan.record.state in _CARRIED_OUT],
        "left": [plan for plan in plans if plan.record.state in _LEFT],
    }
    return page(request, visitor.premises, "scorecard.html", facts, visitor=visitor)
