"""How statements about one series and day become its history: the rule that every store keeps.

A history is a list of versions in the order in which they were learnt, each in force from its `known_from` until the
next one's. A statement that equals the version in force at its time adds nothing; any other becomes a version of its
own, the newest one at the end and an older one in the midst, where it does not replace what was learnt later.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter

Measures = tuple[int, int, int | None, int | None, int | None]
"""Spend, conversions, value, impressions and clicks, in micros."""

_KNOWN_FROM = attrgetter("known_from")


class Clash(Exception):  # noqa: N818 - two statements clash
    """Two statements of one series and day, learnt at the same instant, differ."""


@dataclass(frozen=True, slots=True)
class Version:
    """What was stated, and the instant at which it was learnt."""

    known_from: int
    measures: Measures


@dataclass(frozen=True, slots=True)
class Step:
    """A version that entered a history.

    Attributes:
        previous, following: Its neighbours at the time of entry, None at either end.
    """

    version: Version
    previous: Version | None
    following: Version | None


def fold(history: list[Version], statements: Iterable[Version]) -> list[Step]:
    """Enter statements into a history, in place.

    Args:
        history: The versions known so far, by `known_from`.
        statements: In order of `known_from`.

    Returns:
        What entered, in order; a statement that added nothing is not among them.

    Raises:
        Clash: A statement differs from another one of the same instant.
    """
    steps = []
    last: Version | None = None
    for statement in statements:
        if last is not None and last.known_from == statement.known_from and last != statement:
            raise Clash
        last = statement
        if (step := _enter(history, statement)) is not None:
            steps.append(step)
    return steps


def in_force(history: list[Version], known_at: int) -> Version | None:
    """Return the version that was known at an instant, None before the first."""
    place = bisect_right(history, known_at, key=_KNOWN_FROM)
    return history[place - 1] if place else None


def _enter(history: list[Version], statement: Version) -> Step | None:
    place = bisect_right(history, statement.known_from, key=_KNOWN_FROM)
    previous = history[place - 1] if place else None
    if previous is not None and previous.measures == statement.measures:
        return None
    if previous is not None and previous.known_from == statement.known_from:
        raise Clash
    following = history[place] if place < len(history) else None
    history.insert(place, statement)
    return Step(statement, previous, following)
