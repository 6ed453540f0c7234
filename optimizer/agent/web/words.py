"""Texts of the page that stand in no template: answers to acts, states, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from optimizer.plan.recommendation import State

SAID: Final[Mapping[str, str]] = {
    "approved": "Approved. The agent writes it as soon as it may, and reads it back.",
    "second": "Your approval counts. A second person must approve the same lines.",
    "rejected": "Rejected. Nothing is written; your reason is kept, since rejections are data.",
    "revoked": "The approval is withdrawn. Nothing is written.",
    "edited": "Your amounts are fixed, and the rest was solved anew around them. Approve it if it suits you.",
    "restoring": "This plan restores what stood before. It is approved and written like any other.",
    "paused": "Writes are paused: none is sent from now on.",
    "resumed": "Writes may go on.",
    "password": "The password is changed. Your other sessions have ended.",
    "token-ended": "The token is revoked.",
    "session-ended": "You are logged out.",
    "user": "The change is kept, and stands in the history.",
}
"""What is said after an act, by the code in the address: nobody else's words can be put there."""

STATES: Final[Mapping[State, str]] = {
    State.HELD: "Nothing to decide",
    State.PROPOSED: "Waits for a decision",
    State.EDITED: "Edited: a newer revision stands",
    State.APPROVED: "Approved, to be written",
    State.REJECTED: "Rejected",
    State.EXPIRED: "Expired",
    State.SUPERSEDED: "Replaced by a newer plan",
    State.APPLYING: "Being written",
    State.APPLIED: "Written, to be read back",
    State.FAILED: "Failed in part",
    State.VERIFIED: "Written and verified",
    State.ROLLED_BACK: "Rolled back",
}


def said(code: str) -> str:
    """Return what is said after an act; empty for a code that is none."""
    return SAID.get(code, "")
