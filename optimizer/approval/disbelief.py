"""Whether what is approved may be written while something of its accounts, or of the clocks, is in doubt. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from optimizer import suspicion
from optimizer.approval.intents import latest
from optimizer.approval.refusal import Code, Refusal
from optimizer.plan.recommendation import LineKey
from optimizer.plan.record import Intent, IntentState
from optimizer.plan.snapshot import Snapshot

_AGAIN: Final = "Then apply it again, or make a new plan."


def disbelieved(keys: Iterable[LineKey], seen: Snapshot) -> Refusal | None:
    """Say why budgets and ads must not be written: an account that is not what it was, clocks that differ.

    Whatever is written rests on what the account is; and all that counts hours rests on the clocks. So it holds for a
    rollback, too.

    Args:
        keys: What is about to be written.
        seen: What stands in doubt at this moment.
    """
    written = tuple(keys)
    if not written:
        return None
    for finding in suspicion.clocks(seen):
        return Refusal(Code.DOUBTFUL, finding.message, finding.mend)
    doubted = suspicion.accounts(seen)
    for key in written:
        hold = doubted.get((key.connector, key.account_id)) or doubted.get((key.connector, ""))
        if hold is not None:
            return Refusal(Code.DOUBTFUL, f"{key.connector}/{key.account_id}: {hold.words}.", f"{hold.mend} {_AGAIN}")
    return None


def ahead(intents: Iterable[Intent]) -> tuple[LineKey, ...]:
    """Return what of a revision's intents is yet to be written."""
    return tuple(intent.key for intent in latest(intents).values() if intent.state is IntentState.PLANNED)
