"""How a flight goes, as the page, the JSON API and `outlay pacing` tell it."""

from __future__ import annotations

from datetime import date

import numpy as np
from pydantic import Field

from optimizer.agent.shown.told import DecimalText, Told, decimal_text, units_text
from optimizer.pacing import Pace


class PaceDay(Told):
    """One day of the month, cumulative."""

    day: date
    planned: DecimalText
    spent: DecimalText | None = Field(description="Null for days to come.")
    low: DecimalText = Field(description="10th percentile of the cumulative spend.")
    middle: DecimalText
    high: DecimalText = Field(description="90th percentile.")


class FlightPace(Told):
    """An amount for a span of days: what was spent of it, what today gets, and how it would end."""

    name: str
    scope: str
    first_day: date
    last_day: date
    amount: str
    left: str = Field(description="What is expected to be left of it before today.")
    due: str = Field(description="What its budgets may sum to today, and should.")
    words: str
    over: float = Field(description="Probability that it ends above its amount.")
    short: float = Field(description="Probability that it ends more than .5% below it.")
    troubles: list[str]
    days: list[PaceDay]
    budgets: list[str] = Field(description="Today's and the next days' budgets, as they are planned now.")


def flight(pace: Pace) -> FlightPace:
    """Tell how a flight goes."""
    told, currency = pace.day, pace.day.amount.currency
    spent = np.cumsum(pace.book.spend)
    first = pace.book.missing
    days = [
        PaceDay(
            day=day,
            planned=units_text(pace.path[first + n], currency),
            spent=units_text(spent[n], currency) if n < pace.book.told else None,
            low=units_text(pace.fan.low[n], currency),
            middle=units_text(pace.fan.middle[n], currency),
            high=units_text(pace.fan.high[n], currency),
        )
        for n, day in enumerate(pace.days[first:])
    ]
    return FlightPace(
        name=told.name,
        scope=told.scope,
        first_day=told.first_day,
        last_day=told.last_day,
        amount=decimal_text(told.amount),
        left=decimal_text(told.left),
        due=decimal_text(told.due),
        words=told.words,
        over=pace.fan.over,
        short=pace.fan.short,
        troubles=[f"{finding.message} {finding.mend}" for finding in pace.findings],
        days=days,
        budgets=[units_text(budget, currency) for budget in (told.due.micros / 1e6, *pace.plan.budget[1:])],
    )
