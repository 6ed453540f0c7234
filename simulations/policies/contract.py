"""What a policy sees on a morning, and what it answers; nothing here knows the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from simulations.noise import FloatArray
from simulations.scenarios import Scenario

BoolArray = npt.NDArray[np.bool_]
Counted = Literal["conversions", "value"]
"""What a policy is asked to raise, as the platform reports it: policies cannot see what was incremental."""


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """What the budgets of a comparison must keep to, currency units a day; K campaigns.

    Attributes:
        total: For all campaigns together.
        lower, upper: For each campaign, shape (K,).
        step: A budget grows from one day to the next by at most this share of itself, and falls by at most it.
    """

    total: float
    lower: FloatArray
    upper: FloatArray
    step: float


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """What a policy is told before the first day.

    Attributes:
        market: Name of the scenario.
        currency, time_zone: Of the account.
        channels: Their names, length C.
        start: The date of day 0.
        days: How many days the comparison lasts, history included.
        names: Of the campaigns, length K.
        channel: Index of each campaign's channel, shape (K,).
        bounds: See `Bounds`.
        goal: What is to be raised.
    """

    market: str
    currency: str
    time_zone: str
    channels: tuple[str, ...]
    start: date
    days: int
    names: tuple[str, ...]
    channel: npt.NDArray[np.int64]
    bounds: Bounds
    goal: Counted = "conversions"


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What is known on the morning of day t, as the platform reports it then; K campaigns, t past days, L + 1 ages.

    Conversions and value are those of all conversion definitions together, as reported so far. NaN: not known yet.

    Attributes:
        today: t, the index of the day whose budgets are asked for.
        budgets: In force on past days, currency units, shape (K, t).
        spend: Charged, currency units, shape (K, t).
        impressions, clicks, conversions, value: Shape (K, t); value in currency units.
        by_age: Conversions of each past day as they were reported on the morning a + 1 days later, a = 0 ... L, shape
            (K, t, L + 1); NaN where that morning is yet to come.
        impression_share: Impressions over those that a campaign could have had, shape (K, t); the rest was lost to its
            budget. NaN where the platform does not say.
        live: The budgets as they stand, currency units, shape (K,).
        runs: Whether a campaign is launched and not paused today, shape (K,).
    """

    today: int
    budgets: FloatArray
    spend: FloatArray
    impressions: FloatArray
    clicks: FloatArray
    conversions: FloatArray
    value: FloatArray
    by_age: FloatArray
    impression_share: FloatArray
    live: FloatArray
    runs: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """The budgets that a policy wants for today.

    Attributes:
        budgets: Currency units, shape (K,).
        low, high: 90% interval of each campaign's eventual conversions of today under these budgets, shape (K,); NaN:
            none for this campaign, as for one that does not run; None: the policy states none.
        why: In a sentence, for whoever steps through the run.
    """

    budgets: FloatArray
    low: FloatArray | None = None
    high: FloatArray | None = None
    why: str = ""


class Policy(Protocol):
    """One way of setting budgets, in one world: it may remember its own past, and nothing else."""

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposal:
        """Return today's budgets; asked once per day, in order."""
        ...


MakePolicy = Callable[[Setting], Policy]
"""Begins a policy in one world. It must be picklable (a function of a module, or a partial of one)."""


def setting_of(
    scenario: Scenario,
    start: date,
    days: int,
    names: tuple[str, ...],
    channel: npt.NDArray[np.int64],
    goal: Counted = "conversions",
) -> Setting:
    """Return what a policy is told of a world: what its marketer knows, and nothing of its distribution."""
    return Setting(
        market=scenario.name,
        currency=scenario.currency,
        time_zone=scenario.time_zone,
        channels=tuple(each.name for each in scenario.channels),
        start=start,
        days=days,
        names=names,
        channel=channel,
        bounds=bounds_of(scenario),
        goal=goal,
    )


def bounds_of(scenario: Scenario) -> Bounds:
    """Return the bounds under which policies are compared in a scenario."""
    each = np.full(scenario.campaigns, scenario.average_budget)
    limits = scenario.limits
    lower = np.maximum(limits.floor * each, scenario.minimum_budget)
    return Bounds(float(each.sum()), lower, limits.ceiling * each, limits.step)
