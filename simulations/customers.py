"""The customers of a made-up shop: won over some days by channels, buying again at random until they are lost.

What each does is drawn event by event from the story that the channel's parameters tell, so that whatever is reckoned
of such customers in formulae can be held against what they do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from connectors.money import Money
from connectors.orders import Order


@dataclass(frozen=True, slots=True)
class Clientele:
    """The customers whom one channel wins.

    Attributes:
        channel: Its name; None where the books do not say.
        customers: How many it wins.
        shape, scale: Of the Gamma distribution of their rates, `scale` in days: on average they buy again
            shape / scale times a day.
        loss: Two parameters of the Beta distribution of the probability of being lost after a repeat purchase.
        spend: Three parameters p, q, gamma of what purchases bring: each is Gamma(p, nu) for one customer, and nu is
            Gamma(q, gamma) over customers; the first purchase is like the others.
    """

    channel: str | None
    customers: int
    shape: float
    scale: float
    loss: tuple[float, float]
    spend: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Subscribers:
    """The subscribers whom one channel wins.

    Attributes:
        channel: Its name; None where the books do not say.
        customers: How many it wins.
        loss: Two parameters of the Beta distribution of the probability of leaving at a renewal.
        price: Of a period, in currency units.
        period_days: From one payment to the next.
    """

    channel: str | None
    customers: int
    loss: tuple[float, float]
    price: float
    period_days: float


def orders(
    clienteles: Sequence[Clientele | Subscribers],
    won: tuple[datetime, datetime],
    until: datetime,
    currency: str,
    rng: np.random.Generator,
) -> Iterator[Order]:
    """Yield the orders of all customers, one customer after the other.

    Args:
        clienteles: Whom there is to be won.
        won: The time between which and which customers are won, evenly; aware.
        until: Nothing is told from then on; aware.
        currency: ISO 4217 code.
        rng: All chance comes from it.
    """
    nothing = Money(0, currency)
    number = 0
    for place, clientele in enumerate(clienteles):
        stretch = (won[1] - won[0]) / timedelta(days=1)
        for customer, start in enumerate(rng.uniform(0.0, stretch, clientele.customers)):
            opened = won[0].astimezone(UTC) + timedelta(days=float(start))
            for day, amount in history(clientele, (until - opened) / timedelta(days=1), rng):
                number += 1
                paid = Money(round(amount * 1e6), currency)
                at = opened + timedelta(days=day)
                yield Order(f"o{number}", f"c{place}-{customer}", at, paid, nothing, clientele.channel)


def history(clientele: Clientele | Subscribers, days: float, rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    """Yield day and amount of each purchase of one customer before `days`; the first one is on day 0."""
    chance = rng.beta(*clientele.loss)
    if isinstance(clientele, Subscribers):
        for period in range(int(days / clientele.period_days) + 1):
            if period and rng.random() < chance:
                return
            yield period * clientele.period_days, clientele.price
        return
    rate = rng.gamma(clientele.shape) / clientele.scale
    p, q, gamma = clientele.spend
    scale = gamma / rng.gamma(q)
    day, repeat = 0.0, False
    while day < days:
        yield day, float(rng.gamma(p) * scale)
        if (repeat and rng.random() < chance) or rate <= 0.0:
            return
        day, repeat = day + float(rng.exponential(1.0 / rate)), True
