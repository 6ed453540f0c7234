"""Campaigns, ad groups and ads of one advertiser, as they stand now, and the budgets that they hold.

A campaign holds the budget where `budget_optimize_on` says so; else each of its ad groups holds its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, Literal

from connectors.contract import Account, BudgetKind, BudgetTarget, EntityStatus, Level
from connectors.money import Money, minor_unit_micros, to_micros
from connectors.tiktok.client import Client, Json

_DAILY: Final = frozenset({"BUDGET_MODE_DAY", "BUDGET_MODE_DYNAMIC_DAILY_BUDGET"})
_TOTAL: Final = "BUDGET_MODE_TOTAL"
_LEAST: Final = {"campaign": 50, "adgroup": 20}
"""The least daily budget that the platform takes, major units."""

Holder = Literal["campaign", "adgroup"]


@dataclass(frozen=True, slots=True)
class Held:
    """A budget and what the platform calls its holder."""

    target: BudgetTarget
    holder: Holder


def campaigns(client: Client, account: Account) -> Iterator[Json]:
    """Yield the campaigns."""
    return client.listed("/campaign/get/", {"advertiser_id": account.account_id}, itemgetter("campaign_id"))


def ad_groups(client: Client, account: Account) -> Iterator[Json]:
    """Yield the ad groups."""
    return client.listed("/adgroup/get/", {"advertiser_id": account.account_id}, itemgetter("adgroup_id"))


def ads(client: Client, account: Account) -> Iterator[Json]:
    """Yield the ads."""
    return client.listed("/ad/get/", {"advertiser_id": account.account_id}, itemgetter("ad_id"))


def status_of(entity: Json) -> EntityStatus:
    """Return whether something delivers, by its own switch."""
    return EntityStatus.ACTIVE if entity["operation_status"] == "ENABLE" else EntityStatus.PAUSED


def budgets(client: Client, account: Account) -> Iterator[Held]:
    """Yield the budgets, each with its holder; one without a limit is none."""
    groups = list(ad_groups(client, account))
    learning = {group["campaign_id"] for group in groups if _learns(group)}
    optimised = set()
    for campaign in campaigns(client, account):
        if campaign.get("budget_optimize_on"):
            optimised.add(campaign["campaign_id"])
            yield from _held(account, campaign, "campaign", Level.CAMPAIGN, campaign["campaign_id"] in learning)
    for group in groups:
        if group["campaign_id"] not in optimised:
            yield from _held(account, group, "adgroup", Level.AD_GROUP, _learns(group))


def _learns(group: Json) -> bool:
    return group.get("learning_phase") == "LEARNING"


def _held(account: Account, entity: Json, holder: Holder, level: Level, learning: bool) -> Iterator[Held]:
    mode = entity["budget_mode"]
    if mode not in _DAILY and mode != _TOTAL:
        return
    entity_id = str(entity[f"{holder}_id"])
    target = BudgetTarget(
        account=account,
        budget_id=entity_id,
        name=str(entity[f"{holder}_name"]),
        holder=level,
        covers=(entity_id,),
        amount=Money(to_micros(str(entity["budget"])), account.currency),
        kind=BudgetKind.DAILY if mode in _DAILY else BudgetKind.LIFETIME,
        minimum=Money.of(_LEAST[holder], account.currency),
        quantum_micros=minor_unit_micros(account.currency),
        etag=str(entity.get("modify_time", "")),
        learning=learning,
    )
    yield Held(target, holder)
