"""The ads of a world: creatives for audiences, their rates, and how the creatives wear out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from simulations.market.draws import lognormal, of_channels
from simulations.noise import FloatArray, IntArray
from simulations.scenarios import Scenario

_HALF_LIFE_SD = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Ads:
    """The ads of all campaigns, those of one campaign next to each other; A ads.

    Attributes:
        campaign: Index of the campaign, not decreasing, shape (A,).
        creative, audience: Index within the campaign, shape (A,).
        share: Part of its campaign's impressions and spend; sums to 1 by campaign, shape (A,).
        click_rate: Clicks per impression of the fresh creative, shape (A,).
        conversion_rate: Purchases per click, shape (A,).
        half_life: Days in which a creative loses half of what it can lose of its click rate; inf: it never does.
            Shape (A,).
        age0: Its age in days on day 0, shape (A,).
    """

    campaign: IntArray
    creative: IntArray
    audience: IntArray
    share: FloatArray
    click_rate: FloatArray
    conversion_rate: FloatArray
    half_life: FloatArray
    age0: IntArray

    @property
    def purchases(self) -> FloatArray:
        """Purchases that an impression of the campaign brings through each ad while it is fresh, shape (A,)."""
        return self.share * self.click_rate * self.conversion_rate


def draw_ads(scenario: Scenario, channel: IntArray, rng: np.random.Generator, wear: np.random.Generator) -> Ads:
    """Draw the ads of all campaigns.

    Args:
        scenario: The distribution over worlds.
        channel: Index of each campaign's channel, shape (K,).
        rng: The source of everything but wear-out.
        wear: The source of half-lives and ages.
    """
    knobs, k = scenario.ads, channel.size
    creatives = rng.integers(knobs.creatives[0], knobs.creatives[1] + 1, size=k)
    audiences = rng.integers(knobs.audiences[0], knobs.audiences[1] + 1, size=k)
    count = creatives * audiences
    campaign = np.repeat(np.arange(k), count)
    within = np.arange(campaign.size) - np.repeat(np.cumsum(count) - count, count)
    creative, audience = within // audiences[campaign], within % audiences[campaign]

    base = logit(of_channels(scenario, "click_rate")) + knobs.click_rate_sd_between * rng.standard_normal(k)
    clicks = knobs.click_rate_sd_within * _effects(scenario, channel, rng)[campaign, creative, audience]
    rates = knobs.conversion_rate_sd_within * _effects(scenario, channel, rng)[campaign, creative, audience]
    weight = rng.gamma(4.0, size=campaign.size)
    half_life, age0 = _wear(scenario, k, wear)
    return Ads(
        campaign=campaign,
        creative=creative,
        audience=audience,
        share=weight / np.bincount(campaign, weight, k)[campaign],
        click_rate=expit(base[campaign] + clicks),
        conversion_rate=np.minimum(of_channels(scenario, "conversion_rate")[campaign] * np.exp(rates), 0.5),
        half_life=half_life[campaign, creative],
        age0=age0[campaign, creative],
    )


def _effects(scenario: Scenario, channel: IntArray, rng: np.random.Generator) -> FloatArray:
    """Standard normal effects of creative, audience and both together, shape (K, creatives, audiences).

    An audience is the same people in all campaigns of a channel, so its effect is, too.
    """
    knobs = scenario.ads
    most = knobs.creatives[1], knobs.audiences[1]
    rest = max(1.0 - knobs.creative_part - knobs.audience_part, 0.0)
    creative = np.sqrt(knobs.creative_part) * rng.standard_normal((channel.size, most[0], 1))
    audience = np.sqrt(knobs.audience_part) * rng.standard_normal((len(scenario.channels), 1, most[1]))
    both = np.sqrt(rest) * rng.standard_normal((channel.size, *most))
    effects: FloatArray = creative + audience[channel] + both
    return effects


def _wear(scenario: Scenario, k: int, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
    """Half-life and age on day 0 of every creative, each of shape (K, creatives)."""
    knobs = scenario.ads
    shape = (k, knobs.creatives[1])
    half_life = knobs.wear_out_half_life_days * lognormal(rng, _HALF_LIFE_SD, k * shape[1]).reshape(shape)
    # What is never replaced while the world lasts was made for its first day.
    cycle = knobs.refresh_days if knobs.refresh_days < scenario.horizon_days else 1
    return half_life, rng.integers(0, cycle, size=shape)
