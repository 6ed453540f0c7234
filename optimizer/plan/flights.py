"""What a day got of an amount for many days: kept with the decision that gave it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated

from pydantic import Field

from connectors.money import Money


def _untold(value: object) -> bool:
    return value is None


@dataclass(frozen=True, slots=True)
class DayOfFlight:
    """What one flight gives one day.

    Attributes:
        name, scope: The flight's.
        first_day, last_day: Of the span that the day lies in.
        amount: Of the whole span.
        left: What is expected to be left of it before the day.
        due: What the budgets may sum to on the day, and should.
        words: What that rests on, in sentences.
        least: What the budgets can come down to on the day without `Goals.largest_cut`; None where that is not known.
    """

    name: str
    scope: str
    first_day: date
    last_day: date
    amount: Money
    left: Money
    due: Money
    words: str
    least: Annotated[Money | None, Field(exclude_if=_untold)] = None

    @property
    def beyond(self) -> bool:
        """Whether the day counts on cuts beyond the steps; a decision that was stored without `least` may."""
        return self.least is None or self.due < self.least
