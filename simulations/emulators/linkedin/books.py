"""Accounts, campaigns, creatives and `adAnalytics` of a simulated account, as LinkedIn shows them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from connectors.money import MICROS, Money, minor_unit_micros, to_micros
from simulations.emulators.account import Account, Ad, Campaign, Line

Json = dict[str, Any]

MOST_ELEMENTS: Final = 15_000
"""`adAnalytics` cuts what is longer, without a word."""

METRICS: Final = ("externalWebsiteConversions", "oneClickLeads", "qualifiedLeads", "viralOneClickLeads")
"""Under which names the market's definitions of a conversion are reported, in their order."""

PIVOTS: Final[Mapping[str, Callable[[Ad], str]]] = {
    "CAMPAIGN": lambda ad: f"urn:li:sponsoredCampaign:{ad.campaign_id}",
    "CREATIVE": lambda ad: f"urn:li:sponsoredCreative:{ad.ad_id}",
}
MANAGING: Final = frozenset({"ACCOUNT_BILLING_ADMIN", "ACCOUNT_MANAGER", "CAMPAIGN_MANAGER"})
"""Roles that may edit campaigns and creatives; `CREATIVE_MANAGER` may edit creatives, `VIEWER` nothing."""

_DEFAULT_FIELDS: Final = ("impressions", "clicks")


@dataclass(slots=True)
class Sums:
    """What was reported of one pivot value; micros, counts alike."""

    spend: int
    value: int
    impressions: int
    clicks: int
    conversions: list[int]


class Refused(Exception):  # noqa: N818 - it is a request that is refused
    """The platform's refusal of one request: HTTP status, code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def role_json(account: Account, role: str) -> Json:
    """Return the role of the token's member on the ad account."""
    return {"account": f"urn:li:sponsoredAccount:{account.account_id}", "user": "urn:li:person:emulated", "role": role}


def account_json(account: Account) -> Json:
    """Return the ad account."""
    return {
        "id": account.account_id,
        "name": account.name,
        "currency": account.currency,
        "status": "ACTIVE",
        "type": "BUSINESS",
        "servingStatuses": ["RUNNABLE"],
        "reference": "urn:li:organization:1",
        "test": False,
    }


def campaign_json(account: Account, campaign: Campaign, version: int) -> Json:
    """Return a campaign; its version's tag changes with each change of it."""
    return {
        "id": campaign.campaign_id,
        "name": campaign.name,
        "account": f"urn:li:sponsoredAccount:{account.account_id}",
        "campaignGroup": f"urn:li:sponsoredCampaignGroup:{account.account_id + 1}",
        "status": "ACTIVE" if campaign.active else "PAUSED",
        "type": "SPONSORED_UPDATES",
        "costType": "CPM",
        "dailyBudget": _amount(campaign.budget_micros, account.currency),
        "version": {"versionTag": str(1 + version)},
    }


def creative_json(account: Account, ad: Ad, changed: int) -> Json:
    """Return a creative; `changed` is when, in milliseconds."""
    return {
        "id": f"urn:li:sponsoredCreative:{ad.ad_id}",
        "name": ad.name,
        "account": f"urn:li:sponsoredAccount:{account.account_id}",
        "campaign": f"urn:li:sponsoredCampaign:{ad.campaign_id}",
        "intendedStatus": "ACTIVE" if ad.active else "PAUSED",
        "isServing": ad.active and ad.active_campaign,
        "lastModifiedAt": changed,
    }


def analytics(
    lines: Iterable[Line], pivots: Sequence[str], fields: Sequence[str], kinds: int, daily: bool
) -> list[Json]:
    """Return the elements of a report, cut where the platform cuts them.

    Args:
        lines: What was reported, ordered by day.
        pivots: Names of `PIVOTS`.
        fields: Which are asked for; the platform's two by default.
        kinds: How many definitions of a conversion there are.
        daily: An element for each day, or for the whole range.

    Raises:
        Refused: A pivot or field is unknown.
    """
    unknown = [pivot for pivot in pivots if pivot not in PIVOTS]
    if unknown:
        raise Refused(400, "PARAM_INVALID", f"Invalid value for pivot: {unknown[0]}")
    sums: dict[tuple[Any, ...], Sums] = defaultdict(lambda: Sums(0, 0, 0, 0, [0] * kinds))
    spans: dict[tuple[Any, ...], tuple[date, date]] = {}
    for line in lines:
        key = (line.day if daily else None, *(PIVOTS[pivot](line.ad) for pivot in pivots))
        one = sums[key]
        one.spend += line.spend
        one.value += line.value
        one.impressions += line.impressions
        one.clicks += line.clicks
        one.conversions[line.kind] += line.conversions
        spans[key] = (spans[key][0] if key in spans else line.day, line.day)
    wanted = fields or _DEFAULT_FIELDS
    elements = [_element(spans[key], key[1:], one, wanted) for key, one in sums.items()]
    return elements[:MOST_ELEMENTS]


def budget_micros(account: Account, patch: Mapping[str, Any], minimum: int) -> int:
    """Return the daily budget that a patch sets, micros.

    Raises:
        Refused: It is no amount of the account's currency, or below the minimum.
    """
    asked = patch.get("dailyBudget")
    if not isinstance(asked, dict) or asked.get("currencyCode") != account.currency:
        raise Refused(400, "FIELD_INVALID", f"/dailyBudget/currencyCode :: must be {account.currency}")
    try:
        micros = to_micros(Decimal(str(asked.get("amount"))))
    except (InvalidOperation, ValueError):
        raise Refused(400, "FIELD_INVALID", "/dailyBudget/amount :: is not a decimal") from None
    if micros % minor_unit_micros(account.currency):
        raise Refused(400, "FIELD_INVALID", "/dailyBudget/amount :: has too many decimals")
    if micros < minimum:
        raise Refused(400, "FIELD_VALUE_TOO_LOW", "/dailyBudget/amount :: is below the minimum")
    return micros


def _element(span: tuple[date, date], pivots: tuple[str, ...], one: Sums, fields: Sequence[str]) -> Json:
    known: dict[str, Any] = {
        "dateRange": {"start": _date(span[0]), "end": _date(span[1])},
        "pivotValues": list(pivots),
        "impressions": one.impressions // MICROS,
        "clicks": one.clicks // MICROS,
        "costInLocalCurrency": _decimal(one.spend),
        "conversionValueInLocalCurrency": _decimal(one.value),
        **{name: count // MICROS for name, count in zip(METRICS, one.conversions, strict=False)},
    }
    zero = dict.fromkeys(METRICS, 0)
    unknown = [name for name in fields if name not in known and name not in zero]
    if unknown:
        raise Refused(400, "PARAM_INVALID", f"Invalid field: {unknown[0]}")
    return {name: known.get(name, 0) for name in fields}


def _amount(micros: int, currency: str) -> Json:
    return {"amount": f"{Money(micros, currency).amount.normalize():f}", "currencyCode": currency}


def _decimal(micros: int) -> str:
    return f"{Decimal(micros).scaleb(-6):f}"


def _date(day: date) -> Json:
    return {"year": day.year, "month": day.month, "day": day.day}
