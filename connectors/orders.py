"""What a shop's own books say of its orders: the record, and what a connector adds that can read them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol, runtime_checkable

from connectors.money import Money


@dataclass(frozen=True, slots=True)
class Order:
    """One purchase, sign-up, install or renewal, as it stands in the advertiser's own books.

    Attributes:
        order_id: Unique in the books; the same id again is the same order, told anew.
        customer: Who ordered; the same text is the same customer.
        at: When, aware.
        value: What was paid, 0 or more.
        refunded: What of it was paid back since, 0 or more and at most `value`, in the same currency.
        channel, campaign: To what the books themselves put it down; None where they do not say.
        claims: The channels whose platforms each claim it as theirs; empty where the books do not say.

    Raises:
        ValueError: An id is empty, the time has no zone, an amount is negative or in another currency, or more was paid
            back than was paid.
    """

    order_id: str
    customer: str
    at: datetime
    value: Money
    refunded: Money
    channel: str | None = None
    campaign: str | None = None
    claims: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        where = f"order {self.order_id!r}"
        if not self.order_id or not self.customer:
            raise ValueError(f"{where}: order_id and customer must not be empty (customer {self.customer!r})")
        if self.at.tzinfo is None:
            raise ValueError(f"{where}: its time needs a zone: {self.at!r}")
        if self.refunded.currency != self.value.currency:
            raise ValueError(f"{where}: paid in {self.value.currency}, paid back in {self.refunded.currency}")
        if not 0 <= self.refunded.micros <= self.value.micros:
            raise ValueError(f"{where}: {self.refunded} paid back of {self.value} paid")

    @property
    def kept(self) -> Money:
        """What was paid and not paid back."""
        return self.value - self.refunded


@runtime_checkable
class TellsOrders(Protocol):
    """What a connector adds that can read the advertiser's own books."""

    def orders(self, since: date, until: date) -> Iterator[Order]:
        """Yield the orders of the days `since` to `until`, both included, in the books' zone, oldest first."""
        ...
