"""Asking for insights: a few days directly, more by a report that the platform prepares, fewer where it is too much."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from connectors.contract import Account
from connectors.errors import RetryLater
from connectors.manners import Clock, stretches
from connectors.meta.door import Body, Door, text
from connectors.meta.failures import TooMuch
from connectors.meta.options import Options

EVERY_STATUS: Final = (
    "ACTIVE", "PAUSED", "CAMPAIGN_PAUSED", "ADSET_PAUSED", "PENDING_REVIEW", "DISAPPROVED", "PREAPPROVED",
    "PENDING_BILLING_INFO", "IN_PROCESS", "WITH_ISSUES", "ARCHIVED", "DELETED",
)  # fmt: skip
"""Of ads. Without this filter the spend of archived and deleted ads is missing from insights by ad."""

_DONE: Final = "Job Completed"
_ENDED: Final = ("Job Failed", "Job Skipped")
_TRIES: Final = 2
_FIRST_WAIT: Final = 0.2
_LONGEST: Final = 30.0
_GROWTH: Final = 1.6


class Page(NamedTuple):
    """A page of insights, and when it was asked for."""

    fetched_at: datetime
    rows: list[dict[str, Any]]


class Reports:
    """Insights of one connector, page by page.

    Args:
        door: The way to the platform.
        options: What to ask for.
        clock: Tells the time at which rows are asked for.
        sleep: Waits between two looks at a report, seconds.
    """

    def __init__(self, door: Door, options: Options, clock: Clock, sleep: Callable[[float], None] = time.sleep) -> None:
        self._door = door
        self._options = options
        self._clock = clock
        self._sleep = sleep

    def pages(self, account: Account, since: date, until: date) -> Iterator[Page]:
        """Yield the pages of insights by ad and day of these days, both included.

        Raises:
            ConnectorError: Of one of the families.
        """
        for first, last in stretches(since, until, self._options.report_days):
            yield from self._stretch(account, first, last)

    def _stretch(self, account: Account, first: date, last: date) -> Iterator[Page]:
        """Yield the pages of a stretch; of its halves, where the platform will not gather the whole."""
        fetched_at = self._clock()
        direct = (last - first).days < self._options.direct_days
        pages = self._begun(account, first, last, direct=direct)
        if pages is None and direct:
            pages = self._begun(account, first, last, direct=False)
        if pages is not None:
            try:
                yield from (Page(fetched_at, rows) for rows in pages)
            except TooMuch:
                # After some pages. They were given already; the parts give them again, as of a later time.
                pages = None
            else:
                return
        if first == last:
            raise RetryLater(f"{self._door.name}: Meta prepares no report of {first}, not even of this day alone")
        else:
            middle = first + (last - first) // 2
            yield from self._stretch(account, first, middle)
            yield from self._stretch(account, middle + timedelta(days=1), last)

    def _begun(
        self, account: Account, first: date, last: date, *, direct: bool
    ) -> Iterator[list[dict[str, Any]]] | None:
        """Return the pages, the first of them at hand; None where it is too much at once."""
        asked = self._params(first, last)
        try:
            pages = self._direct(account, asked) if direct else self._prepared(account, asked)
            begin = next(pages, [])
        except TooMuch:
            return None
        return _again(begin, pages)

    def _direct(self, account: Account, asked: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
        return self._door.pages(f"act_{account.account_id}", "insights", **asked)

    def _prepared(self, account: Account, asked: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
        for _ in range(_TRIES):
            ordered = self._door.order(f"act_{account.account_id}", "insights", **asked).body
            report = text(ordered, "report_run_id", f"{self._door.name}: a report")
            if self._waited(report):
                return self._door.pages(report, "insights")
        raise TooMuch(f"{self._door.name}: Meta could not prepare a report of {asked['time_range']}")

    def _waited(self, report: str) -> bool:
        """Wait until a report is there; False: it never will be. All of it may be there before it is completed."""
        wait, left = _FIRST_WAIT, self._options.report_timeout_seconds
        while True:
            status = self._status(report)
            if status == _DONE:
                return True
            if status in _ENDED:
                return False
            if left <= 0:
                raise RetryLater(f"{self._door.name}: the report {report} is still {status!r}")
            self._sleep(min(wait, left))
            left, wait = left - wait, min(wait * _GROWTH, _LONGEST)

    def _status(self, report: str) -> object:
        run: Body = self._door.read(report, fields="async_status,async_percent_completion").body
        return run.get("async_status")

    def _params(self, first: date, last: date) -> dict[str, Any]:
        options = self._options
        fields = ["campaign_id", "adset_id", "ad_id", "spend", "impressions", options.clicks, "actions"]
        asked: dict[str, Any] = {
            "level": "ad",
            "time_increment": 1,
            "time_range": {"since": first.isoformat(), "until": last.isoformat()},
            "fields": ",".join([*fields, "action_values"]),
            "filtering": [{"field": "ad.effective_status", "operator": "IN", "value": list(EVERY_STATUS)}],
        }
        if options.attribution_windows:
            asked["action_attribution_windows"] = list(options.attribution_windows)
        if options.breakdowns:
            asked["breakdowns"] = ",".join(options.breakdowns)
        return asked


def _again(begin: list[dict[str, Any]], rest: Iterator[list[dict[str, Any]]]) -> Iterator[list[dict[str, Any]]]:
    yield begin
    yield from rest
