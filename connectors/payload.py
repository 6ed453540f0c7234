"""What a platform answers is not what it documents: told as one of the four families, and where."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from connectors.errors import RetryLater, Stop


@contextmanager
def understood(place: str) -> Iterator[None]:
    """Guard the reading of an answer; also a decorator, but not of generators, whose body would run outside.

    Args:
        place: Whose answer, and of what, such as `TikTok's ads`.

    Raises:
        Stop: A field is missing, or is not what it should be; asked again it would be so again.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        words = f"{type(error).__name__}: {error}"[:200]
        raise Stop(f"{place} are not told as the platform documents it ({words}); nothing was written") from None


def elements(body: Any, name: str, place: str) -> list[Any]:
    """Return a list of an answer; one without it is no empty list.

    Raises:
        RetryLater: It is not there.
    """
    found = body.get(name) if isinstance(body, dict) else None
    if not isinstance(found, list):
        raise RetryLater(f"{place}: the answer has no list {name!r}")
    return found
