"""What it would take to change the advice on a line, and when its own counts would tell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from optimizer.explain.figures import chance
from optimizer.plan.recommendation import Turn

_LONGEST: Final = 182
_SURE: Final = 2.0  # standard errors
_LEAST_FACTOR: Final = 0.05
_LARGEST_FACTOR: Final = 3.0


@dataclass(frozen=True, slots=True)
class Move:
    """One line's move, weighed; all of it expected, a day.

    Attributes:
        up: Whether it is a raise.
        brings: The change of what is counted, the cost of the spend itself left out; below zero for a cut.
        needs: What it must bring for the move to gain nothing: what its money brings elsewhere, and its cost.
        p_worse: Posterior probability that it brings less than that.
    """

    up: bool
    brings: float
    needs: float
    p_worse: float


@dataclass(frozen=True, slots=True)
class Counts:
    """Conversions a day of one line before and after its move, and how they scatter.

    Attributes:
        before, after: Expected.
        days: Of the present level that were seen.
        spread: Variance of a day's count over its expectation.
    """

    before: float
    after: float
    days: int
    spread: float


def turn(move: Move, counts: Counts) -> Turn | None:
    """Say at which share of what is expected a move stops paying; None if there is no such share.

    Args:
        move: What is expected of the line.
        counts: What will be seen of it.
    """
    if abs(move.brings) < 1e-12 or move.needs / move.brings <= 0:
        return None
    factor = move.needs / move.brings
    days = days_to_tell(counts)
    words = f"{_condition(factor, move)} {_when(days)}"
    return Turn(factor, move.p_worse, days, words)


def days_to_tell(counts: Counts) -> int | None:
    """Days of the new level until its mean differs from the old one by two standard errors; None beyond half a year.

    Of n new and m old days, the difference of the two means has variance spread x (after / n + before / m). Drift of
    the level is left out.
    """
    left = ((counts.after - counts.before) / _SURE) ** 2 - counts.spread * counts.before / max(counts.days, 1)
    if left <= 0:
        return None
    days = math.ceil(counts.spread * counts.after / left)
    return max(days, 1) if days <= _LONGEST else None


def _condition(factor: float, move: Move) -> str:
    verb, loses = "raise" if move.up else "cut", f"{chance(move.p_worse)} likely"
    if move.up and factor < _LEAST_FACTOR:
        return f"The {verb} would pay even if its money brought a twentieth of what is expected; less is {loses}."
    if not move.up and factor > _LARGEST_FACTOR:
        return f"The {verb} would pay even if its money brought {_LARGEST_FACTOR:.0f} times as much; more is {loses}."
    what = f"brought {abs(factor - 1):.0%} {'less' if factor < 1 else 'more'} than expected"
    if (factor < 1) == move.up:
        return (
            f"If its money {what}, the {verb} would gain nothing; that or {'less' if move.up else 'more'} is {loses}."
        )
    return f"The {verb} pays only if its money {what}; that is {chance(1 - move.p_worse)} likely."


def _when(days: int | None) -> str:
    if days is None:
        return "Its own conversions will hardly tell the change from chance within half a year."
    return f"Its own conversions tell the change from chance after about {days} day{'s' if days > 1 else ''}."
