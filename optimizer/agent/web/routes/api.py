"""The JSON API: what the page shows and lets people do, for programs that show a token.

The browser's session may read here, too; what changes anything needs a token, which no other site's page can send.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query

from optimizer.agent.web import acts, readings, score_models
from optimizer.agent.web import api_answers as answers
from optimizer.agent.web import api_models as models
from optimizer.agent.web.attribution_models import AttributionTold
from optimizer.agent.web.description import PREFIX, described
from optimizer.agent.web.gate import Approver, Here, Viewer, Visitor
from optimizer.agent.web.score_models import ScorecardTold
from optimizer.agent.web.slow import slowly
from optimizer.plan.record import State

_LARGEST: Final = 2**53 - 1  # what every reader of JSON takes for an integer

_WHY: Final = {
    401: "No token is shown, or it has ended or is another portfolio's.",
    403: "The role is not enough, or a person must do it at the page.",
    404: "There is no such portfolio, recommendation, revision or line.",
    409: "It cannot be done as things stand; the code says why.",
    422: "The request cannot be read, or asks for what the limits forbid.",
    502: "A platform could not be read.",
    503: "The store or the settings cannot be used now.",
}


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": models.Error, "description": _WHY[status]} for status in statuses}


_READS: Final = _refusals(401, 403, 404, 422, 503)
_ACTS: Final = _refusals(401, 403, 404, 409, 422, 503)
_REACHES: Final = _refusals(401, 403, 404, 409, 422, 502, 503)

router = APIRouter(prefix=PREFIX)


@router.get("/me", responses=_READS, operation_id="me")
def me(visitor: Viewer) -> models.Me:
    """Say who asks, and what they may do."""
    session = visitor.session
    return models.Me(
        name=visitor.user.name,
        role=visitor.role,
        portfolio=visitor.premises.slug,
        token=session.label or None,
        until=session.until,
    )


@router.get("/status", responses=_READS, operation_id="status")
def status(visitor: Viewer) -> models.Status:
    """Say how things stand: what waits, how fresh the data are, what is in doubt, and what the agent did last."""
    return readings.status(visitor.premises, visitor.now)


@router.get("/recommendations", responses=_READS, operation_id="recommendations")
def recommendations(
    visitor: Viewer,
    state: Annotated[list[State] | None, Query(description="Only those in these states.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> models.Recommendations:
    """List the newest recommendations, each by its newest revision."""
    return readings.recommendations(visitor.premises, frozenset(state or State), limit)


@router.get("/recommendations/{rec_id}", responses=_READS, operation_id="recommendation")
def recommendation(visitor: Viewer, rec_id: str, revision: acts.RevisionAsked = None) -> models.Detail:
    """Tell a revision: lines with effects and intervals, ads, what was noticed, and what was written."""
    return readings.detail(visitor.premises, visitor.premises.record(rec_id, revision))


@router.get("/recommendations/{rec_id}/lines/{number}", responses=_READS, operation_id="line")
def line(visitor: Viewer, rec_id: str, number: int, revision: acts.RevisionAsked = None) -> models.LineDetail:
    """Tell what stands behind one budget's line: its curve, and its days as they were seen."""
    return readings.line(visitor.premises, rec_id, number, revision)


@router.get("/leaderboards", responses=_READS, operation_id="leaderboards")
def leaderboards(visitor: Viewer) -> models.Boards:
    """Tell how good each ad is believed to be, and what share of its budget it deserves."""
    return readings.boards(visitor.premises)


@router.get("/pacing", responses=_READS, operation_id="pacing")
async def pacing(visitor: Viewer) -> models.Pacing:
    """Tell the month: planned, spent, and how it would end."""
    return await slowly(readings.pacing, visitor.premises)


@router.get("/kpis", responses=_READS, operation_id="kpis")
def kpis(visitor: Viewer) -> models.Kpis:
    """Tell how the goals stand: on track, behind, met or missed, with a forecast and its probability."""
    return readings.kpis(visitor.premises)


@router.get("/scorecard", responses=_READS, operation_id="scorecard")
async def scorecard(visitor: Viewer) -> ScorecardTold:
    """Tell what advice promised and what came of it, over the last 90 days."""
    return score_models.scorecard(await slowly(visitor.premises.scorecard))


@router.get("/attribution", responses=_READS, operation_id="attribution")
async def attribution(visitor: Viewer) -> AttributionTold:
    """Tell what conversions count by channel: as claimed, as credited, as incremental; what new customers bring."""
    return await slowly(readings.attribution, visitor.premises, visitor.now)


@router.get("/history", responses=_READS, operation_id="history")
def history(
    visitor: Viewer,
    after: Annotated[int, Query(ge=0, le=_LARGEST, description="The number of the last entry that is known.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> models.History:
    """Tell the chained history, oldest first, page by page: each page begins after the last entry of the one before."""
    found = visitor.store.audit(after, limit)
    more = found[-1].number if len(found) == limit else None
    return models.History(entries=[answers.entry(each) for each in found], next=more)


@router.get("/switch", responses=_READS, operation_id="switch")
def switch(visitor: Viewer) -> models.Switch:
    """Say whether writes are stopped, by whom and why."""
    return answers.switch(visitor.store.brake())


@router.post("/switch/pause", responses=_ACTS, operation_id="pause")
def pause(visitor: Approver, body: Annotated[models.Pause, Body()]) -> models.Switch:
    """Throw the kill switch: no write is sent from now on, or for some hours. A reason is needed."""
    return answers.switch(acts.throw_switch(visitor, body.reason, stops=True, hours=body.hours))


@router.post("/switch/resume", responses=_ACTS, operation_id="resume")
def resume(visitor: Approver, body: Annotated[models.Because, Body()]) -> models.Switch:
    """Let writes go on."""
    return answers.switch(acts.throw_switch(visitor, body.reason, stops=False))


@router.post("/recommendations/{rec_id}/approve", responses=_ACTS, operation_id="approve")
def approve(visitor: Approver, rec_id: str, body: Annotated[models.Approval, Body()]) -> models.Detail:
    """Approve lines of exactly what was looked at."""
    record = visitor.store.record(rec_id)
    changing = [n for n, each in enumerate(record.recommendation.decision.all_lines) if each.changes]
    chosen = changing if body.lines is None else body.lines
    return readings.detail(visitor.premises, acts.approve(visitor, record, body.plan_hash, chosen, body.reason))


@router.post("/recommendations/{rec_id}/reject", responses=_ACTS, operation_id="reject")
def reject(visitor: Approver, rec_id: str, body: Annotated[models.Grounds, Body()]) -> models.Detail:
    """Reject a proposal. A reason is needed."""
    return readings.detail(visitor.premises, acts.reject(visitor, visitor.store.record(rec_id), body.reason))


@router.post("/recommendations/{rec_id}/revoke", responses=_ACTS, operation_id="revoke")
def revoke(visitor: Approver, rec_id: str, body: Annotated[models.Grounds, Body()]) -> models.Detail:
    """Withdraw an approval of which nothing was written yet. A reason is needed."""
    return readings.detail(visitor.premises, acts.revoke(visitor, visitor.store.record(rec_id), body.reason))


@router.post("/recommendations/{rec_id}/edit", responses=_REACHES, operation_id="edit")
async def edit(visitor: Approver, rec_id: str, body: Annotated[models.Edit, Body()]) -> models.Detail:
    """Fix amounts by hand and solve the rest around them: a new revision, to be approved."""
    return await slowly(_edited, visitor, rec_id, body)


def _edited(visitor: Visitor, rec_id: str, body: models.Edit) -> models.Detail:
    record = visitor.store.record(rec_id)
    acts.same_plan(record, body.plan_hash)
    found = [acts.amount_of(record, each.number, each.amount) for each in body.lines]
    return readings.detail(
        visitor.premises, acts.edit(visitor, record, dict(each for each in found if each is not None))
    )


@router.post("/recommendations/{rec_id}/rollback", responses=_REACHES, operation_id="rollback")
def rollback(visitor: Approver, rec_id: str) -> models.Detail:
    """Propose to restore what stood before: a new recommendation, to be approved."""
    return readings.detail(visitor.premises, acts.rollback(visitor, visitor.store.record(rec_id)))


@router.get("/openapi.json", include_in_schema=False)
def description(visitor: Viewer, premises: Here) -> dict[str, Any]:
    """Describe this API (OpenAPI 3.1), for programs and people that are logged in."""
    return described(router.routes, premises.slug)
