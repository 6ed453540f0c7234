"""A day in the market: budgets become spend, impressions, clicks, conversions and value.

Per campaign and day, with demand D, budget b, and mean-1 gamma shocks G (size R) and S (size R'):

    spend x = min(b * delivery, supply * D);   impressions of ad a ~ Poisson(D i g(x) share_a G)
    clicks | impressions ~ Binomial(impressions, click_rate_a)
    conversions by lag | clicks ~ Multinomial(clicks, conversion_rate_a S delay_l)

By the thinning of Poisson counts all of an ad's cells (conversions at each lag, clicks that bring none, impressions
that nobody clicks) are independent Poisson counts given the shocks, and are drawn so. Impressions and clicks of a
campaign are therefore negative binomial with size R exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from connectors.money import MICROS
from simulations.noise import (
    FloatArray,
    IntArray,
    KeyArray,
    Stream,
    beta22_quantile,
    gamma_quantile,
    poisson_quantile,
    uniforms,
)
from simulations.truth import Truth


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """What a day truly brought, before anybody has reported it; conversions are kept by their lag.

    Attributes:
        day: Its index.
        spend: Micros by ad, shape (A,).
        impressions, clicks: By ad, shape (A,).
        cell_ad, cell_lag, cell_count, cell_value: Ad, lag in days, conversions and value in micros of each cell that
            has conversions, each of shape (cells,).
    """

    day: int
    spend: IntArray
    impressions: IntArray
    clicks: IntArray
    cell_ad: IntArray
    cell_lag: IntArray
    cell_count: IntArray
    cell_value: IntArray

    def reported(self, on: int) -> tuple[IntArray, IntArray]:
        """Return conversions and value (micros) by ad as the platform states them on the morning of day `on`.

        On the morning after the day itself, lag 0 is reported.
        """
        known = self.cell_lag < on - self.day
        conversions, value = np.zeros_like(self.spend), np.zeros_like(self.spend)
        np.add.at(conversions, self.cell_ad[known], self.cell_count[known])
        np.add.at(value, self.cell_ad[known], self.cell_value[known])
        return conversions, value

    def matured(self) -> tuple[IntArray, IntArray]:
        """Return conversions and value (micros) by ad once all are reported."""
        return self.reported(self.day + int(self.cell_lag.max(initial=0)) + 1)


class HorizonEnded(ValueError):  # noqa: N818 - it is the horizon that ended
    """The truth is drawn for fewer days than were asked for."""


def play(truth: Truth, key: KeyArray, day: int, budgets: IntArray) -> Day:
    """Return what a day brings under these budgets; a pure function of its arguments.

    Args:
        truth: The world.
        key: Of its noise (`noise.noise_key`).
        day: Index of the day, from 0.
        budgets: Daily budgets in micros, shape (K,).

    Raises:
        HorizonEnded: The day lies beyond the scenario's horizon.
    """
    in_horizon(truth, day)
    k = budgets.size
    delivery, traffic, rate = uniforms(key, day, Stream.CAMPAIGN, 3 * k).reshape(k, 3).T
    low, high = truth.scenario.delivery
    ratio = low + (high - low) * beta22_quantile(delivery)
    spend = np.minimum(budgets / MICROS * ratio, truth.supply * truth.demand[:, day])
    shock = gamma_quantile(traffic, truth.scenario.traffic_size)
    impressions = truth.impressions * truth.demand[:, day] * truth.curves(spend) * shock
    return _observe(truth, key, day, spend, impressions, gamma_quantile(rate, truth.scenario.rate_size))


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


def _observe(
    truth: Truth, key: KeyArray, day: int, spend: FloatArray, impressions: FloatArray, rate_shock: FloatArray
) -> Day:
    ads, campaign = truth.ads, truth.ads.campaign
    rate = np.minimum(ads.conversion_rate * rate_shock[campaign], 1.0)
    mean = np.empty((campaign.size, truth.delay.shape[1] + 2))
    shown = impressions[campaign] * ads.share
    clicked = shown * ads.click_rate
    mean[:, :-2] = (clicked * rate)[:, None] * truth.delay[truth.channel[campaign]]
    mean[:, -2] = clicked * (1.0 - rate)
    mean[:, -1] = shown - clicked
    counts = poisson_quantile(uniforms(key, day, Stream.CELL, mean.size).reshape(mean.shape), mean)

    clicks = counts[:, :-1].sum(axis=1)
    ad, lag = np.nonzero(counts[:, :-2])
    cells = counts[ad, lag]
    return Day(
        day=day,
        spend=_split(truth, spend),
        impressions=clicks + counts[:, -1],
        clicks=clicks,
        cell_ad=ad,
        cell_lag=lag,
        cell_count=cells,
        cell_value=_values(truth, key, day, ad, lag, cells),
    )


def _values(truth: Truth, key: KeyArray, day: int, ad: IntArray, lag: IntArray, count: IntArray) -> IntArray:
    """Value of each cell, micros: the sum of n gamma order values is gamma with n times their shape."""
    lags = truth.delay.shape[1]
    uniform = uniforms(key, day, Stream.ORDER, truth.ads.campaign.size * lags)[ad * lags + lag]
    each = truth.order_value[truth.ads.campaign[ad]]
    total = count * each * gamma_quantile(uniform, count / truth.scenario.order_cv**2)
    return _to_micros(total, truth.quantum_micros)


def _split(truth: Truth, spend: FloatArray) -> IntArray:
    """Each campaign's spend among its ads by their shares, whole minor units that sum to the campaign's."""
    ads = truth.ads
    whole = np.rint(spend * MICROS / truth.quantum_micros)
    first = np.flatnonzero(np.diff(ads.campaign, prepend=-1))
    running = np.cumsum(ads.share)
    before = (running - ads.share)[first][ads.campaign]
    upto = np.rint(whole[ads.campaign] * (running - before)).astype(np.int64)
    parts = np.diff(upto, prepend=0)
    parts[first] = upto[first]
    return parts * truth.quantum_micros


def _to_micros(amount: FloatArray, quantum: int) -> IntArray:
    return np.rint(amount * MICROS / quantum).astype(np.int64) * quantum


def by_campaign(truth: Truth, amounts: npt.NDArray[np.int64]) -> IntArray:
    """Return the sums of an ad-level measure by campaign, shape (K,)."""
    total = np.zeros(truth.channel.size, dtype=np.int64)
    np.add.at(total, truth.ads.campaign, amounts)
    return total
