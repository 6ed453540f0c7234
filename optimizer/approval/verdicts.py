"""What people (or a written policy) say of a proposal, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from connectors.money import Money
from optimizer.approval import envelopes, switching
from optimizer.approval.names import known_as, nameless, no_person, of_policy
from optimizer.approval.proposals import ad_lines, budget_lines, chosen, counted, lapsed, moved
from optimizer.approval.refusal import Code, Refusal
from optimizer.approval.table import Action, take, title, unready
from optimizer.plan.recommendation import AdLine, Line, LineKey
from optimizer.plan.record import Record, Transition


@dataclass(frozen=True, slots=True)
class Approve:
    """Approval of one exact plan, whole or in part.

    Attributes:
        by: Who approves.
        plan_hash: The hash of what was shown.
        lines: The budgets and ads that may change; None for all that the plan changes, or, where a first approval
            stands, for the lines of that one.
        reason: Why; may be empty.
    """

    by: str
    plan_hash: str
    lines: tuple[LineKey, ...] | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reject:
    """Rejection of a proposal; the reason is kept, since rejections are data."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Revoke:
    """Withdrawal of an approval of which nothing has been written yet."""

    by: str
    reason: str


Verdict = Approve | Reject | Revoke


@dataclass(frozen=True, slots=True)
class Policy:
    """Whose word counts.

    Attributes:
        second_approver_above: A plan that moves more than this a day needs two people; None for never.
        approvers: Who may approve; None for anybody who gives a name. Names are compared without regard to case.

    Raises:
        ValueError: A negative threshold, an empty name, or no approver at all.
    """

    second_approver_above: Money | None = None
    approvers: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if self.second_approver_above is not None and self.second_approver_above.micros < 0:
            raise ValueError(f"second_approver_above must be at least 0, not {self.second_approver_above}")
        if self.approvers is not None and (not self.approvers or not all(map(known_as, self.approvers))):
            raise ValueError("approvers must be names; None lets anybody approve")


def judge(
    record: Record, verdict: Verdict, now: datetime, policy: Policy, *, earlier: Sequence[str] = ()
) -> Transition | Refusal:
    """Take a verdict on a revision, or say why it does not count.

    The returned transition leaves a proposal where it is, with one name in `approvals`, while a second is awaited.

    Args:
        record: The revision.
        verdict: What is said of it.
        now: Aware UTC.
        policy: Whose word counts.
        earlier: Who made the revisions before this one, of which amounts may have stayed; a second approval of an
            edited plan is refused where they are not all named.
    """
    match verdict:
        case Approve():
            return _approve(record, verdict, now, policy, earlier)
        case Reject():
            return _turn_down(record, Action.REJECTED, verdict, now)
        case Revoke():
            return _turn_down(record, Action.REVOKED, verdict, now)


def unsound(record: Record) -> Refusal | None:
    """Refuse a revision whose content is not what its hash says, or whose envelopes cannot be read."""
    recommendation = record.recommendation
    if recommendation.computed_hash() != recommendation.plan_hash:
        return Refusal(
            Code.TAMPERED,
            f"The content of {title(record)} does not have the hash that it was issued with.",
            "Make a new plan, and find out who changed the store.",
        )
    if (why := envelopes.unreadable(recommendation.decision)) is not None:
        return Refusal(Code.UNREADABLE, f"The limits of {title(record)} cannot be checked: {why}.", "Make a new plan.")
    return None


def _approve(
    record: Record, verdict: Approve, now: datetime, policy: Policy, earlier: Sequence[str]
) -> Transition | Refusal:
    refusal = (
        unready(record, Action.APPROVED)
        or nameless(verdict.by)
        or _role(verdict.by, policy)
        or lapsed(record, now)
        or _hash(record, verdict.plan_hash)
        or unsound(record)
    )
    if refusal is not None:
        return refusal
    lines = _pick(record, verdict.lines)
    if isinstance(lines, Refusal):
        return lines
    refusal = _threshold(record, policy) or _infeasible(record, lines) or _second(record, verdict.by, lines, earlier)
    if refusal is not None:
        return refusal
    return _approved(record, verdict, lines, now, policy)


def _approved(
    record: Record, verdict: Approve, lines: tuple[Line | AdLine, ...], now: datetime, policy: Policy
) -> Transition:
    total = moved(lines, record.recommendation.decision.currency)
    above = policy.second_approver_above
    approvals = (*record.approvals, verdict.by)
    people = [name for name in approvals if not of_policy(name)]
    enough = above is None or total <= above or len(people) >= 2
    after = replace(
        record,
        approvals=approvals,
        approved_lines=tuple(line.key for line in lines),
        approved_by=verdict.by if enough else None,
    )
    keys = ", ".join(str(line.key) for line in lines)
    detail = f"{total} a day in {counted(lines)} ({keys}); plan {record.recommendation.plan_hash}"
    if verdict.reason:
        detail += f"; {verdict.reason}"
    return take(after, Action.APPROVED if enough else Action.SECONDED, at=now, actor=verdict.by, detail=detail)


def _turn_down(record: Record, action: Action, verdict: Reject | Revoke, now: datetime) -> Transition | Refusal:
    refusal = unready(record, action) or no_person(verdict.by)
    if refusal is not None:
        return refusal
    if not verdict.reason.strip():
        return Refusal(Code.REASON_MISSING, f"{title(record)} cannot be {action.value} without a reason.", "Say why.")
    return take(record, action, at=now, actor=verdict.by, detail=verdict.reason)


def _role(person: str, policy: Policy) -> Refusal | None:
    if policy.approvers is None:
        if not of_policy(person):
            return None
        return Refusal(Code.NOT_AN_APPROVER, f"{person} is the name of a written policy.", "Give your own name.")
    if known_as(person) in map(known_as, policy.approvers):
        return None
    names = ", ".join(sorted(policy.approvers))
    return Refusal(Code.NOT_AN_APPROVER, f"{person} may not approve.", f"Ask one of: {names}.")


def _hash(record: Record, shown: str) -> Refusal | None:
    if shown == record.recommendation.plan_hash:
        return None
    return Refusal(
        Code.OTHER_HASH,
        f"The approval is of plan {shown[:12]}, but {title(record)} is plan {record.recommendation.plan_hash[:12]}.",
        "Look at the plan as it stands now, and approve that.",
    )


def _pick(record: Record, keys: Sequence[LineKey] | None) -> tuple[Line | AdLine, ...] | Refusal:
    if keys is None:
        return chosen(record)
    decision = record.recommendation.decision
    lines = {line.key: line for line in decision.all_lines}
    for key in keys:
        if key not in lines or not lines[key].changes:
            what = "is not in the plan" if key not in lines else "does not change"
            return Refusal(Code.UNKNOWN_LINE, f"{key} {what}.", "Choose among the lines that change.")
    if not keys:
        return Refusal(Code.NOTHING_TO_DO, "No line was chosen.", "Choose a line, or reject the plan.")
    return tuple(line for key, line in lines.items() if key in set(keys))


def _infeasible(record: Record, lines: tuple[Line | AdLine, ...]) -> Refusal | None:
    decision = record.recommendation.decision
    start = envelopes.base(decision)
    end = start | {line.key: line.proposed.micros for line in budget_lines(lines)}
    found = envelopes.breaches(envelopes.bounds(decision), start, end)
    if not found:
        return switching.alone(ad_lines(lines))
    return Refusal(
        Code.ENVELOPE,
        f"The chosen lines cannot stand by themselves: {'; '.join(found)}.",
        "Choose the lines that make up for it too, or approve the whole plan.",
    )


def _threshold(record: Record, policy: Policy) -> Refusal | None:
    above, currency = policy.second_approver_above, record.recommendation.decision.currency
    if above is None or above.currency == currency:
        return None
    return Refusal(
        Code.UNREADABLE,
        f"The threshold for a second approver is in {above.currency}, the plan in {currency}.",
        f"Set the threshold in {currency}.",
    )


def _second(record: Record, person: str, lines: tuple[Line | AdLine, ...], earlier: Sequence[str]) -> Refusal | None:
    if not record.approvals:
        return None
    if len(earlier) != record.recommendation.revision - 1:
        return Refusal(
            Code.UNREADABLE, f"It is not known who made what {title(record)} was edited from.", "Make a new plan."
        )
    if known_as(person) in map(known_as, (*record.approvals, record.recommendation.author, *earlier)):
        return Refusal(
            Code.SAME_PERSON,
            f"{person} made, edited or approved {title(record)} already; it needs a second person.",
            "Ask another approver.",
        )
    if {line.key for line in lines} != set(record.approved_lines):
        return Refusal(
            Code.OTHER_LINES,
            f"{record.approvals[0]} approved other lines of {title(record)}.",
            "Approve the same lines, or reject the plan.",
        )
    return None
