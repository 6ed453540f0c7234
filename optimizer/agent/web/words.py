"""Texts of the page that stand in no template: answers to acts, states, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from optimizer.plan.record import State


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

NO_MODEL: Final = _(
    "Which channels led to the orders of your own books is not known: [attribution] names no model. Compare the "
    "models, write one into the settings, and keep what it credits."
)
NO_CREDIT: Final = _("What the model of [attribution] credits is not kept yet. It reads touches and orders.")
OTHER_MODEL: Final = _("What is kept is of another model than [attribution] asks for by now. Reckon it anew.")
CREDIT_DUE: Final = _("What is credited is due to be reckoned anew; what is kept counts until then.")
CREDIT_UNUSED: Final = _("Plans count claims, though credit is kept. To let them count credited conversions, write")
LIFT_UNREAD: Final = _("A lift test is over and waits to be read.")
LIFT_RUNS: Final = _("A lift test is registered or runs; its interval holds for one look, at its end.")
LIFT_UNLEARNT: Final = _("A lift test says something that no refit has learnt from yet.")
NO_LIFT: Final = _(
    "No lift test stands, so what would have come anyway is not known. Ask what a test could find and what it costs."
)
LIFT_OF_SOME: Final = _("Some channels were not tested; what others show stands in for them, widely. Ask for a test.")
LIFT_UNUSED: Final = _("Plans do not count by lift tests. To let them count incremental conversions, write")
NO_LIFETIME: Final = _("What a new customer brings is not kept yet, so the value of the order stands in.")
LIFETIME_CURRENCY: Final = _(
    "What is kept of new customers is in another currency, and does not count. Reckon it anew."
)
LIFETIME_DUE: Final = _("What a new customer brings is due to be reckoned anew; what is kept counts until then.")
LIFETIME_UNASKED: Final = _(
    "What a new customer brings over time is not known. Look at it; to keep it and let plans count by it, write"
)
LIFETIME_UNUSED: Final = _(
    "Plans count the value of the order, though that of a new customer is kept. To count it, write"
)


def said(code: str) -> str:
    """Return what is said after an act; empty for a code that is none."""
    return SAID.get(code, "")
