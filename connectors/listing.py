"""The list that an answer holds: one that is not there is no empty list."""

from __future__ import annotations

from typing import Any

from connectors.errors import RetryLater


def elements(body: Any, name: str, place: str) -> list[Any]:
    """Return a list of an answer.

    Args:
        body: The answer.
        name: Of the list.
        place: Whose answer, for the error.

    Raises:
        RetryLater: It is not there.
    """
    found = body.get(name) if isinstance(body, dict) else None
    if not isinstance(found, list):
        raise RetryLater(f"{place}: the answer has no list {name!r}")
    return found
