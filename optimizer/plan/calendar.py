"""Days that are known not to be ordinary: sales, launches, public holidays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from connectors.contract import BudgetKey

HOLIDAYS: Final = "public holiday"
"""The kind of public holidays, which are pooled with each other."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """One occurrence of an event: the days from first to last, past or to come.

    Attributes:
        name: Occurrences of one name are taken to be alike: last year's tells of this year's.
        first_day: The first day; days before or after the event itself may be part of it.
        last_day: The last one, inclusive.
        budgets: Whose demand it moves; None for all.
        guess: Factor on what a day brings that a person expects; None where nobody said.
        kind: Events of one kind lean on each other; empty for none.

    Raises:
        ValueError: The name is empty, the days are the wrong way round, or the guess is not above zero.
    """

    name: str
    first_day: date
    last_day: date
    budgets: tuple[BudgetKey, ...] | None = None
    guess: float | None = None
    kind: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("an event needs a name")
        if self.last_day < self.first_day:
            raise ValueError(f"event {self.name!r}: it ends on {self.last_day}, before it begins")
        if self.guess is not None and not (math.isfinite(self.guess) and self.guess > 0):
            raise ValueError(f"event {self.name!r}: the factor guessed must be above 0, not {self.guess!r}")

    @property
    def days(self) -> int:
        """Its length in days."""
        return (self.last_day - self.first_day).days + 1

    def on(self, day: date) -> bool:
        """Whether a day is one of its days."""
        return self.first_day <= day <= self.last_day


def narrowest(occasions: Sequence[Occasion]) -> tuple[int, ...]:
    """Return indices, the longest first: where several lie on one day the shortest counts, and of equals the last."""
    return tuple(sorted(range(len(occasions)), key=lambda i: -occasions[i].days))
