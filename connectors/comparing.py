"""What is live is compared with what was approved, right before a write, for platforms that compare nothing themselves.

A connector reads the live budget or ad, asks here whether the change may be made, sends it, and notes here that it
stands. An edit by somebody else between the reading and the writing is overwritten; an edit at any other time is
noticed.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from connectors.contract import (
    Account,
    AdKey,
    BudgetChange,
    BudgetKey,
    BudgetKind,
    BudgetTarget,
    EntityStatus,
    StatusChange,
)
from connectors.errors import Drifted, StatusDrifted, Stop
from connectors.money import Money

_KEPT: Final = 10_000


class Comparison:
    """Judges changes, and remembers which intent made which, so that a late copy of one is known as such.

    For platforms that take no idempotency key, and whose history names none: this memory ends with the process. Safe to
    use from several threads.
    """

    def __init__(self) -> None:
        self._made: dict[str, BudgetChange | StatusChange] = {}
        self._lock = threading.Lock()

    def note(self, change: BudgetChange | StatusChange) -> None:
        """Enter a change that stands on the platform; the oldest are forgotten."""
        with self._lock:
            self._made[change.idempotency_key] = change
            while len(self._made) > _KEPT:
                del self._made[next(iter(self._made))]

    def judge_budget(self, live: BudgetTarget, change: BudgetChange) -> None:
        """Raise unless the budget, as it was read now, may be set so, or stands so already.

        Raises:
            Stop: It is shared, of a whole life, or the amount is not one for it; or the intent served another change.
            Drifted: It is not as approved, or this very change was made before and somebody has changed it since.
        """
        _require_fit(live, change)
        made = self._has_made(change)
        if live.amount == change.target or (live.amount == change.expected and not made):
            return
        raise Drifted(
            f"{live.name}: the budget is {live.amount}, approved was a change from {change.expected}"
            + (" that has been made already and was changed since" if made else "")
            + "; nothing was written",
            expected_micros=change.expected.micros,
            live_micros=live.amount.micros,
        )

    def judge_status(self, live: EntityStatus, change: StatusChange) -> None:
        """Raise unless the ad, as it was read now, may be switched so, or stands so already.

        Raises:
            Stop: The intent served another change.
            StatusDrifted: It is not as approved, or this very change was made before and somebody has undone it since.
        """
        made = self._has_made(change)
        if live is change.target or (live is change.expected and not made):
            return
        raise StatusDrifted(
            f"{change.key} is {live.value}, approved was a change from {change.expected.value}"
            + (" that has been made already and was undone since" if made else "")
            + "; nothing was written",
            expected=change.expected.value,
            live=live.value,
        )

    def _has_made(self, change: BudgetChange | StatusChange) -> bool:
        with self._lock:
            earlier = self._made.get(change.idempotency_key)
        if earlier is None:
            return False
        if (earlier.key, earlier.target) != (change.key, change.target):
            raise Stop(f"{change.idempotency_key!r} has already served another change; nothing was written")
        return True


def account_of(accounts: Sequence[Account], connector: str, key: BudgetKey | AdKey) -> Account:
    """Return the account of a budget or ad among those that a connector serves.

    Raises:
        Stop: There is none.
    """
    for account in accounts:
        if (connector, account.account_id) == (key.connector, key.account_id):
            return account
    raise Stop(f"{connector}: there is no account of {key} here; nothing was written")


def _require_fit(live: BudgetTarget, change: BudgetChange) -> None:
    """Raise Stop unless the budget may be written at all, and can hold the amount."""
    amount = change.target
    if amount.currency != live.account.currency:
        raise Stop(f"{live.name}: its account is in {live.account.currency}, not {amount.currency}")
    if live.shared:
        raise Stop(f"{live.name}: others draw on this budget; shared budgets are not written")
    if live.kind is not BudgetKind.DAILY:
        raise Stop(f"{live.name}: it is a lifetime budget; only daily ones are written")
    if amount.micros < 0:
        raise Stop(f"{live.name}: a budget cannot be negative, as {amount} is; nothing was written")
    if amount.micros % live.quantum_micros:
        unit = Money(live.quantum_micros, amount.currency)
        raise Stop(f"{live.name}: {amount.amount} is not a multiple of the platform's {unit}; nothing was written")
    if live.minimum is not None and amount < live.minimum:
        raise Stop(f"{live.name}: {amount} is less than the platform's minimum of {live.minimum}; nothing was written")
