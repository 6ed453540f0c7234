"""`report/integrated/get`: what one ad brought on one day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from connectors.manners import stretches
from connectors.money import to_micros
from connectors.tiktok.client import Client, Json

LONGEST_STRETCH: Final = 30
"""Days that a report by day may span."""

_ATTRIBUTES: Final = ("campaign_id", "adgroup_id")
_DELIVERY: Final = ("spend", "impressions", "clicks")


@dataclass(frozen=True, slots=True)
class Line:
    """What one ad brought on one day; micros, counts alike."""

    campaign_id: str
    ad_group_id: str
    ad_id: str
    day: date
    spend: int
    impressions: int
    clicks: int
    value: int
    conversions: tuple[int, ...]


def report(
    client: Client, advertiser: str, since: date, until: date, conversions: Sequence[str], value: str
) -> Iterator[Line]:
    """Yield the lines of the days, both ends included, page by page.

    Args:
        client: Speaks to the platform.
        advertiser: Whose.
        since: The first day.
        until: The last day.
        conversions: The metrics that count as conversions.
        value: The metric of their value.

    Raises:
        RetryLater, AskMarketer, Stop: See `connectors.errors`.
    """
    for first, last in stretches(since, until, LONGEST_STRETCH):
        query = {
            "advertiser_id": advertiser,
            "report_type": "BASIC",
            "data_level": "AUCTION_AD",
            "dimensions": ["ad_id", "stat_time_day"],
            "metrics": [*_ATTRIBUTES, *_DELIVERY, value, *conversions],
            "start_date": first.isoformat(),
            "end_date": last.isoformat(),
            "order_field": "stat_time_day",
            "order_type": "ASC",
        }
        for element in client.listed("/report/integrated/get/", query, _name):
            yield _line(element, conversions, value)


def _name(element: Json) -> tuple[str, str]:
    dimensions = element["dimensions"]
    return str(dimensions["ad_id"]), str(dimensions["stat_time_day"])


def _line(element: Json, conversions: Sequence[str], value: str) -> Line:
    dimensions, metrics = element["dimensions"], element["metrics"]
    return Line(
        campaign_id=str(metrics["campaign_id"]),
        ad_group_id=str(metrics["adgroup_id"]),
        ad_id=str(dimensions["ad_id"]),
        day=date.fromisoformat(dimensions["stat_time_day"][:10]),
        spend=to_micros(metrics["spend"]),
        impressions=to_micros(metrics["impressions"]),
        clicks=to_micros(metrics["clicks"]),
        value=to_micros(metrics[value]),
        conversions=tuple(to_micros(metrics[name]) for name in conversions),
    )
