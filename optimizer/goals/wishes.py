"""What the marketer wants of a plan as a whole; checked at birth, so that nonsense is never built."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from bandits.policy import Rule
from connectors.money import Money, exponent
from optimizer.goals.errors import GoalsError, between
from optimizer.goals.flights import Flight, check_together
from optimizer.goals.limits import Limit, Pin
from optimizer.goals.payments import Payment
from optimizer.plan.canonical import content_hash
from optimizer.plan.recommendation import Objective


def _nothing(value: object) -> bool:
    return value == ()


def _untold(value: object) -> bool:
    return value is None


class Explore(StrEnum):
    """How uncertainty enters the objective (docs/models.md)."""

    OPTIMISTIC = "optimistic"
    KNOWLEDGE_GRADIENT = "knowledge-gradient"
    THOMPSON = "thompson"
    NONE = "none"


class Counting(StrEnum):
    """Which conversions the objective counts."""

    ATTRIBUTED = "attributed"
    """Those that the platforms claim."""
    INCREMENTAL = "incremental"
    """Those that would not have come anyway, as lift tests tell."""
    CREDITED = "credited"
    """As many as an attribution model credits, of the paths that led to orders."""


class Valuing(StrEnum):
    """What a conversion is worth."""

    ORDER = "order"
    """The value that came with it, or `value_per_conversion`."""
    LIFETIME = "lifetime"
    """What a new customer of its channel brings over the horizon of `[lifetime]`."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """How a budget is shared out between its ads (docs/bandits.md).

    Attributes:
        policy: The rule.
        horizon_days: Days over which learning about an ad is to pay, as the tempered rule reckons it; 0 for none.
        floor: Least share of a new ad, as a part of an equal share, 0 to 1.
        largest_step: Largest absolute change of an ad's share from one day to the next, above 0 and at most 1.

    Raises:
        GoalsError: A value is out of its range.
    """

    policy: Rule = Rule.TEMPERED
    horizon_days: float = 14.0
    floor: float = 0.05
    largest_step: float = 0.7

    def __post_init__(self) -> None:
        between("bandits.largest_step", self.largest_step, 0.0, 1.0)
        for name, value, most in (("horizon_days", self.horizon_days, math.inf), ("floor", self.floor, 1.0)):
            if not (0.0 <= value <= most and math.isfinite(value)):
                raise GoalsError(f"bandits.{name} must not be {value!r}. Mend: correct it in config.toml")


@dataclass(frozen=True, slots=True)
class Goals:
    """Everything that a marketer asks of a plan.

    Attributes:
        objective: What is maximised.
        total: What may be spent a day, all targets together; None keeps the sum of the current budgets. It is 0 on a
            day that a spent flight on all gives nothing.
        value_per_conversion: Stands in for the platform's conversion value where there is none.
        margin: Share of revenue that is profit before advertising, for `profit`; 0 to 1.
        largest_step: Largest relative change of one budget in one recommendation (0.3: at most +-30%).
        limits, pins: See there.
        roas_floor: Least value per currency unit spent, over all targets, with probability `confidence`.
        cpa_ceiling: Most spend per conversion, over all targets, with probability `confidence`.
        confidence: The probability with which a ROAS floor or CPA ceiling must be met.
        explore: How uncertainty enters the objective.
        explore_limit: Most of the spend that may stand where only hope puts it, or that trials keep elsewhere, as a
            share, 0 to 1.
        risk_aversion: Weight of the mean of the worst outcomes in the objective, 0 to 1; 0 counts the mean alone.
        risk_tail: Which share of the outcomes, worst first, that mean is over; above 0, at most 1.
        switching_cost: What moving one currency unit from one budget to another must bring at least, as a share of
            what a unit brings on average now; 0 moves for any gain.
        counts: Which conversions the objective counts; ROAS floors and CPA ceilings are about attributed ones.
        value: What a conversion is worth, in the objective and in ROAS floors.
        sharing: How each budget is shared out between its ads.
        payments: What is paid for; what no payment covers costs what is spent on it.
        flights: Amounts for a month or another span of days, which `optimizer.pacing` spreads over its days.
        largest_cut: Largest relative cut of one budget in one recommendation on a day on which a flight's amount asks
            for more than `largest_step` allows, 0 to 1; None for no more than that.
    """

    currency: str
    objective: Objective = Objective.CONVERSIONS
    total: Money | None = None
    value_per_conversion: Money | None = None
    margin: float = 1.0
    largest_step: float = 0.3
    limits: tuple[Limit, ...] = ()
    pins: tuple[Pin, ...] = ()
    roas_floor: float | None = None
    cpa_ceiling: Money | None = None
    confidence: float = 0.8
    explore: Explore = Explore.OPTIMISTIC
    explore_limit: float = 0.3
    risk_aversion: float = 0.0
    risk_tail: float = 0.2
    switching_cost: float = 0.0
    counts: Counting = Counting.ATTRIBUTED
    value: Valuing = Valuing.ORDER
    sharing: Sharing = field(default_factory=Sharing)
    payments: Annotated[tuple[Payment, ...], Field(exclude_if=_nothing)] = ()
    flights: Annotated[tuple[Flight, ...], Field(exclude_if=_nothing)] = ()
    largest_cut: Annotated[float | None, Field(exclude_if=_untold)] = None

    def least(self, step: float) -> float:
        """The part of a budget that must stay where a step bounds cuts, or `largest_cut` where that is more."""
        return max(1.0 - max(step, self.largest_cut or 0.0), 0.0)

    @property
    def counts_value(self) -> bool:
        """Whether any wish is about value, so that value must be known."""
        floors = (self.roas_floor, *(limit.roas_floor for limit in self.limits))
        return self.objective is not Objective.CONVERSIONS or any(floor is not None for floor in floors)

    def __post_init__(self) -> None:
        exponent(self.currency)
        self._check_value()
        between("margin", self.margin, 0.0, 1.0)
        between("confidence", self.confidence, 0.5, 1.0)
        between("largest_step", self.largest_step, 0.0, math.inf)
        if self.roas_floor is not None:
            between("roas_floor", self.roas_floor, 0.0, math.inf)
        if self.total is not None and self.total.micros < 0:
            raise GoalsError(f"total must be zero or more, not {self.total}. Mend: leave it out if it is not wanted")
        amounts = {"value_per_conversion": self.value_per_conversion, "cpa_ceiling": self.cpa_ceiling}
        for name, amount in amounts.items():
            if amount is not None and amount.micros <= 0:
                raise GoalsError(f"{name} must be above zero, not {amount}. Mend: leave it out if it is not wanted")
        between("risk_tail", self.risk_tail, 0.0, 1.0)
        for share, value, most in (
            ("risk_aversion", self.risk_aversion, 1.0),
            ("switching_cost", self.switching_cost, math.inf),
            ("explore_limit", self.explore_limit, 1.0),
            ("largest_cut", self.largest_cut or 0.0, 1.0),
        ):
            if not (0.0 <= value <= most and math.isfinite(value)):
                raise GoalsError(f"{share} must be 0 or more, not {value!r}. Mend: correct it in config.toml")
        check_together(self.flights, self.total)
        bounds = [bound for limit in self.limits for bound in limit.amounts]
        bounds += [flight.amount for flight in self.flights]
        bounds += [flight.most_per_day for flight in self.flights if flight.most_per_day is not None]
        for amount in (self.total, *amounts.values(), *bounds):
            if amount is not None and amount.currency != self.currency:
                raise GoalsError(
                    f"{amount} is not in {self.currency}. Mend: write every goal in the portfolio's currency"
                )

    def _check_value(self) -> None:
        if self.value is Valuing.ORDER:
            return
        if not self.counts_value:
            mend = 'count "revenue" or "profit", or set a ROAS floor'
            raise GoalsError(f'value = "lifetime" counts nothing where only conversions do. Mend: {mend}')
        if self.value_per_conversion is not None:
            mend = "leave one of them out"
            raise GoalsError(f'value = "lifetime" and value_per_conversion each say what one is worth. Mend: {mend}')

    def digest(self) -> str:
        """SHA-256 of all goals: the same digest means the same wishes."""
        return content_hash(self)
