"""Campaigns, ad groups and ads of one account, as they stand now, and the budgets that campaigns draw on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from connectors.contract import Account, BudgetKind, BudgetTarget, EntityStatus, Level
from connectors.listing import elements
from connectors.microsoft.client import Client, Json
from connectors.money import Money, minor_unit_micros, to_micros

CAMPAIGN_TYPES: Final = "Search, Shopping, DynamicSearchAds, Audience, Hotel, PerformanceMax, App"
"""Without them the platform lists search campaigns only, and says nothing of the others."""

AD_TYPES: Final = (
    "Text",
    "Image",
    "Product",
    "AppInstall",
    "ExpandedText",
    "DynamicSearch",
    "ResponsiveAd",
    "ResponsiveSearch",
    "Hotel",
)
_MANAGEMENT: Final = "/CampaignManagement/v13"
_RUNNING: Final = frozenset({"Active", "BudgetPaused"})
"""What the platform has stopped for its budget runs by its own switch."""

_MISSING: Final = object()
_LIFETIME: Final = "LifetimeBudgetStandard"


def campaigns(client: Client, account_id: str) -> list[Json]:
    """Return the campaigns of every type."""
    asked = {"AccountId": account_id, "CampaignType": CAMPAIGN_TYPES}
    return _listed(client.read("campaign", f"{_MANAGEMENT}/Campaigns/QueryByAccountId", account_id, asked), "Campaigns")


def ad_groups(client: Client, account_id: str, campaign_id: str) -> list[Json]:
    """Return the ad groups of a campaign."""
    asked = {"CampaignId": campaign_id}
    return _listed(client.read("campaign", f"{_MANAGEMENT}/AdGroups/QueryByCampaignId", account_id, asked), "AdGroups")


def ads(client: Client, account_id: str, ad_group_id: str) -> list[Json]:
    """Return the ads of an ad group."""
    asked = {"AdGroupId": ad_group_id, "AdTypes": list(AD_TYPES)}
    return _listed(client.read("campaign", f"{_MANAGEMENT}/Ads/QueryByAdGroupId", account_id, asked), "Ads")


def without_ads(campaign: Json) -> bool:
    """Return whether the platform makes up a campaign from assets: there is nothing to be told below it."""
    return campaign.get("CampaignType") == "PerformanceMax"


def status_of(entity: Json) -> EntityStatus:
    """Return whether something delivers, by its own switch."""
    return EntityStatus.ACTIVE if entity["Status"] in _RUNNING else EntityStatus.PAUSED


def budgets(account: Account, listed: Sequence[Json]) -> Iterator[BudgetTarget]:
    """Yield a budget for each campaign that has its own, and one for each that several share.

    Args:
        account: Whose.
        listed: All its campaigns.
    """
    shared: dict[str, list[Json]] = defaultdict(list)
    for campaign in listed:
        if _shared(campaign):
            shared[str(campaign["BudgetId"])].append(campaign)
        elif campaign.get("DailyBudget") is not None:
            yield _target(account, str(campaign["Id"]), str(campaign["Name"]), [campaign])
    for budget_id, drawing in shared.items():
        # Its number may be that of a campaign, too.
        yield _target(account, f"shared-{budget_id}", f"shared budget {budget_id}", drawing)


def change_budget(client: Client, account_id: str, campaign_id: str, amount: Money) -> str:
    """Set the daily budget of a campaign, once, and return the request's id; raises as `Client.update`."""
    # JSON has no decimals; the shortest text of a float is the decimal that it was made from.
    campaign = {"Id": campaign_id, "DailyBudget": float(amount.amount)}
    return client.update(f"{_MANAGEMENT}/Campaigns", account_id, {"AccountId": account_id, "Campaigns": [campaign]})


def change_status(client: Client, account_id: str, ad_group_id: str, ad: Json, status: EntityStatus) -> str:
    """Pause or resume an ad, once, and return the request's id; raises as `Client.update`."""
    wanted = {"Id": ad["Id"], "Type": ad["Type"], "Status": status.name.capitalize()}
    return client.update(f"{_MANAGEMENT}/Ads", account_id, {"AdGroupId": ad_group_id, "Ads": [wanted]})


def _target(account: Account, budget_id: str, name: str, drawing: Iterable[Json]) -> BudgetTarget:
    """The target of one budget; the amount of a shared one stands at each campaign that draws on it."""
    found = list(drawing)
    return BudgetTarget(
        account=account,
        budget_id=budget_id,
        name=name,
        holder=Level.CAMPAIGN,
        covers=tuple(str(campaign["Id"]) for campaign in found),
        amount=Money(to_micros(str(found[0].get("DailyBudget") or 0)), account.currency),
        kind=BudgetKind.LIFETIME if found[0].get("BudgetType") == _LIFETIME else BudgetKind.DAILY,
        shared=_shared(found[0]),
        quantum_micros=minor_unit_micros(account.currency),
    )


def _shared(campaign: Json) -> bool:
    return str(campaign.get("BudgetId") or "0") != "0"


def _listed(answer: Json, name: str) -> list[Json]:
    """The list of an answer, which is null where there is nothing; one that is not there is no empty list."""
    if answer.get(name, _MISSING) is None:
        return []
    return [one for one in elements(answer, name, "Microsoft") if one]
