"""Reports by ad or campaign and day as packed files of comma separated values.

https://learn.microsoft.com/en-us/advertising/reporting-service/adperformancereportrequest
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from simulations.emulators.account import Account, Ad
from simulations.emulators.microsoft.books import Json, Refused

DIMENSIONS: Final[Mapping[str, Callable[[Account, date, Ad], str]]] = MappingProxyType(
    {
        "TimePeriod": lambda account, day, ad: day.isoformat(),
        "AccountId": lambda account, day, ad: str(account.account_id),
        "CurrencyCode": lambda account, day, ad: account.currency,
        "CampaignId": lambda account, day, ad: str(ad.campaign_id),
        "AdGroupId": lambda account, day, ad: str(ad.ad_group_id),
        "AdId": lambda account, day, ad: str(ad.ad_id),
    }
)
KINDS: Final = ("AdPerformanceReportRequest", "CampaignPerformanceReportRequest")
MEASURES: Final = ("Impressions", "Clicks", "Spend", "ConversionsQualified", "Revenue")


@dataclass(frozen=True, slots=True)
class Asked:
    """A report that was submitted: by ad or by campaign, columns, and days with both ends included."""

    by_ad: bool
    columns: tuple[str, ...]
    since: date
    until: date


def read(request: Json, account: Account) -> Asked:
    """Read a report request.

    Raises:
        Refused: Something of it is unknown or missing.
    """
    if request.get("Type") not in KINDS or request.get("Aggregation") != "Daily":
        raise Refused(400, 2059, "UnsuportedTimeGrain", "The emulator makes daily reports by ad or campaign.")
    columns, by_ad = tuple(request.get("Columns") or ()), request["Type"] == KINDS[0]
    known = {*DIMENSIONS, *MEASURES} - (set() if by_ad else {"AdGroupId", "AdId"})
    if not columns or any(name not in known for name in columns):
        raise Refused(400, 2060, "InvalidFilterOrScopeValue", f"Columns that the emulator does not know: {columns}")
    if request.get("Scope", {}).get("AccountIds") != [str(account.account_id)]:
        raise Refused(401, 106, "UserIsNotAuthorized", "The user is not authorized to perform this action.")
    span = request.get("Time") or {}
    return Asked(by_ad, columns, _day(span.get("CustomDateRangeStart")), _day(span.get("CustomDateRangeEnd")))


def packed(account: Account, asked: Asked, whole: Collection[int]) -> bytes | None:
    """Return the file; None where there are no figures on these days.

    Args:
        account: Whose.
        asked: What was asked for.
        whole: Indices of campaigns of which nothing is told by ad.
    """
    sums: dict[tuple[date, int], list[int]] = defaultdict(lambda: [0] * len(MEASURES))
    ads: dict[int, Ad] = {}
    for line in account.lines(asked.since, asked.until):
        if asked.by_ad and line.ad.campaign in whole:
            continue
        number = line.ad.ad_id if asked.by_ad else line.ad.campaign_id
        ads[number] = line.ad
        one = sums[line.day, number]
        for place, measure in enumerate((line.impressions, line.clicks, line.spend, line.conversions, line.value)):
            one[place] += measure
    rows = [(day, ads[number], one) for (day, number), one in sums.items() if any(one)]
    if not rows:
        return None
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(asked.columns)
    for day, ad, one in rows:
        told: dict[str, Any] = dict(zip(MEASURES, map(_decimal, one), strict=True))
        told |= {name: dimension(account, day, ad) for name, dimension in DIMENSIONS.items()}
        writer.writerow([told[name] for name in asked.columns])
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("report.csv", text.getvalue().encode("utf-8-sig"))
    return file.getvalue()


def _day(told: object) -> date:
    try:
        return date(told["Year"], told["Month"], told["Day"])  # type: ignore[index]
    except (TypeError, KeyError, ValueError):
        raise Refused(400, 113, "InvalidDateObject", "The date is not valid.") from None


def _decimal(micros: int) -> str:
    return f"{Decimal(micros).scaleb(-6).normalize():f}"
