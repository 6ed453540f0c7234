"""Whose conversions they become, and when: harvested by other channels, and held back by the memory of ads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulations.market.truth import Truth
from simulations.noise import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Amounts:
    """Expected conversions, and what they are worth in currency units, each of shape (K, Y)."""

    conversions: FloatArray
    value: FloatArray

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(self.conversions + other.conversions, self.value + other.value)

    def __mul__(self, factor: float | FloatArray) -> Amounts:
        return Amounts(self.conversions * factor, self.value * factor)

    @classmethod
    def nothing(cls, truth: Truth) -> Amounts:
        """Return zeros."""
        zeros = np.zeros((truth.channel.size, len(truth.kinds)))
        return cls(zeros, zeros)


@dataclass(frozen=True, slots=True, eq=False)
class Booking:
    """What lands on a day, by campaign and kind.

    Attributes:
        direct: From the clicks of the campaign on that day.
        borrowed: From other campaigns and from earlier days.
        memory: What earlier days and this one will land on the next.
    """

    direct: Amounts
    borrowed: Amounts
    memory: Amounts


def book(truth: Truth, purchases: FloatArray, volume: FloatArray, memory: Amounts) -> Booking:
    """Return what lands on a day.

    Args:
        truth: The world.
        purchases: Expected purchases that the day's ads cause, given the day's shocks, shape (K,).
        volume: g of the day, shape (K,); a channel harvests as far as its campaigns run.
        memory: What earlier days land on this one.
    """
    caused = _of_all_kinds(truth, purchases)
    kept, gained = _harvest(truth, caused, volume)
    at_once, fading = 1.0 - truth.scenario.funnel.adstock_share, 1.0 - 1.0 / truth.scenario.funnel.adstock_mean_days
    # Geometric from the next day on: of what is held back, 1 - fading lands tomorrow, fading (1 - fading) then, ...
    held_back = (kept + gained) * ((1.0 - at_once) * (1.0 - fading))
    return Booking(kept * at_once, gained * at_once + memory, memory * fading + held_back)


def _of_all_kinds(truth: Truth, purchases: FloatArray) -> Amounts:
    per_purchase = np.stack([kind.per_purchase for kind in truth.kinds], axis=1)[truth.channel]
    worth = np.stack([truth.order_value, *(kind.value[truth.channel] for kind in truth.kinds[1:])], axis=1)
    conversions = purchases[:, None] * per_purchase
    return Amounts(conversions, conversions * worth)


def _harvest(truth: Truth, caused: Amounts, volume: FloatArray) -> tuple[Amounts, Amounts]:
    """What campaigns keep of their own conversions, and what they gain from those of other channels.

    Channel h claims the share harvest_h * level_h of all others' conversions of the kinds that it reports, where
    level_h is the mean of min(g, 1) over its campaigns, weighted by their sizes; its campaigns share the claim in the
    same proportions. In sum over all campaigns nothing is lost.
    """
    share = np.array([channel.harvest for channel in truth.scenario.channels])
    if not share.any():
        return caused, Amounts.nothing(truth)
    size = np.bincount(truth.channel, truth.conversions)
    reach = np.minimum(volume, 1.0) * truth.conversions / size[truth.channel]
    level = np.bincount(truth.channel, reach)
    reports = np.stack([kind.per_purchase > 0 for kind in truth.kinds], axis=1)
    claimed = (share * level)[:, None] * reports
    lost = claimed.sum(axis=0) - claimed
    part = np.divide(reach, level[truth.channel], out=np.zeros_like(reach), where=reach > 0)

    def gain(amount: FloatArray) -> FloatArray:
        by_channel = np.zeros_like(claimed)
        np.add.at(by_channel, truth.channel, amount)
        others = by_channel.sum(axis=0) - by_channel
        gained: FloatArray = (claimed * others)[truth.channel] * part[:, None]
        return gained

    gained = Amounts(gain(caused.conversions), gain(caused.value))
    return caused * (1.0 - lost[truth.channel]), gained
