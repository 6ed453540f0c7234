"""What values are made of that programs read: no more than is said, and every amount of money as exact decimal text."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from connectors.money import MICROS, Money, exponent

DecimalText = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]{1,6})?$", examples=["170.50"])]
"""An amount in major units, exact."""


class Told(BaseModel):
    """A value that programs read."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def decimal_text(money: Money) -> str:
    """Return an amount as decimal text, with the currency's digits or as many more as it has."""
    whole, _, rest = f"{money.amount:f}".partition(".")
    digits = rest.rstrip("0").ljust(exponent(money.currency), "0")
    return f"{whole}.{digits}" if digits else whole


def units_text(units: float, currency: str) -> str:
    """Return currency units that were summed or drawn as decimal text, rounded to the micro."""
    return decimal_text(as_money(units, currency))


def as_money(units: float, currency: str) -> Money:
    """Return currency units that were summed or drawn as money, rounded to the micro."""
    return Money(int((Decimal(float(units)) * MICROS).to_integral_value()), currency)
