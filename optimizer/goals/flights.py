"""Amounts for a month or another span of days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from typing import Annotated, Final

from pydantic import Field

from connectors.money import Money
from optimizer.goals.errors import GoalsError
from optimizer.goals.scope import Scope, ScopeKind
from optimizer.plan.periods import month_of

_MOST_SLACK: Final = 10.0


def _whatever_it_costs(value: object) -> bool:
    return value == 1.0  # as flights were before, whose records say nothing of it


@dataclass(frozen=True, slots=True)
class Flight:
    """An amount for a span of days: a calendar month, again and again, or from a first to a last day.

    Attributes:
        name: For people, and for what is recorded; one flight has it.
        scope: Whose budgets spend it.
        amount: What they may spend from the first to the last day, and should.
        first_day, last_day: The span, inclusive, in the portfolio's zone; both None for each calendar month.
        most_per_day: Largest sum of the budgets on one day; None for no limit of its own.
        daily_slack: Largest multiple of a day's budget that a platform may spend on that day (Google Ads: 2).
        month_end_slack: The same on the last day of a calendar month (Google Ads: 1, for after a change no more is
            spent than the budget times the days that are left of the month).
        exactness: Largest share of what the days left bring that is given up to end within .5% of the amount; 1 for
            whatever it costs.

    Raises:
        GoalsError: A value makes no sense; the message names it.
    """

    name: str
    scope: Scope
    amount: Money
    first_day: date | None = None
    last_day: date | None = None
    most_per_day: Money | None = None
    daily_slack: float = 2.0
    month_end_slack: float = 2.0
    exactness: Annotated[float, Field(exclude_if=_whatever_it_costs)] = 1.0

    def __post_init__(self) -> None:
        name = f"flight {self.name!r}"
        if not self.name:
            raise GoalsError("a flight needs a name. Mend: write one")
        if self.scope.kind is ScopeKind.AD:
            raise GoalsError(f"{name}: an ad has no budget to pace. Mend: name its budget")
        if (self.first_day is None) != (self.last_day is None):
            raise GoalsError(f"{name} has one end only. Mend: write first_day and last_day, or neither for each month")
        if self.first_day is not None and self.last_day is not None and self.last_day < self.first_day:
            raise GoalsError(f"{name} ends on {self.last_day}, before it begins on {self.first_day}. Mend: swap them")
        for key, amount in {"amount": self.amount, "most_per_day": self.most_per_day}.items():
            if amount is not None and amount.micros <= 0:
                raise GoalsError(f"{name}: {key} must be above zero, not {amount}. Mend: correct it in config.toml")
        for key, slack in {"daily_slack": self.daily_slack, "month_end_slack": self.month_end_slack}.items():
            if not 1.0 <= slack <= _MOST_SLACK:
                raise GoalsError(f"{name}: {key} lies between 1 and {_MOST_SLACK:g}, not {slack!r}. Mend: correct it")
        if not 0.0 <= self.exactness <= 1.0:
            raise GoalsError(f"{name}: exactness lies between 0 and 1, not {self.exactness!r}. Mend: correct it")

    def span(self, day: date) -> tuple[date, date] | None:
        """The first and last day of the span that a day lies in; None if it lies in none."""
        if self.first_day is not None and self.last_day is not None:
            return (self.first_day, self.last_day) if self.first_day <= day <= self.last_day else None
        month = month_of(day)
        return month.since, month.until

    def slack(self, day: date) -> float:
        """The largest multiple of its budget that may be spent on a day."""
        return self.month_end_slack if day == month_of(day).until else self.daily_slack

    def meets(self, other: Flight) -> bool:
        """Whether two flights would both set what one scope may spend on some day."""
        ends = (self.first_day, self.last_day, other.first_day, other.last_day)
        apart = None not in ends and (self.last_day < other.first_day or other.last_day < self.first_day)  # type: ignore[operator]  # none is None
        return self.scope == other.scope and not apart


def check_together(flights: Sequence[Flight], total: Money | None) -> None:
    """Refuse flights that share a name or set the same twice, with each other or with a total of each day.

    Raises:
        GoalsError: It names them.
    """
    for one, other in combinations(flights, 2):
        if one.name == other.name:
            raise GoalsError(f"two flights are called {one.name!r}. Mend: rename one of them")
        if one.meets(other):
            words = f"flights {one.name!r} and {other.name!r} both set what {one.scope} may spend on some day"
            raise GoalsError(f"{words}. Mend: let one end before the other begins, or put their amounts together")
    whole = next((flight for flight in flights if flight.scope.kind is ScopeKind.ALL), None)
    if whole is not None and total is not None:
        words = f"total_per_day and flight {whole.name!r} both set what all budgets may spend a day"
        raise GoalsError(f"{words}. Mend: leave total_per_day out, and set the flight's most_per_day if wanted")
