"""Rest.li 2.0 in a query: `List(a,b)`, `(start:(year:2025,month:3,day:1))`, and URNs.

https://linkedin.github.io/rest.li/spec/protocol
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final

_LIST: Final = re.compile(r"^List\((.*)\)$")
_RANGE: Final = re.compile(r"^\(start:(\(.*?\))(?:,end:(\(.*?\)))?\)$")
_DATE: Final = re.compile(r"^\(year:(\d{4}),month:(\d{1,2}),day:(\d{1,2})\)$")


class BadQuery(ValueError):  # noqa: N818 - it is the query that is bad
    """A parameter cannot be understood."""


def listed(text: str) -> tuple[str, ...]:
    """Read `List(a,b)`.

    Raises:
        BadQuery: It is none.
    """
    found = _LIST.match(text)
    if found is None:
        raise BadQuery(f"{text!r} is not a List(...)")
    return tuple(filter(None, found[1].split(",")))


def dates(text: str, today: date) -> tuple[date, date]:
    """Read a date range; without an end it goes until today.

    Raises:
        BadQuery: It is none.
    """
    found = _RANGE.match(text)
    if found is None:
        raise BadQuery(f"{text!r} is not a date range")
    return _day(found[1]), today if found[2] is None else _day(found[2])


def number_of(urn: str, kind: str) -> int:
    """Return the number of `urn:li:kind:number`, or of the number alone.

    Raises:
        BadQuery: It is neither.
    """
    number = urn.removeprefix(f"urn:li:{kind}:")
    if not number.isdigit():
        raise BadQuery(f"{urn!r} is not a {kind}")
    return int(number)


def _day(text: str) -> date:
    found = _DATE.match(text)
    if found is None:
        raise BadQuery(f"{text!r} is not a date")
    try:
        return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError as error:
        raise BadQuery(f"{text!r}: {error}") from None
