"""`[[payments]]`: what a channel or campaign is paid for."""

from __future__ import annotations

from decimal import Decimal
from typing import Self

from pydantic import Field, model_validator

from optimizer.agent.settings.types import PositiveAmount, ScopeText, Table
from optimizer.goals import GoalsError, Model, Payment


class PaymentTable(Table):
    """One `[[payments]]` table: a scope, what is paid for, and how much."""

    scope: ScopeText = Field(description="Whose: channel:NAME, campaign:ID or all; the first that covers one counts.")
    model: Model = Field(description="What is paid for: cpm, cpc, cpl, cpa, cpi or revenue-share.")
    rate: PositiveAmount = Field(
        description="For each of it (of cpm a thousand impressions); of revenue-share the share of value, such as 0.1."
    )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        try:
            self.payment  # noqa: B018 - it is checked where it is born
        except GoalsError as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def payment(self) -> Payment:
        """The payment as plans and reports count it."""
        return Payment(self.scope, self.model, float(Decimal(self.rate)))
