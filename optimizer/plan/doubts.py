"""Why what a platform tells cannot be believed as it stands: kept with the evidence, to decide again from the same.

A doubt concerns one account, or all of a connector where `account_id` is empty. While one stands no budget of the
account is moved; a doubt about clocks stands in the way of the whole plan, since every guard that counts hours rests
on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

CHANGED: Final = "account-changed"
"""Another currency or time zone than that of everything stored under the account."""

GONE: Final = "account-gone"
"""An account that was read before, and that the connector no longer tells of."""

TWICE: Final = "account-twice"
"""An account that is told of more than once, so that its money would count more than once."""

FUTURE: Final = "future-rows"
"""Rows of days that have not begun yet, or that bear a time that has not come yet."""

SKEW: Final = "clock-skew"
"""The platform's clock and ours differ."""

RECEIPT: Final = "receipt-skew"
"""A write was acknowledged at a time that had not come yet by our clock."""

CLOCKS: Final = frozenset({SKEW, RECEIPT})
UNREAD: Final = frozenset({CHANGED, GONE})
"""Of such accounts nothing is taken in: what was known of them stands."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """One reason not to believe what was read.

    Attributes:
        code: One of this module's.
        connector: Its name in the settings.
        account_id: The account; empty for all of the connector.
        words: What was seen, a sentence without its end.
        mend: What to do.
        since: When it was seen first, aware.

    Raises:
        ValueError: A time without a zone, or no words.
    """

    code: str
    connector: str
    account_id: str
    words: str
    mend: str
    since: datetime

    def __post_init__(self) -> None:
        if self.since.tzinfo is None or not self.words:
            raise ValueError(f"a doubt says in words what was seen, and since when with a zone: {self!r}")

    @property
    def subject(self) -> str:
        """Whom it concerns, for people to read."""
        return f"{self.connector}/{self.account_id}" if self.account_id else self.connector

    def same(self, other: Doubt) -> bool:
        """Whether both say the same, whenever they were seen."""
        return self._said == other._said

    @property
    def _said(self) -> tuple[str, ...]:
        return self.code, self.connector, self.account_id, self.words, self.mend
