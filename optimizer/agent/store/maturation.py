"""How conversions came to be known, as triangles of days by lag, from what the store kept of every restatement. Pure.

A row of a triangle is a day together with the lag of its first statement: the conversions of all series whose rows of
that day were first stated so many days after it. A history that was read in late, on the first run or for a new
account, thus stands in rows of its own, which begin where it was first seen, and never looks like late conversions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from connectors.contract import Account
from optimizer.agent.store.instants import local_day, to_instant
from optimizer.agent.store.known import Facts, Known, Revisions, Span
from optimizer.agent.store.layout import Layout
from optimizer.plan.snapshot import DelayTriangle, FloatArray, IntArray
from optimizer.ports import SnapshotQuery

LAGS = 36
"""Columns of a triangle: lags 0 to 35 days, past the longest restatement window of the platforms (30 days)."""

_MICROS = 1e6

Source = tuple[Account, str]
"""An account and a conversion definition: what shares one zone and one way of maturing."""


def delay_triangles(
    query: SnapshotQuery, known: Known, layout: Layout, facts: Facts, span: Span
) -> tuple[DelayTriangle, ...]:
    """Return the triangle of each delay group of the layout.

    A cell is what was known at the end of day d + lag in the account's zone: nan before the row's first statement,
    and nan where that day was not over at `query.known_at`.

    Args:
        query: Says up to when statements count.
        known: The series; those without a budget bear on their group's maturity too.
        layout: The groups and their targets.
        facts: The facts as known then.
        span: Days that make the rows.
    """
    sources, numbers = _sources(known, layout)
    revisions = facts.revisions(numbers, span)
    known_at = to_instant(query.known_at)
    triangles = []
    for (connector, definition), targets in layout.delays.items():
        mine = [n for n, (account, name) in enumerate(sources) if (account.connector, name) == (connector, definition)]
        over = min((local_day(known_at, sources[n][0].time_zone) for n in mine), default=0) - 1
        cumulative = _triangle(revisions, [(n, sources[n][0].time_zone) for n in mine], over)
        triangles.append(DelayTriangle(f"{connector}/{definition}", np.array(targets, dtype=np.int64), cumulative))
    return tuple(triangles)


def _sources(known: Known, layout: Layout) -> tuple[tuple[Source, ...], dict[int, int]]:
    """Return the sources that bear on a group, and the position of the source of each of their series."""
    found = {
        item.number: (item.series.account, item.series.conversion_definition)
        for item in known.series
        if (item.series.account.connector, item.series.conversion_definition) in layout.delays
    }
    sources = tuple(sorted(set(found.values()), key=lambda s: (s[0].connector, s[0].account_id, s[1])))
    position = {source: place for place, source in enumerate(sources)}
    return sources, {number: position[source] for number, source in found.items()}


def _triangle(revisions: Revisions, sources: Sequence[tuple[int, str]], over: int) -> FloatArray:
    """Sum the changes of some sources, given with their zones, up to the ordinal of the last day that was over."""
    days, starts, lags, changes = _by_lag(revisions, sources)
    kept = (starts < LAGS) & (lags < LAGS) & (days + starts <= over)
    rows, row = np.unique(np.stack([days[kept], starts[kept]]), axis=1, return_inverse=True)
    flat = row.reshape(-1) * LAGS + lags[kept]
    size = rows.shape[1] * LAGS
    cumulative = np.bincount(flat, weights=changes[kept], minlength=size).reshape(-1, LAGS).cumsum(axis=1) / _MICROS
    day, start, lag = rows[0][:, None], rows[1][:, None], np.arange(LAGS)
    cumulative[(lag < start) | (day + lag > over)] = np.nan
    return cumulative


def _by_lag(
    revisions: Revisions, sources: Sequence[tuple[int, str]]
) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
    """Return day, lag of the first statement, lag of the change, and the change, of some sources' revisions."""
    parts = [(np.zeros(0, np.int64),) * 3 + (np.zeros(0),)]
    for number, time_zone in sources:
        mine = revisions.group == number
        day = revisions.day[mine]
        first = _local_days(revisions.first[mine], time_zone)
        then = _local_days(revisions.known_from[mine], time_zone)
        parts.append((day, np.maximum(first - day, 0), np.maximum(then - day, 0), revisions.change[mine]))
    day, start, lag, change = (np.concatenate(column) for column in zip(*parts, strict=True))
    return day, start, lag, change


def _local_days(instants: IntArray, time_zone: str) -> IntArray:
    distinct, inverse = np.unique(instants, return_inverse=True)
    days = np.array([local_day(int(instant), time_zone) for instant in distinct], dtype=np.int64)
    return days[inverse.reshape(-1)]
