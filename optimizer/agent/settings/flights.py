"""`goal.total_per_month`, `[pacing]` and `[[flights]]`: amounts for many days, and what platforms make of a day's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from connectors.money import Money
from optimizer.agent.settings.types import PositiveAmount, ScopeText, Share, Table, Text
from optimizer.goals import Flight, Scope, ScopeKind

MONTH: Final = "month"
"""The name of the flight that `total_per_month` sets."""

_EVERYTHING = Scope(ScopeKind.ALL)
_Slack = Annotated[float, Field(ge=1, le=10)]


class PacingTable(Table):
    """`[pacing]`: how much more than a day's budget a platform may spend on that day."""

    daily_slack: _Slack = Field(
        2.0, description="Largest multiple of its budget that may be spent on a day, 1 to 10; 2 is Google Ads'."
    )
    month_end_slack: _Slack = Field(
        2.0,
        description="The same on the last day of a calendar month; 1 where all budgets are Google Ads', which spends "
        "no more than a changed budget times the days that are left of the month.",
    )
    exactness: Share = Field(
        0.02,
        description="Largest share of what the days left bring that is given up to end within .5% of the amount, 0 to "
        "1; 1 for whatever it costs.",
    )
    largest_cut: Share | None = Field(
        None,
        description="Largest relative cut of one budget in one recommendation where a flight's amount needs it, beyond "
        "`largest_step` and `largest_step_24h`, 0 to 1; unset for no cut beyond them.",
    )


class FlightTable(Table):
    """One `[[flights]]` table: an amount for a span of days, or for each month."""

    name: Text = Field(description="Its name, for people.")
    scope: ScopeText = Field(
        _EVERYTHING, description="Whose budgets spend it: all, channel:NAME, tag:NAME, campaign:ID or budget:ID."
    )
    amount: PositiveAmount = Field(description="What is to be spent from the first to the last day, and no more.")
    first_day: date | None = Field(None, description="The first day; unset, with last_day, for each calendar month.")
    last_day: date | None = Field(None, description="The last day.")
    most_per_day: PositiveAmount | None = Field(None, description="Largest sum of the budgets on any of its days.")

    @model_validator(mode="after")
    def _spanned(self) -> Self:
        if (self.first_day is None) != (self.last_day is None):
            raise ValueError("only one of first_day and last_day is set. Mend: write both, or neither for each month")
        if self.first_day is not None and self.last_day is not None and self.last_day < self.first_day:
            raise ValueError(f"last_day {self.last_day} is before first_day {self.first_day}. Mend: change one of them")
        return self


def flights(
    per_month: Decimal | None, tables: Sequence[FlightTable], pacing: PacingTable, currency: str
) -> tuple[Flight, ...]:
    """Return the flights that the settings ask for, that of `total_per_month` first.

    Raises:
        GoalsError: One makes no sense.
    """
    monthly = () if per_month is None else (FlightTable(name=MONTH, scope=_EVERYTHING, amount=per_month),)
    return tuple(
        Flight(
            name=table.name,
            scope=table.scope,
            amount=Money.of(table.amount, currency),
            first_day=table.first_day,
            last_day=table.last_day,
            most_per_day=None if table.most_per_day is None else Money.of(table.most_per_day, currency),
            daily_slack=pacing.daily_slack,
            month_end_slack=pacing.month_end_slack,
            exactness=pacing.exactness,
        )
        for table in (*monthly, *tables)
    )
