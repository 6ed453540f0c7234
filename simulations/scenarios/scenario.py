"""What a simulated market may be like: every knob is a field, checked at birth.

A scenario is a distribution over worlds; `truth.draw` draws one world from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from math import isfinite
from types import MappingProxyType

from connectors.contract import zone
from connectors.money import exponent
from simulations.saturation import Family


class ScenarioError(ValueError):
    """A knob has a value that no market can have.

    Attributes:
        field: The knob's name.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


def _positive(knobs: object, name: str) -> None:
    value = getattr(knobs, name)
    if not (isfinite(value) and value > 0):
        raise ScenarioError(name, f"must be a positive number, not {value}")


def _within(knobs: object, name: str, low: float, high: float) -> None:
    value = getattr(knobs, name)
    if not low <= value <= high:
        raise ScenarioError(name, f"must be from {low:g} to {high:g}, not {value}")


def _range(knobs: object, name: str, low: float, high: float) -> None:
    first, last = getattr(knobs, name)
    if not low <= first <= last <= high:
        raise ScenarioError(name, f"must be two increasing numbers from {low:g} to {high:g}, not {first}, {last}")


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of the market.

    Attributes:
        name: Such as `search`.
        campaigns: How many campaigns it has.
        cost_per_conversion: Median over its campaigns, currency units, at their reference budgets (or their half
            saturations, where those are larger).
        value_per_conversion: Median over its campaigns, currency units.
        click_rate: Median clicks per impression.
        conversion_rate: Median conversions per click.
        delay_mean_days, delay_shape: The time from click to conversion is gamma with this mean and shape.

    Raises:
        ScenarioError: A knob is out of range.
    """

    name: str
    campaigns: int
    cost_per_conversion: float
    value_per_conversion: float
    click_rate: float
    conversion_rate: float
    delay_mean_days: float = 3.0
    delay_shape: float = 0.8

    def __post_init__(self) -> None:
        if not self.name:
            raise ScenarioError("name", "a channel needs a name")
        if self.campaigns < 1:
            raise ScenarioError("campaigns", f"channel {self.name!r} needs at least one, not {self.campaigns}")
        for name in ("cost_per_conversion", "value_per_conversion", "delay_mean_days", "delay_shape"):
            _positive(self, name)
        for name in ("click_rate", "conversion_rate"):
            _within(self, name, 1e-6, 0.5)


@dataclass(frozen=True, slots=True)
class FamilyShare:
    """How often a saturation family is drawn, and the range of its slope (uniform).

    Raises:
        ScenarioError: A negative weight, or a slope range that is not positive and increasing.
    """

    family: Family
    weight: float
    slope: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        if not (isfinite(self.weight) and self.weight >= 0):
            raise ScenarioError("weight", f"must be a finite number from 0 up, not {self.weight}")
        _range(self, "slope", 0.05, 12.0)


MIXED = (
    FamilyShare(Family.MICHAELIS_MENTEN, 0.20),
    FamilyShare(Family.HILL, 0.10, (0.6, 1.0)),
    FamilyShare(Family.POWER, 0.15, (0.4, 0.8)),
    FamilyShare(Family.LOG, 0.15),
    FamilyShare(Family.HILL, 0.28, (1.5, 3.0)),
    FamilyShare(Family.LOGISTIC, 0.12, (2.0, 5.0)),
)
"""60% concave, 40% S-shaped."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A distribution over worlds.

    Standard deviations named `*_sd` are of a natural logarithm, but those of click rates, which are of a logit.

    Attributes:
        name: Its name in settings and state files.
        summary: What it tries, in one sentence.
        currency, time_zone: Of its account.
        channels: See `Channel`.
        average_budget: Mean daily budget of a campaign at the start, currency units.
        minimum_budget: The least daily budget that the platform accepts.
        creatives, audiences: Fewest and most per campaign; an ad is one creative for one audience.
        families: The mix of saturation families.
        half_saturation_median, half_saturation_sd: Half saturation in units of the reference budget, log-normal.
        size_sd: Spread of the campaigns' reference budgets.
        efficiency_sd: Spread of the cost per conversion within a channel.
        value_sd: Spread of the value per conversion within a channel.
        start_tracks_size: 0: the first budgets are equal; 1: proportional to the reference budgets.
        start_noise_sd: Further spread of the first budgets.
        season_sd, season_channel_sd: Weekday factors, common and by channel.
        drift_sd, drift_reversion: Demand follows a daily AR(1) with this step and this pull back to its mean.
        break_probability: Chance that a campaign's demand breaks once.
        break_days: First and last day (from 0) on which it may break.
        break_factors: What demand is multiplied with from then on, drawn with equal chances.
        delivery: Least and greatest share of the budget that is delivered where supply suffices.
        supply_median, supply_sd: The most that can be spent at mean demand, log-normal, in units of the reference
            budget (or the half saturation, where that is larger).
        traffic_size: Negative-binomial size R of impressions and clicks: variance = mean + mean^2 / R; inf: Poisson.
        rate_size: Size of the daily gamma shock on the conversion rate.
        order_cv: Coefficient of variation of one conversion's value.
        click_rate_sd_between, click_rate_sd_within: Spread of logit click rates between campaigns, between their ads.
        conversion_rate_sd_within: Spread of log conversion rates between the ads of a campaign.
        creative_part, audience_part: Shares of the variance within a campaign; the rest is their interaction.
        restatement_days: A conversion is reported at most this many days after its click.
        history_days: Days that have passed when the platform is first read.
        marketer_edit_days, marketer_edit_sd: In that history a budget changes about every so many days, by this much.
        horizon_days: The last day that can be simulated is this one less 1.

    Raises:
        ScenarioError: A knob is out of range; `field` names it.
    """

    name: str
    summary: str
    channels: tuple[Channel, ...]
    currency: str = "EUR"
    time_zone: str = "Europe/Berlin"
    average_budget: float = 200.0
    minimum_budget: float = 1.0
    creatives: tuple[int, int] = (1, 1)
    audiences: tuple[int, int] = (1, 1)
    families: tuple[FamilyShare, ...] = MIXED
    half_saturation_median: float = 1.2
    half_saturation_sd: float = 0.6
    size_sd: float = 0.5
    efficiency_sd: float = 0.4
    value_sd: float = 0.2
    start_tracks_size: float = 0.0
    start_noise_sd: float = 0.0
    season_sd: float = 0.12
    season_channel_sd: float = 0.04
    drift_sd: float = 0.02
    drift_reversion: float = 0.02
    break_probability: float = 0.15
    break_days: tuple[int, int] = (70, 160)
    break_factors: tuple[float, ...] = (0.5, 2.0)
    delivery: tuple[float, float] = (0.9, 1.05)
    supply_median: float = 3.0
    supply_sd: float = 0.5
    traffic_size: float = 40.0
    rate_size: float = 60.0
    order_cv: float = 0.5
    click_rate_sd_between: float = 0.71
    click_rate_sd_within: float = 0.24
    conversion_rate_sd_within: float = 0.2
    creative_part: float = 0.6
    audience_part: float = 0.25
    restatement_days: int = 30
    history_days: int = 60
    marketer_edit_days: int = 14
    marketer_edit_sd: float = 0.25
    horizon_days: int = 400

    def __post_init__(self) -> None:
        _check_names(self)
        _check_positive(self)
        _check_shares(self)
        _check_ranges(self)
        _check_days(self)

    @property
    def campaigns(self) -> int:
        """K, the number of campaigns."""
        return sum(channel.campaigns for channel in self.channels)

    def digest(self) -> str:
        """SHA-256 of every knob but the summary: two scenarios with one digest draw the same worlds."""
        return hashlib.sha256(repr(replace(self, summary="")).encode()).hexdigest()


def _check_names(s: Scenario) -> None:
    if not s.name:
        raise ScenarioError("name", "a scenario needs a name")
    if not s.channels:
        raise ScenarioError("channels", "a market needs at least one channel")
    names = [channel.name for channel in s.channels]
    if len(set(names)) < len(names):
        raise ScenarioError("channels", f"names must differ: {', '.join(names)}")
    for name, check in (("currency", exponent), ("time_zone", zone)):
        try:
            check(getattr(s, name))
        except ValueError as error:
            raise ScenarioError(name, str(error)) from None


def _check_positive(s: Scenario) -> None:
    for name in ("average_budget", "half_saturation_median", "supply_median", "order_cv"):
        _positive(s, name)
    for knob in fields(s):
        if knob.name.endswith("_sd") or "_sd_" in knob.name:
            _within(s, knob.name, 0.0, 3.0)
    # Below 10 the daily shock would now and then lift a conversion rate above 1.
    _within(s, "rate_size", 10.0, float("inf"))
    _within(s, "traffic_size", 0.1, float("inf"))
    _within(s, "minimum_budget", 0.0, s.average_budget)


def _check_shares(s: Scenario) -> None:
    for name in ("start_tracks_size", "break_probability", "drift_reversion", "creative_part", "audience_part"):
        _within(s, name, 0.0, 1.0)
    if s.creative_part + s.audience_part > 1.0:
        raise ScenarioError("audience_part", "creative_part and audience_part must not exceed 1 together")
    if not sum(share.weight for share in s.families) > 0:
        raise ScenarioError("families", "at least one family needs a positive weight")
    if not s.break_factors or not all(isfinite(f) and f > 0 for f in s.break_factors):
        raise ScenarioError("break_factors", f"must be positive numbers, not {s.break_factors}")


def _check_ranges(s: Scenario) -> None:
    _range(s, "creatives", 1, 50)
    _range(s, "audiences", 1, 50)
    _range(s, "delivery", 0.1, 2.0)


def _check_days(s: Scenario) -> None:
    _within(s, "horizon_days", 1, 10_000)
    _within(s, "restatement_days", 0, min(s.horizon_days, 365))
    _within(s, "history_days", 0, s.horizon_days)
    _within(s, "marketer_edit_days", 1, 10_000)
    _range(s, "break_days", 0, s.horizon_days)


def _shop(search: int, social: int, video: int) -> tuple[Channel, ...]:
    return (
        Channel("search", search, 16.0, 62.0, 0.045, 0.045, delay_mean_days=2.0),
        Channel("social", social, 22.0, 58.0, 0.013, 0.028, delay_mean_days=3.0),
        Channel("video", video, 30.0, 66.0, 0.006, 0.022, delay_mean_days=4.5),
    )


def _closed_loop(campaigns: int) -> Scenario:
    third = campaigns // 3
    return Scenario(
        name=f"closed-loop-{campaigns}",
        summary=f"A cold start of {campaigns} campaigns from an equal split, as policies are compared in it.",
        channels=_shop(campaigns - 2 * third, third, third),
        history_days=0,
        break_probability=0.5,
        break_days=(20, 100),
        horizon_days=150,
    )


DEMO = Scenario(
    name="demo",
    summary="A shop with three channels, a dozen campaigns and two months of a marketer's own budgets.",
    channels=_shop(5, 4, 3),
    average_budget=240.0,
    minimum_budget=5.0,
    creatives=(2, 3),
    audiences=(2, 2),
    start_tracks_size=0.5,
    start_noise_sd=0.45,
)
TINY_YEN = Scenario(
    name="tiny-yen",
    summary="Three small campaigns in a currency without decimals: quick, and quantised to whole yen.",
    channels=(
        Channel("search", 2, 1_800.0, 7_000.0, 0.04, 0.04),
        Channel("social", 1, 2_400.0, 6_000.0, 0.012, 0.03),
    ),
    currency="JPY",
    time_zone="Asia/Tokyo",
    average_budget=20_000.0,
    minimum_budget=500.0,
    creatives=(1, 2),
    history_days=10,
    restatement_days=14,
    horizon_days=120,
    break_days=(20, 100),
)

SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {s.name: s for s in (DEMO, TINY_YEN, _closed_loop(6), _closed_loop(30), _closed_loop(300))}
)


def named(name: str, **knobs: object) -> Scenario:
    """Return a named scenario, with some knobs changed.

    Raises:
        ScenarioError: There is no scenario of this name, or a changed knob is unknown or out of range.
    """
    if name not in SCENARIOS:
        raise ScenarioError("scenario", f"there is none called {name!r}; there are {', '.join(SCENARIOS)}")
    unknown = sorted(set(knobs) - {knob.name for knob in fields(Scenario)})
    if unknown:
        raise ScenarioError(unknown[0], f"a scenario has no such knob ({', '.join(f.name for f in fields(Scenario))})")
    return replace(SCENARIOS[name], **knobs)  # type: ignore[arg-type]  # names are checked above, values at birth
