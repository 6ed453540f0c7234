"""What is not allowed as things stand, as a value: a stable code, the reason, the mend."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from connectors.contract import EntityStatus
from connectors.money import Money
from optimizer.plan.recommendation import LineKey
from optimizer.plan.record import Transition


class Code(StrEnum):
    """Why something was refused; stable, so that programs may act on it."""

    WRONG_STATE = "wrong-state"
    TAMPERED = "tampered"
    UNREADABLE = "unreadable"
    EXPIRED = "expired"
    DRIFT = "drift"
    NAMELESS = "nameless"
    NOT_AN_APPROVER = "not-an-approver"
    OTHER_HASH = "other-hash"
    UNKNOWN_LINE = "unknown-line"
    NOTHING_TO_DO = "nothing-to-do"
    ENVELOPE = "envelope"
    LAST_AD = "last-ad"
    SAME_PERSON = "same-person"
    OTHER_LINES = "other-lines"
    REASON_MISSING = "reason-missing"
    BUSY = "busy"
    NOT_WRITABLE = "not-writable"
    TOO_EARLY = "too-early"
    PAUSED = "paused"
    WINDOW = "window"
    NOT_LEADING = "not-leading"
    RESTING = "resting"
    DOUBTFUL = "doubtful"


@dataclass(frozen=True, slots=True)
class Drift:
    """A budget or ad that somebody else changed.

    Attributes:
        expected: What it should have been.
        live: What it is; None where it is gone.
        by: The platform's last change of it in words, who made it ahead; empty where none is told.
    """

    key: LineKey
    name: str
    expected: Money | EntityStatus
    live: Money | EntityStatus | None
    by: str = ""

    def __str__(self) -> str:
        now = "gone" if self.live is None else str(self.live)
        who = f" (last changed {self.by})" if self.by else ""
        return f"{self.name} ({self.key}): expected {self.expected}, live {now}{who}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that is not done, and why.

    Attributes:
        message: What stands in the way, with figures.
        mend: What would let it through.
        drifts: The budgets and ads that drifted, for `Code.DRIFT`.
        step: What should be committed in consequence, such as the expiry of a plan that was found out of date.
    """

    code: Code
    message: str
    mend: str
    drifts: tuple[Drift, ...] = ()
    step: Transition | None = None
