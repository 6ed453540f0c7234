"""One world drawn from a scenario: everything about it that a learner must find out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import expit, gammainc, logit

from connectors.money import MICROS, minor_unit_micros
from simulations.noise import FloatArray, IntArray
from simulations.saturation import FAMILIES, Curves
from simulations.scenarios import Channel, Scenario

_THEMES = (
    "Brand",
    "Generic",
    "Bestsellers",
    "New arrivals",
    "Retargeting",
    "Competitors",
    "Seasonal",
    "Clearance",
    "Loyalty",
    "Accessories",
)
_MARKETS = ("DE", "FR", "NL", "ES", "IT", "PL", "AT", "SE", "BE", "DK")
_AUDIENCES = ("Prospecting", "Remarketing", "Lookalike", "In-market")


@dataclass(frozen=True, slots=True, eq=False)
class Ads:
    """The ads of all campaigns, those of one campaign next to each other; A ads.

    Attributes:
        campaign: Index of the campaign, not decreasing, shape (A,).
        creative, audience: Index within the campaign, shape (A,).
        share: Part of its campaign's impressions and spend; sums to 1 by campaign, shape (A,).
        click_rate: Clicks per impression, shape (A,).
        conversion_rate: Conversions per click, shape (A,).
    """

    campaign: IntArray
    creative: IntArray
    audience: IntArray
    share: FloatArray
    click_rate: FloatArray
    conversion_rate: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """A world: K campaigns, A ads, H days that can be simulated, L + 1 lags of a conversion.

    Attributes:
        scenario: What it was drawn from.
        names: Campaign names, such as `Search | Brand | DE`.
        channel: Index of each campaign's channel, shape (K,).
        curves: How impressions grow with spend.
        conversions: Expected conversions a day at the reference spend and mean demand, shape (K,).
        impressions: The same of impressions, shape (K,).
        order_value: Expected value of one conversion, currency units, shape (K,).
        supply: The most that can be spent at mean demand, currency per day, shape (K,).
        demand: Multiplies expected impressions and the supply: weekday, drift and break, shape (K, H).
        delay: Probability that a conversion is reported so many days after its click, by channel, shape (C, L + 1).
        ads: See `Ads`.
        history: Budgets in force on the days before the platform is first read, micros, shape (history_days, K).
        start: The budgets then, micros, shape (K,).
    """

    scenario: Scenario
    names: tuple[str, ...]
    channel: IntArray
    curves: Curves
    conversions: FloatArray
    impressions: FloatArray
    order_value: FloatArray
    supply: FloatArray
    demand: FloatArray
    delay: FloatArray
    ads: Ads
    history: IntArray
    start: IntArray

    @property
    def quantum_micros(self) -> int:
        """Spend, values and budgets are multiples of it: one minor unit of the currency."""
        return minor_unit_micros(self.scenario.currency)


def draw(scenario: Scenario, rng: np.random.Generator, first_weekday: int = 0) -> Truth:
    """Draw one world.

    Args:
        scenario: The distribution over worlds.
        rng: The source of all that is random in the truth; the days' noise has its own key.
        first_weekday: Weekday of day 0, Monday = 0.
    """
    k = scenario.campaigns
    channel = np.repeat(np.arange(len(scenario.channels)), [c.campaigns for c in scenario.channels])
    size = _lognormal(rng, scenario.size_sd, k)
    reference = scenario.average_budget * size * k / size.sum()
    curves = _curves(scenario, reference, rng)
    conversions = curves.reference / (
        _by_campaign(scenario, "cost_per_conversion") * _lognormal(rng, scenario.efficiency_sd, k)
    )
    order_value = _by_campaign(scenario, "value_per_conversion") * _lognormal(rng, scenario.value_sd, k)
    supply = curves.reference * scenario.supply_median * _lognormal(rng, scenario.supply_sd, k)
    demand = _demand(scenario, channel, first_weekday, rng)
    ads = _ads(scenario, channel, rng)
    rate = np.bincount(ads.campaign, ads.share * ads.click_rate * ads.conversion_rate, k)
    history, start = _budgets(scenario, reference, rng)
    return Truth(
        scenario=scenario,
        names=campaign_names(scenario.channels),
        channel=channel,
        curves=curves,
        conversions=conversions,
        impressions=conversions / rate,
        order_value=order_value,
        supply=supply,
        demand=demand,
        delay=np.array([delay_law(c, scenario.restatement_days) for c in scenario.channels]),
        ads=ads,
        history=history,
        start=start,
    )


def delay_law(channel: Channel, longest: int) -> FloatArray:
    """Return P(lag = l) for l = 0 ... longest, shape (longest + 1,).

    The whole days of a gamma time, cut off after `longest` and normalised.
    """
    edges = np.arange(longest + 2, dtype=np.float64)
    below = gammainc(channel.delay_shape, edges * channel.delay_shape / channel.delay_mean_days)
    law: FloatArray = np.diff(below) / below[-1]
    return law


def campaign_names(channels: tuple[Channel, ...]) -> tuple[str, ...]:
    """Return a name for each campaign, all different: channel, theme and market."""
    pairs = [(t, m) for i in range(0, len(_MARKETS), 2) for t, m in product(_THEMES, _MARKETS[i : i + 2])]
    names = []
    for channel in channels:
        for i in range(channel.campaigns):
            theme, market = pairs[i % len(pairs)]
            again = "" if i < len(pairs) else f" {i // len(pairs) + 1}"
            names.append(f"{channel.name.capitalize()} | {theme}{again} | {market}")
    return tuple(names)


def audience_name(index: int) -> str:
    """Return the name of a channel's audience by its index."""
    again = "" if index < len(_AUDIENCES) else f" {index // len(_AUDIENCES) + 1}"
    return _AUDIENCES[index % len(_AUDIENCES)] + again


def _lognormal(rng: np.random.Generator, sd: float, size: int) -> FloatArray:
    return np.exp(sd * rng.standard_normal(size))


def _by_campaign(scenario: Scenario, knob: str) -> FloatArray:
    return np.array([getattr(c, knob) for c in scenario.channels for _ in range(c.campaigns)], dtype=np.float64)


def _curves(scenario: Scenario, reference: FloatArray, rng: np.random.Generator) -> Curves:
    k = reference.size
    weights = np.array([share.weight for share in scenario.families])
    drawn = rng.choice(len(weights), size=k, p=weights / weights.sum())
    family = np.array([FAMILIES.index(share.family) for share in scenario.families])[drawn]
    low, high = np.array([share.slope for share in scenario.families])[drawn].T
    half = reference * scenario.half_saturation_median * _lognormal(rng, scenario.half_saturation_sd, k)
    # An S-curve priced below its half saturation would become absurdly cheap above it.
    return Curves(family, half, rng.uniform(low, high), np.maximum(reference, half))


def _demand(scenario: Scenario, channel: IntArray, first_weekday: int, rng: np.random.Generator) -> FloatArray:
    k, days = channel.size, scenario.horizon_days
    week = scenario.season_sd * rng.standard_normal(7)
    weeks = week + scenario.season_channel_sd * rng.standard_normal((len(scenario.channels), 7))
    factors = np.exp(weeks)
    factors /= factors.mean(axis=1, keepdims=True)
    season = factors[channel][:, (first_weekday + np.arange(days)) % 7]
    return season * np.exp(_drift(scenario, k, rng)) * _breaks(scenario, k, rng)


def _drift(scenario: Scenario, k: int, rng: np.random.Generator) -> FloatArray:
    steps = scenario.drift_sd * rng.standard_normal((k, scenario.horizon_days))
    walk = np.empty_like(steps)
    level = np.zeros(k)
    for day in range(scenario.horizon_days):
        level = (1.0 - scenario.drift_reversion) * level + steps[:, day]
        walk[:, day] = level
    return walk


def _breaks(scenario: Scenario, k: int, rng: np.random.Generator) -> FloatArray:
    breaks = rng.random(k) < scenario.break_probability
    first, last = scenario.break_days
    day = rng.integers(first, last + 1, size=k)
    factor = np.where(breaks, rng.choice(np.array(scenario.break_factors), size=k), 1.0)
    return np.where(np.arange(scenario.horizon_days) >= day[:, None], factor[:, None], 1.0)


def _ads(scenario: Scenario, channel: IntArray, rng: np.random.Generator) -> Ads:
    k = channel.size
    creatives = rng.integers(scenario.creatives[0], scenario.creatives[1] + 1, size=k)
    audiences = rng.integers(scenario.audiences[0], scenario.audiences[1] + 1, size=k)
    count = creatives * audiences
    campaign = np.repeat(np.arange(k), count)
    within = np.arange(campaign.size) - np.repeat(np.cumsum(count) - count, count)
    creative, audience = within // audiences[campaign], within % audiences[campaign]

    most = scenario.creatives[1], scenario.audiences[1]
    base = logit(_by_campaign(scenario, "click_rate")) + scenario.click_rate_sd_between * rng.standard_normal(k)
    clicks = scenario.click_rate_sd_within * _ad_effects(scenario, channel, most, rng)[campaign, creative, audience]
    rates = scenario.conversion_rate_sd_within * _ad_effects(scenario, channel, most, rng)[campaign, creative, audience]
    weight = rng.gamma(4.0, size=campaign.size)
    share = weight / np.bincount(campaign, weight, k)[campaign]
    return Ads(
        campaign=campaign,
        creative=creative,
        audience=audience,
        share=share,
        click_rate=expit(base[campaign] + clicks),
        conversion_rate=np.minimum(_by_campaign(scenario, "conversion_rate")[campaign] * np.exp(rates), 0.5),
    )


def _ad_effects(scenario: Scenario, channel: IntArray, most: tuple[int, int], rng: np.random.Generator) -> FloatArray:
    """Standard normal effects of creative, audience and both together, shape (K, creatives, audiences).

    An audience is the same people in all campaigns of a channel, so its effect is, too.
    """
    rest = max(1.0 - scenario.creative_part - scenario.audience_part, 0.0)
    creative = np.sqrt(scenario.creative_part) * rng.standard_normal((channel.size, most[0], 1))
    audience = np.sqrt(scenario.audience_part) * rng.standard_normal((len(scenario.channels), 1, most[1]))
    both = np.sqrt(rest) * rng.standard_normal((channel.size, *most))
    effects: FloatArray = creative + audience[channel] + both
    return effects


def _budgets(scenario: Scenario, reference: FloatArray, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """The budgets of the history days, and those in force after them; micros, shapes (days, K) and (K,)."""
    k = reference.size
    weight = reference**scenario.start_tracks_size * _lognormal(rng, scenario.start_noise_sd, k)
    budget = scenario.average_budget * k * weight / weight.sum()
    every, turn = scenario.marketer_edit_days, rng.integers(0, scenario.marketer_edit_days, size=k)
    days = np.empty((scenario.history_days + 1, k))
    for day in range(scenario.history_days + 1):
        days[day] = budget
        # An edit holds from the next day on; none on the last, so that the platform is first read at rest.
        if day < scenario.history_days - 1:
            factor = np.where(day % every == turn, _lognormal(rng, scenario.marketer_edit_sd, k), 1.0)
            budget = np.maximum(budget * factor, scenario.minimum_budget)
    quantum = minor_unit_micros(scenario.currency)
    micros = np.rint(days * MICROS / quantum).astype(np.int64) * quantum
    return micros[:-1], micros[-1]
