"""A day in the market: budgets become spend, impressions, clicks, conversions and value.

Per campaign and day, with demand D, auction price p, and mean-1 gamma shocks G (size R) and S (size R'):

    delivered x = min(budget * ratio, supply D p), of which the month's limit says what is charged
    impressions of ad a ~ Poisson(D i g(x / p) share_a G),  clicks | impressions ~ Binomial(., click_rate_a wear_a)
    purchases that the day causes, on average: c D g(x / p) wear Q(g) F G S

Other channels harvest part of them, some are held back by the memory of ads (`booking`), and the rest are counted by
ad, kind and lag (`counting`). Impressions and clicks of a campaign are negative binomial with size R exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from connectors.money import MICROS
from simulations.market.booking import Amounts, book
from simulations.market.counting import count_day
from simulations.market.day import Day, ages, by_age
from simulations.market.delivery import charged, days_of_month, delivered, supply
from simulations.market.response import overlap_factor, quality, volume, wear_of_campaign
from simulations.market.truth import Truth
from simulations.noise import FloatArray, IntArray, KeyArray, Stream, beta22_quantile, gamma_quantile, uniforms

__all__ = ["Carry", "Day", "HorizonEnded", "ages", "begin", "by_age", "in_horizon", "play"]


@dataclass(frozen=True, slots=True, eq=False)
class Carry:
    """What one day leaves to the next; K campaigns, Y kinds of conversions.

    Attributes:
        day: Index of the next day.
        memory: Expected conversions of earlier days' ads that land on it, each of shape (K, Y).
        asked: Sum of the budgets in force since its calendar month began, micros, shape (K,).
        charged: What was charged for them, micros, shape (K,).
    """

    day: int
    memory: Amounts
    asked: IntArray
    charged: IntArray


class HorizonEnded(ValueError):  # noqa: N818 - it is the horizon that ended
    """The truth is drawn for fewer days than were asked for."""


def begin(truth: Truth) -> Carry:
    """Return the state of the market on the morning of day 0."""
    zeros = np.zeros(truth.channel.size, dtype=np.int64)
    return Carry(0, Amounts.nothing(truth), zeros, zeros)


def play(truth: Truth, key: KeyArray, carry: Carry, budgets: IntArray) -> tuple[Day, Carry]:
    """Return what a day brings under these budgets, and what it leaves; a pure function of its arguments.

    Args:
        truth: The world.
        key: Of its noise (`noise.noise_key`).
        carry: What the days before have left.
        budgets: Daily budgets in micros, shape (K,).

    Raises:
        HorizonEnded: The day lies beyond the scenario's horizon.
    """
    in_horizon(truth, carry.day)
    day, everyone, funnel = carry.day, np.arange(budgets.size), truth.scenario.funnel
    place, traffic, rate = uniforms(key, day, Stream.CAMPAIGN, 3 * budgets.size).reshape(-1, 3).T
    spend = delivered(truth, day, everyone, budgets / MICROS, beta22_quantile(place))
    pays = charged(truth, day, budgets, spend, carry.asked, carry.charged)

    g = volume(truth, everyone, day, spend)
    traffic_factor = truth.demand[:, day] * g * gamma_quantile(traffic, funnel.traffic_size)
    purchases = (
        truth.conversions
        * traffic_factor
        * gamma_quantile(rate, funnel.rate_size)
        * wear_of_campaign(truth, day)
        * quality(truth, everyone, g)
        * overlap_factor(truth, day, budgets / MICROS)
    )
    booking = book(truth, purchases, g, carry.memory)
    played = count_day(truth, key, day, pays, truth.impressions * traffic_factor, booking)
    played = replace(played, share=_share(truth, day, g))
    return played, _next(truth, carry, booking.memory, budgets, pays)


def _share(truth: Truth, day: int, g: FloatArray) -> FloatArray:
    """Volumes over those that the whole supply of the day would have given, shape (K,)."""
    everyone = np.arange(g.size)
    most = volume(truth, everyone, day, supply(truth, day, everyone))
    share: FloatArray = np.divide(g, most, out=np.full(g.size, np.nan), where=most > 0)
    return share


def in_horizon(truth: Truth, day: int) -> None:
    """Refuse a day that the truth was not drawn for.

    Raises:
        HorizonEnded: The day lies outside the scenario's horizon.
    """
    last = truth.scenario.horizon_days - 1
    if not 0 <= day <= last:
        raise HorizonEnded(
            f"day {day} is outside the horizon of scenario {truth.scenario.name!r} (days 0 to {last}); "
            "raise its horizon_days, or start a new world"
        )


def _next(truth: Truth, carry: Carry, memory: Amounts, budgets: IntArray, pays: IntArray) -> Carry:
    """The state of the next morning; a new month begins with nothing asked for and nothing charged."""
    day = carry.day + 1
    goes_on = days_of_month(truth, day) > 0
    return Carry(day, memory, (carry.asked + budgets) * goes_on, (carry.charged + pays) * goes_on)
