"""`[[reports]]`: reports that are sent by themselves."""

from __future__ import annotations

import re
from datetime import date, time
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, model_validator

from optimizer.agent.settings.types import Table, Text
from optimizer.plan.periods import period_of

_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WHEN: Final = re.compile(rf"({'|'.join(_WEEKDAYS)}|[1-9]|1\d|2[0-8]) (([01]\d|2[0-3]):[0-5]\d)")
_SOME_DAY: Final = date(2026, 3, 10)  # of which every kind of period has days that are over
_CUTS: Final = ("channel", "campaign", "ad-group", "ad", "creative", "audience", "day", "week", "month")
_TIMES: Final = frozenset({"day", "week", "month"})


def _when(text: str) -> str:
    if _WHEN.fullmatch(text) is None:
        raise ValueError("it is no moment. Mend: write 'mon 07:00' for weekly, or '1 07:00' (day 1 to 28) for monthly")
    return text


def _period(text: str) -> str:
    if re.fullmatch(r"\d{4}-.*", text):
        raise ValueError("the same days each time. Mend: write last-7-days, last-week, last-month or this-month")
    period_of(text, _SOME_DAY)
    return text


def _cut(text: str) -> str:
    if text not in _CUTS:
        raise ValueError(f"it is not known. Mend: write one or more of {', '.join(_CUTS)}")
    return text


class ReportTable(Table):
    """One `[[reports]]` table: what is told to the addresses of `[notify]`, and when."""

    name: Text = Field(description="Its name; each has one of its own.")
    when: Annotated[Text, AfterValidator(_when)] = Field(
        description="'mon 07:00' for each week, '1 07:00' (day 1 to 28) for each month; in the portfolio's zone."
    )
    period: Annotated[Text, AfterValidator(_period)] = Field(
        "last-7-days", description="Which days: last-7-days (any number), last-week, last-month or this-month."
    )
    by: tuple[Annotated[Text, AfterValidator(_cut)], ...] = Field(
        ("channel",),
        description="By what: channel, campaign, ad-group, ad, creative, audience, and one of day, week and month.",
    )

    @model_validator(mode="after")
    def _once(self) -> Self:
        if len(set(self.by)) < len(self.by) or len(_TIMES & set(self.by)) > 1:
            raise ValueError(
                "a report is split by each thing once, and by one of day, week and month. Mend: correct by"
            )
        return self

    @property
    def weekday(self) -> int | None:
        """The day of the week, Monday being 0; None for a monthly report."""
        day = self.when.partition(" ")[0]
        return _WEEKDAYS.index(day) if day in _WEEKDAYS else None

    @property
    def day_of_month(self) -> int | None:
        """The day of the month; None for a weekly report."""
        return None if self.weekday is not None else int(self.when.partition(" ")[0])

    @property
    def at(self) -> time:
        """The time of day."""
        return time.fromisoformat(self.when.partition(" ")[2])
