"""The statuses of ads: read, compared, and set by one request."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, Final, Protocol

from connectors.contract import AdState, EntityStatus, StatusChange
from connectors.errors import Stop
from connectors.google.accounts import Held, Searches, ad_name
from connectors.google.units import constant

_ADS: Final = (
    "SELECT campaign.id, ad_group.id, ad_group_ad.ad.id, ad_group_ad.ad.name, ad_group_ad.ad.type, ad_group_ad.status "
    "FROM ad_group_ad WHERE campaign.status IN ('ENABLED', 'PAUSED') AND ad_group.status IN ('ENABLED', 'PAUSED') "
    "AND ad_group_ad.status IN ('ENABLED', 'PAUSED')"
)
_ONE: Final = _ADS + " AND ad_group_ad.ad.id = {ad}"

NAMES: Final = MappingProxyType({EntityStatus.ACTIVE: "ENABLED", EntityStatus.PAUSED: "PAUSED"})
"""The platform's words for the two."""


class Statuses(Searches, Protocol):
    """What reads rows and sets statuses: a session."""

    def set_status(self, customer_id: str, ad: str, status: str, *, only_check: bool) -> str:
        """Set the status of `ad group~ad`, or have it validated only; return the request's id."""
        ...


def read_ads(session: Searches, held: Held) -> Iterator[AdState]:
    """Yield the ads of an account that could deliver, by their own switches."""
    for row in session.search(held.account.account_id, _ADS, "the statuses of ads"):
        yield _state(held, row)


def find(session: Searches, held: Held, change: StatusChange) -> AdState:
    """Return the ad of a change, read now.

    Raises:
        Stop: There is none, or more than one.
    """
    ad, account = change.key.ad_id, held.account.account_id
    if ad.isascii() and ad.isdigit():
        found = [_state(held, row) for row in session.search(account, _ONE.format(ad=ad), f"ad {ad}")]
        if len(found) == 1:
            return found[0]
        if found:
            raise Stop(f"ad {ad} of account {account} stands in {len(found)} ad groups; nothing was written")
    raise Stop(f"there is no ad {ad!r} in account {account}; nothing was written")


def _state(held: Held, row: Any) -> AdState:
    ad = row.ad_group_ad
    return AdState(
        account=held.account,
        ad_id=str(ad.ad.id),
        name=ad_name(ad.ad),
        campaign_id=str(row.campaign.id),
        ad_group_id=str(row.ad_group.id),
        status=EntityStatus.ACTIVE if constant(ad, "status") == "ENABLED" else EntityStatus.PAUSED,
    )
