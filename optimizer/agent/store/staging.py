"""What taking rows in has in common for every kind of database: numbering series, and which versions enter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from connectors.contract import PerformanceRow, Series
from optimizer.agent.store import auctions
from optimizer.agent.store.instants import to_instant
from optimizer.agent.store.timeline import Clash, Step, Version, fold
from optimizer.ports import ConflictingRows

CHUNK: Final = 5_000
"""Rows that are handed to a database at a time."""

_CACHED_SERIES = 50_000


class Stage:
    """Turns rows into tuples to be staged, numbering their series as they come.

    Attributes:
        series: Those met so far; a series' place is its number in the tuples.
    """

    def __init__(self) -> None:
        self.series: list[Series] = []
        self._locals: dict[Series, int] = {}
        self._auctions: list[tuple[int, int, int, int, int]] = []
        self._recent: dict[int, tuple[Series, int]] = {}  # by identity: hashing a series costs more than its row

    def tuples(self, rows: Iterable[PerformanceRow]) -> Iterator[tuple[Any, ...]]:
        """Yield number, day, instant and measures of each row."""
        fetched_at: datetime | None = None
        instant = 0
        for row in rows:
            if row.fetched_at is not fetched_at:
                fetched_at = row.fetched_at
                instant = to_instant(fetched_at)
            recent = self._recent.get(id(row.series))
            local = self._number(row.series) if recent is None else recent[1]
            if row.impression_share_micros is not None:
                self._auctions += auctions.stated(row, local, instant)
            yield (
                local, row.day.toordinal(), instant, row.spend_micros, row.conversions_micros,
                row.value_micros, row.impressions_micros, row.clicks_micros,
            )  # fmt: skip

    def auctions_so_far(self) -> list[tuple[int, int, int, int, int]]:
        """Return what the rows that were turned into tuples since the last call told of auctions."""
        told, self._auctions = self._auctions, []
        return told

    def _number(self, series: Series) -> int:
        local = self._locals.setdefault(series, len(self.series))
        if local == len(self.series):
            self.series.append(series)
        if len(self._recent) >= _CACHED_SERIES:  # a connector that shares no series must not fill the memory
            self._recent.clear()
        self._recent[id(series)] = (series, local)  # holding the object keeps its identity from being given again
        return local


def version(row: Sequence[Any]) -> Version:
    """Return what a row says: its instant, then its measures."""
    known_from, spend, conversions, value, impressions, clicks = row
    return Version(known_from, (spend, conversions, value, impressions, clicks))


def steps(
    statements: Iterable[Sequence[Any]], series: Mapping[int, Series], history: Callable[[int, int], list[Version]]
) -> Iterator[tuple[int, int, Step]]:
    """Fold statements into the histories of their series and days, and yield what enters them.

    Args:
        statements: Series' number and day, the version that is stated, the version that is known now; in order of
            number, day and instant.
        series: By their numbers, for messages.
        history: All versions of a series and day; asked for only where a statement is older than what is known now.

    Raises:
        ConflictingRows: A statement differs from another one of the same instant.
    """
    for (number, day), group in groupby(statements, key=itemgetter(0, 1)):
        stated = list(group)
        known = [version(stated[0][8:])]
        if stated[0][2] < known[0].known_from:
            known = history(number, day)
        try:
            entered = fold(known, [version(row[2:8]) for row in stated])
        except Clash:
            raise ConflictingRows(series[number], date.fromordinal(day)) from None
        yield from ((number, day, step) for step in entered)


@dataclass(frozen=True, slots=True)
class Entries:
    """What is written of some steps, in this order.

    Attributes:
        restate: The newest version of a series and day: it replaces the fact, whose trigger keeps the old one.
        remember: An older version with the instant at which the next one begins.
        cut: The instant at which an earlier version ends now, and which one.
    """

    restate: list[tuple[int | None, ...]]
    remember: list[tuple[int | None, ...]]
    cut: list[tuple[int | None, ...]]


def entries(entered: Sequence[tuple[int, int, Step]]) -> Entries:
    """Return what is written of steps, each with its series' number and day."""
    found = Entries([], [], [])
    for number, day, step in entered:
        stated = (step.version.known_from, *step.version.measures)
        if step.following is None:
            found.restate.append((*stated, number, day))
            continue
        found.remember.append((*stated, step.following.known_from, number, day))
        if step.previous is not None:
            found.cut.append((step.version.known_from, number, day, step.previous.known_from))
    return found
