"""Settled weeks of facts, packed: kept when rows come in, and read instead of their rows where they may be.

A pack repeats the facts of one week and `BLOCK` series. It adds nothing to them: triggers on `fact` take it away as
soon as one of its rows changes, so that a pack that is there says what its rows say. It tells of what is known now, and
stands for what was known at an instant only if nothing in it is younger; what it does not tell is read row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby, pairwise
from typing import Final

import numpy as np
from sqlalchemy import Connection, text

from optimizer.agent.store.known import Groups, Span
from optimizer.agent.store.packing import DAY, KNOWN_FROM, SERIES, pack, unpack
from optimizer.plan.snapshot import IntArray

BLOCK: Final = 1024
"""Series in a pack; with the days of a week enough that its overhead is none, few enough to be packed anew at once."""

WEEK: Final = 7

SETTLED: Final = 35
"""Age in days from which a week is packed. Most restatements come within 35 days, as conversions do. Some come up to
90 days or a year late, by a platform's window: they take a pack away, and the next reading makes it anew.
"""

_MOST_WEEKS: Final = 160  # of history that is packed: what nobody asks for any more need not be
_AT_ONCE: Final = 4  # weeks that are packed together, so that memory does not grow with the history

RowsOf = Callable[[Connection, int, int, Span], IntArray]
"""Reads the facts of series from one number until before another, and of a span, shape (8, N); see `packing`."""

_HELD = text("SELECT block, week FROM fact_pack")
_FIRST = text(
    "SELECT MIN((SELECT MIN(f.day) FROM fact f WHERE f.series_id = s.id)) FROM series s "
    "WHERE s.id >= :low AND s.id < :high"
)
_KEEP = text(
    "INSERT INTO fact_pack (week, block, newest, packed) VALUES (:week, :block, :newest, :packed) "
    "ON CONFLICT (week, block) DO NOTHING"
)
_READ = text(
    "SELECT week, block, packed FROM fact_pack WHERE week >= :first AND week <= :last "
    "AND block >= :low AND block <= :high AND newest <= :known_at"
)
_ALL = text("SELECT week, block FROM fact_pack ORDER BY week, block")
_ONE = text("SELECT newest, packed FROM fact_pack WHERE week = :week AND block = :block")


@dataclass(frozen=True, slots=True)
class Due:
    """Weeks in a row of one block that are to be packed; `until` is left out."""

    block: int
    since: int
    until: int

    @property
    def span(self) -> Span:
        """Their days."""
        return Span(self.since * WEEK, self.until * WEEK)


def due(connection: Connection, numbers: Collection[int], days: tuple[int, int]) -> list[Due]:
    """Return what is to be packed after a reading, oldest first.

    Args:
        connection: In a transaction.
        numbers: Of the series that were read.
        days: The first and the last day of the reading, as ordinals.
    """
    held: dict[int, set[int]] = {}
    for block, week in connection.execute(_HELD):
        held.setdefault(block, set()).add(week)
    until = (days[1] + 1 - SETTLED) // WEEK
    found = []
    for block in sorted({number // BLOCK for number in numbers}):
        mine = held.get(block, set())
        first = min(days[0] // WEEK, *mine) if mine else _first_week(connection, block)
        since = max(first, until - _MOST_WEEKS)
        found += [Due(block, *run) for run in _runs(week for week in range(since, until) if week not in mine)]
    return found


def keep(connection: Connection, wanted: Due, rows_of: RowsOf) -> None:
    """Pack some weeks, within a transaction that lets nobody else enter facts."""
    facts = rows_of(connection, wanted.block * BLOCK, (wanted.block + 1) * BLOCK, wanted.span)
    facts = facts[:, np.argsort(facts[DAY], kind="stable")]
    weeks = range(wanted.since, wanted.until)
    cuts = np.searchsorted(facts[DAY], [week * WEEK for week in (*weeks, wanted.until)])
    parts = [facts[:, low:high] for low, high in pairwise(cuts)]
    connection.execute(_KEEP, [
        {"week": week, "block": wanted.block, "newest": int(part[KNOWN_FROM].max(initial=0)), "packed": pack(part)}
        for week, part in zip(weeks, parts, strict=True)
    ])  # fmt: skip


def contradictions(connection: Connection, rows_of: RowsOf) -> Iterator[str]:
    """Say which packs do not say what their rows say; nothing else would ever compare the two."""
    for week, block in connection.execute(_ALL).all():
        newest, packed = connection.execute(_ONE, {"week": week, "block": block}).one()
        span = Span(week * WEEK, (week + 1) * WEEK)
        facts = _ordered(rows_of(connection, block * BLOCK, (block + 1) * BLOCK, span))
        try:
            told = _ordered(unpack(bytes(packed)))
        except ValueError:
            told = None
        if told is None or not np.array_equal(told, facts) or newest != int(facts[KNOWN_FROM].max(initial=0)):
            name = f"{date.fromordinal(span.since)} (block {block})"
            yield f"the week of {name} is packed as something else than its rows; delete it from fact_pack"


def _ordered(facts: IntArray) -> IntArray:
    return facts[:, np.lexsort((facts[SERIES], facts[DAY]))]


@dataclass(frozen=True, slots=True, eq=False)
class Packs:
    """What is packed of some series and a span, and what is not.

    Attributes:
        packed: Bytes as `packing.pack` gives them; they may tell of other series and days, too.
        gaps: Days that are to be read row by row, and the series of which they are, with their groups.
    """

    packed: Sequence[bytes]
    gaps: Sequence[tuple[Span, Groups]]

    def tables(self, groups: Groups, span: Span) -> Iterator[tuple[IntArray, IntArray]]:
        """Yield the facts of the groups' series and of the span, shape (8, N), with the group of each, shape (N,)."""
        place = np.full(max(groups, default=-1) + 2, -1, dtype=np.int64)
        place[list(groups)] = list(groups.values())
        for each in self.packed:
            facts = unpack(each)
            group = place[np.minimum(facts[SERIES], place.size - 1)]
            asked = (group >= 0) & (facts[DAY] >= span.since) & (facts[DAY] < span.until)
            yield (facts, group) if asked.all() else (facts[:, asked], group[asked])


def read(connection: Connection, groups: Groups, span: Span, known_at: int) -> Packs:
    """Return what is packed of the groups' series and a span, as known at an instant."""
    blocks = {number // BLOCK for number in groups}
    if not blocks or span.since >= span.until:
        return Packs((), ())
    first, last = span.since // WEEK, (span.until - 1) // WEEK
    asked = {"first": first, "last": last, "low": min(blocks), "high": max(blocks), "known_at": int(known_at)}
    found: list[bytes] = []
    missing = {block: set(range(first, last + 1)) for block in blocks}
    for week, block, packed in connection.execute(_READ, asked):
        if block in missing:
            missing[block].discard(week)
            found.append(bytes(packed))
    return Packs(found, _gaps(missing, groups, span))


def _gaps(missing: dict[int, set[int]], groups: Groups, span: Span) -> list[tuple[Span, Groups]]:
    """Return which days of which series are not packed; blocks that lack the same days are read together."""
    alike: dict[tuple[int, int], set[int]] = {}
    for block, weeks in missing.items():
        for since, until in _runs(iter(sorted(weeks)), longest=None):
            alike.setdefault((max(since * WEEK, span.since), min(until * WEEK, span.until)), set()).add(block)
    every = set(missing)
    return [
        (Span(*days), groups if blocks == every else {n: g for n, g in groups.items() if n // BLOCK in blocks})
        for days, blocks in alike.items()
    ]


def _runs(weeks: Iterator[int], longest: int | None = _AT_ONCE) -> Iterator[tuple[int, int]]:
    """Yield the beginnings and ends of weeks in a row, cut to pieces of at most so many; the ends are left out."""
    for _, run in groupby(enumerate(weeks), key=lambda numbered: numbered[1] - numbered[0]):
        row = [week for _, week in run]
        size = len(row) if longest is None else longest
        for low in range(0, len(row), size):
            yield row[low], row[min(low + size, len(row)) - 1] + 1


def _first_week(connection: Connection, block: int) -> int:
    """The week of the first fact of a block, which has one."""
    first = connection.execute(_FIRST, {"low": block * BLOCK, "high": (block + 1) * BLOCK}).scalar_one()
    return int(first) // WEEK
