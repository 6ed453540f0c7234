"""Who changed what, from a platform's own history: to name them, and to know a change of ours that was undone.

A history may lag, so that only what it tells counts; that it does not tell of a change proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from connectors.changes import Change
from optimizer.plan.recommendation import Intent, IntentState, LineKey

NO_CHANGES: Final[tuple[Change, ...]] = ()


def landed(intent: Intent, changes: Iterable[Change]) -> bool:
    """Whether a call of this write has taken effect: our own stamp stands in the history."""
    return any(change.idempotency_key == intent.idempotency_key for change in changes)


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
