"""What connectors tell beside performance: orders of the advertiser's own books, and touches of persons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

from connectors.orders import Order, TellsOrders
from connectors.touches import TellsTouches
from optimizer.agent.breaker import Guarded
from optimizer.agent.cycle import House


def orders(house: House, since: date, until: date) -> Iterator[Order]:
    """Yield the orders of every connector that tells some; an id is one of its connector, whose name goes before it.

    Raises:
        ConnectorError: A connector cannot be read, or what it tells makes no sense.
    """
    for name, teller in _told(house):
        if isinstance(teller, TellsOrders):
            for order in teller.orders(since, until):
                yield replace(order, order_id=f"{name}:{order.order_id}")


def touches(house: House, since: date, until: date) -> Iterator[Any]:
    """Yield the touches of every connector that tells some, as `TellsTouches.touches` does.

    Raises:
        ConnectorError: A connector cannot be read, or what it tells makes no sense.
    """
    for _, teller in _told(house):
        if isinstance(teller, TellsTouches):
            yield from teller.touches(since, until)


def _told(house: House) -> Iterator[tuple[str, object]]:
    """The connectors themselves: what they tell beyond the contract does not go past the breakers of accounts."""
    for name, connector in house.connectors.items():
        yield name, connector.inner if isinstance(connector, Guarded) else connector
