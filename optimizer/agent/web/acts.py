"""What a person or a program does with a recommendation and the kill switch; the page and the API share these acts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Final

from fastapi import Query

from connectors.contract import BudgetKey
from connectors.money import Money
from optimizer import approval
from optimizer.agent import cycle, switch, writing
from optimizer.agent.passwords import matches
from optimizer.agent.web.gate import Forbidden, Visitor
from optimizer.plan.office import Brake
from optimizer.plan.record import Record

_MOST_REVISIONS: Final = 2**31 - 1  # of a database's integer

RevisionAsked = Annotated[int | None, Query(ge=1, le=_MOST_REVISIONS, description="The newest by default.")]
"""Which revision of a recommendation is asked for."""


class Unclear(Exception):  # noqa: N818 - it is what was asked
    """What was asked cannot be read as an act; the message says why, with the mend. Nothing was changed."""


class Unconfirmed(Forbidden):
    """So much money asks for the password of whoever approves, and it was not given."""


def approve(
    visitor: Visitor, record: Record, plan_hash: str, chosen: Sequence[int], reason: str, password: str = ""
) -> Record:
    """Approve lines of exactly what was shown.

    Args:
        visitor: Who approves.
        record: The newest revision.
        plan_hash: Of what was shown.
        chosen: The numbers of the lines.
        reason: Why; may be empty.
        password: Given again; needed where `asks_again` says so.

    Raises:
        Unclear: No line is chosen, or a number is none of its lines.
        Unconfirmed: The password is missing or wrong.
        Refused, StateConflict: It cannot be approved as things stand.
    """
    lines = record.recommendation.decision.all_lines
    if not chosen:
        raise Unclear("No line is chosen.")
    if unknown := [number for number in chosen if not 0 <= number < len(lines)]:
        raise Unclear(f"There is no line {unknown[0]}.")
    _confirm(visitor, record, chosen, password)
    keys = tuple(lines[number].key for number in chosen)
    changing = {each.key for each in lines if each.changes}
    whole = not record.approvals and set(keys) == changing
    verdict = approval.Approve(visitor.user.name, plan_hash, None if whole else keys, reason.strip())
    return _settle(visitor, record, verdict)


def reject(visitor: Visitor, record: Record, reason: str) -> Record:
    """Reject a proposal.

    Raises:
        Refused, StateConflict: It cannot be rejected as things stand, or no reason is given.
    """
    return _settle(visitor, record, approval.Reject(visitor.user.name, reason.strip()))


def revoke(visitor: Visitor, record: Record, reason: str) -> Record:
    """Withdraw an approval of which nothing was written yet.

    Raises:
        Refused, StateConflict: It cannot be withdrawn as things stand, or no reason is given.
    """
    return _settle(visitor, record, approval.Revoke(visitor.user.name, reason.strip()))


def edit(visitor: Visitor, record: Record, amounts: Mapping[BudgetKey, Money]) -> Record:
    """Fix amounts by hand, and solve the rest around them.

    Raises:
        Unclear: No amount is another one than was proposed.
        Refused, GoalsError, StateConflict: It cannot be edited so.
        ConnectorError: The live budgets cannot be read.
    """
    if not amounts:
        raise Unclear("No amount was changed.")
    with visitor.premises.connected() as house:
        visitor.in_force()
        return cycle.edit(house, record.recommendation.rec_id, amounts, visitor.user.name)


def amount_of(record: Record, number: int, text: str) -> tuple[BudgetKey, Money] | None:
    """Return what a line's budget is to be set to; None where that is what is proposed already.

    Raises:
        Unclear: There is no such budget, or the text is no amount.
    """
    lines = record.recommendation.decision.lines
    if not 0 <= number < len(lines):
        raise Unclear(f"There is no budget {number}.")
    line = lines[number]
    try:
        amount = Money.of(text, line.current.currency)
    except ValueError:
        words = f"{line.name}: {text!r} is no amount. Write digits with a decimal point, such as 170.50."
        raise Unclear(words) from None
    if amount.micros < 0:
        raise Unclear(f"{line.name}: a budget cannot be below zero.")
    return None if amount == line.proposed else (line.key, amount)


def same_plan(record: Record, plan_hash: str) -> None:
    """See that what was looked at is the newest revision: in another one the numbers may be of other lines.

    Raises:
        Refused: It is another one.
    """
    if plan_hash != record.recommendation.plan_hash:
        words = f"What was looked at is plan {plan_hash[:12]}; meanwhile {record.recommendation.rec_id} has changed."
        mend = "Look at it as it stands now, and change that."
        raise cycle.Refused(approval.Refusal(approval.Code.OTHER_HASH, words, mend))


def rollback(visitor: Visitor, record: Record) -> Record:
    """Propose to restore what stood before.

    Raises:
        Refused: Nothing was written, or it is no longer what was written.
        ConnectorError: The live budgets cannot be read.
    """
    with visitor.premises.connected() as house:
        visitor.in_force()
        return writing.rollback(house, record.recommendation.rec_id, visitor.user.name)


def throw_switch(visitor: Visitor, reason: str, *, stops: bool, hours: float | None = None) -> Brake:
    """Stop writes, for some hours or until somebody lets them go on; or let them go on.

    Raises:
        Unclear: A stop gives no reason, or lasts too long.
        StateConflict: Writes are stopped for longer already; or the agent took another store meanwhile, where the
            switch is as it was.
    """
    try:
        asked = Brake(stops, visitor.now, visitor.user.name, reason.strip())
        brake = switch.throw(visitor.store, asked, hours)
    except ValueError as error:
        raise Unclear(f"{error}.") from None
    visitor.in_force()
    return brake


def asks_again(visitor: Visitor, record: Record, chosen: Sequence[int] | None = None) -> bool:
    """Whether an approval of these lines (all by default) needs the password once more."""
    above = visitor.premises.settings.web.confirm_above
    if above is None or visitor.is_fresh:
        return False
    decision = record.recommendation.decision
    lines = [each for n, each in enumerate(decision.all_lines) if each.changes and (chosen is None or n in chosen)]
    return approval.moved(lines, decision.currency) > Money.of(above, decision.currency)


def _confirm(visitor: Visitor, record: Record, chosen: Sequence[int], password: str) -> None:
    if not asks_again(visitor, record, chosen):
        return
    if visitor.session.is_token:
        raise Unconfirmed("So much money asks for a password, and no program has one. Approve it at the page.")
    if visitor.user.password is None:
        words = "So much money asks that you show once more who you are: log out, and in again"
        raise Unconfirmed(f"{words} through the identity provider.")
    if not password:
        raise Unconfirmed("So much money asks for your password again.")
    if not matches(visitor.user.password, password):
        visitor.store.note_login_failure(visitor.user.name, visitor.now)
        raise Unconfirmed("The password is not yours.")
    visitor.store.confirm_session(visitor.session.secret_hash, visitor.now)


def _settle(visitor: Visitor, record: Record, verdict: approval.Verdict) -> Record:
    house = replace(visitor.premises.house, store=visitor.store)
    settled = cycle.settle(house, record.recommendation.rec_id, verdict)
    visitor.in_force()
    return settled
