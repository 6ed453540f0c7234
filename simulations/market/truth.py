"""One world drawn from a scenario: everything about it that a learner must find out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from itertools import product
from math import ceil

import numpy as np
from scipy.special import expit, gammainc, logit

from connectors.money import MICROS, minor_unit_micros
from simulations.market.creatives import Ads, draw_ads
from simulations.market.demand import draw_demand
from simulations.market.draws import lognormal, of_channels
from simulations.market.events import BoolArray, draw_awake, draw_launch, draw_price, draw_tracked
from simulations.noise import FloatArray, IntArray
from simulations.saturation import FAMILIES, Curves, Family
from simulations.scenarios import Channel, FurtherConversion, Scenario

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
class Kind:
    """One kind of conversion; C channels, L + 1 lags.

    Attributes:
        name: Its conversion definition.
        per_purchase: How many there are for each purchase; 0 where a channel does not report the kind. Shape (C,).
        value: Expected value of one, currency units, shape (C,); NaN for purchases, whose value is the campaign's
            `order_value`.
        delay: Probability that a conversion is reported so many days after its click, shape (C, L + 1). A row sums to
            less than 1 where the attribution window ends before the last lag: the rest is never reported.
    """

    name: str
    per_purchase: FloatArray
    value: FloatArray
    delay: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """A world: K campaigns, A ads, C channels, Y kinds of conversions, H days that can be simulated.

    Where people are shared (`ads.overlap` > 0) all campaigns of a pool have one order value and one incrementality.

    Attributes:
        scenario: What it was drawn from.
        start: The date of day 0.
        names: Campaign names, such as `Search | Brand | DE`.
        channel: Index of each campaign's channel, shape (K,).
        curves: How impressions grow with spend.
        conversions: Expected purchases a day at the reference spend, mean demand, normal prices and fresh creatives,
            before attribution windows cut any off, shape (K,).
        impressions: The same of impressions, shape (K,).
        order_value: Expected value of one purchase, currency units, shape (K,).
        incrementality: Share of the conversions that would not have happened anyway, shape (K,).
        quality: Elasticity e of `response.quality`, shape (K,).
        pool: Index of the pool of people that a campaign draws on, not decreasing, shape (K,).
        supply: The most that can be spent at mean demand and normal prices, currency per day, shape (K,).
        demand: Multiplies expected impressions and the supply, shape (K, H).
        price: Factor on the auction price, shape (C, H).
        launch: The day on which each campaign is launched, shape (K,); before it nobody knows of it.
        runs: Whether a campaign is launched and not paused, shape (K, H).
        tracked: Whether a channel's tracking works, shape (C, H).
        kinds: Purchases, then the further kinds; length Y.
        ads: See `Ads`.
        history: Budgets in force on the days before the platform is first read, micros, shape (history_days, K).
        first: The budgets then, micros, shape (K,).
    """

    scenario: Scenario
    start: date
    names: tuple[str, ...]
    channel: IntArray
    curves: Curves
    conversions: FloatArray
    impressions: FloatArray
    order_value: FloatArray
    incrementality: FloatArray
    quality: FloatArray
    pool: IntArray
    supply: FloatArray
    demand: FloatArray
    price: FloatArray
    launch: IntArray
    runs: BoolArray
    tracked: BoolArray
    kinds: tuple[Kind, ...]
    ads: Ads
    history: IntArray
    first: IntArray

    @property
    def quantum_micros(self) -> int:
        """Spend, values and budgets are multiples of it: one minor unit of the currency."""
        return minor_unit_micros(self.scenario.currency)


def draw(scenario: Scenario, rng: np.random.Generator, start: date) -> Truth:
    """Draw one world.

    The forces that a scenario may switch on have generators of their own, spawned from `rng`: switching one on
    changes nothing else about the world.

    Args:
        scenario: The distribution over worlds.
        rng: The source of all that is random in the truth; the days' noise has its own key. It must be able to spawn,
            as `numpy.random.default_rng` is.
        start: The date of day 0.
    """
    year, wear, price, tracked, launches, awake, incrementality, quality = rng.spawn(8)
    k = scenario.campaigns
    channel = np.repeat(np.arange(len(scenario.channels)), [c.campaigns for c in scenario.channels])
    pool = _pools(scenario)
    shared = pool if scenario.ads.overlap > 0 else np.arange(k)
    size = lognormal(rng, scenario.saturation.size_sd, k)
    starved = np.arange(k) < scenario.saturation.starved
    size[starved] *= scenario.saturation.starved_size
    reference = scenario.average_budget * size * k / size.sum()
    curves = _curves(scenario, reference, rng)
    cost = of_channels(scenario, "cost_per_conversion") * lognormal(rng, scenario.funnel.efficiency_sd, k)
    cost[starved] /= scenario.saturation.starved_worth
    conversions = curves.reference / cost
    order_value = of_channels(scenario, "value_per_conversion") * lognormal(rng, scenario.funnel.value_sd, k)
    supply = curves.reference * scenario.delivery.supply_median * lognormal(rng, scenario.delivery.supply_sd, k)
    demand = draw_demand(scenario, channel, start, rng, year)
    ads = draw_ads(scenario, channel, rng, wear)
    history, first = _budgets(scenario, reference, rng)
    launch = draw_launch(scenario, launches)
    return Truth(
        scenario=scenario,
        start=start,
        names=campaign_names(scenario.channels),
        channel=channel,
        curves=curves,
        conversions=conversions,
        impressions=conversions / np.bincount(ads.campaign, ads.purchases, k),
        order_value=_first_of(shared, order_value),
        incrementality=_first_of(shared, _incrementality(scenario, incrementality)),
        quality=quality.uniform(*scenario.funnel.quality_elasticity, size=k),
        pool=pool,
        supply=supply,
        demand=demand,
        price=draw_price(scenario, price),
        launch=launch,
        runs=(np.arange(scenario.horizon_days) >= launch[:, None]) & draw_awake(scenario, awake),
        tracked=draw_tracked(scenario, tracked),
        kinds=_kinds(scenario),
        ads=ads,
        history=history,
        first=first,
    )


def with_ads(truth: Truth, runs: BoolArray) -> Truth:
    """Return the same world in which only some ads run: their campaign's impressions and spend go to them alone.

    A campaign brings more or less by an impression as its running ads do; one of which no ad runs delivers nothing.

    Args:
        truth: The world.
        runs: Which ads run, shape (A,).
    """
    if runs.all():
        return truth
    ads, k = truth.ads, truth.channel.size
    left = np.bincount(ads.campaign, ads.share * runs, k)
    dark = left <= 0
    share = np.where(dark[ads.campaign], ads.share, ads.share * runs / np.where(dark, 1.0, left)[ads.campaign])
    mixed = replace(ads, share=share)
    factor = np.bincount(ads.campaign, mixed.purchases, k) / np.bincount(ads.campaign, ads.purchases, k)
    return replace(truth, ads=mixed, conversions=truth.conversions * factor, runs=truth.runs & ~dark[:, None])


def unharvested(truth: Truth) -> Truth:
    """Return the same world, in which every channel claims only what it causes."""
    channels = tuple(replace(channel, harvest=0.0) for channel in truth.scenario.channels)
    return replace(truth, scenario=replace(truth.scenario, channels=channels))


def delay_law(source: Channel | FurtherConversion, longest: int) -> FloatArray:
    """Return P(lag = l) for l = 0 ... longest, shape (longest + 1,).

    The whole days of a gamma time, cut off after `longest` and normalised.
    """
    edges = np.arange(longest + 2, dtype=np.float64)
    below = gammainc(source.delay_shape, edges * source.delay_shape / source.delay_mean_days)
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


def least_budget(scenario: Scenario) -> int:
    """Return the least budget that the platform accepts, micros: `minimum_budget` rounded up to a whole minor unit."""
    quantum = minor_unit_micros(scenario.currency)
    return ceil(Fraction(str(scenario.minimum_budget)) * MICROS / quantum) * quantum


def _pools(scenario: Scenario) -> IntArray:
    """Groups of `overlap_campaigns` neighbours, each within one channel."""
    pools: list[int] = []
    for channel in scenario.channels:
        before = pools[-1] + 1 if pools else 0
        pools.extend(before + i // scenario.ads.overlap_campaigns for i in range(channel.campaigns))
    return np.array(pools, dtype=np.int64)


def _first_of(group: IntArray, values: FloatArray) -> FloatArray:
    """The value of the first member for every member of a group, shape (K,)."""
    return values[np.unique(group, return_index=True)[1]][group]


def _curves(scenario: Scenario, reference: FloatArray, rng: np.random.Generator) -> Curves:
    knobs, k = scenario.saturation, reference.size
    weights = np.array([share.weight for share in knobs.families])
    drawn = rng.choice(len(weights), size=k, p=weights / weights.sum())
    family = np.array([FAMILIES.index(share.family) for share in knobs.families])[drawn]
    low, high = np.array([share.slope for share in knobs.families])[drawn].T
    half = reference * knobs.half_saturation_median * lognormal(rng, knobs.half_saturation_sd, k)
    slope = rng.uniform(low, high)
    family[: knobs.starved], slope[: knobs.starved] = FAMILIES.index(Family.HILL), knobs.starved_slope
    # An S-curve priced below its half saturation would become absurdly cheap above it.
    return Curves(family, half, slope, np.maximum(reference, half))


def _incrementality(scenario: Scenario, rng: np.random.Generator) -> FloatArray:
    middle = logit(of_channels(scenario, "incrementality"))
    share: FloatArray = expit(middle + scenario.funnel.incrementality_sd * rng.standard_normal(middle.size))
    return share


def _kinds(scenario: Scenario) -> tuple[Kind, ...]:
    channels, longest = scenario.channels, scenario.tracking.restatement_days
    nothing = np.full(len(channels), np.nan)
    delay = np.array([_reported(channel, channel, longest) for channel in channels])
    kinds = [Kind("purchase", np.ones(len(channels)), nothing, delay)]
    for name in scenario.definitions[1:]:
        per_purchase, value = np.zeros(len(channels)), np.zeros(len(channels))
        delay = np.zeros((len(channels), longest + 1))
        for c, channel in enumerate(channels):
            for kind in channel.further:
                if kind.name == name:
                    per_purchase[c], value[c] = kind.per_purchase, kind.value
                    delay[c] = _reported(channel, kind, longest)
        kinds.append(Kind(name, per_purchase, value, delay))
    return tuple(kinds)


def _reported(channel: Channel, source: Channel | FurtherConversion, longest: int) -> FloatArray:
    """The delay law, without what comes after the channel's attribution window."""
    law = delay_law(source, longest)
    if channel.attribution_days > 0:
        law[channel.attribution_days + 1 :] = 0.0
    return law


def _budgets(scenario: Scenario, reference: FloatArray, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """The budgets of the history days, and those in force after them; micros, shapes (days, K) and (K,)."""
    knobs, k = scenario.history, reference.size
    weight = reference**knobs.start_tracks_size * lognormal(rng, knobs.start_noise_sd, k)
    fed = np.arange(k) >= scenario.saturation.starved
    floor = max(scenario.limits.floor * scenario.average_budget, scenario.minimum_budget)
    left = scenario.average_budget * k - floor * (~fed).sum()
    budget = np.where(fed, left * weight / weight[fed].sum(), floor)
    every, turn = knobs.marketer_edit_days, rng.integers(0, knobs.marketer_edit_days, size=k)
    days = np.empty((knobs.history_days + 1, k))
    for day in range(knobs.history_days + 1):
        days[day] = budget
        # An edit holds from the next day on; none on the last, so that the platform is first read at rest.
        if day < knobs.history_days - 1:
            factor = np.where(day % every == turn, lognormal(rng, knobs.marketer_edit_sd, k), 1.0)
            budget = np.maximum(budget * factor, scenario.minimum_budget)
    quantum = minor_unit_micros(scenario.currency)
    micros = np.maximum(np.rint(days * MICROS / quantum).astype(np.int64) * quantum, least_budget(scenario))
    return micros[:-1], micros[-1]
