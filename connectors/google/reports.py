"""Performance: by ad, with Performance Max by campaign; or by campaign and audience.

A stretch of days is read by a few queries and given row by row. What stands in queries of its own (impression shares,
conversions by action) is looked up by campaign or ad and day, so that delivery is counted once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from connectors.contract import WHOLE, Account, PerformanceRow, Series
from connectors.google.accounts import Searches
from connectors.google.units import constant, share_micros, to_micros

ALL: Final = "all"
"""The definition of what the account counts in its column Conversions."""

OTHERS: Final = "others"
"""The audience of what is reported of a campaign and of none of its audiences; with its id, the ad likewise."""

_DELIVERY: Final = "metrics.cost_micros, metrics.impressions, metrics.clicks"
_SHARES: Final = "metrics.search_impression_share, metrics.search_budget_lost_impression_share"
_PRIMARY: Final = "metrics.conversions, metrics.conversions_value"
_BY_ACTION: Final = "segments.conversion_action_name, metrics.all_conversions, metrics.all_conversions_value"
_CAMPAIGN: Final = "campaign.id, campaign.advertising_channel_type, segments.date"
_AD: Final = f"{_CAMPAIGN}, ad_group.id, ad_group_ad.ad.id"
_DAYS: Final = "WHERE segments.date BETWEEN '{since}' AND '{until}'"
_ONLY_MAX: Final = " AND campaign.advertising_channel_type = 'PERFORMANCE_MAX'"
_MAX: Final = "performance_max"

_Place = tuple[int, int, str]
"""Campaign, ad (0: the campaign itself), day."""

_Line = tuple[int, int, int, str, int, int, int, float, float]
"""Campaign, ad group, ad, day, cost in micros, impressions, clicks, conversions and their value: a row, and small."""

_Measures = tuple[int, int, int, int, int]
"""Spend, conversions, value, impressions and clicks, micros."""

_Shares = tuple[int | None, int | None]
_NO_SHARES: Final[_Shares] = (None, None)


class _Told(NamedTuple):
    """Conversions and their value, micros."""

    conversions: int
    value: int


_NOTHING: Final = _Told(0, 0)


class Reports:
    """Reads the performance of one account; kept from pull to pull, so that a series is known again.

    Args:
        session: Reads the rows.
        account: Whose.
        actions: Conversion actions, by name, that are told each as a definition of its own; delivery stands with the
            first. Where there are none, there is one definition, `all`.
    """

    def __init__(self, session: Searches, account: Account, actions: Sequence[str]) -> None:
        self._session = session
        self._account = account
        self._actions = tuple(actions)
        self._channels: dict[int, str] = {}
        self._series: dict[tuple[int, int, str, str | None], Series] = {}
        self._lost: set[tuple[int, str]] = set()

    def by_ad(self, since: date, until: date, fetched_at: datetime) -> Iterator[PerformanceRow]:
        """Yield rows by ad, those of Performance Max by campaign: its ads are not told apart.

        What a campaign spent and none of its ads is told of stands with an ad `others-CAMPAIGN`; of conversion
        actions, it has none.
        """
        metrics = _DELIVERY if self._actions else f"{_DELIVERY}, {_PRIMARY}"
        shares: dict[tuple[int, str], _Shares] = {}
        whole: list[_Line] = []
        left: dict[tuple[int, str], _Measures] = {}

        def campaign(row: Any) -> tuple[_Line, _Shares]:
            return self._line(row), _shares(row)

        for line, found in self._read(f"{_CAMPAIGN}, {metrics}, {_SHARES}", "campaign", since, until, campaign):
            if found != _NO_SHARES:
                shares[line[0], line[3]] = found
            if self._channels[line[0]] == _MAX:
                whole.append(line)
            else:
                left[line[0], line[3]] = _measures(line)
        told = self._by_action(_AD, "ad_group_ad", since, until)
        if whole:
            told |= self._by_action(_CAMPAIGN, "campaign", since, until, _ONLY_MAX)
        ads = self._read(f"{_AD}, {metrics}", "ad_group_ad", since, until, self._line)
        for lines in (whole, _taken(left, ads)):
            yield from self._rows(lines, shares, told, fetched_at)
        yield from self._left(told, fetched_at)
        yield from self._of_no_ad(left, fetched_at)

    def by_audience(self, since: date, until: date, fetched_at: datetime) -> Iterator[PerformanceRow]:
        """Yield rows by campaign and audience; what no audience had stands with `others`."""
        left = {
            (line[0], line[3]): _measures(line)
            for line in self._read(f"{_CAMPAIGN}, {_DELIVERY}, {_PRIMARY}", "campaign", since, until, self._line)
        }
        parts: dict[tuple[int, str, int], _Measures] = {}
        for view, criterion in (
            ("ad_group_audience_view", "ad_group_criterion"),
            ("campaign_audience_view", "campaign_criterion"),
        ):

            def part(row: Any, criterion: str = criterion) -> tuple[_Line, int]:
                return self._line(row), getattr(row, criterion).criterion_id

            fields = f"{_CAMPAIGN}, {criterion}.criterion_id, {_DELIVERY}, {_PRIMARY}"
            for line, audience in self._read(fields, view, since, until, part):
                place = (line[0], line[3], audience)
                parts[place] = _plus(parts.get(place, (0, 0, 0, 0, 0)), _measures(line))
        for (campaign, day, audience), measures in parts.items():
            # A conversion that came between two queries may leave less than nothing; the next reading mends that.
            left[campaign, day] = _less(left.get((campaign, day), measures), measures)
            yield self._of_audience(campaign, day, str(audience), measures, fetched_at)
        for (campaign, day), measures in left.items():
            # A zero, too: what was left when these days were read before may be counted with an audience by now.
            yield self._of_audience(campaign, day, OTHERS, measures, fetched_at)

    def _of_audience(self, campaign: int, day: str, audience: str, measures: _Measures, at: datetime) -> PerformanceRow:
        return PerformanceRow(self._named(campaign, 0, 0, ALL, audience), _day(day), *measures, at)

    def _rows(
        self,
        lines: Iterable[_Line],
        shares: Mapping[tuple[int, str], _Shares],
        told: dict[_Place, dict[str, _Told]],
        at: datetime,
    ) -> Iterator[PerformanceRow]:
        """Yield the rows of lines: delivery with the first definition, the others beside it."""
        actions, named = self._actions, self._named
        first = actions[0] if actions else ALL
        for campaign, group, ad, text, spend, seen, clicked, converted, worth in lines:
            mine = told.pop((campaign, ad, text), {}) if actions else {}
            conversions, value = (
                mine.get(first, _NOTHING) if actions else (round(converted * WHOLE), round(worth * WHOLE))
            )
            share, lost = shares.get((campaign, text), _NO_SHARES) if seen else _NO_SHARES
            series, day = named(campaign, group, ad, first), _day(text)
            yield PerformanceRow(series, day, spend, conversions, value, seen * WHOLE, clicked * WHOLE, at, share, lost)
            for action in actions[1:]:
                # A zero, too: conversions that were told before, by another process perhaps, may be taken back since.
                measures = mine.get(action, _NOTHING)
                yield PerformanceRow(named(campaign, group, ad, action), day, 0, *measures, 0, 0, at)

    def _left(self, told: Mapping[_Place, Mapping[str, _Told]], at: datetime) -> Iterator[PerformanceRow]:
        """Conversions of ads that had no delivery on that day, such as those of calls."""
        for (campaign, ad, text), found in told.items():
            for action, measures in found.items():
                series = self._series[campaign, ad, action, None]
                yield PerformanceRow(series, _day(text), 0, *measures, 0, 0, at)

    def _of_no_ad(self, left: Mapping[tuple[int, str], _Measures], at: datetime) -> Iterator[PerformanceRow]:
        """Yield what campaigns had and none of their ads: some types of campaigns have no ads that could be told of."""
        first = self._actions[0] if self._actions else ALL
        for (campaign, text), (spend, conversions, value, seen, clicked) in left.items():
            # Only where something was delivered: sums of doubles differ by a micro. A zero where there was some before.
            if spend or seen or clicked or (campaign, text) in self._lost:
                self._lost.add((campaign, text))
                brought = (0, 0) if self._actions else (conversions, value)
                series = self._of_others(campaign, first)
                yield PerformanceRow(series, _day(text), spend, *brought, seen, clicked, at)

    def _of_others(self, campaign: int, definition: str) -> Series:
        key = (campaign, -1, definition, None)
        if key not in self._series:
            self._series[key] = Series(
                account=self._account,
                campaign_id=str(campaign),
                channel=self._channels[campaign],
                ad_id=f"{OTHERS}-{campaign}",  # ids of ads are unique within an account
                conversion_definition=definition,
            )
        return self._series[key]

    def _by_action(
        self, fields: str, resource: str, since: date, until: date, further: str = ""
    ) -> dict[_Place, dict[str, _Told]]:
        """Return what each named action counted."""
        found: dict[_Place, dict[str, _Told]] = {}
        if not self._actions:
            return found

        def take(row: Any) -> tuple[_Line, str, _Told]:
            metrics = row.metrics
            told = _Told(to_micros(metrics.all_conversions), to_micros(metrics.all_conversions_value))
            return self._line(row), row.segments.conversion_action_name, told

        for line, action, told in self._read(f"{fields}, {_BY_ACTION}", resource, since, until, take, further):
            if action in self._actions:
                found.setdefault((line[0], line[2], line[3]), {})[action] = told
                self._named(*line[:3], action)
        return found

    def _read[T](
        self, fields: str, resource: str, since: date, until: date, take: Callable[[Any], T], further: str = ""
    ) -> Iterator[T]:
        days = _DAYS.format(since=since, until=until)
        query = f"SELECT {fields} FROM {resource} {days}{further}"  # noqa: S608 - of constants and dates
        return self._session.taken(self._account.account_id, query, f"{resource} from {since} to {until}", take)

    def _line(self, row: Any) -> _Line:
        campaign, metrics = row.campaign, row.metrics
        number = campaign.id
        if number not in self._channels:
            self._channels[number] = constant(campaign, "advertising_channel_type").lower()
        return (
            number,
            row.ad_group.id,
            row.ad_group_ad.ad.id,
            row.segments.date,
            metrics.cost_micros,
            metrics.impressions,
            metrics.clicks,
            metrics.conversions,
            metrics.conversions_value,
        )

    def _named(self, campaign: int, group: int, ad: int, definition: str, audience: str | None = None) -> Series:
        """The series of an ad (0: of the campaign), made once and shared by its rows."""
        key = (campaign, ad, definition, audience)
        found = self._series.get(key)
        if found is None:
            found = self._series[key] = Series(
                account=self._account,
                campaign_id=str(campaign),
                channel=self._channels[campaign],
                ad_group_id=str(group) if ad else None,
                ad_id=str(ad) if ad else None,
                audience_id=audience,
                conversion_definition=definition,
            )
        return found


def _measures(line: _Line) -> _Measures:
    _, _, _, _, spend, seen, clicked, converted, worth = line
    return spend, to_micros(converted), to_micros(worth), seen * WHOLE, clicked * WHOLE


def _plus(one: _Measures, other: _Measures) -> _Measures:
    a, b, c, d, e = (x + y for x, y in zip(one, other, strict=True))
    return a, b, c, d, e


def _less(whole: _Measures, part: _Measures) -> _Measures:
    a, b, c, d, e = (max(x - y, 0) for x, y in zip(whole, part, strict=True))
    return a, b, c, d, e


def _taken(left: dict[tuple[int, str], _Measures], ads: Iterable[_Line]) -> Iterator[_Line]:
    """Yield the lines of ads, each taken off what its campaign had that day."""
    for line in ads:
        place = line[0], line[3]
        if place in left:
            left[place] = _less(left[place], _measures(line))
        yield line


def _shares(row: Any) -> _Shares:
    """Impression share and share lost to the budget; both or neither, since one alone says little."""
    share = share_micros(row.metrics, "search_impression_share")
    lost = share_micros(row.metrics, "search_budget_lost_impression_share")
    return _NO_SHARES if share is None or lost is None else (share, lost)


@lru_cache(maxsize=4096)
def _day(text: str) -> date:
    return date.fromisoformat(text)
