"""What customers are worth, read from the books of every connector that has some."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from connectors.contract import zone
from connectors.errors import AskMarketer
from optimizer.agent import books, cycle
from optimizer.agent.cycle import House
from optimizer.agent.settings.lifetime import LifetimeTable
from optimizer.measure.lifetime.contract import By, Kind, Lifetime, Valuation
from optimizer.measure.lifetime.customers import Customers, summarise
from optimizer.measure.lifetime.fitting import value
from optimizer.plan.appraisal import Appraisal, Estimate, Subject
from optimizer.plan.snapshot import FloatArray, Snapshot
from optimizer.refit.contract import Progress, Sampling

_MEND: Final = "configure one that does, as docs/lifetime.md says"
ACQUISITION_DAYS: Final = 90
"""Days over which the cost of winning a customer is reckoned, the latest ones."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What winning customers cost in a channel over the last days.

    Attributes:
        spend: In currency units.
        won: Customers whose first order fell on these days.
    """

    spend: float
    won: int

    @property
    def each(self) -> float | None:
        """Spend per customer won (CAC); None where none was won, or nothing spent."""
        return self.spend / self.won if self.won and self.spend > 0 else None


def appraise(
    house: House, today: date, rng: np.random.Generator, table: LifetimeTable, progress: Progress
) -> Appraisal:
    """Return what a new customer of each channel brings, as it is to be kept.

    Customers of whom the books name no channel have no estimate.

    Args:
        house: The wired house.
        today: Orders of this day and later are not asked for.
        rng: All chance comes from it.
        table: `[lifetime]`.
        progress: Told how far sampling is.

    Raises:
        AskMarketer: No connector has books, their orders are in another currency or name no channel, or the fit fails a
            check.
        ConnectorError: Books cannot be read.
    """
    valuation = valued(house, today, rng, table, By.CHANNEL, progress)
    if valuation.values is None:
        raise AskMarketer(valuation.words, mend="`outlay lifetime` tells more.")
    if not any(valuation.groups):
        raise AskMarketer("the books name no channel of any order", mend="give orders a channel: docs/lifetime.md.")
    return appraisal(valuation, house)


def valued(
    house: House, today: date, rng: np.random.Generator, table: LifetimeTable, by: By, progress: Progress
) -> Valuation:
    """Read the books and fit the model; arguments and errors as of `appraise`."""
    return value(read(house, today, table.history_days), asked(table, by), rng, progress)


def read(house: House, today: date, days: int) -> Customers:
    """Return the customers of all books, as they were at the end of yesterday; errors as of `appraise`.

    An id of an order is one of its connector; the same customer may stand in the books of several.
    """
    since, until = today - timedelta(days=days), today - timedelta(days=1)
    try:
        found = summarise(books.orders(house, since, until), until, house.goals.currency, zone(house.time_zone))
    except ValueError as error:
        words, _, mend = str(error).partition(" Mend: ")
        raise AskMarketer(words.removesuffix("."), mend=mend) from None
    if not len(found.first_day):
        raise AskMarketer(f"no connector reads orders of the {days} days before {today}", mend=_MEND)
    return found


def asked(table: LifetimeTable, by: By) -> Lifetime:
    """Return what the settings ask for."""
    return Lifetime(
        kind=Kind(table.model),
        by=by,
        horizon_days=table.horizon_days,
        discount_rate=table.discount_rate,
        period_days=table.period_days,
        grace_days=table.grace_days,
        most=table.customers,
        sampling=Sampling(
            draws=table.draws,
            tune=table.tune,
            chains=table.chains,
            cores=min(table.cores, table.chains),
            target_accept=table.target_accept,
        ),
    )


def appraisal(valuation: Valuation, house: House) -> Appraisal:
    """Return the values by channel of a valuation that passed its checks, log-normal by the moments of its draws."""
    values = valuation.values if valuation.values is not None else np.zeros((1, 0))
    digest = hashlib.sha256(f"{valuation.customers.digest()} {valuation.model} {valuation.asked}".encode())
    return Appraisal(
        subject=Subject.CUSTOMER,
        model=valuation.model,
        made_at=house.clock.now(),
        evidence=digest.hexdigest(),
        currency=valuation.customers.currency,
        estimates=tuple(_estimates(valuation.groups, values)),
    )


def _estimates(groups: tuple[str, ...], values: FloatArray) -> Iterator[Estimate]:
    for name, draws in zip(groups, values.T, strict=True):
        if name:
            mean, sd = float(draws.mean()), float(draws.std())
            yield Estimate(name, mean, float(np.sqrt(np.log1p((sd / mean) ** 2))))


def costs(house: House, today: date, customers: Customers) -> Mapping[str, Cost]:
    """Return what winning customers cost in each channel on which the store knows of spend, over the last days."""
    return costs_of(cycle.snapshot(house, today), customers)


def costs_of(seen: Snapshot, customers: Customers) -> Mapping[str, Cost]:
    """Return the same of a snapshot; its channels are called as the books call them, or cost nothing here."""
    days = seen.panel.spend.shape[1]
    first = max(0, days - ACQUISITION_DAYS)
    since = (seen.panel.first_day + timedelta(days=first)).toordinal()
    recent = (customers.first_day >= since) & (customers.first_day < seen.today.toordinal())
    won = np.bincount(customers.channel[recent], minlength=len(customers.channels))
    spend: dict[str, float] = {}
    for target, row in zip(seen.targets, seen.panel.spend[:, first:], strict=True):
        spend[target.channel] = spend.get(target.channel, 0.0) + float(np.nansum(row))
    winners = dict(zip(customers.channels, won.tolist(), strict=True))
    return {channel: Cost(total, winners.get(channel, 0)) for channel, total in spend.items()}
