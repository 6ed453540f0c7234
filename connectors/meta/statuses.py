"""Ads paused and resumed by their own switch, each by one request."""

from __future__ import annotations

from typing import Final

from connectors.comparing import Comparison
from connectors.contract import Account, AdKey, AdState, EntityStatus, StatusChange, StatusReceipt
from connectors.errors import Stop
from connectors.manners import Clock
from connectors.meta.catalogue import AD_FIELDS, ad_state
from connectors.meta.door import Door

_WORDS: Final = {EntityStatus.ACTIVE: "ACTIVE", EntityStatus.PAUSED: "PAUSED"}


class Statuses:
    """The switches of ads of a connector's accounts.

    Args:
        door: The way to the platform.
        clock: Tells the time.
    """

    def __init__(self, door: Door, clock: Clock) -> None:
        self._door = door
        self._clock = clock
        self._comparison = Comparison()

    def check(self, account: Account, change: StatusChange) -> None:
        """Raise what `set` would raise, as far as Meta can tell by its own validation."""
        live = self._judged(account, change)
        if live.status is not change.target:
            self._door.order(live.ad_id, status=_WORDS[change.target], execution_options=["validate_only"])

    def set(self, account: Account, change: StatusChange) -> StatusReceipt:
        """Switch an ad: one read, and one write if it does not stand so already.

        Raises:
            StatusDrifted: This very change was made before and has been undone, or the ad is not as expected.
            OutcomeUnknown: The write may stand or not.
        """
        live, trace = self._judged(account, change), "unchanged"
        if live.status is not change.target:
            trace = self._door.write(live.ad_id, status=_WORDS[change.target]).trace or "no trace"
        self._comparison.note(change)
        return StatusReceipt(change.key, change.target, trace, self._clock())

    def _judged(self, account: Account, change: StatusChange) -> AdState:
        """Return the ad as it stands, if the change may be made."""
        live = self._live(account, change.key)
        self._comparison.judge_status(live.status, change)
        return live

    def _live(self, account: Account, key: AdKey) -> AdState:
        if not (key.ad_id.isascii() and key.ad_id.isdigit()):
            raise Stop(f"there is no ad {key} here: Meta's ids are numbers; nothing was written")
        body = self._door.read(key.ad_id, fields=AD_FIELDS).body
        if body.get("account_id") != account.account_id or body.get("status") not in ("ACTIVE", "PAUSED"):
            raise Stop(f"there is no ad {key} here that could run; nothing was written")
        return ad_state(account, body)
