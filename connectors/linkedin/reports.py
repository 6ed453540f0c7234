"""`adAnalytics`: a day of a creative. It has no pages, and cuts what is longer than its limit without a word.

https://learn.microsoft.com/en-us/linkedin/marketing/integrations/ads-reporting/ads-reporting
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from connectors.errors import Stop
from connectors.linkedin.client import Client, Json, id_of, urn
from connectors.manners import stretches
from connectors.money import MICROS, to_micros

MOST_ELEMENTS: Final = 15_000
"""An answer of so many elements may have been cut."""

LONGEST_STRETCH: Final = 31
"""Days of one request, so that memory does not grow with the period."""

_DELIVERY: Final = ("dateRange", "pivotValues", "impressions", "clicks", "costInLocalCurrency")
_VALUE: Final = "conversionValueInLocalCurrency"


@dataclass(frozen=True, slots=True)
class Line:
    """What one creative brought on one UTC day; micros, counts alike."""

    campaign_id: str
    creative_id: str
    day: date
    spend: int
    impressions: int
    clicks: int
    value: int
    conversions: tuple[int, ...]


def report(client: Client, account_id: str, since: date, until: date, conversions: Sequence[str]) -> Iterator[Line]:
    """Yield the lines of the days, both ends included, stretch by stretch.

    A stretch whose answer reaches the limit is halved, down to single days.

    Args:
        client: Speaks to the platform.
        account_id: Whose.
        since: The first day.
        until: The last day.
        conversions: The metrics that count as conversions.

    Raises:
        Stop: A single day has more elements than an answer holds.
        RetryLater, AskMarketer: See `connectors.errors`.
    """
    for first, last in stretches(since, until, LONGEST_STRETCH):
        yield from _stretch(client, account_id, first, last, conversions)


def _stretch(client: Client, account_id: str, first: date, last: date, conversions: Sequence[str]) -> Iterator[Line]:
    fields = ",".join((*_DELIVERY, _VALUE, *conversions))
    # Two pivots, so that a creative that is gone from the listing still says to which campaign it belonged.
    query = (
        "q=statistics&pivots=List(CAMPAIGN,CREATIVE)&timeGranularity=DAILY"
        f"&dateRange=(start:{_date(first)},end:{_date(last)})"
        f"&accounts=List({urn('sponsoredAccount', account_id)})&fields={fields}"
    )
    elements, _ = client.elements("/adAnalytics", query)
    if len(elements) < MOST_ELEMENTS:
        yield from (_line(element, conversions) for element in elements)
        return
    days = (last - first).days + 1
    if days == 1:
        raise Stop(f"LinkedIn reports {MOST_ELEMENTS} creatives or more on {first}, and cuts the answer there")
    for part_first, part_last in stretches(first, last, (days + 1) // 2):
        yield from _stretch(client, account_id, part_first, part_last, conversions)


def _line(element: Json, conversions: Sequence[str]) -> Line:
    start = element["dateRange"]["start"]
    campaign, creative = (id_of(name) for name in element["pivotValues"])
    return Line(
        campaign_id=campaign,
        creative_id=creative,
        day=date(start["year"], start["month"], start["day"]),
        spend=to_micros(str(element.get("costInLocalCurrency", "0"))),
        impressions=_count(element, "impressions"),
        clicks=_count(element, "clicks"),
        value=to_micros(str(element.get(_VALUE, "0"))),
        conversions=tuple(_count(element, name) for name in conversions),
    )


def _count(element: dict[str, Any], name: str) -> int:
    return int(element.get(name, 0)) * MICROS


def _date(day: date) -> str:
    return f"(year:{day.year},month:{day.month},day:{day.day})"
