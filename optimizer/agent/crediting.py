"""Attribution of what the connectors tell: touches and orders in, models side by side and an appraisal out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import ceil
from typing import Any, Final

import numpy as np

from connectors.contract import zone
from connectors.errors import AskMarketer, BadInput
from connectors.money import MICROS
from connectors.orders import Order
from optimizer.agent import books
from optimizer.agent.cycle import House
from optimizer.agent.settings.attribution import AttributionTable
from optimizer.measure.attribution.building import Treated, build, claims
from optimizer.measure.attribution.comparing import (
    FEWEST_CLAIMS,
    Claim,
    View,
    claimed,
    credited,
    deduplicated,
    to_appraisal,
)
from optimizer.measure.attribution.credit import Credit, Model, credit, spread
from optimizer.measure.attribution.paths import Floats, Paths, Place
from optimizer.plan.appraisal import Appraisal
from optimizer.plan.snapshot import Snapshot
from optimizer.ports import SnapshotQuery

_TELL: Final = (
    'set touches = "touches.csv" and orders = "orders.csv" of a files connector, or touches_query and orders_query of '
    "a warehouse; docs/attribution.md says what must stand in them"
)

REPLICATES: Final = 200
"""Bootstrap replicates of an interval: a standard deviation from so many is right to 5%."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What was read for one attribution.

    Attributes:
        since, until: The days of the orders, both included, in the portfolio's zone.
        paths: What persons met, and what came of it.
        treated: What was odd about it.
        claims: What platforms say of their channels, and of campaigns that have a budget of their own.
        parts: Claims of single orders by channel, shared between those who claim; empty where the books do not tell.
        digest: Of all of it.
    """

    since: date
    until: date
    paths: Paths
    treated: Treated
    claims: Mapping[Place, Claim]
    parts: Mapping[str, float]
    digest: str

    def by_channel(self) -> dict[str, Claim]:
        """The claims of channels."""
        return {place.channel: claim for place, claim in self.claims.items() if place.campaign is None}


def gather(house: House, table: AttributionTable, today: date) -> Evidence:
    """Read touches and orders of every connector that tells them, and the claims of the store.

    Args:
        house: The wired house.
        table: Windows and days.
        today: Orders of this day and later are not read.

    Raises:
        AskMarketer: No connector tells touches of these days, or none tells orders.
        ConnectorError: A connector cannot be read, or what it tells makes no sense; it names row or order and the mend.
        StoreError: The claims cannot be read.
    """
    until = today - timedelta(days=1)
    since = today - timedelta(days=table.days)
    # A day more, for zones that are ahead of the portfolio's, and a window more, for what led to the first orders.
    first = since - timedelta(days=ceil(table.windows.longest_days) + 1)
    began, end = _midnight(since, house.time_zone), _midnight(today, house.time_zone)
    orders = [order for order in books.orders(house, first, until) if order.at < end]
    batches = list(books.touches(house, first, until))
    if not batches or not orders:
        words = f"no connector tells both touches and orders of the {table.days} days before {today}"
        raise AskMarketer(words, mend=_TELL)
    _same_currency(orders, house.goals.currency)
    try:
        paths, treated = build(batches, orders, table.windows, began, end)
    except ValueError as error:
        raise BadInput(str(error).partition(". Mend: ")[0], where="the orders", mend=_mend(error)) from None
    told = _claims(_snapshot(house, table, today))
    parts = claims(order for order in orders if order.at >= began)
    return Evidence(since, until, paths, treated, told, parts, _digest(paths, told, parts))


def views(evidence: Evidence, table: AttributionTable, rng: np.random.Generator) -> tuple[View, ...]:
    """Return what platforms claim, that without duplicates, and every model, side by side by channel."""
    told, paths = evidence.by_channel(), evidence.paths.by_channel()
    return (
        claimed(told),
        deduplicated(told, evidence.parts, float(paths.orders.sum())),
        *(credited(credit(paths, model, table.knobs, rng), told) for model in Model),
    )


def sure(evidence: Evidence, table: AttributionTable, model: Model, rng: np.random.Generator) -> tuple[Credit, Floats]:
    """Return what one model credits to channels, and the spread of the logarithm of each, by the bootstrap."""
    paths = evidence.paths.by_channel()
    return credit(paths, model, table.knobs, rng), spread(paths, model, table.knobs, REPLICATES, rng)


def appraise(house: House, table: AttributionTable, model: Model, today: date, rng: np.random.Generator) -> Appraisal:
    """Return what a model credits per conversion that platforms claim, by channel and campaign.

    Args:
        house: The wired house, whose connectors are read.
        table: The windows, and what models are told.
        model: The model.
        today: Orders of this day and later are not read.
        rng: Draws the bootstrap.

    Raises:
        AskMarketer: Nothing tells touches or orders, or no channel that claims enough has a touch.
        ConnectorError: A connector cannot be read, or what it tells makes no sense.
        StoreError: The claims cannot be read.
    """
    evidence = gather(house, table, today)
    found = credit(evidence.paths, model, table.knobs, rng)
    log_sd = spread(evidence.paths, model, table.knobs, REPLICATES, rng)
    made_at = house.clock.now().astimezone(UTC)
    made = to_appraisal(found, log_sd, evidence.claims, made_at, evidence.digest)
    if made is None:
        spending, touched = (", ".join(names) or "none" for names in channels_apart(evidence))
        words = f"no channel with {FEWEST_CLAIMS:g} claimed conversions has touches"
        mend = f"call channels alike; only platforms have: {spending}; only touches: {touched}."
        raise AskMarketer(words, mend=mend)
    return made


def _midnight(day: date, time_zone: str) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone(time_zone))


def _mend(error: ValueError) -> str:
    return str(error).partition(". Mend: ")[2] or "correct the orders."


def _same_currency(orders: list[Order], currency: str) -> None:
    other = next((order for order in orders if order.value.currency != currency), None)
    if other is not None:
        words = f"order {other.order_id!r} is in {other.value.currency}, the portfolio in {currency}"
        raise BadInput(words, where="the orders", field="currency", mend="convert the orders to one currency.")


def _snapshot(house: House, table: AttributionTable, today: date) -> Snapshot:
    query = SnapshotQuery(house.clock.now(), today, table.days, house.goals.currency, house.time_zone)
    return house.store.snapshot(query)


def _claims(snapshot: Snapshot) -> dict[Place, Claim]:
    """What platforms say, by channel, and by campaign where a budget is that of one campaign."""
    found: dict[Place, Claim] = {}
    panel = snapshot.panel
    for row, target in enumerate(snapshot.targets):
        spend, conversions, value = (
            float(np.nansum(measure[row])) for measure in (panel.spend, panel.conversions, panel.value)
        )
        told = Claim(round(spend * MICROS), conversions, round(value * MICROS))
        scopes = [Place(target.channel)]
        scopes += [Place(target.channel, target.campaigns[0])] if len(target.campaigns) == 1 else []
        for scope in scopes:
            found[scope] = found.get(scope, Claim(0, 0.0, 0)) + told
    return found


def _digest(paths: Paths, told: Mapping[Place, Claim], parts: Mapping[str, float]) -> str:
    found = hashlib.sha256()
    columns: tuple[Any, ...] = (paths.codes, paths.views, paths.ages, paths.offsets, paths.orders, paths.values)
    for column in columns:
        found.update(np.ascontiguousarray(column).tobytes())
    found.update(
        repr((paths.places, paths.view_weight, sorted(map(repr, told.items())), sorted(parts.items()))).encode()
    )
    return found.hexdigest()


def with_options(table: AttributionTable, model: str | None, click_window_days: float | None) -> AttributionTable:
    """Return the settings with what a command line says instead; what it does not say stays."""
    said = {"model": model, "click_window_days": click_window_days}
    return AttributionTable.model_validate(table.model_dump() | {k: v for k, v in said.items() if v is not None})


def channels_apart(evidence: Evidence) -> tuple[list[str], list[str]]:
    """Return channels with spend that no touch names, and channels of touches without spend."""
    spending = {name for name, claim in evidence.by_channel().items() if claim.spend}
    touched = set(evidence.paths.channels)
    return sorted(spending - touched), sorted(touched - spending)
