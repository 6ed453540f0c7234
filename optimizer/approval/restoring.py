"""Rolling back: a child recommendation that restores what stood before, approved and written by the same machinery.

A rollback restores exact priors or reports drift; it is never a delta, and never overwrites what somebody else set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from connectors.contract import AdKey, AdState, BudgetKey, BudgetTarget, EntityStatus, zone
from connectors.money import Money
from optimizer.approval import envelopes, switching
from optimizer.approval.intents import DONE, latest
from optimizer.approval.names import no_person
from optimizer.approval.proposals import issue, listed, standing, tally
from optimizer.approval.refusal import Code, Drift, Refusal
from optimizer.approval.table import PROGRAM, Action, take, title, unready
from optimizer.approval.verdicts import unsound
from optimizer.plan.recommendation import AdLine, Decision, Effect, Finding, Line, LineKey, Severity
from optimizer.plan.record import AdIntent, BudgetIntent, Intent, Record, State, Transition
from optimizer.plan.running import NO_ADS, crews, running

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
    lines: Sequence[LineKey] | None = None,
    ads: Mapping[AdKey, AdState] = NO_ADS,
) -> Transition | Refusal:
    """Propose to restore the budgets and statuses that a revision set.

    Args:
        record: A revision that is applied, verified or failed.
        intents: All of its intents.
        live: All budgets of the portfolio, read now.
        now: Aware UTC.
        author: Who asks for it.
        valid_for: How long the proposal may be approved and begun.
        code_version: Of the program.
        lines: Only these budgets and ads; None for all that were set. Naming them lets the rest be restored where one
            has drifted.
        ads: All ads of the portfolio, read now.

    Returns:
        A proposed child recommendation; or a refusal, which tells what somebody changed since.
    """
    refusal = unready(record, Action.ROLLED_BACK) or no_person(author) or unsound(record)
    if refusal is not None:
        return refusal
    ours = _ours(record, intents)
    picked = set(ours) if lines is None else set(lines)
    refusal = _unknown(record, ours, picked) or _changed(record, ours, picked, live, ads)
    if refusal is not None:
        return refusal
    decision = replace(_restoring(record, ours, picked, live, now), ads=_restored_ads(record, ours, picked, live, ads))
    return (
        _beyond(decision)
        or switching.alone(decision.ads)
        or issue(
            decision,
            now=now,
            valid_for=valid_for,
            seed=record.recommendation.seed,
            code_version=code_version,
            author=author,
            parent=record,
        )
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
    back = sum(isinstance(key, AdKey) for key in child.approved_lines)
    detail = f"{tally(len(child.approved_lines) - back, back)} restored by {child.recommendation.rec_id}"
    return take(parent, Action.ROLLED_BACK, at=now, actor=PROGRAM, detail=detail)


def _ours(record: Record, intents: Iterable[Intent]) -> dict[LineKey, Intent]:
    identity = (record.recommendation.rec_id, record.recommendation.revision)
    own = [intent for intent in intents if (intent.rec_id, intent.revision) == identity]
    return {key: intent for key, intent in latest(own).items() if intent.state in DONE}


def _unknown(record: Record, ours: Mapping[LineKey, Intent], picked: set[LineKey]) -> Refusal | None:
    if not picked:
        return Refusal(Code.NOTHING_TO_DO, f"{title(record)} set no budget.", "There is nothing to restore.")
    if strange := sorted(picked - set(ours), key=str):
        return Refusal(
            Code.UNKNOWN_LINE, f"{title(record)} did not set {strange[0]}.", "Choose among the budgets that it set."
        )
    return None


def _changed(
    record: Record,
    ours: Mapping[LineKey, Intent],
    picked: set[LineKey],
    live: Mapping[BudgetKey, BudgetTarget],
    ads: Mapping[AdKey, AdState],
) -> Refusal | None:
    decision = record.recommendation.decision
    lines = decision.lines
    if missing := next((line for line in lines if line.key not in live and line.key not in picked), None):
        return Refusal(
            Code.UNREADABLE, f"The live budget of {missing.name} ({missing.key}) cannot be read.", "Mend the connector."
        )
    seen = [
        Drift(line.key, line.name, ours[line.key].target, standing(line.key, live, ads))
        for line in decision.all_lines
        if line.key in picked
    ]
    found = tuple(drift for drift in seen if drift.live != drift.expected)
    if not found:
        return None
    return Refusal(
        Code.DRIFT,
        f"Somebody changed {_what(found)} since {title(record)} was applied: {listed(found)}.",
        "Leave these lines out of the rollback, or set them by hand.",
        drifts=found,
    )


def _restoring(
    record: Record,
    ours: Mapping[LineKey, Intent],
    picked: set[LineKey],
    live: Mapping[BudgetKey, BudgetTarget],
    now: datetime,
) -> Decision:
    was = record.recommendation.decision
    priors = {i.key: i.base for i in ours.values() if isinstance(i, BudgetIntent) and i.key in picked}
    lines = tuple(_line(line, live[line.key], priors.get(line.key)) for line in was.lines)
    applied = sum(line.effect.mean for line in was.lines if line.key in ours)
    whole = {line.key for line in was.lines if line.changes} == set(priors)
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


def _restored_ads(
    record: Record,
    ours: Mapping[LineKey, Intent],
    picked: set[LineKey],
    live: Mapping[BudgetKey, BudgetTarget],
    ads: Mapping[AdKey, AdState],
) -> tuple[AdLine, ...]:
    """The statuses that stood before, resumes ahead; what ran before is never too little to go back to."""
    crew = crews(live.values(), ads.values())
    priors = {i.key: i.base for i in ours.values() if isinstance(i, AdIntent) and i.key in picked}
    return switching.in_order(
        _ad_line(line, ads[line.key], priors[line.key], len(running(crew.get(line.target, ()))))
        for line in record.recommendation.decision.ads
        if line.key in priors
    )


def _ad_line(line: AdLine, ad: AdState, prior: EntityStatus, runs: int) -> AdLine:
    return replace(
        line,
        current=ad.status,
        proposed=prior,
        etag=ad.etag,
        running=runs,
        least=1,
        effect=None if line.effect is None else _negated(line.effect),
        reason=f"restores the status {prior.value} that stood before",
    )


def _what(found: Sequence[Drift]) -> str:
    return "ads" if all(isinstance(drift.key, AdKey) for drift in found) else "budgets"


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
