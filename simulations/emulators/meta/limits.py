"""How much is taken within an hour, and the headers that tell of it with every answer."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from math import ceil
from typing import Final

INSIGHTS: Final = "ads_insights"
MANAGEMENT: Final = "ads_management"

_HOUR: Final = 3600.0


class Meter:
    """Counts calls by use within the last hour of this machine's clock.

    Args:
        owner: The id under which the headers tell of it.
        limit: Calls an hour of each use.
        monotonic: Tells the time, seconds.
    """

    def __init__(self, owner: str, limit: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._owner = owner
        self._limit = limit
        self._monotonic = monotonic
        self._calls: dict[str, deque[float]] = {INSIGHTS: deque(), MANAGEMENT: deque()}

    def takes(self, use: str) -> bool:
        """Count a call; False: it is one too many."""
        calls, now = self._calls[use], self._monotonic()
        while calls and calls[0] <= now - _HOUR:
            calls.popleft()
        if len(calls) >= self._limit:
            return False
        calls.append(now)
        return True

    def percent(self, use: str) -> int:
        """Return the share of the hour's allowance that is used, percent."""
        return 100 * len(self._calls[use]) // self._limit

    def minutes(self, use: str) -> int:
        """Return after how many minutes the oldest call is forgotten."""
        oldest = self._calls[use][0] if self._calls[use] else self._monotonic() - _HOUR
        return max(ceil((oldest + _HOUR - self._monotonic()) / 60.0), 0)

    def headers(self, use: str, *, minutes: int = 0, full: bool = False) -> dict[str, str]:
        """Return the headers of an answer.

        Args:
            use: What was called.
            minutes: After how long calls are taken again.
            full: Whether the allowance is used up.
        """
        percent = 100 if full else self.percent(use)
        told = {
            "type": use,
            "call_count": percent,
            "total_cputime": percent // 2,
            "total_time": percent // 2,
            "estimated_time_to_regain_access": minutes,
            "ads_api_access_tier": "standard_access",
        }
        headers = {"x-business-use-case-usage": json.dumps({self._owner: [told]})}
        tier = {"ads_api_access_tier": "standard_access"}
        if use == INSIGHTS:
            load = {"app_id_util_pct": percent, "acc_id_util_pct": percent, **tier}
            headers["x-fb-ads-insights-throttle"] = json.dumps(load)
        else:
            load = {"acc_id_util_pct": percent, "reset_time_duration": 60 * minutes, **tier}
            headers["x-ad-account-usage"] = json.dumps(load)
        return headers
