"""Leaderboards of creatives and audiences: how good each ad is believed to be, and what it should get."""

from __future__ import annotations

from itertools import groupby

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from optimizer.agent.web.gate import Viewer
from optimizer.agent.web.pages import page

router = APIRouter(include_in_schema=False)


@router.get("/{portfolio}/leaderboards")
def leaderboards(request: Request, visitor: Viewer) -> HTMLResponse:
    """Show the ads of each budget as the newest plan believes them to be."""
    newest = next((record for record in visitor.premises.records() if record.recommendation.decision.arms), None)
    arms = () if newest is None else newest.recommendation.decision.arms
    names = {} if newest is None else {line.key: line.name for line in newest.recommendation.decision.lines}
    ordered = sorted(arms, key=lambda arm: (arm.key, -arm.share))
    groups = [(names.get(key, str(key)), list(members)) for key, members in groupby(ordered, key=lambda arm: arm.key)]
    facts = {"record": newest, "groups": groups}
    return page(request, visitor.premises, "leaderboards.html", facts, visitor=visitor)
