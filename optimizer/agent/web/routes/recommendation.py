"""The face of the product: one recommendation, and what a person does with it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool

from connectors.contract import BudgetKey
from connectors.errors import ConnectorError
from connectors.money import Money
from optimizer import approval
from optimizer.agent import cycle, writing
from optimizer.agent.cycle import Refused
from optimizer.agent.passwords import matches
from optimizer.agent.secrecy import redacted
from optimizer.agent.web.gate import Approver, Viewer, Visitor
from optimizer.agent.web.pages import page, reader
from optimizer.agent.web.plans import Plan, Row
from optimizer.agent.web.premises import Premises
from optimizer.goals import GoalsError
from optimizer.plan.recommendation import Line, Record, State
from optimizer.ports import NotFound, StateConflict

router = APIRouter(include_in_schema=False)

_SETTLED: Final = frozenset({State.APPLYING, State.APPLIED, State.VERIFIED, State.FAILED, State.ROLLED_BACK})
_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r")


@router.get("/{portfolio}/recommendations")
def listed(request: Request, visitor: Viewer) -> HTMLResponse:
    """List the recommendations, the newest first."""
    plans = [Plan(record, {}, None, is_newest=True) for record in visitor.premises.records()]
    return page(request, visitor.premises, "recommendations.html", {"plans": plans}, visitor=visitor)


@router.get("/{portfolio}/recommendations/{rec_id}")
def shown(
    request: Request, visitor: Viewer, rec_id: str, revision: Annotated[int | None, Query(ge=1)] = None,
    edit: bool = False,
) -> HTMLResponse:  # fmt: skip
    """Show a revision: what is proposed, what it should bring, how sure that is, and what came of it."""
    record = visitor.premises.record(rec_id, revision)
    return _page(request, visitor, record, {"editing": edit})


@router.get("/{portfolio}/recommendations/{rec_id}/lines/{number}")
def line(
    request: Request, visitor: Viewer, rec_id: str, number: int, revision: Annotated[int | None, Query(ge=1)] = None
) -> HTMLResponse:
    """Show what stands behind one line; as a part of the page where the page asks for it, else as a page."""
    plan = _plan(visitor.premises, visitor.premises.record(rec_id, revision))
    row = next((row for row in plan.rows if row.number == number), None)
    if row is None:
        raise NotFound(f"{rec_id} has no budget with the number {number}")
    part = request.headers.get("hx-request") == "true"
    facts = {"plan": plan, "row": row}
    return page(request, visitor.premises, "_line.html" if part else "line.html", facts, visitor=visitor)


@router.get("/{portfolio}/recommendations/{rec_id}/lines.csv")
def table(visitor: Viewer, rec_id: str, revision: Annotated[int | None, Query(ge=1)] = None) -> Response:
    """Return the lines as CSV."""
    plan = Plan(visitor.premises.record(rec_id, revision), {}, None, is_newest=True)
    return csv_file(f"{rec_id}.csv", _HEAD, [_cells(row) for row in plan.rows])


@router.post("/{portfolio}/recommendations/{rec_id}/approve")
def approve(
    request: Request, visitor: Approver, rec_id: str,
    plan_hash: Annotated[str, Form()], line: Annotated[list[int] | None, Form()] = None,
    reason: Annotated[str, Form()] = "", password: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Approve the chosen lines of exactly what was shown."""
    premises = visitor.premises
    record = premises.store.record(rec_id)
    chosen = tuple(line or ())
    plan = _plan(premises, record)
    if not chosen:
        return _page(request, visitor, record, {"trouble": "No line is chosen.", "chosen": chosen}, 422)
    if (trouble := _unconfirmed(visitor, record, chosen, password)) is not None:
        return _page(request, visitor, record, {"trouble": trouble, "chosen": chosen}, 403)
    keys = plan.keys(chosen)
    changing = [each.key for each in record.recommendation.decision.all_lines if each.changes]
    lines = None if not record.approvals and set(keys) == set(changing) else keys
    verdict = approval.Approve(visitor.user.name, plan_hash, lines, reason.strip())
    return _settled(request, visitor, record, verdict, chosen)


@router.post("/{portfolio}/recommendations/{rec_id}/reject")
def reject(request: Request, visitor: Approver, rec_id: str, reason: Annotated[str, Form()] = "") -> Response:
    """Reject a proposal, with a reason."""
    record = visitor.premises.store.record(rec_id)
    return _settled(request, visitor, record, approval.Reject(visitor.user.name, reason.strip()))


@router.post("/{portfolio}/recommendations/{rec_id}/revoke")
def revoke(request: Request, visitor: Approver, rec_id: str, reason: Annotated[str, Form()] = "") -> Response:
    """Withdraw an approval of which nothing was written yet."""
    record = visitor.premises.store.record(rec_id)
    return _settled(request, visitor, record, approval.Revoke(visitor.user.name, reason.strip()))


@router.post("/{portfolio}/recommendations/{rec_id}/edit")
async def edit(request: Request, visitor: Approver, rec_id: str) -> Response:
    """Fix amounts by hand, and solve the rest around them."""
    typed = {name: str(value) for name, value in (await request.form()).items()}
    return await run_in_threadpool(_edited, request, visitor, rec_id, typed)


@router.post("/{portfolio}/recommendations/{rec_id}/rollback")
def rollback(request: Request, visitor: Approver, rec_id: str) -> Response:
    """Propose to restore what stood before."""
    record = visitor.premises.store.record(rec_id)
    try:
        with visitor.premises.connected() as house:
            child = writing.rollback(house, rec_id, visitor.user.name)
    except (Refused, ConnectorError) as error:
        return _page(request, visitor, record, {"trouble": redacted(str(error))}, 409)
    return _go(visitor, child, "restoring")


def _edited(request: Request, visitor: Visitor, rec_id: str, typed: dict[str, str]) -> Response:
    record = visitor.premises.store.record(rec_id)
    amounts, wrong = _amounts(record, typed)
    facts: dict[str, Any] = {"editing": True, "typed": typed}
    if wrong:
        return _page(request, visitor, record, facts | {"trouble": " ".join(wrong)}, 422)
    if not amounts:
        return _page(request, visitor, record, facts | {"trouble": "No amount was changed."}, 422)
    try:
        with visitor.premises.connected() as house:
            edited = cycle.edit(house, rec_id, amounts, visitor.user.name)
    except (Refused, GoalsError, ConnectorError, StateConflict) as error:
        return _page(request, visitor, record, facts | {"trouble": redacted(str(error))}, 409)
    return _go(visitor, edited, "edited")


def _amounts(record: Record, typed: dict[str, str]) -> tuple[dict[BudgetKey, Money], list[str]]:
    """The amounts that were typed and are others than those proposed, and what cannot be read."""
    found: dict[BudgetKey, Money] = {}
    wrong = []
    for number, each in enumerate(record.recommendation.decision.lines):
        text = typed.get(f"amount-{number}", "").strip()
        if not text:
            continue
        try:
            amount = Money.of(text, each.current.currency)
        except ValueError:
            wrong.append(f"{each.name}: {text!r} is no amount. Write digits with a decimal point, such as 170.50.")
            continue
        if amount.micros < 0:
            wrong.append(f"{each.name}: a budget cannot be below zero.")
        elif amount != each.proposed:
            found[each.key] = amount
    return found, wrong


def _settled(
    request: Request, visitor: Visitor, record: Record, verdict: approval.Verdict, chosen: Sequence[int] = ()
) -> Response:
    try:
        after = cycle.settle(visitor.premises.house, record.recommendation.rec_id, verdict)
    except (Refused, StateConflict) as error:
        newest = visitor.premises.store.record(record.recommendation.rec_id)
        facts = {"trouble": redacted(str(error)), "chosen": tuple(chosen), "reason": verdict.reason}
        return _page(request, visitor, newest, facts, 409)
    match verdict:
        case approval.Approve():
            code = "approved" if after.state is State.APPROVED else "second"
        case approval.Reject():
            code = "rejected"
        case approval.Revoke():
            code = "revoked"
    return _go(visitor, after, code)


def _unconfirmed(visitor: Visitor, record: Record, chosen: Sequence[int], password: str) -> str | None:
    """Why the password must be given (again) for these lines; None where it need not."""
    if not asks_again(visitor, record, chosen):
        return None
    if not password:
        return "So much money asks for your password again."
    if not matches(visitor.user.password, password):
        visitor.premises.store.note_login_failure(visitor.user.name, visitor.now)
        return "The password is not yours."
    visitor.premises.store.confirm_session(visitor.session.secret_hash, visitor.now)
    return None


def asks_again(visitor: Visitor, record: Record, chosen: Sequence[int] | None = None) -> bool:
    """Whether an approval of these lines (all by default) needs the password once more."""
    above = visitor.premises.settings.web.confirm_above
    if above is None or visitor.is_fresh:
        return False
    decision = record.recommendation.decision
    lines = [each for n, each in enumerate(decision.all_lines) if each.changes and (chosen is None or n in chosen)]
    return approval.moved(lines, decision.currency) > Money.of(above, decision.currency)


def _plan(premises: Premises, record: Record) -> Plan:
    newest = premises.record(record.recommendation.rec_id).recommendation.revision
    return Plan(
        record,
        premises.pictures(record),
        premises.before(record),
        is_newest=record.recommendation.revision == newest,
    )


def _page(request: Request, visitor: Visitor, record: Record, facts: dict[str, Any], status: int = 200) -> HTMLResponse:
    premises = visitor.premises
    plan = _plan(premises, record)
    known = {
        "plan": plan,
        "events": premises.events(record.recommendation.rec_id),
        "intents": premises.intents(record) if record.state in _SETTLED else (),
        "names": {line.key: line.name for line in plan.decision.all_lines},
        "asks_again": asks_again(visitor, record),
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

    def once(deciding: bool, *, caller: Callable[[], Markup]) -> Markup:
        return premises.kept.part((*shows, deciding, locale), caller)

    return once


def _always(_deciding: bool, *, caller: Callable[[], Markup]) -> Markup:
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


def csv_file(name: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> Response:
    """Return a table as a CSV file. A text that a spreadsheet would take for a formula gets an apostrophe before it."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return Response(
        out.getvalue(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def harmless(cell: object) -> object:
    """A text that no spreadsheet runs (OWASP, CSV Injection); numbers stay as they are."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_DANGEROUS) else cell
