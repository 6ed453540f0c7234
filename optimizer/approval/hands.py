"""Who changed what, from a platform's own history: to name them, and to know a change of ours that was undone.

A history may lag, so that only what it tells counts; that it does not tell of a change proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from connectors.changes import Change
from optimizer.plan.recommendation import LineKey
from optimizer.plan.record import Intent, IntentState

NO_CHANGES: Final[tuple[Change, ...]] = ()


def landed(intent: Intent, changes: Iterable[Change], since: datetime) -> bool:
    """Whether the history shows that a call of this write has taken effect, or that somebody made the same change.

    Our own stamp tells, where the platform keeps one. Where it keeps none, so does a change of the budget or ad to the
    target since then, whoever made it: what stands there now, somebody has set after it.

    Args:
        intent: A write that was sent.
        changes: What the platform tells.
        since: When the plan was made, aware UTC.
    """
    return any(
        change.idempotency_key == intent.idempotency_key
        or (
            not change.idempotency_key
            and (change.key, change.after) == (intent.key, intent.target)
            and change.at >= since
        )
        for change in changes
    )


def by_whom(key: LineKey, changes: Iterable[Change]) -> str:
    """The last change of a budget or ad in words, who made it ahead; empty where none is told."""
    mine = [change for change in changes if change.key == key]
    if not mine:
        return ""
    last = mine[-1]
    before = "" if last.before is None else f"{last.before} -> "
    return f"by {last.who}, {before}{last.after}, {last.at:%Y-%m-%d}"


def named(intent: Intent, changes: Iterable[Change]) -> Intent:
    """A write that ended as drift, with the last change of its budget or ad in its note."""
    words = by_whom(intent.key, changes)
    if intent.state is not IntentState.DRIFT or not words:
        return intent
    return replace(intent, note=f"{intent.note}; last changed {words}")
