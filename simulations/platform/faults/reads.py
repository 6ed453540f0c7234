"""Faults of what is read: answers of yesterday, answers that break off, rows in any order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

import numpy as np

from connectors.contract import AdState, BudgetTarget, Connector, PerformanceRow, Series
from connectors.errors import RetryLater
from simulations.platform.faults.schedules import Schedule
from simulations.platform.faults.wrapper import Wrapper


class StaleBudgets(Wrapper):
    """A reading of the budgets is the one before.

    Stands for a platform that answers from a replica or a cache that lags behind its own writes. The first reading of
    all is always fresh.
    """

    def __init__(self, inner: Connector, schedule: Schedule) -> None:
        super().__init__(inner, schedule)
        self._last: tuple[BudgetTarget, ...] | None = None

    def budgets(self) -> Sequence[BudgetTarget]:
        """Return the live budgets, or on the scheduled calls those of the last fresh reading."""
        if self._spoils() and self._last is not None:
            return self._last
        self._last = tuple(super().budgets())
        return self._last


class StaleAds(Wrapper):
    """A reading of the ads is the one before; as `StaleBudgets`."""

    def __init__(self, inner: Connector, schedule: Schedule) -> None:
        super().__init__(inner, schedule)
        self._last: tuple[AdState, ...] | None = None

    def ads(self) -> Sequence[AdState]:
        """Return the ads with their live statuses, or on the scheduled calls those of the last fresh reading."""
        if self._spoils() and self._last is not None:
            return self._last
        self._last = tuple(super().ads())
        return self._last


class StaleRows(Wrapper):
    """A pull states what it stated before, as if it were of now.

    Stands for reports that lag behind: numbers of the last reading under the present `fetched_at`, and nothing at all
    of what that reading did not have, such as the newest day. Until some reading was fresh every one is. It remembers
    one row for each series and day.
    """

    def __init__(self, inner: Connector, schedule: Schedule) -> None:
        super().__init__(inner, schedule)
        self._last: dict[tuple[Series, date], PerformanceRow] = {}

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        """Yield the rows, or on the scheduled calls what the last fresh reading of each said."""
        stale, rows = self._spoils(), super().pull(since, until)
        return self._as_before(rows) if stale and self._last else self._noted(rows)

    def _as_before(self, rows: Iterator[PerformanceRow]) -> Iterator[PerformanceRow]:
        for row in rows:
            before = self._last.get((row.series, row.day))
            if before is not None:
                yield replace(before, fetched_at=row.fetched_at)

    def _noted(self, rows: Iterator[PerformanceRow]) -> Iterator[PerformanceRow]:
        for row in rows:
            self._last[row.series, row.day] = row
            yield row


class PartialPull(Wrapper):
    """A pull ends in its middle: some rows come, then `RetryLater`.

    Stands for a connection that breaks, and for a report of many pages whose later pages are not given any more.

    Args:
        inner: What is wrapped.
        schedule: Which pulls break off.
        rows: How many rows come before that; of a shorter answer all come, but not its end.

    Raises:
        ValueError: The number of rows is negative.
    """

    def __init__(self, inner: Connector, schedule: Schedule, rows: int) -> None:
        if rows < 0:
            raise ValueError(f"rows must be 0 or more, not {rows}")
        super().__init__(inner, schedule)
        self._rows = rows

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        """Yield the rows, or on the scheduled calls the first of them and no end."""
        breaks, rows = self._spoils(), super().pull(since, until)
        return self._broken(rows) if breaks else rows

    def _broken(self, rows: Iterator[PerformanceRow]) -> Iterator[PerformanceRow]:
        for _, row in zip(range(self._rows), rows, strict=False):
            yield row
        raise RetryLater("the connection broke off before the last row")


class OutOfOrder(Wrapper):
    """The rows of a pull come in any order, some of them more than once.

    Stands for pages that are fetched side by side, and for a cursor that moves while rows are still being added. All
    rows of such a pull are held in memory.

    Args:
        inner: What is wrapped.
        schedule: Which pulls are shuffled.
        rng: Of the order and the repetitions.
        repeated: The chance of each row to come a second time.

    Raises:
        ValueError: The chance is not in [0, 1].
    """

    def __init__(self, inner: Connector, schedule: Schedule, rng: np.random.Generator, repeated: float = 0.1) -> None:
        if not 0.0 <= repeated <= 1.0:
            raise ValueError(f"a probability must be from 0 to 1, not {repeated}")
        super().__init__(inner, schedule)
        self._rng = rng
        self._repeated = repeated

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        """Yield the rows, on the scheduled calls shuffled."""
        shuffles, rows = self._spoils(), super().pull(since, until)
        return self._shuffled(rows) if shuffles else rows

    def _shuffled(self, rows: Iterator[PerformanceRow]) -> Iterator[PerformanceRow]:
        held = list(rows)
        again = np.flatnonzero(self._rng.random(len(held)) < self._repeated)
        order = self._rng.permutation(np.concatenate([np.arange(len(held)), again]))
        return (held[place] for place in order.tolist())
