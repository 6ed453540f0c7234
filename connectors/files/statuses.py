"""The statuses file: a CSV of ads that people and the agent both switch, one cell at a time and atomically."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from connectors.contract import Account, AdKey, AdState, EntityStatus, StatusChange
from connectors.errors import StatusDrifted, Stop
from connectors.files.budgets import Document, Record, filled, no_column, owner

_NEEDED: Final = ("ad_id", "campaign_id", "status")
_SWITCHED: Final = (EntityStatus.ACTIVE, EntityStatus.PAUSED)

Held = list[tuple[AdState, Record]]
"""The ads of a file, each with its row."""


def listed(document: Document, accounts: Sequence[Account]) -> Held:
    """Return the ads of the file, each with its row.

    Raises:
        BadInput: A column or value is missing or wrong, or an ad stands there twice.
    """
    for column in _NEEDED:
        if column not in document.header:
            raise no_column(document, column)
    by_id = {account.account_id: account for account in accounts}
    found: Held = []
    met: set[AdKey] = set()
    for record in document.records:
        account = owner(document, record, by_id, "ad")
        ad_id = filled(document, record, "ad_id")
        state = AdState(
            account=account,
            ad_id=ad_id,
            name=document.cell(record, "name") or ad_id,
            campaign_id=filled(document, record, "campaign_id"),
            ad_group_id=document.cell(record, "ad_group_id") or None,
            status=_status(document, record),
            etag=hashlib.sha256("\0".join(record.cells).encode()).hexdigest()[:16],
        )
        if state.key in met:
            raise document.bad(record, "ad_id", f"{ad_id!r} stands there twice", "remove one of the rows.")
        met.add(state.key)
        found.append((state, record))
    return found


def judge(change: StatusChange, ads: Held, *, done_before: bool) -> tuple[AdState, Record]:
    """Find the ad that a change is for, and refuse the change if it must not be made.

    Args:
        change: What is asked.
        ads: The ads of the file.
        done_before: Whether a change with its idempotency key was made already.

    Raises:
        Stop: There is no such ad.
        StatusDrifted: The change was made before and has been undone since.
    """
    found = next((pair for pair in ads if pair[0].key == change.key), None)
    if found is None:
        raise Stop(f"there is no ad {change.key} in the statuses file")
    live = found[0].status
    if live is change.target or (live is change.expected and not done_before):
        return found
    why = "the change was made before and has been undone since" if done_before else "somebody else switched it"
    raise StatusDrifted(
        f"ad {change.key} is {live.value}, not {change.target.value}: {why}",
        expected=change.expected.value,
        live=live.value,
    )


def _status(document: Document, record: Record) -> EntityStatus:
    text = filled(document, record, "status").lower()
    for status in _SWITCHED:
        if text == status.value:
            return status
    raise document.bad(record, "status", f"{text!r} is no status", "write active or paused; drop the rows of others.")
