"""Closed forms of a day's response, which the market plays and the oracle optimises.

In expectation over the daily shocks, campaign k brings on day t, for a delivered spend x at auction price p,

    c_k D_kt w_k(t) g_k(x / p) Q_k(g_k(x / p)) F_pool,t   purchases,

with demand D, wear-out w, saturation g, quality Q and overlap F.
"""

from __future__ import annotations

import numpy as np

from simulations.market.delivery import Rows, averaged, spends
from simulations.market.truth import Truth
from simulations.noise import FloatArray

_QUALITY_OFFSET = 0.1
# Never quite nothing, so that the ads of a campaign always have shares of what it brings.
_LEAST_LEFT = 1e-60


def volume(truth: Truth, rows: Rows, day: int, spend: FloatArray) -> FloatArray:
    """Return g, the volume of impressions in units of that at the reference spend and the day's demand.

    Args:
        truth: The world.
        rows: Indices of campaigns.
        day: Index of the day.
        spend: Delivered, currency units, shape (rows, ...).
    """
    price = truth.price[truth.channel[rows], day]
    return truth.curves.take(rows)(spend / _pad(price, spend))


def quality(truth: Truth, rows: Rows, volume: FloatArray) -> FloatArray:
    """Return the factor on conversions per click at volumes of shape (rows, ...): ((g + .1) / 1.1)^-e, 1 at g = 1."""
    elasticity = truth.quality[rows]
    if not elasticity.any():
        return np.ones_like(volume)
    factor: FloatArray = ((volume + _QUALITY_OFFSET) / (1.0 + _QUALITY_OFFSET)) ** -_pad(elasticity, volume)
    return factor


def wear(truth: Truth, day: int) -> FloatArray:
    """Return the factor on the click rate of each ad, shape (A,): 1 when fresh, halving towards its floor with age."""
    knobs = truth.scenario.ads
    age = (day + truth.ads.age0) % knobs.refresh_days
    left = np.maximum(np.exp2(-age / truth.ads.half_life), _LEAST_LEFT)
    factor: FloatArray = knobs.wear_out_floor + (1.0 - knobs.wear_out_floor) * left
    return factor


def wear_of_campaign(truth: Truth, day: int) -> FloatArray:
    """Return the factor of wear-out on the purchases of each campaign, shape (K,)."""
    ads, k = truth.ads, truth.channel.size
    worn: FloatArray = np.bincount(ads.campaign, ads.purchases * wear(truth, day), k)
    return worn / np.bincount(ads.campaign, ads.purchases, k)


def gain(truth: Truth, rows: Rows, day: int, budgets: FloatArray) -> FloatArray:
    """Return E[g Q(g)] over the delivery, never decreasing in the budget, shape of `budgets`; arguments as below."""
    g = volume(truth, rows, day, spends(truth, day, rows, budgets))
    return averaged(truth, g * quality(truth, rows, g))


def potential(truth: Truth, rows: Rows, day: int, budgets: FloatArray) -> FloatArray:
    """Return expected purchases of campaigns that share no people with others (overlap factor 1).

    The expectation is over delivery and shocks; purchases are at full maturity, before attribution windows and returns
    take any off, and belong to the day and campaign that caused them.

    Args:
        truth: The world.
        rows: Indices of campaigns.
        day: Index of the day.
        budgets: Currency units a day, shape (rows, ...).
    """
    each = truth.conversions[rows] * truth.demand[rows, day] * wear_of_campaign(truth, day)[rows]
    return _pad(each, budgets) * gain(truth, rows, day, budgets)


def overlap_factor(truth: Truth, day: int, budgets: FloatArray) -> FloatArray:
    """Return F, the factor on the conversions of each campaign because others reach the same people, shape (K,).

    F = (1 + o) / (1 + o s) with s = sum of the pool's potentials over the sum of its c_k D_kt: 1 where all spend at
    their references, more where less is spent. It depends on budgets, not on what was delivered that day.

    Args:
        truth: The world.
        day: Index of the day.
        budgets: Currency units a day, shape (K,).
    """
    overlap, everyone = truth.scenario.ads.overlap, np.arange(truth.channel.size)
    if overlap == 0:
        return np.ones(everyone.size)
    reached = np.bincount(truth.pool, potential(truth, everyone, day, budgets))
    reference = np.bincount(truth.pool, truth.conversions * truth.demand[:, day])
    factor: FloatArray = (1.0 + overlap) / (1.0 + overlap * reached / reference)
    return factor[truth.pool]


def claims(truth: Truth) -> FloatArray:
    """Return how many conversions of each kind a purchase brings that will stand in the end, shape (C, Y).

    Kinds per purchase, times the share within the attribution window, times the share that is not returned.
    """
    kept = 1.0 - truth.scenario.tracking.returned_share
    return np.stack([kind.per_purchase * kind.delay.sum(axis=1) * kept for kind in truth.kinds], axis=1)


def _pad(values: FloatArray, like: FloatArray) -> FloatArray:
    return values[(slice(None),) + (None,) * (like.ndim - 1)]
