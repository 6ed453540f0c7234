"""From rows of text to orders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import repeat

import numpy as np

from connectors.files.cells import MISSING, Fault, IntArray, micros
from connectors.files.instants import instants, moments, span
from connectors.files.options import Options
from connectors.files.told import Rows
from connectors.money import Money, exponent
from connectors.orders import Order


def orders(rows: Iterable[Rows], options: Options, since: date, until: date) -> Iterator[Order]:
    """Yield the orders of some days, oldest first; of an id that is told twice, the last telling.

    Args:
        rows: Of files or of an answer, in the order in which they were told.
        options: Their currency, zone and decimal sign.
        since: The first day, in the zone of the options, UTC by default.
        until: The last day, included.

    Raises:
        BadInput: A cell cannot be read as it stands, an id is told of two customers, or more was paid back than was
            paid.
    """
    first, last = moments(np.array(span(since, until, options.time_zone)))
    told: dict[str, Order] = {}
    for each in rows:
        for index, order in enumerate(_orders(each, options)):
            before = told.get(order.order_id)
            if before is not None and before.customer != order.customer:
                words = f"order {order.order_id!r} was told of customer {before.customer!r} before"
                raise each.bad(Fault(words, "give each order an id of its own.", index=index), "customer")
            told[order.order_id] = order
    inside = (order for order in told.values() if first <= order.at < last)
    yield from sorted(inside, key=lambda order: order.at)


def _orders(rows: Rows, options: Options) -> Iterator[Order]:
    values, refunds = _amounts(rows, "value", options), _amounts(rows, "refunded", options)
    _refuse(rows, "value", values == MISSING, "is empty", "write what was paid; 0 for an order without a price.")
    refunds = np.where(refunds == MISSING, 0, refunds)
    words, mend = (
        "more was paid back than was paid",
        "correct one of the two; a refund belongs to the order it pays back.",
    )
    _refuse(rows, "refunded", refunds > values, words, mend)
    try:
        times = moments(instants(rows.columns["at"], options.time_zone))
    except Fault as fault:
        raise rows.bad(fault, "at") from None
    names, customers = _texts(rows, "order_id"), _texts(rows, "customer")
    for field, texts in (("order_id", names), ("customer", customers)):
        _refuse(rows, field, np.array([not text for text in texts]), "is empty", f"give every order its {field}.")
    currencies = _currencies(rows, options)
    columns = (_texts(rows, "channel"), _texts(rows, "campaign"), _texts(rows, "claims"))
    told = zip(names, customers, times, values.tolist(), refunds.tolist(), currencies, *columns, strict=True)
    for name, customer, at, value, refund, currency, channel, campaign, claims in told:
        claimed = tuple(part.strip() for part in claims.split(";") if part.strip())
        paid, back = Money(value, currency), Money(refund, currency)
        yield Order(name, customer, at, paid, back, channel or None, campaign or None, claimed)


def _texts(rows: Rows, field: str) -> list[str]:
    column = rows.columns.get(field)
    return list(repeat("", rows.count)) if column is None else column.to_pylist()


def _amounts(rows: Rows, field: str, options: Options) -> IntArray:
    column = rows.columns.get(field)
    if column is None:
        return np.full(rows.count, MISSING, dtype=np.int64)
    try:
        numbers = micros(column, 6, options.decimal)
    except Fault as fault:
        raise rows.bad(fault, field) from None
    negative = (numbers < 0) & (numbers != MISSING)
    _refuse(rows, field, negative, "is negative", "write what was paid and what was paid back as amounts of 0 or more.")
    return numbers


def _currencies(rows: Rows, options: Options) -> list[str]:
    """The currency of each order: its own, else that of the options."""
    found = [text or options.currency or "" for text in _texts(rows, "currency")]
    known: dict[str, str | None] = {}
    for text in dict.fromkeys(found):
        try:
            exponent(text)
        except ValueError as error:
            known[text] = str(error) if text else "nothing says the currency of the orders"
    wrong = np.array([text in known for text in found])
    mend = 'set currency = "EUR" (whichever it is), or write the three-letter code, in capitals.'
    _refuse(rows, "currency", wrong, known.get(found[int(np.argmax(wrong))]) or "" if found else "", mend)
    return found


def _refuse(rows: Rows, field: str, wrong: np.ndarray[tuple[int], np.dtype[np.bool_]], words: str, mend: str) -> None:
    if wrong.any():
        raise rows.bad(Fault(words, mend, index=int(np.argmax(wrong))), field)
