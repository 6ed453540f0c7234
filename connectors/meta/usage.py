"""What Meta says of its limits with every answer, and how it is heeded: slower near a limit, silent beyond it.

The headers are of the pages on rate limits of the Graph API and of the Marketing API: `x-business-use-case-usage`
(shares of an hour's allowance in percent, and the minutes until calls are taken again), `x-fb-ads-insights-throttle`
(the load of insights, percent), `x-ad-account-usage` (seconds until it is reset) and `x-app-usage`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from connectors.errors import RetryLater
from connectors.manners import LONGEST_WAIT

INSIGHTS: Final = "ads_insights"
MANAGEMENT: Final = "ads_management"

_CAREFUL: Final = 75.0
"""Above this share of a limit, percent, reads begin to wait."""

_SLOWEST: Final = 5.0
"""How long a read waits at a limit, seconds; below it, in proportion."""

_FULL: Final = 100.0


class Hint(NamedTuple):
    """What one header says of one use: the share of the limit in percent, and how long to stay away, seconds."""

    use: str | None
    percent: float
    seconds: float


def hints(headers: Mapping[str, str]) -> list[Hint]:
    """Return what the headers of an answer say of the limits; what cannot be read says nothing."""
    return [
        *_business(_parsed(headers, "x-business-use-case-usage")),
        *_plain(_parsed(headers, "x-fb-ads-insights-throttle"), INSIGHTS),
        *_plain(_parsed(headers, "x-ad-account-usage"), MANAGEMENT),
        *_plain(_parsed(headers, "x-app-usage"), None),
    ]


def seconds_asked(headers: Mapping[str, str]) -> float | None:
    """Return how long the platform asks to stay away, seconds; None where it does not say."""
    return max((hint.seconds for hint in hints(headers) if hint.seconds > 0), default=None)


class Allowance:
    """Keeps calls below the limits that the platform tells of; safe to use from several threads.

    Args:
        name: Whose calls, for the error.
        sleep: Waits, seconds.
        monotonic: Tells the time, seconds.
    """

    def __init__(
        self, name: str, sleep: Callable[[float], None] = time.sleep, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._sleep = sleep
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._percent: dict[str, float] = {INSIGHTS: 0.0, MANAGEMENT: 0.0}
        self._until: dict[str, float] = {INSIGHTS: 0.0, MANAGEMENT: 0.0}

    def note(self, headers: Mapping[str, str]) -> None:
        """Take up what the headers of an answer say."""
        found = hints(headers)
        with self._lock:
            for use in self._percent:
                mine = [hint for hint in found if hint.use in (None, use)]
                if mine:
                    self._percent[use] = max(hint.percent for hint in mine)
                    asked = max(hint.seconds for hint in mine)
                    self._until[use] = max(self._until[use], self._monotonic() + asked) if asked > 0 else 0.0

    def before(self, use: str, *, writing: bool) -> None:
        """Wait before a read as long as the platform asks; a write is not delayed, but held back.

        Raises:
            RetryLater: The platform takes no call of this use for now, and it is a write, or the wait is long. Calls in
                the meantime would only prolong it.
        """
        with self._lock:
            left, percent = self._until[use] - self._monotonic(), self._percent[use]
        if left > 0 and (writing or left > LONGEST_WAIT):
            raise RetryLater(
                f"{self._name}: Meta takes no more calls of {use} for {left:.0f} s; nothing was sent",
                retry_after_seconds=left,
            )
        if left > 0:
            self._sleep(left)
        elif not writing and percent > _CAREFUL:
            self._sleep(_SLOWEST * (min(percent, _FULL) - _CAREFUL) / (_FULL - _CAREFUL))


def _business(body: Mapping[str, Any]) -> Iterator[Hint]:
    for entries in body.values():
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, Mapping):
                use, minutes = str(entry.get("type")), _number(entry, ("estimated_time_to_regain_access",))
                yield Hint(use, _number(entry, ("call_count", "total_cputime", "total_time")), 60.0 * minutes)


def _plain(body: Mapping[str, Any], use: str | None) -> Iterator[Hint]:
    if body:
        names = ("acc_id_util_pct", "app_id_util_pct", "call_count", "total_cputime", "total_time")
        percent = _number(body, names)
        yield Hint(use, percent, _number(body, ("reset_time_duration",)) if percent >= _FULL else 0.0)


def _parsed(headers: Mapping[str, str], name: str) -> Mapping[str, Any]:
    try:
        body = json.loads(headers.get(name, "{}"))
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _number(entry: Mapping[str, Any], names: Iterable[str]) -> float:
    values = (entry.get(name) for name in names)
    return max((float(value) for value in values if isinstance(value, int | float)), default=0.0)
