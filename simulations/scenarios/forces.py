"""Named scenarios with one force of the market each, strong enough to tell policies apart; all else is calm."""

from __future__ import annotations

from math import inf

from simulations.saturation import Family
from simulations.scenarios.channels import Channel, FurtherConversion
from simulations.scenarios.knobs import FamilyShare, Holiday
from simulations.scenarios.scenario import Scenario
from simulations.scenarios.shops import calm, each, shop

_CONCAVE = (
    FamilyShare(Family.MICHAELIS_MENTEN, 0.35),
    FamilyShare(Family.HILL, 0.2, (0.6, 1.0)),
    FamilyShare(Family.POWER, 0.2, (0.4, 0.8)),
    FamilyShare(Family.LOG, 0.25),
)
S_SHAPED = (FamilyShare(Family.HILL, 1.0, (2.0, 3.0)),)
NO_HILL = (FamilyShare(Family.LOG, 0.5), FamilyShare(Family.POWER, 0.5, (0.3, 0.8)))

PEAKS = (
    Holiday(11, 24, days=7, factor=2.5),
    Holiday(12, 8, days=14, factor=1.6),
    Holiday(12, 25, days=2, factor=0.5),
)
"""Black Friday's week, Advent, Christmas."""

HARVESTERS = (
    Channel("brand-search", 2, 5.0, 60.0, 0.12, 0.09, delay_mean_days=1.0, incrementality=0.25, harvest=0.25),
    Channel("retargeting", 2, 9.0, 58.0, 0.009, 0.05, delay_mean_days=1.5, incrementality=0.35, harvest=0.2),
    Channel("generic-search", 3, 18.0, 62.0, 0.04, 0.04, delay_mean_days=2.0, incrementality=0.8),
    Channel("prospecting", 3, 26.0, 60.0, 0.011, 0.024, delay_mean_days=4.0, incrementality=0.9),
)
"""Two channels that look best and cause least, and two whose conversions they claim."""

SIGNUPS = (
    Channel(
        "search",
        4,
        60.0,
        240.0,
        0.04,
        0.015,
        delay_mean_days=8.0,
        further=(FurtherConversion("signup", 5.0, 6.0, delay_mean_days=0.3),),
    ),
    Channel(
        "social",
        4,
        80.0,
        230.0,
        0.012,
        0.01,
        delay_mean_days=10.0,
        further=(
            FurtherConversion("signup", 8.0, 4.0, delay_mean_days=0.5),
            FurtherConversion("app-install", 3.0, 1.5, delay_mean_days=0.2),
        ),
    ),
)
"""A subscription: quick, cheap signups and installs, and purchases that follow over weeks."""

_RESPONSE = (
    calm(
        "s-curves",
        "Every curve is an S with a slope of 2 to 3: whoever cuts a campaign below its bend takes it for a bad one.",
        families=S_SHAPED,
    ),
    calm(
        "traps",
        "A large steep S-curve begins at its floor, where it looks worthless: only a long trial shows its worth.",
        history_days=0,
        starved=1,
    ),
    calm(
        "concave-only",
        "Diminishing returns everywhere, the textbook's case: no trap, the best split is where marginal returns meet.",
        families=_CONCAVE,
    ),
    calm(
        "log-and-power",
        "Curves without a ceiling and none of them a Hill: how dear is it to learn with the wrong family?",
        families=NO_HILL,
    ),
    calm(
        "falling-quality",
        "Conversions per click fall as a campaign reaches further: clicks keep growing while returns do not.",
        quality_elasticity=(0.2, 0.5),
    ),
    calm(
        "scarce-supply",
        "Most campaigns run out of people before they reach their best budget: what is given beyond is not spent.",
        supply_median=0.7,
        supply_sd=0.4,
    ),
    calm(
        "told-supply",
        "Scarce supply, and platforms that tell their impression share: what cannot be bought shows before it is met.",
        supply_median=0.7,
        supply_sd=0.4,
        impression_share=True,
    ),
    calm(
        "audience-overlap",
        "Campaigns fish for the same people in threes: what one gains, its neighbours partly lose.",
        channels=shop(3, 6, 3),
        overlap=1.5,
        overlap_campaigns=3,
    ),
    calm(
        "wear-out",
        "Creatives tire within two weeks and are refreshed after six: a falling click rate is no lasting verdict.",
        creatives=(2, 4),
        wear_out_half_life_days=14.0,
        wear_out_floor=0.3,
        refresh_days=42,
    ),
    calm(
        "adstock",
        "Half of a day's conversions come later, while the ad is remembered: its results are booked on other days.",
        adstock_share=0.5,
        adstock_mean_days=7.0,
    ),
    calm(
        "brand-and-retargeting",
        "Brand search and retargeting claim what the others bring: the best cost per conversion causes the least.",
        channels=HARVESTERS,
        incrementality_sd=0.3,
    ),
)
_CALENDAR = (
    calm(
        "black-friday",
        "A yearly wave with Black Friday and Advent on top: yesterday says little of a day that comes once a year.",
        year_amplitude=0.25,
        holidays=PEAKS,
        horizon_days=400,
    ),
    calm(
        "heavy-weekly",
        "Weekends and weekdays differ by a factor of two or more, not alike in all channels.",
        season_sd=0.5,
        season_channel_sd=0.2,
    ),
    calm(
        "random-walk",
        "Demand wanders for good and nearly without return: what was learnt two months ago is wrong today.",
        drift_sd=0.06,
        drift_reversion=0.002,
    ),
    calm(
        "breaks",
        "Most campaigns halve or double overnight once: how soon is it noticed, and what does a false alarm cost?",
        break_probability=0.8,
        break_days=(40, 140),
        break_factors=(0.4, 0.5, 2.0, 2.5),
    ),
    calm(
        "competitor-attack",
        "Competitors bid a channel's prices up by 80% for weeks, then leave: give way, and come back in time.",
        competitors=3.0,
        competitor_days=(7, 28),
        competitor_price=1.8,
    ),
    calm(
        "launches",
        "Every third campaign or so is launched after weeks or months: new ones must be tried at the others' cost.",
        launch_share=0.35,
        launch_days=(30, 100),
    ),
    calm(
        "pauses",
        "Owners pause most campaigns for a week or four: money must find other work, and nothing is learnt meanwhile.",
        pause_share=0.7,
        pause_length=(7, 28),
    ),
)
_REPORTING = (
    calm(
        "tracking-outages",
        "Tracking fails for days at a time: spend without conversions is not a campaign without effect.",
        outages=4.0,
        outage_days=(1, 7),
    ),
    calm(
        "long-delay",
        "Conversions come ten days after their click on average: the last two weeks always look worse than they are.",
        channels=each(shop(3, 3, 2), delay_mean_days=10.0, attribution_days=28),
        restatement_days=45,
    ),
    calm(
        "short-attribution-window",
        "Conversions take six days on average and the platforms report those of seven: the rest is lost to everyone.",
        channels=each(shop(3, 3, 2), delay_mean_days=6.0, attribution_days=7),
    ),
    calm(
        "returns",
        "A fifth of all orders is taken back two weeks later: what has been reported can fall again.",
        returned_share=0.2,
        returned_after_days=14,
    ),
    calm(
        "loose-delivery",
        "A day delivers anything from nothing to twice the budget, and the month's cap gives some of it for free.",
        ratio=(0.0, 2.0),
    ),
    calm(
        "signups-and-purchases",
        "Three kinds of conversions of unlike worth and delay: the quick and frequent ones are not the valuable ones.",
        channels=SIGNUPS,
    ),
)
_NOISE = (
    calm(
        "quiet",
        "No season, no drift, exact delivery and no noise beyond Poisson counts: what remains is the learning itself.",
        season_sd=0.0,
        season_channel_sd=0.0,
        drift_sd=0.0,
        ratio=(1.0, 1.0),
        traffic_size=inf,
        rate_size=inf,
        order_cv=0.01,
    ),
    calm(
        "noisy",
        "Traffic, conversion rates and order values scatter far beyond Poisson: one good day proves nothing.",
        traffic_size=6.0,
        rate_size=12.0,
        order_cv=1.5,
    ),
    calm(
        "sparse",
        "Fewer than one conversion a day and campaign: only what campaigns share can be learnt in time.",
        channels=(
            Channel("search", 5, 300.0, 1_100.0, 0.04, 0.004),
            Channel("social", 4, 420.0, 1_000.0, 0.012, 0.0025),
            Channel("video", 3, 520.0, 1_200.0, 0.006, 0.002),
        ),
    ),
    calm(
        "one-a-day",
        "About one conversion a day and campaign: a week of one campaign's own days tells good from bad only roughly.",
        channels=each(shop(3, 3, 2), cost_per_conversion=200.0, value_per_conversion=700.0),
        history_days=0,
    ),
    calm(
        "rich",
        "Hundreds of conversions a day and campaign: hardly any noise excuses a budget in the wrong place.",
        average_budget=6_000.0,
    ),
)

FORCES: tuple[Scenario, ...] = (*_RESPONSE, *_CALENDAR, *_REPORTING, *_NOISE)
"""One force each."""
