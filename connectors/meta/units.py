"""Meta's units: budgets are integers of a unit that is Meta's own, by a table that is not ISO 4217.

The table is of the Marketing API's page on currencies. A forint has ISO cents that Meta does not count, and of the
three decimals of a Bahraini dinar it counts two.
"""

from __future__ import annotations

from typing import Final

from connectors.errors import AskMarketer, Stop
from connectors.money import MICROS, Money

_WHOLE = "CLP COP CRC HUF IDR ISK JPY KRW PYG TWD VND"
_HUNDREDTHS = (
    "AED ARS AUD BDT BGN BHD BOB BRL CAD CHF CNY CZK DKK DZD EGP EUR GBP GTQ HKD HNL ILS INR JOD KES MOP MXN MYR NGN "
    "NIO NOK NZD PEN PHP PKR PLN QAR RON RSD RUB SAR SEK SGD THB TRY UAH USD UYU VES ZAR"
)
OFFSETS: Final[dict[str, int]] = {**dict.fromkeys(_WHOLE.split(), 1), **dict.fromkeys(_HUNDREDTHS.split(), 100)}
"""How many of Meta's units a major unit of a currency has."""


def quantum(currency: str) -> int:
    """Return the micros of one of Meta's units of a currency: 10,000 for USD and BHD, a million for JPY and HUF.

    Raises:
        AskMarketer: The currency is not in Meta's table, so that nobody knows what a number of it means.
    """
    if currency not in OFFSETS:
        raise AskMarketer(
            f"Meta's table of currencies does not hold {currency!r}", mend="leave this account out, or update Outlay"
        )
    return MICROS // OFFSETS[currency]


def from_units(units: int, currency: str) -> Money:
    """Return the amount of a number of Meta's units.

    Raises:
        AskMarketer: The currency is not in Meta's table.
    """
    return Money(units * quantum(currency), currency)


def to_units(amount: Money) -> int:
    """Return an amount as a number of Meta's units, exactly.

    Raises:
        AskMarketer: The currency is not in Meta's table.
        Stop: The amount is between two units; it is not rounded here.
    """
    units, rest = divmod(amount.micros, quantum(amount.currency))
    if rest:
        step = Money(quantum(amount.currency), amount.currency)
        raise Stop(f"{amount.amount} {amount.currency} is not a multiple of {step.amount}, Meta's unit")
    return units
