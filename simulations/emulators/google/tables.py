"""What each resource holds: the entities of an account with the fields by which a query names them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from connectors.contract import zone
from connectors.money import minor_unit_micros
from simulations.emulators.account import Account, Ad, Campaign, Change, Line
from simulations.emulators.google import messages

Fields = dict[str, Any]

CHANNEL_TYPES: Final = MappingProxyType(
    {
        "search": "SEARCH",
        "display": "DISPLAY",
        "shopping": "SHOPPING",
        "video": "VIDEO",
        "performance_max": "PERFORMANCE_MAX",
    }
)
"""A channel of the market by the platform's name; every other one is DEMAND_GEN."""

CATEGORIES: Final = MappingProxyType({"purchase": "PURCHASE", "signup": "SIGNUP", "lead": "SUBMIT_LEAD_FORM"})


@dataclass(frozen=True, slots=True)
class Traits:
    """What an account is like beyond its market.

    Attributes:
        performance_max: Campaigns, by index, that are Performance Max: nothing is told of their ad groups and ads.
        shared: Campaigns, by index, whose budget says that others may draw on it.
        read_only: Whether the credential may only read.
        operations_per_day: How many requests the developer token has a day; None: any number.
        change_lag: How long a change takes to be seen in `change_event`.
        batch_rows: How many rows a message of a stream, or a page, has at most.
    """

    performance_max: frozenset[int] = frozenset()
    shared: frozenset[int] = frozenset()
    read_only: bool = False
    operations_per_day: int | None = 15_000
    change_lag: timedelta = timedelta(minutes=3)
    batch_rows: int = 10_000


@dataclass(frozen=True, slots=True)
class Table:
    """One resource.

    Attributes:
        entities: Its entities by a key of their own.
        key: The key of the entity that a line of the account's report belongs to; None: to none.
    """

    entities: dict[Hashable, Fields]
    key: Callable[[Line], Hashable | None] | None = None


def table(account: Account, traits: Traits, resource: str, named: frozenset[str]) -> Table:
    """Return a resource as it is now; whether campaigns learn is looked up only if it is named."""
    return _TABLES[resource](_Book(account, traits, "campaign.bidding_strategy_system_status" in named))


class _Book:
    """An account under the platform's names."""

    def __init__(self, account: Account, traits: Traits, learning: bool) -> None:
        self.account = account
        self.learning = learning
        self.traits = traits
        self.id = account.account_id
        self.prefix = f"customers/{account.account_id}"
        self.campaigns = {campaign.index: campaign for campaign in account.campaigns()}

    def customer(self) -> Fields:
        return {
            "customer.resource_name": self.prefix,
            "customer.id": self.id,
            "customer.descriptive_name": self.account.name,
            "customer.currency_code": self.account.currency,
            "customer.time_zone": self.account.time_zone,
            "customer.manager": False,
            "customer.test_account": True,
            "customer.status": "ENABLED",
        }

    def budget(self, campaign: Campaign) -> Fields:
        shared = campaign.index in self.traits.shared
        return {
            "campaign_budget.resource_name": f"{self.prefix}/campaignBudgets/{campaign.budget_id}",
            "campaign_budget.id": campaign.budget_id,
            "campaign_budget.name": f"{campaign.name} #{campaign.budget_id}",
            "campaign_budget.amount_micros": campaign.budget_micros,
            "campaign_budget.status": "ENABLED",
            "campaign_budget.period": "DAILY",
            "campaign_budget.explicitly_shared": shared,
            "campaign_budget.reference_count": 2 if shared else 1,
        }

    def campaign(self, campaign: Campaign) -> Fields:
        learns = self.learning and self.account.learning(campaign.index)
        return {
            "campaign.resource_name": f"{self.prefix}/campaigns/{campaign.campaign_id}",
            "campaign.id": campaign.campaign_id,
            "campaign.name": campaign.name,
            "campaign.status": "ENABLED" if campaign.active else "PAUSED",
            "campaign.advertising_channel_type": self.channel(campaign),
            "campaign.bidding_strategy_system_status": "LEARNING_BUDGET_CHANGE" if learns else "ENABLED",
            "campaign.campaign_budget": f"{self.prefix}/campaignBudgets/{campaign.budget_id}",
        }

    def channel(self, campaign: Campaign) -> str:
        if campaign.index in self.traits.performance_max:
            return "PERFORMANCE_MAX"
        return CHANNEL_TYPES.get(campaign.channel, "DEMAND_GEN")

    def ads(self) -> list[Ad]:
        return [ad for ad in self.account.ads() if self.channel(self.campaigns[ad.campaign]) != "PERFORMANCE_MAX"]

    def group(self, ad: Ad) -> Fields:
        return {
            "ad_group.resource_name": f"{self.prefix}/adGroups/{ad.ad_group_id}",
            "ad_group.id": ad.ad_group_id,
            "ad_group.name": ad.ad_group_name,
            "ad_group.status": "ENABLED",
            "ad_group.campaign": f"{self.prefix}/campaigns/{ad.campaign_id}",
        }

    def ad(self, ad: Ad) -> Fields:
        return {
            "ad_group_ad.resource_name": f"{self.prefix}/adGroupAds/{ad.ad_group_id}~{ad.ad_id}",
            "ad_group_ad.ad.id": ad.ad_id,
            "ad_group_ad.ad.name": ad.name,
            "ad_group_ad.ad.type": "RESPONSIVE_SEARCH_AD",
            "ad_group_ad.status": "ENABLED" if ad.active else "PAUSED",
            "ad_group_ad.ad_group": f"{self.prefix}/adGroups/{ad.ad_group_id}",
        }

    def criterion(self, ad: Ad) -> Fields:
        name = f"{self.prefix}/adGroupCriteria/{ad.ad_group_id}~{ad.audience_id}"
        return {
            "ad_group_audience_view.resource_name": name.replace("adGroupCriteria", "adGroupAudienceViews"),
            "ad_group_criterion.resource_name": name,
            "ad_group_criterion.criterion_id": ad.audience_id,
            "ad_group_criterion.display_name": ad.audience_name,
            "ad_group_criterion.type": "USER_LIST",
            "ad_group_criterion.status": "ENABLED",
            "ad_group_criterion.negative": False,
        }


def _customer(book: _Book) -> Table:
    return Table({0: book.customer()}, lambda _: 0)


def _campaigns(book: _Book) -> Table:
    customer = book.customer()
    found: dict[Hashable, Fields] = {
        index: {**customer, **book.campaign(each), **book.budget(each)} for index, each in book.campaigns.items()
    }
    return Table(found, lambda line: line.ad.campaign)


def _budgets(book: _Book) -> Table:
    customer = book.customer()
    return Table({index: {**customer, **book.budget(each)} for index, each in book.campaigns.items()})


def _below(book: _Book, kind: str) -> Table:
    above = {index: {**book.customer(), **book.campaign(each)} for index, each in book.campaigns.items()}
    keys: Mapping[str, Callable[[Ad], Hashable]] = {
        "ad_group": lambda ad: ad.ad_group_id,
        "ad_group_ad": lambda ad: ad.index,
        "ad_group_audience_view": lambda ad: (ad.ad_group_id, ad.audience_id),
    }
    own: Mapping[str, Callable[[Ad], Fields]] = {
        "ad_group": lambda _: {},
        "ad_group_ad": book.ad,
        "ad_group_audience_view": book.criterion,
    }
    key, fields = keys[kind], own[kind]
    found = {key(ad): {**above[ad.campaign], **book.group(ad), **fields(ad)} for ad in book.ads()}
    return Table(found, lambda line: key(line.ad))


def _nothing(_: _Book) -> Table:
    """No campaign of the market has audiences of its own: they stand with its ad groups."""
    return Table({}, lambda _: None)


def _actions(book: _Book) -> Table:
    customer = book.customer()
    return Table({kind: {**customer, **action(book.account, kind)} for kind in range(len(book.account.kinds))})


def action(account: Account, kind: int) -> Fields:
    """Return a conversion action; the purchase alone is primary, as marketers set them up."""
    number, name = account.account_id + 800_001 + kind, account.kinds[kind]
    return {
        "conversion_action.resource_name": f"customers/{account.account_id}/conversionActions/{number}",
        "conversion_action.id": number,
        "conversion_action.name": name,
        "conversion_action.status": "ENABLED",
        "conversion_action.category": CATEGORIES.get(name, "DEFAULT"),
        "conversion_action.primary_for_goal": kind == 0,
    }


def _currencies(book: _Book) -> Table:
    code = book.account.currency
    return Table(
        {
            code: {
                "currency_constant.resource_name": f"currencyConstants/{code}",
                "currency_constant.code": code,
                "currency_constant.billable_unit_micros": minor_unit_micros(code),
            }
        }
    )


def _changes(book: _Book) -> Table:
    """All changes that are seen by now, newest first."""
    now = book.account.now
    seen = [
        change
        for change in (*book.account.budget_changes(), *book.account.status_changes())
        if change.at <= now - book.traits.change_lag
    ]
    ads = {ad.index: ad for ad in book.account.ads()}
    found: dict[Hashable, Fields] = {}
    for change in sorted(seen, key=lambda each: each.at, reverse=True):
        of = (
            _budget_change(book, change) if change.what == "budget" else _status_change(book, change, ads[change.index])
        )
        found[change.what, change.number] = of | {
            "change_event.change_date_time": written(change.at, book.account.time_zone),
            "change_event.client_type": "GOOGLE_ADS_API" if change.by == "api" else "GOOGLE_ADS_WEB_CLIENT",
            "change_event.user_email": "owner@example.com",  # a client acts for whoever gave it the token
            "change_event.resource_change_operation": "UPDATE",
            "change_event.resource_name": f"{book.prefix}/changeEvents/{int(change.at.timestamp())}~{change.number}",
        }
    return Table(found)


def written(at: datetime, time_zone: str) -> str:
    """Return a moment as the platform writes it: on the account's clock."""
    return f"{at.astimezone(zone(time_zone)):%Y-%m-%d %H:%M:%S.%f}"


def _budget_change(book: _Book, change: Change) -> Fields:
    campaign = book.campaigns[change.index]
    name = f"{book.prefix}/campaignBudgets/{campaign.budget_id}"
    old, new = messages.Row().change_event.old_resource, messages.Row().change_event.new_resource
    old.campaign_budget.amount_micros, new.campaign_budget.amount_micros = change.old, change.new
    return {
        "change_event.change_resource_type": "CAMPAIGN_BUDGET",
        "change_event.change_resource_name": name,
        "change_event.campaign": f"{book.prefix}/campaigns/{campaign.campaign_id}",
        "change_event.changed_fields": ("amount_micros",),
        "change_event.old_resource": old,
        "change_event.new_resource": new,
    }


def _status_change(book: _Book, change: Change, ad: Ad) -> Fields:
    statuses = messages.numbers("ad_group_ad.status") or {}
    old, new = messages.Row().change_event.old_resource, messages.Row().change_event.new_resource
    old.ad_group_ad.status = statuses["ENABLED" if change.old else "PAUSED"]
    new.ad_group_ad.status = statuses["ENABLED" if change.new else "PAUSED"]
    return {
        "change_event.change_resource_type": "AD_GROUP_AD",
        "change_event.change_resource_name": f"{book.prefix}/adGroupAds/{ad.ad_group_id}~{ad.ad_id}",
        "change_event.campaign": f"{book.prefix}/campaigns/{ad.campaign_id}",
        "change_event.ad_group": f"{book.prefix}/adGroups/{ad.ad_group_id}",
        "change_event.changed_fields": ("status",),
        "change_event.old_resource": old,
        "change_event.new_resource": new,
    }


_TABLES: Final[Mapping[str, Callable[[_Book], Table]]] = MappingProxyType(
    {
        "customer": _customer,
        "campaign": _campaigns,
        "campaign_budget": _budgets,
        "ad_group": partial(_below, kind="ad_group"),
        "ad_group_ad": partial(_below, kind="ad_group_ad"),
        "ad_group_audience_view": partial(_below, kind="ad_group_audience_view"),
        "campaign_audience_view": _nothing,
        "conversion_action": _actions,
        "change_event": _changes,
        "currency_constant": _currencies,
    }
)
