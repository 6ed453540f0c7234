"""Advertisers, campaigns, ad groups, ads and reports of a simulated account, as TikTok shows them.

The market's budgets are of campaigns. A campaign with several ad groups holds its budget (`budget_optimize_on`); where
there is one ad group only, that one holds it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from connectors.contract import zone
from connectors.money import Money
from simulations.emulators.account import Account, Ad, Campaign, Line

Json = dict[str, Any]

CONVERSIONS: Final = ("complete_payment", "form", "total_registration", "onsite_form")
"""Under which names the market's definitions of a conversion are reported, in their order."""

VALUE: Final = "total_complete_payment_rate"
_ATTRIBUTES: Final = frozenset({"campaign_id", "campaign_name", "adgroup_id", "adgroup_name", "ad_name"})


class BadParameter(ValueError):  # noqa: N818 - it is the parameter that is bad
    """Code 40002: a parameter is wrong."""


def advertiser(account: Account) -> Json:
    """Return the advertiser."""
    return {
        "advertiser_id": str(account.account_id),
        "name": account.name,
        "currency": account.currency,
        "timezone": "Etc/GMT-1",
        "display_timezone": account.time_zone,
        "status": "STATUS_ENABLE",
    }


def groups(account: Account) -> dict[int, list[Ad]]:
    """Return one ad of each ad group by campaign's index."""
    found: dict[int, dict[int, Ad]] = defaultdict(dict)
    for ad in account.ads():
        found[ad.campaign].setdefault(ad.ad_group_id, ad)
    return {campaign: list(ads.values()) for campaign, ads in found.items()}


def campaign_json(account: Account, one: Campaign, optimised: bool) -> Json:
    """Return a campaign; one that is not optimised has no budget of its own."""
    return {
        "campaign_id": str(one.campaign_id),
        "campaign_name": one.name,
        "advertiser_id": str(account.account_id),
        "operation_status": "ENABLE" if one.active else "DISABLE",
        "budget_optimize_on": optimised,
        "budget_mode": "BUDGET_MODE_DYNAMIC_DAILY_BUDGET" if optimised else "BUDGET_MODE_INFINITE",
        "budget": _major(one.budget_micros, account.currency) if optimised else 0.0,
        "modify_time": _modified(account, one.index),
    }


def group_json(account: Account, ad: Ad, campaign: Campaign, optimised: bool) -> Json:
    """Return an ad group."""
    return {
        "adgroup_id": str(ad.ad_group_id),
        "adgroup_name": ad.ad_group_name,
        "campaign_id": str(ad.campaign_id),
        "advertiser_id": str(account.account_id),
        "operation_status": "ENABLE",
        "budget_mode": "BUDGET_MODE_INFINITE" if optimised else "BUDGET_MODE_DAY",
        "budget": 0.0 if optimised else _major(campaign.budget_micros, account.currency),
        "learning_phase": "LEARNING" if account.learning(campaign.index) else "LEARNING_COMPLETE",
        "modify_time": _modified(account, campaign.index),
    }


def ad_json(account: Account, ad: Ad) -> Json:
    """Return an ad."""
    made = [change.at for change in account.status_changes() if change.index == ad.index]
    return {
        "ad_id": str(ad.ad_id),
        "ad_name": ad.name,
        "adgroup_id": str(ad.ad_group_id),
        "campaign_id": str(ad.campaign_id),
        "advertiser_id": str(account.account_id),
        "operation_status": "ENABLE" if ad.active else "DISABLE",
        "modify_time": _stamp(account, made[-1] if made else None),
    }


def report(account: Account, lines: Iterable[Line], metrics: Sequence[str]) -> list[Json]:
    """Return the elements of a report by ad and day, ordered by day.

    Raises:
        BadParameter: A metric is unknown.
    """
    known = {*_ATTRIBUTES, "spend", "impressions", "clicks", VALUE, *CONVERSIONS}
    unknown = [name for name in metrics if name not in known]
    if unknown:
        raise BadParameter(f"metrics: {unknown[0]} is not supported")
    names = {one.campaign_id: one.name for one in account.campaigns()}
    sums: dict[tuple[str, int], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    ads: dict[int, Ad] = {}
    for line in lines:
        ads[line.ad.index] = line.ad
        one = sums[line.day.isoformat(), line.ad.index]
        one["spend"] += line.spend
        one["impressions"] += line.impressions
        one["clicks"] += line.clicks
        one[VALUE] += line.value
        one[CONVERSIONS[line.kind]] += line.conversions
    return [
        {
            "dimensions": {"ad_id": str(ads[index].ad_id), "stat_time_day": f"{day} 00:00:00"},
            "metrics": {name: _metric(name, ads[index], names, measured) for name in metrics},
        }
        for (day, index), measured in sums.items()
    ]


def _metric(name: str, ad: Ad, names: dict[int, str], measured: dict[str, int]) -> str:
    if name in _ATTRIBUTES:
        told = {
            "campaign_id": str(ad.campaign_id),
            "campaign_name": names[ad.campaign_id],
            "adgroup_id": str(ad.ad_group_id),
            "adgroup_name": ad.ad_group_name,
            "ad_name": ad.name,
        }
        return told[name]
    return f"{Decimal(measured.get(name, 0)).scaleb(-6).normalize():f}"


def _major(micros: int, currency: str) -> float:
    return float(Money(micros, currency).amount)


def _modified(account: Account, campaign: int) -> str:
    made = [change.at for change in account.budget_changes() if change.index == campaign]
    return _stamp(account, made[-1] if made else None)


def _stamp(account: Account, at: datetime | None) -> str:
    if at is None:
        return f"{account.truth.start} 00:00:00"
    return f"{at.astimezone(zone('UTC')):%Y-%m-%d %H:%M:%S}"
