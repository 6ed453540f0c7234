"""What budgets bring in expectation, under any goal, and the day's curves that the search works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from simulations.market.delivery import averaged, quadrature, spends
from simulations.market.play import in_horizon
from simulations.market.response import claims, gain, overlap_factor, potential, wear_of_campaign
from simulations.market.truth import Truth
from simulations.noise import FloatArray
from simulations.oracle.bend import bend
from simulations.oracle.portfolio import Portfolio, Rows

Goal = Literal["conversions", "value", "incremental", "incremental-value"]
"""What is counted: conversions of all kinds that stand in the end or their value in currency units, or of either only
what would not have happened anyway."""


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """Expected outcome of one day by campaign, each of shape (K,); spend and value in currency units.

    Everything is credited to the day and campaign whose spend caused it, whenever and by whomever it is claimed.

    Attributes:
        spend: Delivered, of which some may be free of charge at a month's end.
        conversions: Of all kinds, within their attribution windows and not returned.
        value: What they are worth.
        incremental, incremental_value: The same without what would have happened anyway.
    """

    spend: FloatArray
    conversions: FloatArray
    value: FloatArray
    incremental: FloatArray
    incremental_value: FloatArray

    def of(self, goal: Goal) -> FloatArray:
        """Return what counts under a goal, shape (K,)."""
        match goal:
            case "conversions":
                return self.conversions
            case "value":
                return self.value
            case "incremental":
                return self.incremental
            case "incremental-value":
                return self.incremental_value


def expected(truth: Truth, budgets: FloatArray, day: int) -> Expected:
    """Return what budgets bring on a day in expectation over all noise, conversions at full maturity.

    The daily shocks have mean 1 and are independent of everything else; only the delivery ratio is averaged over.

    Args:
        truth: The world.
        budgets: Currency units a day, shape (K,).
        day: Index of the day.

    Raises:
        HorizonEnded: The day lies beyond the scenario's horizon.
    """
    in_horizon(truth, day)
    everyone = np.arange(truth.channel.size)
    purchases = potential(truth, everyone, day, budgets) * overlap_factor(truth, day, budgets)
    conversions, value = (purchases * worth(truth, goal) for goal in ("conversions", "value"))
    return Expected(
        spend=averaged(truth, spends(truth, day, everyone, budgets)),
        conversions=conversions,
        value=value,
        incremental=conversions * truth.incrementality,
        incremental_value=value * truth.incrementality,
    )


def worth(truth: Truth, goal: str) -> FloatArray:
    """Return what one purchase of each campaign counts under a goal, with all kinds that come with it, shape (K,)."""
    by_kind = claims(truth)[truth.channel]
    if goal.endswith("value"):
        further = [kind.value[truth.channel] for kind in truth.kinds[1:]]
        by_kind = by_kind * np.stack([truth.order_value, *further], axis=1)
    by_purchase: FloatArray = by_kind.sum(axis=1)
    return by_purchase * truth.incrementality if goal.startswith("incremental") else by_purchase


def portfolio_of(truth: Truth, day: int, goal: Goal) -> Portfolio:
    """Return a day's curves, corners and pools.

    Args:
        truth: The world.
        day: Index of the day.
        goal: What they count.

    Raises:
        HorizonEnded: The day lies beyond the scenario's horizon.
    """
    in_horizon(truth, day)
    largest = truth.conversions * truth.demand[:, day] * worth(truth, goal)
    weight = largest * wear_of_campaign(truth, day)

    def alone(rows: Rows, budgets: FloatArray) -> FloatArray:
        return weight[rows].reshape(-1, *(1,) * (budgets.ndim - 1)) * gain(truth, rows, day, budgets)

    low, high = truth.scenario.delivery.ratio
    most = truth.supply * truth.demand[:, day] * truth.price[truth.channel, day] * truth.runs[:, day]
    return Portfolio(
        curve=alone,
        kinks=most[:, None] / (low + (high - low) * quadrature(low, high)[0]),
        bend=bend(truth.curves, truth.quality),
        pool=truth.pool,
        reference=np.bincount(truth.pool, largest),
        overlap=truth.scenario.ads.overlap,
    )
