"""Facts as known at one instant, whichever database keeps them: settled weeks from packs, the rest from rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

import numpy as np
from sqlalchemy import Connection

from optimizer.agent.store import packs
from optimizer.agent.store.known import UNREPORTED, Cells, Groups, Revisions, Span
from optimizer.agent.store.packing import CONVERSIONS, DAY, KNOWN_FROM, MEASURES, SERIES
from optimizer.plan.snapshot import FloatArray, IntArray

STATED: Final = ("day", "known_from", "conversions")


class RecalledFacts(ABC):
    """The facts as known at one instant; see `known.Facts`.

    Args:
        connection: In a transaction that sees one state.
        known_at: The instant.
    """

    def __init__(self, connection: Connection, known_at: int) -> None:
        self._connection = connection
        self._known_at = known_at

    def totals(self, groups: Groups, span: Span) -> Cells:
        """Return the totals of groups and days that have rows."""
        kept = packs.read(self._connection, groups, span, self._known_at)
        parts = [Cells(group, facts[DAY], _amounts(facts[MEASURES]).T) for facts, group in kept.tables(groups, span)]
        parts += [self._added(mine, days) for days, mine in kept.gaps]
        if not parts:
            return Cells(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 5)))
        measures = np.concatenate([part.measures.T for part in parts], axis=1).T
        group, day = (np.concatenate(column) for column in zip(*((p.group, p.day) for p in parts), strict=True))
        return Cells(group, day, measures)

    def revisions(self, groups: Groups, span: Span) -> Revisions:
        """Return how the conversions of groups and days came to be known."""
        kept = packs.read(self._connection, groups, span, self._known_at)
        found = [
            np.stack([facts[SERIES], group, facts[DAY], facts[KNOWN_FROM], facts[CONVERSIONS]])
            for facts, group in kept.tables(groups, span)
        ]
        now = np.concatenate([np.zeros((5, 0), np.int64), *found, *(self._now(*gap) for gap in kept.gaps)], axis=1)
        then = self._replaced(groups, span)
        first = _first(now, then)
        ended = then[5] <= self._known_at
        until = then[:, ended]
        return _summed(
            group=np.concatenate([now[1], then[1], until[1]]),
            day=np.concatenate([now[2], then[2], until[2]]),
            first=np.concatenate([first, first[now.shape[1] :][ended]]),
            known_from=np.concatenate([now[3], then[3], until[5]]),
            change=np.concatenate([now[4], then[4], -until[4]]),
        )

    @abstractmethod
    def _added(self, groups: Groups, span: Span) -> Cells:
        """Return the totals of groups and days, from rows."""

    @abstractmethod
    def _now(self, span: Span, groups: Groups) -> IntArray:
        """Return series, group and `STATED` of the rows that are in force now and were then, shape (5, N)."""

    @abstractmethod
    def _replaced(self, groups: Groups, span: Span) -> IntArray:
        """Return the same of versions that have been replaced, with `known_to`, shape (6, N)."""


def _amounts(measures: IntArray) -> FloatArray:
    amounts = measures.astype(np.float64)
    missing = measures == UNREPORTED
    if missing.any():
        amounts[missing] = np.nan
    return amounts


def _first(now: IntArray, then: IntArray) -> IntArray:
    """Return the instant at which each row's series and day were first stated, of `now` and `then`, shape (N + M,)."""
    stated = np.concatenate([now[3], then[3]])
    # Series and day as one number; only those that were restated have a first statement other than their own.
    key = np.concatenate([now[0], then[0]]) * 2**23 + np.concatenate([now[2], then[2]])
    restated, place = np.unique(key[now.shape[1] :], return_inverse=True)
    earliest = np.full(restated.size, np.iinfo(np.int64).max)
    np.minimum.at(earliest, place, then[3])
    at = np.minimum(np.searchsorted(restated, key), max(restated.size - 1, 0))
    if not restated.size:
        return stated
    first: IntArray = np.where(restated[at] == key, earliest[at], stated)
    return first


def _summed(group: IntArray, day: IntArray, first: IntArray, known_from: IntArray, change: IntArray) -> Revisions:
    """Add up the changes of one group, day, first statement and instant."""
    key = np.stack([group, day, first, known_from])
    code = np.zeros(group.size, dtype=np.int64)
    for column in key:
        distinct, place = np.unique(column, return_inverse=True)
        code = np.unique(code * max(distinct.size, 1) + place, return_inverse=True)[1]
    last = np.zeros(code.max(initial=-1) + 1, dtype=np.int64)
    last[code] = np.arange(code.size)
    group, day, first, known_from = key[:, last]
    return Revisions(group, day, first, known_from, np.bincount(code, weights=change, minlength=last.size))
