"""Numbers as Google Ads sends them, in the contract's integer micros."""

from __future__ import annotations

from typing import Any

from connectors.contract import WHOLE

LEAST_SHARE = 0.1
"""No impression share below it is told, and no lost share above 1 less it: 0.0999 and 0.9001 stand for those."""


def to_micros(number: float) -> int:
    """Return a count or an amount that is sent as a double, rounded to the micro: 33.51 is 33,510,000."""
    return round(number * WHOLE)


def share_micros(metrics: Any, name: str) -> int | None:
    """Return an impression share; None where it is not told, or only told to lie beyond a bound."""
    if not metrics.HasField(name):
        return None
    share = getattr(metrics, name)
    beyond = share < LEAST_SHARE if name == "search_impression_share" else share > 1.0 - LEAST_SHARE
    return None if beyond else min(to_micros(share), WHOLE)


def constant(message: Any, field: str) -> str:
    """Return the name of an enumeration's value; `UNKNOWN` for one that is newer than the interface's version."""
    values = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    number = getattr(message, field)
    return str(values[number].name) if number in values else "UNKNOWN"
