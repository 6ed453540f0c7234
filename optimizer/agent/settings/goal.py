"""`[portfolio]`, `[goal]`, `[bandits]`, `[[limits]]` and `[[pins]]`: what is asked of a plan."""

from __future__ import annotations

from datetime import date
from typing import Self

from pydantic import Field, model_validator

from bandits.policy import Rule
from optimizer.agent.settings.types import (
    Amount,
    Confidence,
    Currency,
    NotNegative,
    Positive,
    PositiveAmount,
    PositiveShare,
    ScopeText,
    Share,
    Table,
    Text,
    Zone,
)
from optimizer.goals import Counting, Explore, Valuing
from optimizer.plan.recommendation import Objective


class PortfolioTable(Table):
    """`[portfolio]`: what is planned as one."""

    name: Text = Field("main", description="A name for reports.")
    currency: Currency = Field("USD", description="ISO 4217 code of every amount in this file and in every plan.")
    time_zone: Zone = Field("UTC", description="IANA zone in which a day of the plan begins and ends.")
    history_days: int = Field(400, ge=28, le=3660, description="Days of history that a plan learns from, 28 to 3660.")


class GoalTable(Table):
    """`[goal]`: what is maximised, and what the plan as a whole must keep."""

    objective: Objective = Field(
        Objective.CONVERSIONS, description="What is maximised: conversions, revenue or profit."
    )
    total_per_day: PositiveAmount | None = Field(
        None, description="What all budgets together may spend a day; unset keeps the sum of the current budgets."
    )
    total_per_month: PositiveAmount | None = Field(
        None,
        description="What all budgets together may spend, and should, each calendar month, spread over its days; in "
        "place of `total_per_day`.",
    )
    value_per_conversion: PositiveAmount | None = Field(
        None, description="What a conversion is worth where the platform reports no value."
    )
    margin: PositiveShare = Field(
        1.0, description="Share of revenue that is profit before advertising, above 0 and at most 1."
    )
    roas_floor: Positive | None = Field(
        None, description="Least value per unit spent, over all budgets, met with probability `confidence`."
    )
    cpa_ceiling: PositiveAmount | None = Field(
        None, description="Most spend per conversion, over all budgets, met with probability `confidence`."
    )
    confidence: Confidence = Field(
        0.8, description="Probability with which a ROAS floor or CPA ceiling must be met, above 0.5 and below 1."
    )
    explore: Explore = Field(
        Explore.OPTIMISTIC,
        description="How uncertainty enters the objective: optimistic, knowledge-gradient, thompson or none.",
    )
    explore_limit: Share = Field(
        0.3,
        description="Most of the spend that may stand where only hope puts it, or that trials keep elsewhere, "
        "as a share, 0 to 1.",
    )
    risk_aversion: Share = Field(
        0.0, description="Weight of the mean of the worst outcomes against the mean of all, 0 to 1; 0 shuns no risk."
    )
    risk_tail: PositiveShare = Field(
        0.2, description="Which share of the outcomes, worst first, `risk_aversion` looks at, above 0 and at most 1."
    )
    switching_cost: NotNegative = Field(
        0.0, description="Least gain of a unit moved, as a share of what a unit brings on average; 0 for any gain."
    )
    counts: Counting = Field(
        Counting.ATTRIBUTED,
        description="Which conversions the objective counts: attributed, incremental as lift tests tell, or credited.",
    )
    value: Valuing = Field(
        Valuing.ORDER,
        description="What a conversion is worth: its order, or the lifetime of a new customer (`outlay lifetime`).",
    )


class BanditsTable(Table):
    """`[bandits]`: how a budget is shared out between its ads."""

    policy: Rule = Field(
        Rule.TEMPERED,
        description="The rule of the shares: tempered, thompson, top-two, epsilon-greedy, upper-bound or uniform.",
    )
    horizon_days: NotNegative = Field(
        14.0,
        le=3660,
        description="Days over which learning about an ad is to pay, as `tempered` reckons it, at most 3660; 0 "
        "for none.",
    )
    floor: Share = Field(0.05, description="Least share of a new ad, as a part of an equal share, 0 to 1.")
    largest_step: PositiveShare = Field(
        0.7, description="Largest change of an ad's share of its budget in a day, above 0 and at most 1."
    )


class LimitTable(Table):
    """One `[[limits]]` table: bounds on a scope's budgets."""

    scope: ScopeText = Field(description="Whose budgets: all, channel:NAME, tag:NAME, campaign:ID or budget:ID.")
    floor: Amount | None = Field(None, description="Least sum of the scope's budgets a day.")
    ceiling: Amount | None = Field(None, description="Largest sum of the scope's budgets a day.")
    share_floor: Share | None = Field(None, description="Least share of the total, 0 to 1.")
    share_ceiling: Share | None = Field(None, description="Largest share of the total, 0 to 1.")
    roas_floor: Positive | None = Field(
        None, description="Least value per unit spent over the scope, met with probability `confidence`."
    )
    cpa_ceiling: PositiveAmount | None = Field(
        None, description="Most spend per conversion over the scope, met with probability `confidence`."
    )
    minimum_when_on: PositiveAmount | None = Field(
        None,
        description="Each budget of the scope is either 0, and so paused, or at least this a day. It allows a pause in "
        "one move, beyond `largest_step`; leave it unset where that is not wanted.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if all(value is None for key, value in self.model_dump().items() if key != "scope"):
            raise ValueError("it bounds nothing. Mend: write floor, ceiling, share_floor, roas_floor or another")
        if self.floor is not None and self.ceiling is not None and self.floor > self.ceiling:
            raise ValueError(f"floor {self.floor} is above ceiling {self.ceiling}. Mend: change one of them")
        if self.share_floor is not None and self.share_ceiling is not None and self.share_floor > self.share_ceiling:
            words = f"share_floor {self.share_floor} is above share_ceiling {self.share_ceiling}"
            raise ValueError(f"{words}. Mend: change one of them")
        return self


class PinTable(Table):
    """One `[[pins]]` table: budgets with their ads, or one ad, that must not be touched."""

    scope: ScopeText = Field(
        description="Whose budgets and ads: all, channel:NAME, tag:NAME, campaign:ID or budget:ID; or ad:ID for one ad."
    )
    author: Text = Field(description="Who pinned them.")
    reason: Text = Field(description="Why.")
    until: date | None = Field(None, description="Last day of the pin; unset until it is removed.")
