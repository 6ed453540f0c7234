"""`[[events]]` and `[[holidays]]`: days that are known not to be ordinary."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Self

from pydantic import Field, model_validator

from optimizer.agent.settings.types import Positive, ScopeText, Table, Text
from optimizer.goals import Scope, ScopeKind

_EVERYTHING = Scope(ScopeKind.ALL)
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


class EventTable(Table):
    """One `[[events]]` table: a sale, a launch, a fair; one table for each occurrence."""

    name: Text = Field(description="Its name; occurrences of one name are taken to be alike.")
    first_day: date = Field(description="The first day that it moves; days before the event itself may be among them.")
    last_day: date = Field(description="The last day that it moves.")
    scope: ScopeText = Field(
        _EVERYTHING, description="Whose demand it moves: all, channel:NAME, tag:NAME, campaign:ID or budget:ID."
    )
    factor: Positive | None = Field(
        None, description="What its days are expected to bring over ordinary ones, where somebody can tell; above 0."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.last_day < self.first_day:
            raise ValueError(f"last_day {self.last_day} is before first_day {self.first_day}. Mend: change one of them")
        return self


class HolidaysTable(Table):
    """One `[[holidays]]` table: the public holidays of a country or a part of it."""

    country: Country = Field(description="ISO 3166 code of the country, such as DE.")
    subdivision: Text | None = Field(None, description="Its part by ISO 3166-2 without the country, such as BY.")
    scope: ScopeText = Field(
        _EVERYTHING, description="Whose demand they move: all, channel:NAME, tag:NAME, campaign:ID or budget:ID."
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        try:
            holiday_names(self.country, self.subdivision, (2025, 2025))
        except NotImplementedError:
            where = self.country if self.subdivision is None else f"{self.country}-{self.subdivision}"
            words = f"no public holidays are known of {where}"
            raise ValueError(f"{words}. Mend: correct the codes, or list the days as [[events]]") from None
        return self


def holiday_names(country: str, subdivision: str | None, years: tuple[int, int]) -> dict[date, str]:
    """Return the public holidays of a place by day, from the first year to the last.

    Raises:
        NotImplementedError: Nothing is known of the place.
    """
    import holidays  # noqa: PLC0415 - slow to load, and only those who ask for it need it

    found = holidays.country_holidays(country, subdiv=subdivision, years=range(years[0], years[1] + 1))
    return {day: str(name) for day, name in found.items()}
