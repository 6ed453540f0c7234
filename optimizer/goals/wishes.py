"""What the marketer wants: objective, limits, pins; checked at birth, so that nonsense is never built."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from itertools import combinations
from typing import Annotated

from pydantic import Field

from bandits.policy import Rule
from connectors.contract import AdKey
from connectors.money import Money, exponent
from optimizer.plan.periods import month_of
from optimizer.plan.recommendation import Objective, content_hash
from optimizer.plan.snapshot import Target


def _nothing(value: object) -> bool:
    return value == ()


def _untold(value: object) -> bool:
    return value is None


class GoalsError(ValueError):
    """A goal makes no sense, or a line cannot be what was asked; the message names the setting and the mend."""


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


class ScopeKind(StrEnum):
    """What a limit or pin may name."""

    ALL = "all"
    CHANNEL = "channel"
    TAG = "tag"
    CAMPAIGN = "campaign"
    BUDGET = "budget"
    AD = "ad"


@dataclass(frozen=True, slots=True)
class Scope:
    """The targets that a limit or pin is about, written `channel:search`, `tag:brand`, `campaign:123`, `all`."""

    kind: ScopeKind
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> Scope:
        """Read `kind:name` (or `all`).

        Raises:
            ValueError: The kind is unknown or the name is missing.
        """
        kind, _, name = text.partition(":")
        try:
            scope = cls(ScopeKind(kind.strip()), name.strip())
        except ValueError:
            kinds = ", ".join(k.value for k in ScopeKind)
            raise ValueError(f"{text!r} names no scope; write one of {kinds}, such as channel:search") from None
        if (scope.kind is ScopeKind.ALL) == bool(scope.name):
            raise ValueError(f"{text!r}: 'all' stands alone, every other scope needs a name after the colon")
        return scope

    def covers(self, target: Target) -> bool:
        """Whether the target is meant; campaigns match by id or name, budgets by id, name or full key."""
        match self.kind:
            case ScopeKind.ALL:
                return True
            case ScopeKind.CHANNEL:
                return self.name == target.channel
            case ScopeKind.TAG:
                return self.name in target.tags
            case ScopeKind.CAMPAIGN:
                return self.name in target.campaigns or self.name in target.campaign_names
            case ScopeKind.BUDGET:
                return self.name in (target.budget.budget_id, target.budget.name, str(target.key))
            case ScopeKind.AD:
                return False

    def names(self, ad: AdKey, name: str) -> bool:
        """Whether one ad is meant, by id, name or full key."""
        return self.kind is ScopeKind.AD and self.name in (ad.ad_id, name, str(ad))

    def __str__(self) -> str:
        return self.kind.value if self.kind is ScopeKind.ALL else f"{self.kind.value}:{self.name}"


def indices(scope: Scope, targets: tuple[Target, ...]) -> tuple[int, ...]:
    """Return the indices of the targets that a scope covers, ascending."""
    return tuple(k for k, target in enumerate(targets) if scope.covers(target))


@dataclass(frozen=True, slots=True)
class Limit:
    """Bounds on the budgets that a scope covers.

    Attributes:
        floor, ceiling: Bounds on the sum of the scope's budgets a day.
        share_floor, share_ceiling: Bounds on that sum as a share of the portfolio's total, 0 to 1.
        roas_floor: Least value per currency unit spent, over the scope, with the goals' `confidence`.
        cpa_ceiling: Most spend per conversion, over the scope, with the same.
        minimum_when_on: Each of the scope's budgets is either 0, and so paused, or at least this.
    """

    scope: Scope
    floor: Money | None = None
    ceiling: Money | None = None
    share_floor: float | None = None
    share_ceiling: float | None = None
    roas_floor: float | None = None
    cpa_ceiling: Money | None = None
    minimum_when_on: Money | None = None

    @property
    def amounts(self) -> tuple[Money, ...]:
        """All amounts of money that are set."""
        found = (self.floor, self.ceiling, self.cpa_ceiling, self.minimum_when_on)
        return tuple(amount for amount in found if amount is not None)

    def __post_init__(self) -> None:
        name = f"limit on {self.scope}"
        amounts, shares = (self.floor, self.ceiling), (self.share_floor, self.share_ceiling)
        if self.scope.kind is ScopeKind.AD:
            raise GoalsError(f"{name}: an ad has no budget to bound. Mend: bound its budget, or pin the ad")
        if not self.amounts and all(bound is None for bound in (*shares, self.roas_floor)):
            raise GoalsError(f"{name} bounds nothing. Mend: write floor, ceiling, share_floor, roas_floor or another")
        above_zero = {"cpa_ceiling": self.cpa_ceiling, "minimum_when_on": self.minimum_when_on}
        for key, amount in above_zero.items():
            if amount is not None and amount.micros <= 0:
                raise GoalsError(f"{name}: {key} must be above zero, not {amount}. Mend: leave it out if not wanted")
        if self.roas_floor is not None:
            _between(f"{name}: roas_floor", self.roas_floor, 0.0, math.inf)
        if any(amount is not None and amount.micros < 0 for amount in amounts):
            raise GoalsError(f"{name}: a floor or ceiling cannot be negative. Mend: write 0 or more")
        if any(share is not None and not 0 <= share <= 1 for share in shares):
            raise GoalsError(f"{name}: a share lies between 0 and 1. Mend: write 0.4 for 40%")
        if self.floor is not None and self.ceiling is not None and self.floor > self.ceiling:
            raise GoalsError(f"{name}: floor {self.floor} is above ceiling {self.ceiling}. Mend: change one of them")
        if None not in shares and self.share_floor > self.share_ceiling:  # type: ignore[operator]  # neither is None
            raise GoalsError(f"{name}: share_floor is above share_ceiling. Mend: change one of them")


@dataclass(frozen=True, slots=True)
class Pin:
    """A scope that must not be touched, by whom, why and until when (inclusive; None: until removed).

    A pin on budgets holds their ads, too; one on an ad holds that ad alone.
    """

    scope: Scope
    author: str
    reason: str
    until: date | None = None

    def holds(self, day: date) -> bool:
        """Whether the pin is in force on a day."""
        return self.until is None or day <= self.until

    @property
    def words(self) -> str:
        """Who pinned it, until when and why."""
        until = f" until {self.until}" if self.until else ""
        return f"pinned by {self.author}{until}: {self.reason}"


class Model(StrEnum):
    """What an advertiser pays for."""

    CPM = "cpm"
    """A thousand impressions."""
    CPC = "cpc"
    """A click."""
    CPL = "cpl"
    """A lead."""
    CPA = "cpa"
    """An action, such as an order."""
    CPI = "cpi"
    """An installation."""
    REVENUE_SHARE = "revenue-share"
    """A share of the value of what was sold."""


PER_ACTION = frozenset({Model.CPL, Model.CPA, Model.CPI})
"""The models that are paid for each conversion."""


@dataclass(frozen=True, slots=True)
class Payment:
    """How a channel or campaign is paid.

    Attributes:
        scope: Whose budgets and rows; the first of several that covers one counts.
        model: What is paid for.
        rate: Currency units for each of it (of CPM for a thousand); of revenue share a share, at most 1.

    Raises:
        GoalsError: The rate is not above zero, or a share above 1, or an ad is meant.
    """

    scope: Scope
    model: Model
    rate: float

    def __post_init__(self) -> None:
        _between(f"rate of the payment of {self.scope}", self.rate, 0.0, math.inf)
        if self.model is Model.REVENUE_SHARE and self.rate > 1.0:
            raise GoalsError(
                f"the revenue share of {self.scope} is {self.rate:g}, above all of it. Mend: write 0.1 for 10%"
            )
        if self.scope.kind not in (ScopeKind.ALL, ScopeKind.CHANNEL, ScopeKind.CAMPAIGN):
            raise GoalsError(
                f"payment of {self.scope}: only all, a channel or a campaign is paid. Mend: write one of them"
            )


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


_MOST_SLACK = 10.0


def _check_flights(flights: Sequence[Flight], total: Money | None) -> None:
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
        _between("bandits.largest_step", self.largest_step, 0.0, 1.0)
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
        explore_limit: Most of the spend that may stand where only hope puts it, as a share, 0 to 1.
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
        _between("margin", self.margin, 0.0, 1.0)
        _between("confidence", self.confidence, 0.5, 1.0)
        _between("largest_step", self.largest_step, 0.0, math.inf)
        if self.roas_floor is not None:
            _between("roas_floor", self.roas_floor, 0.0, math.inf)
        if self.total is not None and self.total.micros < 0:
            raise GoalsError(f"total must be zero or more, not {self.total}. Mend: leave it out if it is not wanted")
        amounts = {"value_per_conversion": self.value_per_conversion, "cpa_ceiling": self.cpa_ceiling}
        for name, amount in amounts.items():
            if amount is not None and amount.micros <= 0:
                raise GoalsError(f"{name} must be above zero, not {amount}. Mend: leave it out if it is not wanted")
        _between("risk_tail", self.risk_tail, 0.0, 1.0)
        for share, value, most in (
            ("risk_aversion", self.risk_aversion, 1.0),
            ("switching_cost", self.switching_cost, math.inf),
            ("explore_limit", self.explore_limit, 1.0),
            ("largest_cut", self.largest_cut or 0.0, 1.0),
        ):
            if not (0.0 <= value <= most and math.isfinite(value)):
                raise GoalsError(f"{share} must be 0 or more, not {value!r}. Mend: correct it in config.toml")
        _check_flights(self.flights, self.total)
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


def _between(name: str, value: float, low: float, high: float) -> None:
    if not (low < value <= high and math.isfinite(value)):
        end = "" if math.isinf(high) else f" and at most {high:g}"
        raise GoalsError(f"{name} must be above {low:g}{end}, not {value!r}. Mend: correct it in config.toml")
