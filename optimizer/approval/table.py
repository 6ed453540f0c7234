"""The table of states as data, and the one function that takes a step along it.

Every transition of the house is built by `take`, so that a step outside the table cannot be built at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from optimizer.approval.refusal import Code, Refusal
from optimizer.plan.record import Event, Intent, Record, State, Transition

PROGRAM: Final = "outlay"


class Action(StrEnum):
    """What happened to a revision; written into its history."""

    PROPOSED = "proposed"
    HELD = "held"
    EDITED = "edited"
    SECONDED = "awaits-second"
    APPROVED = "approved"
    REJECTED = "rejected"
    REVOKED = "revoked"
    EXPIRED = "expired"
    DRIFTED = "drifted"
    SUPERSEDED = "superseded"
    BEGUN = "begun"
    APPLIED = "applied"
    FAILED = "failed"
    VERIFIED = "verified"
    RETRIED = "retried"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the table.

    Attributes:
        before: The state that it starts from; None for a new revision.
        guard: What must hold, in words.
    """

    before: State | None
    action: Action
    after: State
    guard: str


_CLOCK = "`valid_until` has passed"
_DRIFT = "a live budget or ad is not the one that the plan was made from; told line by line"
_NEWER = "a newer plan was made"
_RESTORED = "a child recommendation that restores the prior values is verified"

TRANSITIONS: Final = (
    Step(None, Action.PROPOSED, State.PROPOSED, "a budget or ad changes and no portfolio-wide finding blocks"),
    Step(None, Action.HELD, State.HELD, "no budget or ad changes, or a portfolio-wide finding blocks"),
    Step(State.PROPOSED, Action.EDITED, State.EDITED, "a named person changed lines; a new revision is proposed"),
    Step(
        State.PROPOSED,
        Action.SECONDED,
        State.PROPOSED,
        "as for `approved`, but the money moved is above the threshold for a second approver",
    ),
    Step(
        State.PROPOSED,
        Action.APPROVED,
        State.APPROVED,
        "an approver; the exact hash; not expired; the chosen lines keep every envelope, and enough ads running, by "
        "themselves; above the threshold the second of two people, who is neither author, editor nor first approver, "
        "for the same lines",
    ),
    Step(State.PROPOSED, Action.REJECTED, State.REJECTED, "a named person and a reason"),
    Step(State.PROPOSED, Action.EXPIRED, State.EXPIRED, _CLOCK),
    Step(State.PROPOSED, Action.DRIFTED, State.EXPIRED, _DRIFT),
    Step(State.PROPOSED, Action.SUPERSEDED, State.SUPERSEDED, _NEWER),
    Step(State.APPROVED, Action.REVOKED, State.REJECTED, "a named person and a reason, before the first write"),
    Step(State.APPROVED, Action.EXPIRED, State.EXPIRED, _CLOCK),
    Step(State.APPROVED, Action.DRIFTED, State.EXPIRED, _DRIFT),
    Step(State.APPROVED, Action.SUPERSEDED, State.SUPERSEDED, _NEWER),
    Step(
        State.APPROVED,
        Action.BEGUN,
        State.APPLYING,
        "not expired; every approved budget and ad is live as it was approved and may be written; no other write is "
        "open; the live sums keep every envelope, and no budget is left without a running ad",
    ),
    Step(State.APPLYING, Action.APPLIED, State.APPLIED, "every write is acknowledged"),
    Step(State.APPLYING, Action.FAILED, State.FAILED, "no write is open and one was refused, drifted or cancelled"),
    Step(State.APPLIED, Action.VERIFIED, State.VERIFIED, "every budget and ad was read back as written"),
    Step(State.APPLIED, Action.FAILED, State.FAILED, "a budget or ad was read back as something else"),
    Step(
        State.FAILED,
        Action.RETRIED,
        State.APPLYING,
        "as for `begun`, for the lines that were refused or cancelled only",
    ),
    Step(State.APPLIED, Action.ROLLED_BACK, State.ROLLED_BACK, _RESTORED),
    Step(State.VERIFIED, Action.ROLLED_BACK, State.ROLLED_BACK, _RESTORED),
    Step(State.FAILED, Action.ROLLED_BACK, State.ROLLED_BACK, _RESTORED),
)

_AFTER: Final = {(step.before, step.action): step.after for step in TRANSITIONS}


def take(
    record: Record, action: Action, *, at: datetime, actor: str, detail: str, intents: tuple[Intent, ...] = ()
) -> Transition:
    """Take a step of the table from where the record stands.

    Args:
        record: The revision, with any field but `state` already as it is after the step.
        action: Which step.
        at: Aware UTC.
        actor: Who took it: a person, or the program.
        detail: What the history says of it.
        intents: Writes that are planned together with it.

    Raises:
        ValueError: The table has no such step from this state.
    """
    recommendation = record.recommendation
    after = _AFTER.get((record.state, action))
    if after is None:
        raise ValueError(f"{title(record)} is {record.state.value}: the table has no step {action.value!r} from there")
    event = Event(recommendation.rec_id, recommendation.revision, at, actor, action.value, detail)
    return Transition(replace(record, state=after), record.state, event, intents)


def unready(record: Record, action: Action) -> Refusal | None:
    """Refuse if the table has no such step from where the record stands."""
    if (record.state, action) in _AFTER:
        return None
    wanted = " or ".join(step.before.value for step in TRANSITIONS if step.action is action and step.before)
    return Refusal(
        Code.WRONG_STATE,
        f"{title(record)} is {record.state.value}; only one that is {wanted} can be {action.value}.",
        "Look at its history, or make a new plan.",
    )


def title(record: Record) -> str:
    """A revision as a message names it."""
    return f"{record.recommendation.rec_id} revision {record.recommendation.revision}"
