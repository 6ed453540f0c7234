"""From orders to one line for each customer: how often they came back, when last, and what they left.

A day on which a customer bought is one purchase, whatever the number of orders; the first one is when the customer was
won, and the others are repeats (Fader, Hardie and Lee, Marketing Science 24, 2005). What was paid back is taken off,
and an order that was paid back in full is no purchase; one that cost nothing in the first place is.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, tzinfo
from typing import Any

import numpy as np
import numpy.typing as npt

from connectors.orders import Order
from optimizer.plan.snapshot import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Customers:
    """N customers with at least one purchase, as they are known at the end of a day.

    Attributes:
        end: The last day that is known.
        currency: Of every amount.
        names: What the books call each, in the order of their first orders.
        channels: Names of the channels that won them, sorted; the empty name where the books do not say.
        channel: Index of each one's channel, shape (N,).
        first_day: Ordinal (`date.toordinal`) of the first purchase, shape (N,).
        repeats: Purchases after the first, shape (N,).
        recency: Days from the first purchase to the last, shape (N,).
        age: Days from the first purchase to `end`, shape (N,).
        opening: What the first purchase left, in currency units, shape (N,).
        spend: What a repeat left on average, in currency units, 0 where there is none, shape (N,).
        left_out: What does not count, and why, in sentences.
    """

    end: date
    currency: str
    names: tuple[str, ...]
    channels: tuple[str, ...]
    channel: IntArray
    first_day: IntArray
    repeats: IntArray
    recency: IntArray
    age: IntArray
    opening: FloatArray
    spend: FloatArray
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.repeats)

    def digest(self) -> str:
        """Return what tells these customers from others, 64 hexadecimal digits."""
        told = hashlib.sha256(repr((self.end, self.currency, self.channels)).encode())
        for column in (self.channel, self.first_day, self.repeats, self.recency, self.opening, self.spend):
            told.update(np.ascontiguousarray(column).tobytes())
        return told.hexdigest()


@dataclass(slots=True)
class _Lines:
    """Columns of orders, one element each; an order that is told anew takes the place of what was told before.

    What was kept is in micros, and -1 where all was paid back.
    """

    place: dict[str, int]
    customers: dict[str, int]
    channels: dict[str, int]
    customer: array[int]
    channel: array[int]
    day: array[int]
    at: array[float]
    kept: array[int]

    def add(self, order: Order, zone: tzinfo) -> None:
        local = order.at.astimezone(zone)
        place = self.place.setdefault(order.order_id, len(self.place))
        if place == len(self.kept):
            for column in (self.customer, self.channel, self.day, self.kept):
                column.append(0)
            self.at.append(0.0)
        self.customer[place] = self.customers.setdefault(order.customer, len(self.customers))
        self.channel[place] = self.channels.setdefault(order.channel or "", len(self.channels))
        self.day[place] = local.toordinal()
        self.at[place] = local.timestamp()
        self.kept[place] = -1 if 0 < order.value.micros == order.refunded.micros else order.kept.micros


def summarise(orders: Iterable[Order], end: date, currency: str, zone: tzinfo) -> Customers:
    """Sum orders up by customer.

    The channel of a customer is that of the earliest order of the first day that names one.

    Args:
        orders: In any order; the last that is told of an id counts.
        end: The last day that counts; orders of later days are left out.
        currency: ISO 4217 code.
        zone: In which a day begins and ends.

    Raises:
        ValueError: An order is in another currency.
    """
    lines = _Lines({}, {}, {}, array("q"), array("q"), array("q"), array("d"), array("q"))
    told = 0
    for order in orders:
        if order.value.currency != currency:
            mend = f"convert the books to {currency}, or keep a settings file for {order.value.currency}"
            raise ValueError(f"order {order.order_id!r} is in {order.value.currency}, not {currency}. Mend: {mend}.")
        lines.add(order, zone)
        told += 1
    return _summed(lines, told, end, currency)


def _summed(lines: _Lines, told: int, end: date, currency: str) -> Customers:
    customer, channel, day, kept = (
        np.frombuffer(column, dtype=np.int64) if len(column) else np.zeros(0, dtype=np.int64)
        for column in (lines.customer, lines.channel, lines.day, lines.kept)
    )
    at = np.frombuffer(lines.at, dtype=np.float64) if len(lines.at) else np.zeros(0)
    late, undone = day > end.toordinal(), kept < 0
    rows = np.flatnonzero(~late & ~undone)
    rows = rows[np.lexsort((at[rows], customer[rows]))]
    customer, channel, day, kept = customer[rows], channel[rows], day[rows], kept[rows]
    starts = np.flatnonzero(_changes(customer) | _changes(day))  # of purchases: one customer on one day
    buyer, bought = customer[starts], day[starts]
    amounts = np.add.reduceat(kept, starts) / 1e6 if len(starts) else np.zeros(0)
    heads = np.flatnonzero(_changes(buyer))  # of customers
    counts = np.diff(np.append(heads, len(buyer)))
    first_day, last_day, opening = bought[heads], bought[heads + counts - 1], amounts[heads]
    total = np.add.reduceat(amounts, heads) if len(heads) else np.zeros(0)
    repeats = counts - 1
    names, codes = _winners(lines, customer, channel, day, buyer[heads], first_day)
    called = np.array(list(lines.customers), dtype=object)[buyer[heads]]
    return Customers(
        end=end,
        currency=currency,
        names=tuple(called),
        channels=names,
        channel=codes,
        first_day=first_day,
        repeats=repeats,
        recency=last_day - first_day,
        age=end.toordinal() - first_day,
        opening=opening,
        spend=np.where(repeats > 0, (total - opening) / np.maximum(repeats, 1), 0.0),
        left_out=tuple(_left_out(told - len(lines.place), int(late.sum()), int((undone & ~late).sum()))),
    )


def _changes(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where a value differs from the one before it; the first one does."""
    return np.concatenate([np.ones(min(len(values), 1), dtype=bool), values[1:] != values[:-1]])


def _winners(
    lines: _Lines, customer: IntArray, channel: IntArray, day: IntArray, buyers: IntArray, first_day: IntArray
) -> tuple[tuple[str, ...], IntArray]:
    """Return the names of channels and each customer's: of the first day's orders, the earliest that names one."""
    names = list(lines.channels)
    unnamed = lines.channels.get("", -1)
    opened = np.searchsorted(buyers, customer)
    told = np.flatnonzero((day == first_day[opened]) & (channel != unnamed)) if len(buyers) else np.zeros(0, dtype=int)
    who, earliest = np.unique(opened[told], return_index=True)
    codes = np.full(len(buyers), unnamed, dtype=np.int64)
    codes[who] = channel[told[earliest]]
    found, places = np.unique(np.array(names, dtype=object)[codes].astype(str), return_inverse=True)
    return tuple(map(str, found)), places.astype(np.int64)


def _left_out(again: int, late: int, undone: int) -> Iterable[str]:
    if again:
        yield f"{again:,} orders were told again; what was told last counts."
    if late:
        yield f"{late:,} orders of today and later are left out."
    if undone:
        yield f"{undone:,} orders that were paid back in full are no purchases."
