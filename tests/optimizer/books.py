"""A platform without rows whose books hold the orders of made-up customers, as a plug-in of kind `books`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np

from connectors.contract import BuildContext
from connectors.files.connector import FilesConnector
from connectors.files.options import read_options
from connectors.orders import Order
from simulations.customers import Clientele, orders

SPEND = (6.0, 4.0, 15.0)
SHOP = (
    Clientele("search", 400, 0.5, 40.0, (0.7, 2.0), SPEND),
    Clientele("social", 250, 0.5, 60.0, (0.9, 1.8), (6.0, 4.0, 12.0)),
    Clientele(None, 60, 0.5, 40.0, (0.7, 2.0), SPEND),
)


class Books(FilesConnector):
    """Files of performance, and beside them the orders of customers won over the last 600 days but 30."""

    currency = "EUR"

    def orders(self, since: date, until: date) -> Iterator[Order]:
        """See `TellsOrders.orders`."""
        end = datetime.combine(until + timedelta(days=1), datetime.min.time(), UTC)
        won = (end - timedelta(days=600), end - timedelta(days=30))
        for order in orders(SHOP, won, end, self.currency, np.random.default_rng(1)):
            if since <= order.at.date() <= until:
                yield order


def build(context: BuildContext) -> Books:
    """Build it from the settings of files and `orders_in`, a currency."""
    options = dict(context.options)
    currency = options.pop("orders_in", Books.currency)
    read = read_options(replace(context, options=options))
    books = Books(context.name, context.home / read.folder, read)
    books.currency = currency
    return books
