"""Purchases of a simulated market as transactions of an affiliate network.

A campaign is a publisher. Every purchase is a transaction with a commission of its own, pending until it is validated,
and then approved or, one in twelve, declined. Which is which follows from the transaction's number alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from connectors.money import MICROS, minor_unit_micros
from simulations.emulators.account import Account, Line

VALIDATED_AFTER: Final = timedelta(days=20)
COMMISSION: Final = (8, 100)
"""Of a sale, as a fraction."""

_DECLINED_OF: Final = 12
_NUMBERS: Final = 10_000
"""Numbers that an ad's transactions of one day may have."""


@dataclass(frozen=True, slots=True)
class Sale:
    """One transaction; amounts in micros, whole minor units."""

    number: int
    publisher_id: int
    day: date
    sale: int
    commission: int
    status: str


def sales(account: Account, since: date, until: date) -> Iterator[Sale]:
    """Yield the transactions of the days as they stand today."""
    today, first = account.today, account.truth.start
    unit = minor_unit_micros(account.currency)
    for line in account.lines(since, until):
        if line.kind == 0:
            yield from _of(line, first, today, unit)


def _of(line: Line, first: date, today: date, unit: int) -> Iterator[Sale]:
    count = line.conversions // MICROS
    for place, sale in enumerate(_parts(line.value, count, unit)):
        number = ((line.day - first).days * 100_000 + line.ad.index) * _NUMBERS + place
        validated = line.day + VALIDATED_AFTER <= today
        status = ("declined" if number % _DECLINED_OF == 0 else "approved") if validated else "pending"
        commission = sale * COMMISSION[0] // COMMISSION[1] // unit * unit
        yield Sale(number, line.ad.campaign_id, line.day, sale, commission, status)


def _parts(value: int, count: int, unit: int) -> Iterator[int]:
    """Cut a value into so many sales of whole minor units, as equal as they can be."""
    units = value // unit
    for place in range(count):
        yield (units // count + (place < units % count)) * unit
