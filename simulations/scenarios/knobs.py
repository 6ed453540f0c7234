"""The knobs of a simulated market, in groups; each is frozen, and its types and ranges are checked at birth.

Standard deviations named `*_sd` are of a natural logarithm, but those of click rates and of incrementality, which are
of a logit. Where nothing else is said, ranges are drawn from uniformly, both ends included.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from math import inf

from simulations.saturation import Family
from simulations.scenarios.checks import ScenarioError, ordered, typed, within

_LONGEST = 10_000
_LEAP_YEAR = 2000


@dataclass(frozen=True, slots=True)
class Holiday:
    """Days of every year on which demand is another.

    Attributes:
        month, day: The first of them.
        days: How many.
        factor: Multiplies demand.

    Raises:
        ScenarioError: There is no such day, or a knob is out of range.
    """

    month: int
    day: int
    days: int = 1
    factor: float = 1.5

    def __post_init__(self) -> None:
        path = "demand.holidays."
        typed(self, path)
        within(self, path, 1, 12, "month")
        within(self, path, 1, monthrange(_LEAP_YEAR, self.month)[1], "day")
        within(self, path, 1, 60, "days")
        within(self, path, 0.05, 20.0, "factor")


@dataclass(frozen=True, slots=True)
class Demand:
    """How much there is to be had from day to day; multiplies impressions and supply alike.

    Attributes:
        season_sd, season_channel_sd: Weekday factors, common and by channel.
        year_amplitude: Height of the yearly wave, whose peak falls on a random day; 0.3: from 0.7 to 1.3.
        holidays: Days of every year with a demand of their own.
        drift_sd, drift_reversion: Log demand follows a daily AR(1) with this step and this pull back to its mean.
    """

    season_sd: float = 0.12
    season_channel_sd: float = 0.04
    year_amplitude: float = 0.0
    holidays: tuple[Holiday, ...] = ()
    drift_sd: float = 0.02
    drift_reversion: float = 0.02

    def __post_init__(self) -> None:
        typed(self, "demand.")
        within(self, "demand.", 0.0, 3.0, "season_sd", "season_channel_sd", "drift_sd")
        within(self, "demand.", 0.0, 0.95, "year_amplitude")
        within(self, "demand.", 0.0, 1.0, "drift_reversion")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a platform makes of a budget.

    Attributes:
        ratio: Least and greatest share of the budget that a day's delivery aims at (Beta(2, 2) between them).
        month_days: In a calendar month no more than so many daily budgets are charged; what is delivered beyond them
            is free of charge. `inf`: no such promise.
        supply_median, supply_sd: The most that can be spent at mean demand, log-normal, in units of the reference
            budget (or the half saturation, where that is larger).
        impression_share: Whether the platform reports which share of the impressions that a campaign could have had
            it got, and which it lost to its budget.
        learning_days: For so many days after a campaign's launch, or after its budget moved by more than a fifth, the
            platform says that the campaign is learning; 0: it says nothing of learning.
    """

    ratio: tuple[float, float] = (0.9, 1.05)
    month_days: float = 30.4
    supply_median: float = 3.0
    supply_sd: float = 0.5
    impression_share: bool = False
    learning_days: int = 0

    def __post_init__(self) -> None:
        typed(self, "delivery.")
        within(self, "delivery.", 0, 365, "learning_days")
        ordered(self, "delivery.", 0.0, 2.0, "ratio")
        if self.ratio[1] <= 0:
            raise ScenarioError("delivery.ratio", "something must be delivered")
        within(self, "delivery.", 28.0, inf, "month_days")
        within(self, "delivery.", 0.01, 1e6, "supply_median")
        within(self, "delivery.", 0.0, 3.0, "supply_sd")


@dataclass(frozen=True, slots=True)
class FamilyShare:
    """How often a saturation family is drawn, and the range of its slope.

    Attributes:
        family: michaelis-menten, hill, power, log or logistic.
        weight: How often, in proportion to the other weights.
        slope: Least and greatest, for the families that have one; of power at most 1.

    Raises:
        ScenarioError: A knob is out of range.
    """

    family: Family
    weight: float
    slope: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        path = "saturation.families."
        typed(self, path)
        within(self, path, 0.0, 1e9, "weight")
        # With a power above 1 returns would rise without end.
        ordered(self, path, 0.05, 1.0 if self.family is Family.POWER else 12.0, "slope")


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
class Saturation:
    """How impressions grow with spend: the auction price rises with every further unit.

    Attributes:
        families: The mix of families.
        half_saturation_median, half_saturation_sd: Half saturation in units of the reference budget, log-normal.
        size_sd: Spread of the campaigns' reference budgets.
        starved: So many campaigns, the first of the market, are traps: large steep S-curves (Hill) whose first budgets
            lie at the floor of `limits`, where they bring next to nothing.
        starved_size, starved_slope, starved_worth: The reference budget of a trap, in units of that of an average
            campaign; the slope of its curve; and how many times as many conversions a currency unit brings there.
    """

    families: tuple[FamilyShare, ...] = MIXED
    half_saturation_median: float = 1.2
    half_saturation_sd: float = 0.6
    size_sd: float = 0.5
    starved: int = 0
    starved_size: float = 2.5
    starved_slope: float = 3.0
    starved_worth: float = 2.0

    def __post_init__(self) -> None:
        typed(self, "saturation.")
        within(self, "saturation.", 0, 10_000, "starved")
        within(self, "saturation.", 0.01, 100.0, "starved_size", "starved_worth")
        within(self, "saturation.", 1.0, 12.0, "starved_slope")
        if not sum(share.weight for share in self.families) > 0:
            raise ScenarioError("saturation.families", "at least one family needs a positive weight")
        within(self, "saturation.", 0.01, 100.0, "half_saturation_median")
        within(self, "saturation.", 0.0, 3.0, "half_saturation_sd", "size_sd")


@dataclass(frozen=True, slots=True)
class Funnel:
    """From impressions to value.

    Attributes:
        efficiency_sd: Spread of the cost per conversion within a channel.
        value_sd: Spread of the value per conversion within a channel.
        incrementality_sd: Spread of the incrementality within a channel (of its logit; a channel with 1 has none).
        traffic_size: Negative-binomial size R of impressions and clicks: variance = mean + mean^2 / R; inf: Poisson.
        rate_size: Size of the daily gamma shock on the conversion rate.
        order_cv: Coefficient of variation of one conversion's value (log-normal).
        quality_elasticity: Range over campaigns of e: conversions per click fall as (volume + .1)^-e while the
            volume of impressions, in units of that at the reference spend, grows.
        adstock_share, adstock_mean_days: This part of a day's conversions comes later, with the memory of the ad:
            geometric from the next day on, with this mean, and reported on the days on which it comes.
    """

    efficiency_sd: float = 0.4
    value_sd: float = 0.2
    incrementality_sd: float = 0.4
    traffic_size: float = 40.0
    rate_size: float = 60.0
    order_cv: float = 0.5
    quality_elasticity: tuple[float, float] = (0.0, 0.0)
    adstock_share: float = 0.0
    adstock_mean_days: float = 4.0

    def __post_init__(self) -> None:
        typed(self, "funnel.")
        within(self, "funnel.", 0.0, 3.0, "efficiency_sd", "value_sd", "incrementality_sd")
        within(self, "funnel.", 0.1, inf, "traffic_size")
        # Below 10 the daily shock would now and then lift a conversion rate above 1.
        within(self, "funnel.", 10.0, inf, "rate_size")
        within(self, "funnel.", 0.01, 10.0, "order_cv")
        ordered(self, "funnel.", -0.5, 0.9, "quality_elasticity")
        within(self, "funnel.", 0.0, 0.95, "adstock_share")
        within(self, "funnel.", 1.0, 60.0, "adstock_mean_days")


@dataclass(frozen=True, slots=True)
class Ads:
    """Creatives and audiences; an ad is one creative for one audience.

    Attributes:
        creatives, audiences: Fewest and most per campaign.
        click_rate_sd_between, click_rate_sd_within: Spread of logit click rates between campaigns, between their ads.
        conversion_rate_sd_within: Spread of log conversion rates between the ads of a campaign.
        creative_part, audience_part: Shares of the variance within a campaign; the rest is their interaction.
        wear_out_half_life_days: A creative's click rate falls towards its floor with this median half-life (spread
            by 0.3 between creatives); inf: it does not wear out.
        wear_out_floor: What remains of the click rate.
        refresh_days: A worn creative is replaced by a fresh version every so many days.
        overlap, overlap_campaigns: So many campaigns of a channel, one after another, share one pool of people. What
            they would bring together, in units of that at their reference spends, is s; it brings
            s (1 + overlap) / (1 + overlap s).
    """

    creatives: tuple[int, int] = (1, 1)
    audiences: tuple[int, int] = (1, 1)
    click_rate_sd_between: float = 0.71
    click_rate_sd_within: float = 0.24
    conversion_rate_sd_within: float = 0.2
    creative_part: float = 0.6
    audience_part: float = 0.25
    wear_out_half_life_days: float = inf
    wear_out_floor: float = 0.4
    refresh_days: int = _LONGEST
    overlap: float = 0.0
    overlap_campaigns: int = 1

    def __post_init__(self) -> None:
        typed(self, "ads.")
        ordered(self, "ads.", 1, 50, "creatives", "audiences")
        within(self, "ads.", 0.0, 3.0, "click_rate_sd_between", "click_rate_sd_within", "conversion_rate_sd_within")
        within(self, "ads.", 0.0, 1.0, "creative_part", "audience_part", "wear_out_floor")
        if self.creative_part + self.audience_part > 1.0:
            raise ScenarioError("ads.audience_part", "creative_part and audience_part must not exceed 1 together")
        within(self, "ads.", 1.0, inf, "wear_out_half_life_days")
        within(self, "ads.", 1, _LONGEST, "refresh_days")
        within(self, "ads.", 0.0, 5.0, "overlap")
        within(self, "ads.", 1, 1000, "overlap_campaigns")


@dataclass(frozen=True, slots=True)
class Tracking:
    """What is reported, and when.

    Attributes:
        restatement_days: The click rows of a day are restated for so many days, then they stand.
        returned_share, returned_after_days: This part of the conversions is taken back so many days after it was
            reported (cancelled orders, invalid commissions).
        outages, outage_days: How many tracking outages a channel has within the horizon (Poisson mean), and the range
            of their lengths; conversions that come on such days are never reported.
    """

    restatement_days: int = 30
    returned_share: float = 0.0
    returned_after_days: int = 10
    outages: float = 0.0
    outage_days: tuple[int, int] = (1, 4)

    def __post_init__(self) -> None:
        typed(self, "tracking.")
        within(self, "tracking.", 0, 365, "restatement_days")
        within(self, "tracking.", 0.0, 0.9, "returned_share")
        within(self, "tracking.", 0, 365, "returned_after_days")
        within(self, "tracking.", 0.0, 50.0, "outages")
        ordered(self, "tracking.", 1, 60, "outage_days")


@dataclass(frozen=True, slots=True)
class Shocks:
    """What changes at one blow.

    Attributes:
        break_probability: Chance that a campaign's demand breaks once.
        break_days: First and last day (from 0) on which it may break.
        break_factors: What demand is multiplied with from then on, drawn with equal chances.
        competitors, competitor_days, competitor_price: How often competitors attack a channel within the horizon
            (Poisson mean), for how many days, and what the auction price is multiplied with meanwhile.
        launch_share, launch_days: This part of the campaigns is launched on one of these days; before it there is
            nothing to be delivered.
        pause_share, pause_length: This part of the campaigns is paused once, for so many days, by its owner.
    """

    break_probability: float = 0.15
    break_days: tuple[int, int] = (70, 160)
    break_factors: tuple[float, ...] = (0.5, 2.0)
    competitors: float = 0.0
    competitor_days: tuple[int, int] = (7, 21)
    competitor_price: float = 1.5
    launch_share: float = 0.0
    launch_days: tuple[int, int] = (20, 60)
    pause_share: float = 0.0
    pause_length: tuple[int, int] = (5, 20)

    def __post_init__(self) -> None:
        typed(self, "shocks.")
        within(self, "shocks.", 0.0, 1.0, "break_probability", "launch_share", "pause_share")
        ordered(self, "shocks.", 0, _LONGEST, "break_days", "launch_days")
        ordered(self, "shocks.", 1, 365, "competitor_days", "pause_length")
        within(self, "shocks.", 0.0, 50.0, "competitors")
        within(self, "shocks.", 0.1, 10.0, "competitor_price")
        if not self.break_factors or not all(0.01 <= factor <= 100.0 for factor in self.break_factors):
            shown = ", ".join(map(str, self.break_factors)) or "none"
            raise ScenarioError("shocks.break_factors", f"must be numbers from 0.01 to 100, not {shown}")


@dataclass(frozen=True, slots=True)
class History:
    """What has passed when the platform is first read.

    Attributes:
        history_days: How many days.
        marketer_edit_days, marketer_edit_sd: In them a budget changes about every so many days, by this much.
        start_tracks_size: 0: the first budgets are equal; 1: proportional to the reference budgets.
        start_noise_sd: Further spread of the first budgets.
    """

    history_days: int = 60
    marketer_edit_days: int = 14
    marketer_edit_sd: float = 0.25
    start_tracks_size: float = 0.0
    start_noise_sd: float = 0.0

    def __post_init__(self) -> None:
        typed(self, "history.")
        within(self, "history.", 0, _LONGEST, "history_days")
        within(self, "history.", 1, _LONGEST, "marketer_edit_days")
        within(self, "history.", 0.0, 3.0, "marketer_edit_sd", "start_noise_sd")
        within(self, "history.", 0.0, 1.0, "start_tracks_size")


@dataclass(frozen=True, slots=True)
class Limits:
    """What policies and the clairvoyant alike must keep to while they are compared.

    The sum of all budgets never exceeds that of as many average budgets.

    Attributes:
        floor, ceiling: Least and greatest budget of a campaign, in units of the average budget.
        step: A budget grows at most by this share of itself from one day to the next, and falls at most by it.
    """

    floor: float = 0.1
    ceiling: float = 5.0
    step: float = 0.3

    def __post_init__(self) -> None:
        typed(self, "limits.")
        if not 0.0 <= self.floor <= 1.0:
            raise ScenarioError(
                "limits.floor",
                f"must be from 0 to 1 average budgets, not {self.floor}: the floors of all campaigns together must "
                "not exceed the budget",
            )
        within(self, "limits.", 1.0, 1e6, "ceiling")
        within(self, "limits.", 0.01, 1e6, "step")
