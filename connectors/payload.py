"""What a platform answered, taken apart: a form that nobody knows is an error with a place, never a bare KeyError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from connectors.errors import Stop

_MISREAD: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What taking apart an answer of another form raises, and what records raise that are checked at birth."""


@contextmanager
def understood(place: str) -> Iterator[None]:
    """Take an answer apart in this context; nothing in it may write, and errors of connectors pass.

    Args:
        place: What is read, such as `Awin's transaction 7`.

    Raises:
        Stop: The answer has another form; of its text nothing is shown, since that may hold a secret.
    """
    try:
        yield
    except _MISREAD as error:
        # The key of a KeyError is the name of a field, as the code around it spells it.
        words = f"{error} is missing" if isinstance(error, KeyError) else type(error).__name__
    else:
        return
    raise Stop(f"{place} cannot be understood ({words})") from None
