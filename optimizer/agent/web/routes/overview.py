"""What stands at a glance: what waits, what was spent and brought, how fresh the data are, and what is wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from optimizer.agent.shown.measures import KpiRow
from optimizer.agent.standing import newest_runs
from optimizer.agent.web.days import days
from optimizer.agent.web.gate import Viewer
from optimizer.agent.web.pages import page
from optimizer.plan.record import State

router = APIRouter(include_in_schema=False)

_WAITING: Final = frozenset({State.PROPOSED})
_AT_WORK: Final = frozenset({State.APPROVED, State.APPLYING, State.APPLIED})
_LATELY: Final = 5
_WEEKS: Final = 4


@router.get("/{portfolio}/")
def overview(request: Request, visitor: Viewer) -> HTMLResponse:
    """Show the overview."""
    premises = visitor.premises
    store, known = premises.store, premises.plans()
    leader = store.leader()
    seen = premises.seen()
    facts = {
        "waiting": [plan for plan in known if plan.record.state in _WAITING],
        "at_work": [plan for plan in known if plan.record.state in _AT_WORK],
        "lately": [plan for plan in known if plan.record.state not in _WAITING | _AT_WORK][:_LATELY],
        "kpis": [KpiRow(each) for each in premises.kpis()],
        "days": days(seen, 7 * _WEEKS),
        "freshness": seen.freshness,
        "stale_before": seen.today - timedelta(days=1 + premises.settings.guardrails.freshness_days),
        "doubts": store.doubts(visitor.now),
        "circuits": [circuit for circuit in store.circuits() if circuit.is_open],
        "jobs": newest_runs(store),
        "leader": leader if leader is not None and leader.until > visitor.now else None,
        "open_writes": len(store.open_intents()),
        "budgets": len(seen.targets),
        "currency": seen.currency,
        "planned": sum(target.budget.amount.micros for target in seen.targets) / 1e6,
    }
    return page(request, premises, "overview.html", facts, visitor=visitor)
