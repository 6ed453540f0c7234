"""The accounts of a connector and everything in them that has a name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol

from connectors.contract import Account, Entity, EntityKind, EntityStatus
from connectors.errors import AskMarketer, Stop
from connectors.google.units import constant
from connectors.money import UnknownCurrency

LEARNING: Final = "learning"
"""The tag of a campaign whose bidding learns: what it brings now says little of what it will bring."""

_STATUSES: Final[Mapping[str, EntityStatus]] = MappingProxyType(
    {"ENABLED": EntityStatus.ACTIVE, "PAUSED": EntityStatus.PAUSED, "REMOVED": EntityStatus.REMOVED}
)
_CUSTOMER: Final = (
    "SELECT customer.id, customer.descriptive_name, customer.currency_code, customer.time_zone, customer.manager, "
    "customer.status FROM customer LIMIT 1"
)
_UNIT: Final = (
    "SELECT currency_constant.code, currency_constant.billable_unit_micros FROM currency_constant "
    "WHERE currency_constant.code = '{code}'"
)
_CAMPAIGNS: Final = (
    "SELECT campaign.id, campaign.name, campaign.status, campaign.advertising_channel_type, "
    "campaign.bidding_strategy_system_status FROM campaign"
)
_GROUPS: Final = "SELECT campaign.id, ad_group.id, ad_group.name, ad_group.status FROM ad_group"
_ADS: Final = (
    "SELECT ad_group.id, ad_group_ad.ad.id, ad_group_ad.ad.name, ad_group_ad.ad.type, ad_group_ad.status "
    "FROM ad_group_ad"
)
_AUDIENCES: Final = (
    "SELECT ad_group_criterion.criterion_id, ad_group_criterion.display_name FROM ad_group_audience_view",
    "SELECT campaign_criterion.criterion_id, campaign_criterion.display_name FROM campaign_audience_view",
)


class Searches(Protocol):
    """What reads rows: a session."""

    def search(self, customer_id: str, query: str, what: str) -> Iterator[Any]:
        """Return the rows of a query of one account; `what` names them in errors."""
        ...

    def taken[T](self, customer_id: str, query: str, what: str, take: Callable[[Any], T]) -> Iterator[T]:
        """Return what `take` makes of each row, and hold no row."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """An account with what its budgets are made of.

    Attributes:
        account: The account.
        unit_micros: The least unit that the platform bills in its currency.
    """

    account: Account
    unit_micros: int


def read_account(session: Searches, connector: str, customer_id: str) -> Held:
    """Read one account.

    Raises:
        AskMarketer: It is a manager account, or of a currency that is not in ISO 4217.
    """
    for row in session.search(customer_id, _CUSTOMER, "the account"):
        customer = row.customer
        if customer.manager:
            raise AskMarketer(
                f"{connector}: {customer_id} is a manager account, which has no campaigns",
                mend="list the accounts below it in customer_ids, and set login_customer_id to it",
            )
        try:
            account = Account(connector, customer_id, customer.currency_code, customer.time_zone)
        except (UnknownCurrency, ValueError) as error:
            wrong = f"{connector}: account {customer_id}: {error}"
            raise AskMarketer(wrong, mend="take it out of customer_ids") from None
        return Held(account, _unit(session, account))
    raise Stop(f"{connector}: account {customer_id} answered nothing about itself")


def _unit(session: Searches, account: Account) -> int:
    for row in session.search(account.account_id, _UNIT.format(code=account.currency), "its currency"):
        return int(row.currency_constant.billable_unit_micros)
    raise Stop(f"{account.connector}: the platform does not know the currency {account.currency}")


def entities(session: Searches, account: Account) -> Iterator[Entity]:
    """Yield campaigns, ad groups, ads and audiences of one account, removed ones too: their days are still reported."""
    customer = account.account_id
    for row in session.search(customer, _CAMPAIGNS, "campaigns"):
        campaign = row.campaign
        name, status, tags = campaign.name, _status(campaign), _tags(campaign)
        yield Entity(account, EntityKind.CAMPAIGN, str(campaign.id), name, status=status, tags=tags)
    for row in session.search(customer, _GROUPS, "ad groups"):
        group = row.ad_group
        yield Entity(account, EntityKind.AD_GROUP, str(group.id), group.name, str(row.campaign.id), _status(group))
    for row in session.search(customer, _ADS, "ads"):
        ad = row.ad_group_ad
        yield Entity(account, EntityKind.AD, str(ad.ad.id), ad_name(ad.ad), str(row.ad_group.id), _status(ad))
    yield from _audiences(session, account)


def _audiences(session: Searches, account: Account) -> Iterator[Entity]:
    """An audience that several ad groups or campaigns use is one."""
    found: dict[str, str] = {}
    for query in _AUDIENCES:
        for row in session.search(account.account_id, query, "audiences"):
            own = row.ad_group_criterion if row.HasField("ad_group_criterion") else row.campaign_criterion
            found.setdefault(str(own.criterion_id), own.display_name)
    for audience, name in found.items():
        yield Entity(account, EntityKind.AUDIENCE, audience, name or f"Audience {audience}")


def ad_name(ad: Any) -> str:
    """Return an ad's name; most types of ads have none."""
    return str(ad.name) or f"{constant(ad, 'type_').replace('_', ' ').capitalize()} {ad.id}"


def learns(campaign: Any) -> bool:
    """Return whether a campaign's bidding is in its learning phase, whatever it learns from."""
    return "LEARNING" in constant(campaign, "bidding_strategy_system_status")


def _status(message: Any) -> EntityStatus:
    return _STATUSES.get(constant(message, "status"), EntityStatus.PAUSED)


def _tags(campaign: Any) -> tuple[str, ...]:
    channel = constant(campaign, "advertising_channel_type").lower()
    return (channel, LEARNING) if learns(campaign) else (channel,)
