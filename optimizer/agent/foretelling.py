"""The forecasts of past mornings, by what the store knew then: do our intervals hold as often as they say?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Final

import numpy as np

from connectors.contract import zone
from optimizer.agent.calendar import Calendar
from optimizer.measure.scorecard import Foretold, foretold, watch
from optimizer.plan.recommendation import Finding, Severity
from optimizer.plan.snapshot import Snapshot
from optimizer.ports import SnapshotQuery, Store

WEEKS: Final = 8
"""Weeks whose forecasts are looked at."""

_NOON: Final = time(12)


def forecasts(store: Store, calendar: Calendar, now: Snapshot, days: int) -> Iterator[Foretold]:
    """Yield the forecasts of the last whole weeks, each by what the store knew at noon of its Monday.

    Args:
        store: Is read.
        calendar: Days that are known not to be ordinary.
        now: What is known now.
        days: Length of the history that is learnt from.
    """
    monday = now.today - timedelta(days=now.today.weekday())
    for week in range(1, WEEKS + 1):
        morning = monday - timedelta(days=7 * week)
        noon = datetime.combine(morning, _NOON, zone(now.time_zone)).astimezone(UTC)
        query = SnapshotQuery(noon, morning, days, now.currency, now.time_zone)
        yield foretold(calendar.fill(store.snapshot(query)), now, np.random.default_rng(morning.toordinal()))


def doubts_of_intervals(store: Store, calendar: Calendar, now: Snapshot, days: int) -> tuple[Finding, ...]:
    """Return a finding where intervals hold less than they say: then plans are left to people until they do."""
    found = watch(forecasts(store, calendar, now, days))
    if not found.alarm or found.held is None:
        return ()
    words = (
        f"Of the 90% intervals of the last four weeks' forecasts only {found.held:.0%} held what came: gains may be "
        "told too surely, and the policy approves nothing until intervals hold again."
    )
    return (Finding("intervals-too-narrow", Severity.WARNING, "portfolio", words, "See `outlay scorecard`."),)
