"""The face of the product: one recommendation, and what a person does with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from markupsafe import Markup

from connectors.contract import BudgetKey
from connectors.errors import ConnectorError
from connectors.money import Money
from optimizer.agent.cycle import Refused
from optimizer.agent.secrecy import redacted
from optimizer.agent.web import acts
from optimizer.agent.web.gate import Approver, Viewer, Visitor
from optimizer.agent.web.pages import page, reader
from optimizer.agent.web.plans import Plan, Row, alone
from optimizer.agent.web.premises import Premises
from optimizer.agent.web.sheets import csv_file
from optimizer.agent.web.slow import slowly
from optimizer.goals import GoalsError
from optimizer.plan.recommendation import Line
from optimizer.plan.record import Record, State
from optimizer.ports import NotFound, StateConflict

router = APIRouter(include_in_schema=False)

_SETTLED: Final = frozenset({State.APPLYING, State.APPLIED, State.VERIFIED, State.FAILED, State.ROLLED_BACK})
_APPROVED: Final = {State.APPROVED: "approved", State.PROPOSED: "second"}

# What an act is refused by and shown beside what was typed, with its status.
_TOLD: Final[tuple[tuple[type[Exception], int], ...]] = (
    (acts.Unclear, 422),
    (acts.Unconfirmed, 403),
    (Refused, 409),
    (StateConflict, 409),
    (GoalsError, 409),
    (ConnectorError, 409),
)


@router.get("/{portfolio}/recommendations")
def listed(request: Request, visitor: Viewer) -> HTMLResponse:
    """List the recommendations, the newest first."""
    facts = {"plans": visitor.premises.plans()}
    return page(request, visitor.premises, "recommendations.html", facts, visitor=visitor)


@router.get("/{portfolio}/recommendations/{rec_id}")
def shown(
    request: Request, visitor: Viewer, rec_id: str, revision: acts.RevisionAsked = None,
    edit: bool = False,
) -> HTMLResponse:  # fmt: skip
    """Show a revision: what is proposed, what it should bring, how sure that is, and what came of it."""
    record = visitor.premises.record(rec_id, revision)
    return _page(request, visitor, record, {"editing": edit})


@router.get("/{portfolio}/recommendations/{rec_id}/lines/{number}")
def line(
    request: Request, visitor: Viewer, rec_id: str, number: int, revision: acts.RevisionAsked = None
) -> HTMLResponse:
    """Show what stands behind one line; as a part of the page where the page asks for it, else as a page."""
    plan = visitor.premises.plan(rec_id, revision)
    row = next((row for row in plan.rows if row.number == number), None)
    if row is None:
        raise NotFound(f"{rec_id} has no budget with the number {number}")
    part = request.headers.get("hx-request") == "true"
    facts = {"plan": plan, "row": row}
    return page(request, visitor.premises, "_line.html" if part else "line.html", facts, visitor=visitor)


@router.get("/{portfolio}/recommendations/{rec_id}/lines.csv")
def table(visitor: Viewer, rec_id: str, revision: acts.RevisionAsked = None) -> Response:
    """Return the lines as CSV."""
    plan = alone(visitor.premises.record(rec_id, revision))
    return csv_file(f"{rec_id}.csv", _HEAD, [_cells(row) for row in plan.rows])


@router.post("/{portfolio}/recommendations/{rec_id}/approve")
def approve(
    request: Request, visitor: Approver, rec_id: str,
    plan_hash: Annotated[str, Form()], line: Annotated[list[int] | None, Form()] = None,
    reason: Annotated[str, Form()] = "", password: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Approve the chosen lines of exactly what was shown."""
    record = visitor.store.record(rec_id)
    chosen = tuple(line or ())
    facts = {"chosen": chosen, "reason": reason}
    done = partial(acts.approve, visitor, record, plan_hash, chosen, reason, password)
    return _done(request, visitor, rec_id, done, lambda after: _APPROVED[after.state], facts)


@router.post("/{portfolio}/recommendations/{rec_id}/reject")
def reject(request: Request, visitor: Approver, rec_id: str, reason: Annotated[str, Form()] = "") -> Response:
    """Reject a proposal, with a reason."""
    done = partial(acts.reject, visitor, visitor.store.record(rec_id), reason)
    return _done(request, visitor, rec_id, done, lambda _: "rejected", {"reason": reason})


@router.post("/{portfolio}/recommendations/{rec_id}/revoke")
def revoke(request: Request, visitor: Approver, rec_id: str, reason: Annotated[str, Form()] = "") -> Response:
    """Withdraw an approval of which nothing was written yet."""
    done = partial(acts.revoke, visitor, visitor.store.record(rec_id), reason)
    return _done(request, visitor, rec_id, done, lambda _: "revoked", {"reason": reason})


@router.post("/{portfolio}/recommendations/{rec_id}/edit")
async def edit(request: Request, visitor: Approver, rec_id: str) -> Response:
    """Fix amounts by hand, and solve the rest around them."""
    typed = {name: str(value) for name, value in (await request.form()).items()}
    return await slowly(_edited, request, visitor, rec_id, typed)


@router.post("/{portfolio}/recommendations/{rec_id}/rollback")
def rollback(request: Request, visitor: Approver, rec_id: str) -> Response:
    """Propose to restore what stood before."""
    done = partial(acts.rollback, visitor, visitor.store.record(rec_id))
    return _done(request, visitor, rec_id, done, lambda _: "restoring", {})


def _edited(request: Request, visitor: Visitor, rec_id: str, typed: dict[str, str]) -> Response:
    record = visitor.store.record(rec_id)
    facts: dict[str, Any] = {"editing": True, "typed": typed}

    def act() -> Record:
        acts.same_plan(record, typed.get("plan_hash", record.recommendation.plan_hash))
        return acts.edit(visitor, record, _amounts(record, typed))

    return _done(request, visitor, rec_id, act, lambda _: "edited", facts)


def _amounts(record: Record, typed: dict[str, str]) -> dict[BudgetKey, Money]:
    """The amounts that were typed and are others than those proposed.

    Raises:
        Unclear: Some cannot be read; all of them are told.
    """
    found: list[tuple[BudgetKey, Money] | None] = []
    wrong = []
    for number in range(len(record.recommendation.decision.lines)):
        text = typed.get(f"amount-{number}", "").strip()
        try:
            found += [acts.amount_of(record, number, text)] if text else []
        except acts.Unclear as error:
            wrong.append(str(error))
    if wrong:
        raise acts.Unclear(" ".join(wrong))
    return dict(each for each in found if each is not None)


def _done(
    request: Request, visitor: Visitor, rec_id: str, act: Callable[[], Record], said: Callable[[Record], str],
    facts: dict[str, Any],
) -> Response:  # fmt: skip
    """Do it, and lead to what came of it; where it was refused, show the recommendation as it stands with the reason.

    Args:
        request: What was asked.
        visitor: Who asks.
        rec_id: The recommendation.
        act: Does it.
        said: The code of what is told then.
        facts: What was typed, for the form.
    """
    try:
        after = act()
    except Exception as error:
        status = next((status for kind, status in _TOLD if isinstance(error, kind)), None)
        if status is None:
            raise
        newest = visitor.store.record(rec_id)
        return _page(request, visitor, newest, facts | {"trouble": redacted(str(error))}, status)
    return _go(visitor, after, said(after))


def _page(request: Request, visitor: Visitor, record: Record, facts: dict[str, Any], status: int = 200) -> HTMLResponse:
    premises = visitor.premises
    plan = premises.plan(record.recommendation.rec_id, record.recommendation.revision)
    known = {
        "plan": plan,
        "events": premises.events(record.recommendation.rec_id),
        "intents": premises.intents(record) if record.state in _SETTLED else (),
        "names": {line.key: line.name for line in plan.decision.all_lines},
        "asks_again": acts.asks_again(visitor, record),
        "once": _always,
        "editing": False,
        "typed": {},
        "chosen": None,
        "reason": "",
        "trouble": "",
    }
    if not facts.get("editing") and facts.get("chosen") is None:
        known["once"] = _once(premises, plan, reader(request, premises).locale)
    return page(request, premises, "recommendation.html", known | facts, visitor=visitor, status=status)


def _once(premises: Premises, plan: Plan, locale: str) -> Callable[..., Markup]:
    """What a template calls around the lines of a revision, so that they are rendered once for each state of it."""
    record, earlier = plan.record, plan.earlier
    made = record.recommendation
    before = None if earlier is None else (earlier.recommendation.rec_id, earlier.recommendation.revision)
    shows = (made.rec_id, made.revision, made.plan_hash, record.state, record.approvals, record.approved_lines, before)

    def once(part: str, deciding: bool, *, caller: Callable[[], Markup]) -> Markup:
        return premises.kept.part((part, *shows, deciding, locale), caller)

    return once


def _always(_part: str, _deciding: bool, *, caller: Callable[[], Markup]) -> Markup:
    return caller()


def _go(visitor: Visitor, record: Record, code: str) -> Response:
    return RedirectResponse(f"/{visitor.premises.slug}/recommendations/{record.recommendation.rec_id}?said={code}", 303)


_HEAD: Final = (
    "connector", "account", "budget_id", "name", "channel", "currency", "current", "proposed", "effect", "low80",
    "high80", "low95", "high95", "p_worse", "reason",
)  # fmt: skip


def _cells(row: Row) -> tuple[object, ...]:
    found: Line = row.line
    key, effect = found.key, found.effect
    return (
        key.connector, key.account_id, key.budget_id, found.name, found.channel, found.current.currency,
        found.current.amount, found.proposed.amount, effect.mean, effect.low80, effect.high80, effect.low95,
        effect.high95, effect.p_worse, found.reason,
    )  # fmt: skip
