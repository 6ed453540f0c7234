"""Pages with cursors, as the Graph API turns them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from simulations.emulators.meta.errors import invalid
from simulations.emulators.meta.requests import Asked

Body = dict[str, Any]

_MOST = 5_000


def page(asked: Asked, rows: Sequence[Body], rows_a_page: int, *, empty: bool = False) -> Body:
    """Return the page that is asked for; an empty one says that others follow, from the same place.

    Raises:
        GraphError: The cursor or the limit is none.
    """
    limit = _limit(asked, rows_a_page)
    place, turns = _place(asked)
    shown = [] if empty else list(rows[place : place + limit])
    after = place + len(shown)
    body: Body = {"data": shown}
    follows = empty or after < len(rows)
    if shown or follows:
        cursors = {"before": _cursor(place, turns), "after": _cursor(after, turns + 1)}
        body["paging"] = {"cursors": cursors}
        if follows:
            # As the platform does: the address of the next page holds the token, where the one before did.
            body["paging"]["next"] = f"{asked.url}?{urlencode({**asked.query, 'after': cursors['after']})}"
    if asked.params.get("summary") == "true":
        body["summary"] = {"total_count": len(rows)}
    return body


def _limit(asked: Asked, rows_a_page: int) -> int:
    text = str(asked.params.get("limit", rows_a_page))
    if not (text.isdigit() and 1 <= int(text) <= _MOST):
        raise invalid(f"Param limit must be a number from 1 to {_MOST}")
    return int(text)


def _place(asked: Asked) -> tuple[int, int]:
    """Where the page begins, and how many were turned before: an empty page has a cursor of its own."""
    text = asked.params.get("after")
    if not text:
        return 0, 0
    try:
        place, turns = base64.urlsafe_b64decode(str(text)).decode().split(":")
        return int(place), int(turns)
    except ValueError:
        raise invalid("Invalid cursors values") from None


def _cursor(place: int, turns: int) -> str:
    return base64.urlsafe_b64encode(f"{place}:{turns}".encode()).decode()
