"""Insights: what ads brought, by level and period, with the overlapping action types that Meta reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import product
from typing import Any, Final

from connectors.money import minor_unit_micros
from simulations.emulators.account import Account, Ad
from simulations.emulators.meta.errors import invalid
from simulations.emulators.meta.layout import Layout
from simulations.emulators.meta.units import decimal, step

Body = dict[str, Any]

# Under how many names the same conversion is reported: whoever sums the list counts it several times.
_STANDARD: Final[Mapping[str, tuple[str, ...]]] = {
    "purchase": ("omni_purchase", "purchase", "offsite_conversion.fb_pixel_purchase"),
    "signup": ("omni_complete_registration", "complete_registration"),
    "lead": ("lead", "offsite_conversion.fb_pixel_lead"),
}
_PARTS: Final[Mapping[str, tuple[tuple[str, int], ...]]] = {
    "age": (("18-24", 2), ("25-34", 4), ("35-44", 3), ("45-54", 2), ("55-64", 1), ("65+", 1), ("unknown", 1)),
    "gender": (("female", 5), ("male", 4), ("unknown", 1)),
    "country": (("DE", 6), ("FR", 3), ("AT", 1)),
    "publisher_platform": (("facebook", 5), ("instagram", 4), ("audience_network", 1)),
}
_LEVELS: Final = ("account", "campaign", "adset", "ad")
_WINDOWS: Final = ("1d_click", "7d_click", "28d_click", "1d_view", "1d_ev")
_DEEP: Final = ("ARCHIVED", "DELETED")


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of insights.

    Attributes:
        level: account, campaign, adset or ad.
        increment: Days of a period; 0: all of them together.
        windows: Attribution windows of actions, beside the ad sets' own.
        gone: Whether ads that were archived or deleted are asked for.
        as_of: The morning of which it is told.
    """

    since: date
    until: date
    level: str
    increment: int
    fields: tuple[str, ...]
    breakdowns: tuple[str, ...]
    windows: tuple[str, ...]
    gone: bool
    as_of: date


@dataclass(slots=True)
class _Sum:
    """What was brought, micros of currency and whole counts; conversions and value by kind."""

    spend: int = 0
    impressions: int = 0
    clicks: int = 0
    conversions: dict[int, int] = field(default_factory=dict)
    value: dict[int, int] = field(default_factory=dict)


def action_types(account: Account, kind: int) -> tuple[str, ...]:
    """Return under which names the conversions of a kind are reported, the widest first."""
    name = account.kinds[kind]
    return _STANDARD.get(name, (f"offsite_conversion.custom.{account.account_id + 90_000_001 + kind}",))


def read_query(params: Mapping[str, Any], as_of: date) -> Query:
    """Read the parameters of a request.

    Raises:
        GraphError: One of them is wrong.
    """
    level = str(params.get("level", "account"))
    if level not in _LEVELS:
        raise invalid(f"Param level must be one of {{{', '.join(_LEVELS)}}} - got value {level!r}")
    breakdowns = _names(params.get("breakdowns"))
    unknown = [name for name in breakdowns if name not in _PARTS]
    windows = _names(params.get("action_attribution_windows"))
    unknown += [name for name in windows if name not in _WINDOWS]
    if unknown:
        raise invalid(f"{unknown[0]!r} is not emulated as a breakdown or attribution window")
    since, until = _range(params.get("time_range"), as_of)
    return Query(
        since=since,
        until=until,
        level=level,
        increment=_increment(params.get("time_increment", "all_days")),
        fields=_names(params.get("fields")) or ("impressions", "spend"),
        breakdowns=breakdowns,
        windows=windows,
        gone=_asks_for_gone(params.get("filtering")),
        as_of=as_of,
    )


def rows(layout: Layout, query: Query) -> list[Body]:
    """Return the rows of insights, those without anything left out."""
    sums: dict[tuple[date, int], _Sum] = {}
    first: dict[tuple[date, int], Ad] = {}
    for line in layout.account.lines(query.since, query.until, as_of=query.as_of):
        if line.ad.ad_id in layout.gone and not query.gone:
            continue
        key = (_period(line.day, query), _entity(layout, line.ad, query.level))
        first.setdefault(key, line.ad)
        total = sums.setdefault(key, _Sum())
        total.spend += line.spend
        total.impressions += line.impressions // 1_000_000
        total.clicks += line.clicks // 1_000_000
        total.conversions[line.kind] = total.conversions.get(line.kind, 0) + line.conversions
        total.value[line.kind] = total.value.get(line.kind, 0) + line.value
    told = []
    for key, total in sums.items():
        head = {**_head(layout, first[key], query), **_dates(key[0], query)}
        for people, part in _parts(total, query.breakdowns, layout.account.currency):
            told.append(_body(layout.account, {**head, **people}, part, query))
    return told


def _period(day: date, query: Query) -> date:
    if not query.increment:
        return query.since
    return query.since + timedelta(days=(day - query.since).days // query.increment * query.increment)


def _entity(layout: Layout, ad: Ad, level: str) -> int:
    if level == "ad":
        return ad.ad_id
    if level == "adset":
        return layout.ad_set_of(ad)
    return ad.campaign_id if level == "campaign" else layout.account.account_id


def _dates(start: date, query: Query) -> Body:
    last = query.until if not query.increment else min(query.until, start + timedelta(days=query.increment - 1))
    return {"date_start": start.isoformat(), "date_stop": last.isoformat()}


def _head(layout: Layout, ad: Ad, query: Query) -> Body:
    """Who it is, as far as the level goes."""
    account = layout.account
    known: Body = {
        "account_id": str(account.account_id),
        "account_name": account.name,
        "account_currency": account.currency,
    }
    depth = _LEVELS.index(query.level)
    if depth >= 1:
        known |= {"campaign_id": str(ad.campaign_id), "campaign_name": account.truth.names[ad.campaign]}
    if depth >= 2:
        known |= {"adset_id": str(layout.ad_set_of(ad)), "adset_name": ad.ad_group_name}
    if depth >= 3:
        known |= {"ad_id": str(ad.ad_id), "ad_name": ad.name}
    return {name: value for name, value in known.items() if name in query.fields}


def _body(account: Account, head: Body, total: _Sum, query: Query) -> Body:
    places = 0 if step(account.currency) == 1_000_000 else 2
    body = {
        **head,
        "spend": decimal(total.spend, places),
        "impressions": str(total.impressions),
        # All clicks, on whatever of the ad: never the same as those on its link.
        "clicks": str(total.clicks + total.clicks // 4 + 1),
        "inline_link_clicks": str(total.clicks),
        "actions": _actions(account, total.conversions, query),
        "action_values": _actions(account, total.value, query),
    }
    if total.clicks:
        body["actions"].append({"action_type": "link_click", "value": str(total.clicks)})
    always = {*query.fields, *query.breakdowns, "date_start", "date_stop"}
    return {name: value for name, value in body.items() if name in always and value != []}


def _actions(account: Account, amounts: Mapping[int, int], query: Query) -> list[Body]:
    told = []
    for kind, micros in amounts.items():
        if micros:
            for name in action_types(account, kind):
                by_window = _by_window(micros)
                windows = {window: decimal(by_window[window]) for window in query.windows if by_window[window]}
                told.append({"action_type": name, "value": decimal(micros), **windows})
    return told


def _by_window(micros: int) -> dict[str, int]:
    """What each window holds: the ad sets attribute by 7 days after a click and 1 after a view."""
    viewed = micros // 5_000_000 * 1_000_000
    clicked = micros - viewed
    return {
        "1d_view": viewed,
        "7d_click": clicked,
        "28d_click": clicked,
        "1d_click": clicked // 2_000_000 * 1_000_000,
        "1d_ev": 0,
    }


def _parts(total: _Sum, breakdowns: Iterable[str], currency: str) -> Iterator[tuple[Body, _Sum]]:
    """Split what was brought among groups of people; together they are the whole, to the cent and the count."""
    names = tuple(breakdowns)
    groups = list(product(*(_PARTS[name] for name in names)))
    cent, before, whole = minor_unit_micros(currency), 0, sum(_weight(group) for group in groups)
    for group in groups:
        after = before + _weight(group)

        def share(amount: int, unit: int, low: int = before, high: int = after) -> int:
            return (amount // unit * high // whole - amount // unit * low // whole) * unit

        part = _Sum(
            share(total.spend, cent),
            share(total.impressions, 1),
            share(total.clicks, 1),
            {kind: share(amount, 1_000_000) for kind, amount in total.conversions.items()},
            {kind: share(amount, 1) for kind, amount in total.value.items()},
        )
        before = after
        if not names or part.impressions or part.spend or any(part.conversions.values()) or any(part.value.values()):
            yield dict(zip(names, (people for people, _ in group), strict=True)), part


def _weight(group: tuple[tuple[str, int], ...]) -> int:
    weight = 1
    for _, each in group:
        weight *= each
    return weight


def _names(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(part) for part in (value if isinstance(value, list) else str(value).split(",")) if part)


def _range(value: object, today: date) -> tuple[date, date]:
    if not isinstance(value, Mapping):
        return today - timedelta(days=30), today - timedelta(days=1)
    try:
        since, until = date.fromisoformat(str(value["since"])), date.fromisoformat(str(value["until"]))
    except (KeyError, ValueError):
        raise invalid("Param time_range must have since and until of the form YYYY-MM-DD") from None
    if since > until:
        raise invalid("Param time_range: since must be before until")
    return since, until


def _increment(value: object) -> int:
    if value == "all_days":
        return 0
    if str(value).isdigit() and 1 <= int(str(value)) <= 90:
        return int(str(value))
    raise invalid(f"Param time_increment must be all_days or a number from 1 to 90, not {value!r}")


def _asks_for_gone(value: object) -> bool:
    for entry in value if isinstance(value, list) else ():
        if isinstance(entry, Mapping) and entry.get("field") == "ad.effective_status":
            return any(status in _DEEP for status in entry.get("value", ()))
    return False
