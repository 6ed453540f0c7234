"""Texts of the page that stand in no template: answers to acts, states, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from optimizer.plan.recommendation import State


def _(text: str) -> str:
    """Mark a text for translators; a template puts it into the reader's language."""
    return text


SAID: Final[Mapping[str, str]] = {
    "approved": _("Approved. The agent writes it as soon as it may, and reads it back."),
    "second": _("Your approval counts. A second person must approve the same lines."),
    "rejected": _("Rejected. Nothing is written; your reason is kept, since rejections are data."),
    "revoked": _("The approval is withdrawn. Nothing is written."),
    "edited": _("Your amounts are fixed, and the rest was solved anew around them. Approve it if it suits you."),
    "restoring": _("This plan restores what stood before. It is approved and written like any other."),
    "paused": _("Writes are paused: none is sent from now on."),
    "resumed": _("Writes may go on."),
    "password": _("The password is changed. Your other sessions have ended."),
    "token-ended": _("The token is revoked."),
    "session-ended": _("You are logged out."),
    "user": _("The change is kept, and stands in the history."),
}
"""What is said after an act, by the code in the address: nobody else's words can be put there."""

STATES: Final[Mapping[State, str]] = {
    State.HELD: _("Nothing to decide"),
    State.PROPOSED: _("Waits for a decision"),
    State.EDITED: _("Edited: a newer revision stands"),
    State.APPROVED: _("Approved, to be written"),
    State.REJECTED: _("Rejected"),
    State.EXPIRED: _("Expired"),
    State.SUPERSEDED: _("Replaced by a newer plan"),
    State.APPLYING: _("Being written"),
    State.APPLIED: _("Written, to be read back"),
    State.FAILED: _("Failed in part"),
    State.VERIFIED: _("Written and verified"),
    State.ROLLED_BACK: _("Rolled back"),
}


def said(code: str) -> str:
    """Return what is said after an act; empty for a code that is none."""
    return SAID.get(code, "")
