"""Transactions, summed by publisher and day: what was sold, and what it costs.

https://success.awin.com/articles/en_US/Knowledge/Publisher-API-GET-transactions-list
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from connectors.awin.client import Client
from connectors.errors import AskMarketer
from connectors.manners import stretches
from connectors.money import MICROS, to_micros
from connectors.payload import understood

LONGEST_STRETCH: Final = 31
"""The network answers no longer range of days."""

_COUNTED: Final = frozenset({"pending", "approved"})
_KNOWN: Final = _COUNTED | {"declined", "deleted"}


@dataclass(slots=True)
class Sums:
    """What one publisher brought on one day; micros, counts alike. A day whose sales were all declined has zeros.

    Where corrections take back more than the day brought, commission and sales are negative.
    """

    publisher_id: str
    day: date
    commission: int = 0
    sales: int = 0
    conversions: int = 0


def summed(client: Client, advertiser: str, currency: str, time_zone: str, since: date, until: date) -> Iterator[Sums]:
    """Yield the sums of the days, both ends included, stretch by stretch.

    Args:
        client: Speaks to the network.
        advertiser: Whose.
        currency: That every transaction must be in.
        time_zone: In which days are counted; one of the network's.
        since: The first day.
        until: The last day.

    Raises:
        AskMarketer: A transaction is in another currency, or of a status that nobody knows.
        RetryLater, Stop: See `connectors.errors`.
    """
    for first, last in stretches(since, until, LONGEST_STRETCH):
        found = client.get(
            f"/advertisers/{advertiser}/transactions/",
            {
                "startDate": f"{first}T00:00:00",
                "endDate": f"{last}T23:59:59",
                "timezone": time_zone,
                "dateType": "transaction",
            },
        )
        sums: dict[tuple[str, date], Sums] = {}
        with understood(f"Awin's transactions of {first} to {last}"):
            for transaction in found:
                _add(sums, transaction, currency)
        yield from (sums[key] for key in sorted(sums))


def _add(sums: dict[tuple[str, date], Sums], transaction: dict[str, Any], currency: str) -> None:
    publisher, day = str(transaction["publisherId"]), date.fromisoformat(transaction["transactionDate"][:10])
    status = transaction["commissionStatus"]
    if status not in _KNOWN:
        raise AskMarketer(f"transaction {transaction['id']} is {status!r}, which nobody knows", mend="update Outlay")
    one = sums.setdefault((publisher, day), Sums(publisher, day))
    if status in _COUNTED:
        commission = _amount(transaction, "commissionAmount", currency)
        sale = _amount(transaction, "saleAmount", currency)
        one.commission += commission
        one.sales += sale
        # A correction takes money back, and is no sale of its own.
        one.conversions += MICROS if commission >= 0 and sale >= 0 else 0


def _amount(transaction: dict[str, Any], name: str, currency: str) -> int:
    money = transaction[name]
    if money["currency"] != currency:
        raise AskMarketer(
            f"transaction {transaction['id']} is in {money['currency']}, the settings say {currency}",
            mend="set the programme's currency, or ask the network for one currency",
        )
    # The number as it was written: a float of two decimals has one shortest form.
    return to_micros(str(money["amount"]))
