"""Which ads draw on which budget, and which of them run; pure, shared by the decision and by the guards of a write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from connectors.contract import AdKey, AdState, BudgetKey, BudgetTarget, EntityStatus, Level

NO_ADS: Final[Mapping[AdKey, AdState]] = MappingProxyType({})


def crews(budgets: Iterable[BudgetTarget], ads: Iterable[AdState]) -> dict[BudgetKey, tuple[AdState, ...]]:
    """Return the ads of each budget that has any, in the order of their keys.

    An ad draws on the budget held nearest to it: its own, its ad group's, its campaign's. One that draws on none of
    these budgets is left out.
    """
    owners = {
        (budget.account.connector, budget.account.account_id, budget.holder, cover): budget.key
        for budget in sorted(budgets, key=lambda budget: budget.key, reverse=True)  # of two owners the first by key
        for cover in budget.covers
    }
    found: dict[BudgetKey, tuple[AdState, ...]] = {}
    for ad in sorted(ads, key=lambda ad: ad.key):
        above = ((Level.AD, ad.ad_id), (Level.AD_GROUP, ad.ad_group_id), (Level.CAMPAIGN, ad.campaign_id))
        keys = (owners.get((ad.key.connector, ad.key.account_id, level, name)) for level, name in above if name)
        owner = next((key for key in keys if key is not None), None)
        if owner is not None:
            found[owner] = (*found.get(owner, ()), ad)
    return found


def running(ads: Iterable[AdState]) -> frozenset[AdKey]:
    """The ads that run."""
    return frozenset(ad.key for ad in ads if ad.status is EntityStatus.ACTIVE)
