"""Accounts, campaigns, ad groups, ads and budgets of a simulated account, as Microsoft shows them.

Ids are texts, amounts are numbers of major units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from connectors.errors import AskMarketer
from connectors.money import minor_unit_micros, to_micros
from simulations.emulators.account import Account, Ad, Campaign

Json = dict[str, Any]

ZONES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "America/Chicago": "CentralTimeUSCanada",
        "America/Denver": "MountainTimeUSCanada",
        "America/Los_Angeles": "PacificTimeUSCanadaTijuana",
        "America/New_York": "EasternTimeUSCanada",
        "America/Sao_Paulo": "Brasilia",
        "Asia/Kolkata": "ChennaiKolkataMumbaiNewDelhi",
        "Asia/Tokyo": "OsakaSapporoTokyo",
        "Australia/Sydney": "CanberraMelbourneSydney",
        "Europe/Berlin": "AmsterdamBerlinBernRomeStockholmVienna",
        "Europe/London": "GreenwichMeanTimeDublinEdinburghLisbonLondon",
        "Europe/Paris": "BrusselsCopenhagenMadridParis",
        "Pacific/Auckland": "AucklandWellington",
    }
)
"""Zones that a market may be in, by the platform's names."""


class Refused(Exception):  # noqa: N818 - it is a request, or a part of one, that is refused
    """The platform's refusal: HTTP status, number, symbol and message."""

    def __init__(self, status: int, code: int, symbol: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.symbol, self.message = status, code, symbol, message


def account_json(account: Account) -> Json:
    """Return the ad account.

    Raises:
        AskMarketer: The emulator has no name for its zone.
    """
    if account.time_zone not in ZONES:
        raise AskMarketer(
            f"Microsoft's emulator has no name for the zone {account.time_zone}",
            mend=f"let the scenario's time_zone be one of {', '.join(ZONES)}",
        )
    return {
        "Id": str(account.account_id),
        "Name": account.name,
        "Number": f"X{account.account_id}",
        "CurrencyCode": account.currency,
        "TimeZone": ZONES[account.time_zone],
        "AccountLifeCycleStatus": "Active",
        "AccountFinancialStatus": "ClearFinancialStatus",
    }


def campaign_json(account: Account, campaign: Campaign, kind: str, shared: Json | None) -> Json:
    """Return a campaign.

    Args:
        account: Whose.
        campaign: Which.
        kind: Its type.
        shared: The budget that it draws on with others; None: its own.
    """
    return {
        "Id": str(campaign.campaign_id),
        "Name": campaign.name,
        "Status": "Active" if campaign.active else "Paused",
        "CampaignType": kind,
        "BudgetType": "DailyBudgetStandard",
        "DailyBudget": shared["Amount"] if shared else amount(campaign.budget_micros),
        "BudgetId": shared["Id"] if shared else None,
        "TimeZone": ZONES[account.time_zone],
    }


def budget_json(drawing: Sequence[Campaign]) -> Json:
    """Return the budget on which these campaigns draw together."""
    return {
        "Id": str(drawing[0].budget_id),
        "Name": "Shared",
        "Amount": amount(drawing[0].budget_micros),
        "AssociationCount": len(drawing),
        "BudgetType": "DailyBudgetStandard",
    }


def ad_groups_json(ads: Sequence[Ad]) -> list[Json]:
    """Return the ad groups of these ads."""
    names = {ad.ad_group_id: ad.ad_group_name for ad in ads}
    return [{"Id": str(number), "Name": name, "Status": "Active"} for number, name in names.items()]


def ad_json(ad: Ad) -> Json:
    """Return an ad; it has no name."""
    return {
        "Id": str(ad.ad_id),
        "Type": "ResponsiveSearch",
        "Status": "Active" if ad.active else "Paused",
        "EditorialStatus": "Active",
    }


def budget_micros(account: Account, asked: object) -> int:
    """Return the daily budget that is asked for, micros.

    Raises:
        Refused: It is no number, below the minimum, or has more decimals than the currency.
    """
    refused = Refused(200, 1106, "CampaignServiceInvalidDailyBudget", "The DailyBudget is not valid.")
    if not isinstance(asked, int | float) or isinstance(asked, bool):
        raise refused
    micros = to_micros(str(asked))
    if micros < account.least_budget or micros % minor_unit_micros(account.currency):
        raise refused
    return micros


def amount(micros: int) -> float:
    """Return major units, as a number of JSON."""
    return float(Decimal(micros).scaleb(-6))
