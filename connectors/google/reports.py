"""Performance: by ad, with Performance Max by campaign; or by campaign and audience.

A stretch of days is read by a few queries and given row by row. What stands in queries of its own (impression shares,
conversions by action) is looked up by campaign or ad and day, so that delivery is counted once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from connectors.contract import WHOLE, Account, PerformanceRow, Series
from connectors.google.accounts import Searches
from connectors.google.units import constant, share_micros, to_micros

ALL: Final = "all"
"""The definition of what the account counts in its column Conversions."""

OTHERS: Final = "others"
"""The audience of what is reported of a campaign and of none of its audiences."""

_DELIVERY: Final = "metrics.cost_micros, metrics.impressions, metrics.clicks"
_SHARES: Final = "metrics.search_impression_share, metrics.search_budget_lost_impression_share"
_PRIMARY: Final = "metrics.conversions, metrics.conversions_value"
_BY_ACTION: Final = "segments.conversion_action_name, metrics.all_conversions, metrics.all_conversions_value"
_CAMPAIGN: Final = "campaign.id, campaign.advertising_channel_type, segments.date"
_AD: Final = f"{_CAMPAIGN}, ad_group.id, ad_group_ad.ad.id"
_DAYS: Final = "WHERE segments.date BETWEEN '{since}' AND '{until}'"
_PERFORMANCE_MAX: Final = "PERFORMANCE_MAX"

_Place = tuple[int, int, str]
_Measures = tuple[int, int, int, int, int]
_NO_SHARES: Final[tuple[int | None, int | None]] = (None, None)


class _Told(NamedTuple):
    """Conversions and their value, micros."""

    conversions: int
    value: int


_NOTHING: Final = _Told(0, 0)


@dataclass(slots=True)
class _Names:
    """The series of an account, each made once and shared by its rows."""

    account: Account
    channels: dict[int, str] = field(default_factory=dict)
    known: dict[tuple[int, int, str, str | None], Series] = field(default_factory=dict)

    def channel(self, campaign: Any) -> str:
        found = self.channels.get(campaign.id)
        if found is None:
            found = self.channels[campaign.id] = constant(campaign, "advertising_channel_type").lower()
        return found

    def series(self, row: Any, ad: int, definition: str, audience: str | None = None) -> Series:
        key = (row.campaign.id, ad, definition, audience)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = Series(
                account=self.account,
                campaign_id=str(row.campaign.id),
                channel=self.channel(row.campaign),
                ad_group_id=str(row.ad_group.id) if ad else None,
                ad_id=str(ad) if ad else None,
                audience_id=audience,
                conversion_definition=definition,
            )
        return found


class Reports:
    """Reads the performance of one account; kept from pull to pull, so that a series is known again.

    Args:
        session: Reads the rows.
        account: Whose.
        actions: Conversion actions, by name, that are told each as a definition of its own; delivery stands with the
            first. None: one definition, `all`.
    """

    def __init__(self, session: Searches, account: Account, actions: Sequence[str]) -> None:
        self._session = session
        self._account = account
        self._actions = tuple(actions)
        self._names = _Names(account)

    def by_ad(self, since: date, until: date, fetched_at: datetime) -> Iterator[PerformanceRow]:
        """Yield rows by ad, those of Performance Max by campaign: its ads are not told apart."""
        metrics = f"{_DELIVERY}, {_SHARES}" if self._actions else f"{_DELIVERY}, {_SHARES}, {_PRIMARY}"
        shares: dict[tuple[int, str], tuple[int | None, int | None]] = {}
        whole: list[Any] = []
        for row in self._read(f"{_CAMPAIGN}, {metrics}", "campaign", since, until):
            found = _shares(row)
            if found != _NO_SHARES:
                shares[row.campaign.id, row.segments.date] = found
            if self._names.channel(row.campaign) == _PERFORMANCE_MAX.lower():
                whole.append(row)
        metrics = _DELIVERY if self._actions else f"{_DELIVERY}, {_PRIMARY}"
        told = self._by_action(_AD, "ad_group_ad", since, until) | self._of_max(whole, since, until)
        yield from self._rows(whole, shares, told, fetched_at, ads=False)
        yield from self._rows(self._read(f"{_AD}, {metrics}", "ad_group_ad", since, until), shares, told, fetched_at)
        yield from self._left(told, fetched_at)

    def by_audience(self, since: date, until: date, fetched_at: datetime) -> Iterator[PerformanceRow]:
        """Yield rows by campaign and audience; what no audience had stands with `others`."""
        left = {}
        for row in self._read(f"{_CAMPAIGN}, {_DELIVERY}, {_PRIMARY}", "campaign", since, until):
            left[row.campaign.id, row.segments.date] = (row, _measures(row.metrics))
        for view, criterion in (("ad_group_audience_view", "ad_group"), ("campaign_audience_view", "campaign")):
            parts: dict[tuple[int, str, str], list[Any]] = {}
            fields = f"{_CAMPAIGN}, {criterion}_criterion.criterion_id, {_DELIVERY}, {_PRIMARY}"
            for row in self._read(fields, view, since, until):
                audience = str(getattr(row, f"{criterion}_criterion").criterion_id)
                parts.setdefault((row.campaign.id, row.segments.date, audience), []).append(row)
            for (campaign, day, audience), rows in parts.items():
                sums = _summed([_measures(row.metrics) for row in rows])
                if (campaign, day) in left:
                    whole, rest = left[campaign, day]
                    # A conversion that came between two queries may leave less than nothing; the next reading mends it.
                    left[campaign, day] = (whole, _less(rest, sums))
                yield self._of_audience(rows[0], audience, sums, fetched_at)
        for row, rest in left.values():
            if any(rest):
                yield self._of_audience(row, OTHERS, rest, fetched_at)

    def _of_audience(self, row: Any, audience: str, sums: _Measures, at: datetime) -> PerformanceRow:
        series = self._names.series(row, 0, ALL, audience)
        return PerformanceRow(series, _day(row.segments.date), *sums, at)

    def _rows(
        self,
        rows: Iterator[Any] | list[Any],
        shares: Mapping[tuple[int, str], tuple[int | None, int | None]],
        told: dict[_Place, dict[str, _Told]],
        at: datetime,
        *,
        ads: bool = True,
    ) -> Iterator[PerformanceRow]:
        actions, series = self._actions, self._names.series
        first = actions[0] if actions else ALL
        for row in rows:
            metrics, text = row.metrics, row.segments.date
            campaign, ad = row.campaign.id, row.ad_group_ad.ad.id if ads else 0
            day = _day(text)
            if actions:
                mine = told.pop((campaign, ad, text), {})
                conversions, value = mine.get(first, _NOTHING)
            else:
                mine = {}
                conversions, value = round(metrics.conversions * WHOLE), round(metrics.conversions_value * WHOLE)
            seen = metrics.impressions * WHOLE
            share, lost = shares.get((campaign, text), _NO_SHARES) if seen else _NO_SHARES
            spend, clicked = metrics.cost_micros, metrics.clicks * WHOLE
            name = series(row, ad, first)
            yield PerformanceRow(name, day, spend, conversions, value, seen, clicked, at, share, lost)
            for action in actions[1:]:
                yield from self._further(row, ad, action, mine.get(action), day, at)

    def _further(
        self, row: Any, ad: int, action: str, found: _Told | None, day: date, at: datetime
    ) -> Iterator[PerformanceRow]:
        """The row of an action without delivery; a zero where one was told before, which may have been taken back."""
        if found is None and (row.campaign.id, ad, action, None) not in self._names.known:
            return
        series = self._names.series(row, ad, action)
        yield PerformanceRow(series, day, 0, *(found or _NOTHING), 0, 0, at)

    def _left(self, told: dict[_Place, dict[str, _Told]], at: datetime) -> Iterator[PerformanceRow]:
        """Conversions of ads that had no delivery on that day, such as those of calls."""
        for (campaign, ad, text), found in told.items():
            for action, measures in found.items():
                series = self._names.known.get((campaign, ad, action, None))
                if series is not None:
                    yield PerformanceRow(series, _day(text), 0, *measures, 0, 0, at)

    def _of_max(self, whole: list[Any], since: date, until: date) -> dict[_Place, dict[str, _Told]]:
        if not whole:
            return {}
        return self._by_action(
            _CAMPAIGN, "campaign", since, until, f" AND campaign.advertising_channel_type = '{_PERFORMANCE_MAX}'"
        )

    def _by_action(
        self, fields: str, resource: str, since: date, until: date, further: str = ""
    ) -> dict[_Place, dict[str, _Told]]:
        """Return what each named action counted, by campaign, ad (0: the campaign itself) and day."""
        found: dict[_Place, dict[str, _Told]] = {}
        if not self._actions:
            return found
        for row in self._read(f"{fields}, {_BY_ACTION}", resource, since, until, further):
            action = row.segments.conversion_action_name
            if action in self._actions:
                place = (row.campaign.id, row.ad_group_ad.ad.id, row.segments.date)
                measures = _Told(to_micros(row.metrics.all_conversions), to_micros(row.metrics.all_conversions_value))
                found.setdefault(place, {})[action] = measures
                self._names.series(row, place[1], action)
        return found

    def _read(self, fields: str, resource: str, since: date, until: date, further: str = "") -> Iterator[Any]:
        days = _DAYS.format(since=since, until=until)
        query = f"SELECT {fields} FROM {resource} {days}{further}"  # noqa: S608 - of constants and dates
        return self._session.search(self._account.account_id, query, f"{resource} from {since} to {until}")


def _measures(metrics: Any) -> _Measures:
    """Spend, conversions, value, impressions and clicks, micros."""
    return (
        metrics.cost_micros,
        to_micros(metrics.conversions),
        to_micros(metrics.conversions_value),
        metrics.impressions * WHOLE,
        metrics.clicks * WHOLE,
    )


def _summed(those: Sequence[_Measures]) -> _Measures:
    a, b, c, d, e = (sum(each) for each in zip(*those, strict=True))
    return a, b, c, d, e


def _less(whole: _Measures, part: _Measures) -> _Measures:
    a, b, c, d, e = (max(of - less, 0) for of, less in zip(whole, part, strict=True))
    return a, b, c, d, e


def _shares(row: Any) -> tuple[int | None, int | None]:
    """Impression share and share lost to the budget; both or neither, since one alone says little."""
    share = share_micros(row.metrics, "search_impression_share")
    lost = share_micros(row.metrics, "search_budget_lost_impression_share")
    return _NO_SHARES if share is None or lost is None else (share, lost)


@lru_cache(maxsize=4096)
def _day(text: str) -> date:
    return date.fromisoformat(text)
