"""Insights as rows: decimals to micros, action types to definitions of a conversion."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from connectors.contract import Account, PerformanceRow, Series
from connectors.errors import Stop
from connectors.meta.door import text
from connectors.meta.options import Options
from connectors.money import to_micros


class Reader:
    """Reads insights of one connector; rows of the same series share one object.

    Args:
        options: Which conversions are counted, and how they were asked for.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._series: dict[tuple[Account | str, ...], Series] = {}

    def rows(self, account: Account, insight: dict[str, Any], fetched_at: datetime) -> Iterator[PerformanceRow]:
        """Yield the rows of what one ad brought on one day.

        Delivery stands with the first kind of conversion, so that the rows of an ad sum to its totals. A further kind
        has a row also where there were none: those of yesterday's statement may have been taken back since.

        Raises:
            Stop: Meta sends what cannot be read; it says what.
        """
        where = f"insights of ad {insight.get('ad_id')!r} on {insight.get('date_start')!r}"
        day = _day(insight, where)
        for number, kind in enumerate(self._options.conversions):
            conversions = self._micros(insight, "actions", kind, where)
            value = self._micros(insight, "action_values", kind, where)
            series = self._series_of(account, insight, kind, where)
            spend, seen, clicks = (
                (0, 0, 0) if number else tuple(_micros(insight.get(f) or "0", f, where) for f in self._delivery)
            )
            yield PerformanceRow(series, day, spend, conversions, value, seen, clicks, fetched_at)

    @property
    def _delivery(self) -> tuple[str, str, str]:
        return "spend", "impressions", self._options.clicks

    def _micros(self, insight: dict[str, Any], field: str, kind: str, where: str) -> int:
        """What an ad brought of one action type: by the windows that are asked for, else as its ad set attributes."""
        windows = self._options.attribution_windows or ("value",)
        found = [entry for entry in insight.get(field) or () if entry.get("action_type") == kind]
        return sum(_micros(entry.get(window) or "0", field, where) for entry in found for window in windows)

    def _series_of(self, account: Account, insight: dict[str, Any], kind: str, where: str) -> Series:
        people = "|".join(f"{name}={insight.get(name)}" for name in self._options.breakdowns)
        ids = tuple(text(insight, name, where) for name in ("campaign_id", "adset_id", "ad_id"))
        key: tuple[Account | str, ...] = (account, *ids, people, kind)
        if key not in self._series:
            # An ad's creative and an ad set's audience can be exchanged. If they were part of what a row is about, a
            # past day that is restated after that would be counted under both names.
            self._series[key] = Series(
                account=account,
                campaign_id=ids[0],
                channel=self._options.channel,
                ad_group_id=ids[1],
                ad_id=ids[2],
                audience_id=people or None,
                conversion_definition=kind,
                attribution_setting=self._options.attribution,
            )
        return self._series[key]


def _micros(value: object, field: str, where: str) -> int:
    try:
        return to_micros(str(value))
    except ValueError as error:
        words = str(error)
    raise Stop(f"{where}: {field}: {words}")


def _day(insight: dict[str, Any], where: str) -> date:
    start, stop = text(insight, "date_start", where), text(insight, "date_stop", where)
    if start != stop:
        raise Stop(f"{where}: reaches to {stop}, although single days were asked for")
    try:
        return date.fromisoformat(start)
    except ValueError:
        pass
    raise Stop(f"{where}: {start!r} is not a date")
