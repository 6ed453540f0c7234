"""What the agent may approve by itself: a written policy, whose word is recorded like a person's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from connectors.money import Money
from optimizer.approval.names import POLICY_NAMES
from optimizer.approval.proposals import chosen, moved
from optimizer.approval.verdicts import Approve, Policy
from optimizer.plan.recommendation import Line, Severity
from optimizer.plan.record import Record, State

AUTOPILOT: Final = f"{POLICY_NAMES}autopilot"
"""The name under which the policy approves; no person may use it."""


class Mode(StrEnum):
    """Who decides."""

    OBSERVE = "observe"
    RECOMMEND = "recommend"
    AUTOPILOT = "autopilot"


class Ads(StrEnum):
    """Who decides on switches of ads."""

    PEOPLE = "people"
    POLICY = "policy"


@dataclass(frozen=True, slots=True)
class Autonomy:
    """What a plan must be for the policy to approve it; all else waits for a person.

    Attributes:
        mode: Only `autopilot` approves anything; `observe` keeps plans from being proposed at all.
        largest_step: Largest relative change of any one budget.
        largest_raise: Largest relative raise of any one budget; a raise spends at once, a cut can be undone.
        moved_share: Most money that the policy may move in any 24 hours, by budgets and ads, as a share of all budgets
            together.
        gain_probability: Least probability that the plan as a whole gains.
        ads: Whether the policy may approve switches of ads, too; if not, a plan with any waits as a whole, since what
            is left out of an approval cannot be approved afterwards.

    Raises:
        ValueError: A limit is not a share between 0 and 1.
    """

    mode: Mode = Mode.RECOMMEND
    largest_step: float = 0.15
    largest_raise: float = 0.1
    moved_share: float = 0.1
    gain_probability: float = 0.8
    ads: Ads = Ads.PEOPLE

    def __post_init__(self) -> None:
        for name in ("largest_step", "largest_raise", "moved_share", "gain_probability"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie between 0 and 1, not {getattr(self, name)!r}")


@dataclass(frozen=True, slots=True)
class Waits:
    """Why a plan waits for a person."""

    words: str


def consider(record: Record, autonomy: Autonomy, policy: Policy, earlier: Iterable[Record]) -> Approve | Waits:
    """Approve a proposal by the policy, or say why it waits for a person.

    Args:
        record: A proposal.
        autonomy: The written policy.
        policy: Above which sum a second person must approve; such plans are left to people altogether.
        earlier: Revisions that moved money in the last day, or were approved and may yet; whoever approved them.
    """
    if autonomy.mode is not Mode.AUTOPILOT:
        return Waits(f"the mode is {autonomy.mode.value}")
    lines = tuple(line for line in chosen(record) if isinstance(line, Line))
    reasons = (
        _not_proposed(record)
        or _doubts(record)
        or _by_hand(record)
        or _switches(record, autonomy)
        or _step(lines, autonomy)
        or _raise(record, lines)
        or _unsure(record, autonomy)
        or _sum(record, autonomy, policy, earlier)
    )
    if reasons is not None:
        return Waits(reasons)
    words = (
        f"within [autonomy]: steps up to {autonomy.largest_step:.0%}, raises up to {autonomy.largest_raise:.0%}, "
        f"{autonomy.moved_share:.0%} moved in 24 hours, "
        f"a gain with {autonomy.gain_probability:.0%}"
    )
    return Approve(AUTOPILOT, record.recommendation.plan_hash, None, words)


def _not_proposed(record: Record) -> str | None:
    if record.state is State.PROPOSED and not record.approvals:
        return None
    return "a person has begun to decide on it"


def _doubts(record: Record) -> str | None:
    found = [f for f in record.recommendation.decision.findings if f.severity is not Severity.INFO]
    return f"{found[0].subject}: {found[0].message}" if found else None


def _by_hand(record: Record) -> str | None:
    recommendation = record.recommendation
    if recommendation.fixed or recommendation.parent_id is not None or recommendation.revision > 1:
        return "a person has edited it, or it restores what stood before"
    return None


def _switches(record: Record, autonomy: Autonomy) -> str | None:
    count = sum(not isinstance(line, Line) for line in chosen(record))
    if count == 0 or autonomy.ads is Ads.POLICY:
        return None
    return f"it switches {count} ads, which a person decides"


def _step(lines: tuple[Line, ...], autonomy: Autonomy) -> str | None:
    for line in lines:
        step = abs(line.proposed.micros - line.current.micros)
        if step > autonomy.largest_step * line.current.micros:
            return f"{line.name} would move by more than {autonomy.largest_step:.0%}"
        if line.proposed.micros - line.current.micros > autonomy.largest_raise * line.current.micros:
            return f"{line.name} would be raised by more than {autonomy.largest_raise:.0%}"
    return None


def _raise(record: Record, lines: tuple[Line, ...]) -> str | None:
    more = sum(line.proposed.micros - line.current.micros for line in lines)
    if more > 0:
        currency = record.recommendation.decision.currency
        return f"all budgets together would rise by {Money(more, currency)} a day, which a person decides"
    return None


def _unsure(record: Record, autonomy: Autonomy) -> str | None:
    sure = 1.0 - record.recommendation.decision.total.p_worse
    if sure >= autonomy.gain_probability:
        return None
    return f"it gains with a probability of {sure:.0%} only, and {autonomy.gain_probability:.0%} is asked for"


def _sum(record: Record, autonomy: Autonomy, policy: Policy, earlier: Iterable[Record]) -> str | None:
    """What the plan and those before move together; budgets and ads count as they do where people approve."""
    decision = record.recommendation.decision
    own = moved(chosen(record), decision.currency)
    above = policy.second_approver_above
    if above is not None and (above.currency != decision.currency or own > above):
        return f"it moves {own} a day, for which two people are needed"
    before = sum(moved(chosen(past), decision.currency).micros for past in earlier if past.approved_by == AUTOPILOT)
    limit = autonomy.moved_share * sum(line.current.micros for line in decision.lines)
    if before + own.micros > limit:
        return f"{Money(before + own.micros, decision.currency)} would have been moved in 24 hours by the policy alone"
    return None
