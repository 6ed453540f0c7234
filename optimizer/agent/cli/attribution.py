"""`outlay attribution`: every model side by side, with what platforms claim and what money each would move."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import ValidationError
from rich.console import Group, RenderableType
from rich.text import Text

from connectors.errors import BadInput
from connectors.money import MICROS
from optimizer.agent import crediting
from optimizer.agent import settings as configuration
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cells import write_csv
from optimizer.agent.cli.answers import Answer
from optimizer.agent.cli.days import day_until
from optimizer.agent.cli.render import bullet, section
from optimizer.agent.cli.tables import clean, figures_table
from optimizer.agent.crediting import Evidence
from optimizer.agent.settings.attribution import PLATFORM, AttributionTable
from optimizer.explain import EIGHTY, figure
from optimizer.measure.attribution.building import Treated
from optimizer.measure.attribution.comparing import Row, View

_COMMAND: Final = "outlay attribution"
_HEAD: Final = ("model", "channel", "conversions", "value", "currency", "cpa", "roas", "share")
_NONE: Final = "-"
_SUM: Final = "all but direct"
_LIMITS: Final = (
    "Models share out orders that happened. None tells what would have happened without a channel: a channel that "
    "people use who would have bought anyway is credited, too. Only a lift test tells."
)
_MOVED: Final = (
    "moves: the part of all spend that would change its channel if budgets stood in proportion to credited value. It "
    "compares models; it is no advice."
)

Interval = Mapping[str, tuple[float, float]]


def attribution(
    config: Path, model: str | None, window_clicks: str | None, as_of: str | None, seed: int, csv: Path | None
) -> Answer:
    """Read touches and orders, and lay the models side by side.

    Raises:
        BadInput: An option cannot be understood.
        AskMarketer: No connector tells touches and orders, or the CSV file cannot be written.
    """
    table = _asked(configuration.load(config).attribution, model, window_clicks)
    rng = np.random.default_rng(seed)
    with open_house(config) as house:
        today = day_until(as_of, house.today(), _COMMAND, "--as-of")
        evidence = crediting.gather(house, table, today)
        currency = house.goals.currency
    views = crediting.views(evidence, table, rng)
    interval = _interval(evidence, table, rng)
    if csv is not None:
        write_csv(csv, _HEAD, _cells(views, currency))
    shown = _shown(evidence, table, views, interval, currency)
    return Answer(shown, _data(evidence, table, views, interval, currency, seed))


def _asked(table: AttributionTable, model: str | None, window_clicks: str | None) -> AttributionTable:
    days = None if window_clicks is None else _days(window_clicks)
    try:
        return crediting.with_options(table, model, days)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        option = {"model": "--model", "click_window_days": "--window-clicks"}[str(first["loc"][0])]
        mend = AttributionTable.model_fields[str(first["loc"][0])].description or ""
        raise BadInput(first["msg"].lower(), where=_COMMAND, field=option, mend=mend) from None


def _days(text: str) -> float:
    try:
        return float(text.removesuffix("d"))
    except ValueError:
        words = f"{text!r} is no number of days"
        raise BadInput(words, where=_COMMAND, field="--window-clicks", mend="write it as 30d.") from None


def _interval(evidence: Evidence, table: AttributionTable, rng: np.random.Generator) -> Interval:
    """The 80% intervals of the chosen model's orders by channel; empty where none is chosen."""
    if table.chosen is None:
        return {}
    found, log_sd = crediting.sure(evidence, table, table.chosen, rng)
    orders = np.maximum(found.orders / MICROS, 0.0)
    # The median of a log-normal stands below its mean.
    middle = orders * np.exp(-(log_sd**2) / 2)
    ends = (middle * np.exp(-EIGHTY * log_sd), middle * np.exp(EIGHTY * log_sd))
    return {place.channel: (float(low), float(high)) for place, low, high in zip(found.places, *ends, strict=True)}


def _shown(
    evidence: Evidence, table: AttributionTable, views: Sequence[View], interval: Interval, currency: str
) -> RenderableType:
    channels = list(dict.fromkeys(row.channel for view in views for row in view.rows))
    titles = [view.name.replace("-", "\n", 1) for view in views]
    claims = evidence.by_channel()

    def column(view: View, part: Callable[[Row], str]) -> list[str]:
        rows = {row.channel: row for row in view.rows}
        return [part(rows[name]) if name in rows else _NONE for name in channels]

    def columns(part: Callable[[Row], str], *last: Callable[[View], str]) -> dict[str, list[str]]:
        ends = [[end(view) for end in last] for view in views]
        return {title: column(view, part) + end for title, view, end in zip(titles, views, ends, strict=True)}

    names = {"channel": [*map(clean, channels)]}
    spend = [f"{claims[name].spend / MICROS:,.0f}" if name in claims else _NONE for name in channels]
    conversions = columns(lambda row: f"{row.conversions:,.1f}", lambda view: f"{_total(view):,.1f}")
    sure = {f"80% of\n{table.model}": [*(_words(interval.get(name)) for name in channels), ""]} if interval else {}
    parts: list[RenderableType] = [
        Text(f"{evidence.treated.orders:,} orders from {evidence.since} to {evidence.until}", style="bold"),
        section("Conversions credited", figures_table({"channel": [*names["channel"], _SUM]} | conversions | sure)),
    ]
    if any(claim.spend for claim in claims.values()):
        cost = names | {"spend": spend} | columns(_cpa)
        moves = {"channel": [*names["channel"], "moves"]} | columns(_share, lambda view: f"{view.moved:.1%}")
        parts += [
            section(f"Cost per conversion, {currency}", figures_table(cost)),
            section("Value per unit spent", figures_table(names | columns(_roas))),
            section("Share of the spend, in proportion to credited value", figures_table(moves)),
        ]
    parts += [
        section("What was met", *map(bullet, _met(evidence.treated)), *map(bullet, _apart(evidence))),
        section("To be minded", bullet(_MOVED), bullet(_LIMITS)),
        Text(),
        Text(_chosen(table), style="bold"),
    ]
    return Group(*parts)


def _total(view: View) -> float:
    return sum(row.conversions for row in view.rows)


def _words(ends: tuple[float, float] | None) -> str:
    return _NONE if ends is None else f"[{figure(ends[0])}, {figure(ends[1])}]"


def _cpa(row: Row) -> str:
    return _NONE if row.cpa is None else figure(row.cpa / MICROS)


def _roas(row: Row) -> str:
    return _NONE if row.roas is None else figure(row.roas)


def _share(row: Row) -> str:
    return _NONE if row.share is None else f"{row.share:.1%}"


def _chosen(table: AttributionTable) -> str:
    if table.model == PLATFORM:
        return "Plans count conversions as the platforms claim them ([attribution] model)."
    return f"Asked for: {table.model}. Plans count what [attribution] model says in the settings."


def _met(treated: Treated) -> Iterator[str]:
    """What was odd in the data, in sentences."""
    yield f"{treated.touches:,} touches; {treated.lost:,} led to no order within their window."
    told = {
        "orders that nothing led to: direct.": treated.without_touch,
        "touches whose window is not over yet: left out.": treated.open,
        "visits from no channel: left out.": treated.direct,
        "views left out, since they count nothing.": treated.views_left_out,
        "touches shortly after their order: clocks differ, they count as before it.": treated.late,
        "orders paid back in full: no conversions.": treated.refunded,
        "orders paid back in part: what is left counts.": treated.partly_refunded,
        "orders told more than once: the last telling stands.": treated.told_again,
    }
    yield from (f"{count:,} {words}" for words, count in told.items() if count)


def _apart(evidence: Evidence) -> Iterator[str]:
    untouched, unpaid = crediting.channels_apart(evidence)
    if not evidence.claims:
        yield "Nothing is known of what platforms claim and cost. Next: outlay plan, which reads it."
        return
    if untouched:
        names = ", ".join(untouched)
        yield f"No touch names {names}, which spend: give touches the same names, or their claims stand as they are."
    if unpaid:
        yield f"Touches name {', '.join(unpaid)}, of which no spend is known."


def _data(
    evidence: Evidence,
    table: AttributionTable,
    views: Sequence[View],
    interval: Interval,
    currency: str,
    seed: int,
) -> dict[str, Any]:
    return {
        "since": evidence.since.isoformat(),
        "until": evidence.until.isoformat(),
        "currency": currency,
        "chosen": table.model,
        "seed": seed,
        "models": [
            {"name": view.name, "moved": view.moved, "channels": [_row_data(row) for row in view.rows]}
            for view in views
        ],
        "interval80": {name: {"low": low, "high": high} for name, (low, high) in interval.items()},
        "met": asdict(evidence.treated),
    }


def _row_data(row: Row) -> dict[str, Any]:
    return {
        "channel": row.channel,
        "conversions": row.conversions,
        "value_micros": row.value,
        "cpa_micros": None if row.cpa is None or not math.isfinite(row.cpa) else round(row.cpa),
        "roas": row.roas,
        "share": row.share,
    }


def _cells(views: Sequence[View], currency: str) -> Iterator[tuple[object, ...]]:
    for view in views:
        for row in view.rows:
            cpa = None if row.cpa is None else row.cpa / MICROS
            yield view.name, row.channel, row.conversions, row.value / MICROS, currency, cpa, row.roas, row.share
