"""Rolling back: a child recommendation that restores what stood before, approved and written by the same machinery.

A rollback restores exact priors or reports drift; it is never a delta, and never overwrites what somebody else set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from connectors.contract import BudgetKey, BudgetTarget, zone
from connectors.money import Money
from optimizer.approval import envelopes
from optimizer.approval.intents import DONE, latest
from optimizer.approval.proposals import amount, issue, listed, nameless
from optimizer.approval.refusal import Code, Drift, Refusal
from optimizer.approval.table import PROGRAM, Action, take, title, unready
from optimizer.approval.verdicts import unsound
from optimizer.plan.recommendation import (
    Decision,
    Effect,
    Finding,
    Intent,
    Line,
    Record,
    Severity,
    State,
    Transition,
)

_NONE: Final = Effect(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
_SLACK: Final = Finding(
    "same-day-exposure",
    Severity.INFO,
    "portfolio",
    "A platform may spend by the highest budget that stood today: restoring a budget does not undo what was spent or "
    "may yet be spent today.",
)


def rollback(
    record: Record,
    intents: Iterable[Intent],
    live: Mapping[BudgetKey, BudgetTarget],
    now: datetime,
    *,
    author: str,
    valid_for: timedelta,
    code_version: str,
    lines: Sequence[BudgetKey] | None = None,
) -> Transition | Refusal:
    """Propose to restore the budgets that a revision set.

    Args:
        record: A revision that is applied, verified or failed.
        intents: All of its intents.
        live: All budgets of the portfolio, read now.
        now: Aware UTC.
        author: Who asks for it.
        valid_for: How long the proposal may be approved and begun.
        code_version: Of the program.
        lines: Only these budgets; None for all that were set. Naming them lets the rest be restored where one has
            drifted.

    Returns:
        A proposed child recommendation; or a refusal, which tells budgets that somebody changed since.
    """
    refusal = unready(record, Action.ROLLED_BACK) or nameless(author) or unsound(record)
    if refusal is not None:
        return refusal
    ours = _ours(record, intents)
    picked = set(ours) if lines is None else set(lines)
    refusal = _unknown(record, ours, picked) or _changed(record, ours, picked, live)
    if refusal is not None:
        return refusal
    decision = _restoring(record, ours, picked, live, now)
    return _beyond(decision) or issue(
        decision,
        now=now,
        valid_for=valid_for,
        seed=record.recommendation.seed,
        code_version=code_version,
        author=author,
        parent=record,
    )


def rolled_back(parent: Record, intents: Iterable[Intent], child: Record, now: datetime) -> Transition | None:
    """Mark a revision as rolled back once a verified child has restored all that it had set; None before.

    Args:
        parent: The revision that was rolled back.
        intents: All of its intents.
        child: The recommendation that restores it.
        now: Aware UTC.
    """
    if unready(parent, Action.ROLLED_BACK) or child.recommendation.parent_id != parent.recommendation.rec_id:
        return None
    if child.state is not State.VERIFIED or not set(_ours(parent, intents)) <= set(child.approved_lines):
        return None
    detail = f"{len(child.approved_lines)} budgets restored by {child.recommendation.rec_id}"
    return take(parent, Action.ROLLED_BACK, at=now, actor=PROGRAM, detail=detail)


def _ours(record: Record, intents: Iterable[Intent]) -> dict[BudgetKey, Intent]:
    identity = (record.recommendation.rec_id, record.recommendation.revision)
    own = [intent for intent in intents if (intent.rec_id, intent.revision) == identity]
    return {key: intent for key, intent in latest(own).items() if intent.state in DONE}


def _unknown(record: Record, ours: Mapping[BudgetKey, Intent], picked: set[BudgetKey]) -> Refusal | None:
    if not picked:
        return Refusal(Code.NOTHING_TO_DO, f"{title(record)} set no budget.", "There is nothing to restore.")
    if strange := sorted(picked - set(ours)):
        return Refusal(
            Code.UNKNOWN_LINE, f"{title(record)} did not set {strange[0]}.", "Choose among the budgets that it set."
        )
    return None


def _changed(
    record: Record, ours: Mapping[BudgetKey, Intent], picked: set[BudgetKey], live: Mapping[BudgetKey, BudgetTarget]
) -> Refusal | None:
    lines = record.recommendation.decision.lines
    if missing := next((line for line in lines if line.key not in live and line.key not in picked), None):
        return Refusal(
            Code.UNREADABLE, f"The live budget of {missing.name} ({missing.key}) cannot be read.", "Mend the connector."
        )
    seen = [
        Drift(line.key, line.name, ours[line.key].target, amount(live, line.key))
        for line in lines
        if line.key in picked
    ]
    found = tuple(drift for drift in seen if drift.live != drift.expected)
    if not found:
        return None
    return Refusal(
        Code.DRIFT,
        f"Somebody changed budgets since {title(record)} was applied: {listed(found)}.",
        "Leave these lines out of the rollback, or set them by hand.",
        drifts=found,
    )


def _restoring(
    record: Record,
    ours: Mapping[BudgetKey, Intent],
    picked: set[BudgetKey],
    live: Mapping[BudgetKey, BudgetTarget],
    now: datetime,
) -> Decision:
    was = record.recommendation.decision
    lines = tuple(
        _line(line, live[line.key], ours[line.key].base if line.key in picked else None) for line in was.lines
    )
    applied = sum(line.effect.mean for line in was.lines if line.key in ours)
    whole = {line.key for line in was.lines if line.changes} == picked
    total = _negated(was.total) if whole else _together([line.effect for line in lines if line.changes])
    return replace(
        was,
        as_of=now.astimezone(zone(was.time_zone)).date(),
        lines=lines,
        total=total,
        expected_now=was.expected_then if whole else was.expected_now + applied,
        expected_then=was.expected_now if whole else was.expected_now + applied + total.mean,
        findings=(_SLACK,),
        # A floor of the plan must not keep a budget from going back to where it was; a ceiling must.
        envelopes=tuple(replace(envelope, floor=None) for envelope in was.envelopes),
        arms=(),
        bindings=(),
        promises=(),
        certificate=None,
        explanation=None,
        explored=None,
    )


def _line(line: Line, target: BudgetTarget, prior: Money | None) -> Line:
    return replace(
        line,
        current=target.amount,
        proposed=target.amount if prior is None else prior,
        etag=target.etag,
        effect=_NONE if prior is None else _negated(line.effect),
        bindings=(),
        reason="stays" if prior is None else f"restores the {prior} a day that stood before",
        turn=None,
    )


def _negated(effect: Effect) -> Effect:
    """The effect of undoing: for a continuous posterior P(-d < 0) = 1 - P(d < 0)."""
    return Effect(
        mean=-effect.mean,
        low80=-effect.high80,
        high80=-effect.low80,
        low95=-effect.high95,
        high95=-effect.low95,
        p_worse=1.0 - effect.p_worse,
    )


def _together(effects: Sequence[Effect]) -> Effect:
    """Several effects whose dependence is not known, on the careful side.

    Means add. The ends of the intervals add too, which is exact where the effects move together and too wide
    otherwise. A sum below zero needs a term below zero, so that p_worse <= the sum of theirs (Boole).
    """
    return Effect(
        mean=sum(e.mean for e in effects),
        low80=sum(e.low80 for e in effects),
        high80=sum(e.high80 for e in effects),
        low95=sum(e.low95 for e in effects),
        high95=sum(e.high95 for e in effects),
        p_worse=min(1.0, sum(e.p_worse for e in effects)),
    )


def _beyond(decision: Decision) -> Refusal | None:
    start = envelopes.base(decision)
    end = {line.key: line.proposed.micros for line in decision.lines}
    found = envelopes.breaches(envelopes.bounds(decision), start, end)
    if not found:
        return None
    return Refusal(
        Code.ENVELOPE,
        f"What stood before breaks a limit: {'; '.join(found)}.",
        "Choose lines that can be restored, or change the limit and make a new plan.",
    )
