"""What becomes of a recommendation: its states, the intents that carry it out, and each step between them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from connectors.contract import AdKey, BudgetKey, EntityStatus
from connectors.money import Money
from optimizer.plan.basis import Basis
from optimizer.plan.recommendation import LineKey, Recommendation


class State(StrEnum):
    """Where a revision stands; see docs/safety.md for the transitions."""

    HELD = "held"
    PROPOSED = "proposed"
    EDITED = "edited"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    APPLYING = "applying"
    APPLIED = "applied"
    FAILED = "failed"
    VERIFIED = "verified"
    ROLLED_BACK = "rolled-back"


class IntentState(StrEnum):
    """Where one write stands. `planned` and `sending` are open; `acknowledged` waits for its read-back."""

    PLANNED = "planned"
    SENDING = "sending"
    ACKNOWLEDGED = "acknowledged"
    VERIFIED = "verified"
    DRIFT = "drift"
    REFUSED = "refused"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class BudgetIntent:
    """One write of a budget's amount, absolute, that has at most one effect.

    Attributes:
        idempotency_key: Unique; derived from recommendation, revision and budget.
        order: Position in the sequence of writes: decreases first.
        attempts: Calls that were begun.
        request_id: The platform's, once acknowledged.
        note: What happened last, in words.
    """

    idempotency_key: str
    rec_id: str
    revision: int
    key: BudgetKey
    base: Money
    target: Money
    order: int
    state: IntentState
    attempts: int = 0
    request_id: str = ""
    note: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AdIntent:
    """One write of an ad's status, absolute, that has at most one effect; attributes as in `BudgetIntent`."""

    idempotency_key: str
    rec_id: str
    revision: int
    key: AdKey
    base: EntityStatus
    target: EntityStatus
    order: int
    state: IntentState
    attempts: int = 0
    request_id: str = ""
    note: str = ""
    updated_at: datetime | None = None


Intent = BudgetIntent | AdIntent
"""One write. Both kinds walk the same states; what they compare is an amount or a status."""


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a recommendation's history; never changed or deleted."""

    rec_id: str
    revision: int
    at: datetime
    actor: str
    action: str
    detail: str


@dataclass(frozen=True, slots=True)
class Record:
    """A revision with where it stands.

    Attributes:
        approved_by: Who gave the approval that was enough; None until there is one.
        approved_lines: The budgets and ads that were approved; empty before the first approval.
        approvals: Everybody who approved these lines, in order; one name while a second is awaited. It only
            grows: a step whose record does not begin with the stored approvals was made from an older record.
    """

    recommendation: Recommendation
    state: State
    approved_by: str | None = None
    approved_lines: tuple[LineKey, ...] = ()
    approvals: tuple[str, ...] = ()

    @property
    def approval_stands(self) -> bool:
        """Whether somebody has approved it, alone or as the first of two, and nothing of it was written yet."""
        return self.state is State.APPROVED or (self.state is State.PROPOSED and bool(self.approvals))


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of a revision, to be committed whole or not at all.

    Attributes:
        record: The revision as it stands after the step.
        before: The state that it must be in for the step to hold; None if the revision is new.
        event: What is written into its history.
        intents: Writes that are planned together with the step.
        basis: What a new revision was decided from; None where nothing was decided, as in a rollback.
    """

    record: Record
    before: State | None
    event: Event
    intents: tuple[Intent, ...] = ()
    basis: Basis | None = None
