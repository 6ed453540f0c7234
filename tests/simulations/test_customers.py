"""Made-up customers: their orders are in order, within their time, and the same by seed."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from simulations.customers import Clientele, Subscribers, orders

START, WON, END = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 3, 5))
KINDS = (
    Clientele("search", 40, 0.8, 10.0, (0.7, 2.0), (6.0, 4.0, 15.0)),
    Subscribers(None, 30, (1.0, 4.0), 9.99, 30.0),
)


def test_orders_are_the_same_by_seed_and_within_their_time() -> None:
    told = list(orders(KINDS, (START, WON), END, "EUR", np.random.default_rng(1)))
    assert told == list(orders(KINDS, (START, WON), END, "EUR", np.random.default_rng(1)))
    assert len({order.order_id for order in told}) == len(told)
    firsts = {customer: min(o.at for o in told if o.customer == customer) for customer in {o.customer for o in told}}
    assert len(firsts) == 70
    assert all(START <= at < WON for at in firsts.values())
    assert all(order.at < END for order in told)
    club = [order for order in told if order.channel is None]
    assert {str(order.value) for order in club} == {"9.99 EUR"}
    assert {(order.at - firsts[order.customer]).days % 30 for order in club} == {0}
