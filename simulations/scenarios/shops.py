"""What named scenarios begin with: shops of a few channels, and the scenarios that every other one varies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from simulations.scenarios.channels import Channel
from simulations.scenarios.knobs import Ads, History, Shocks, Tracking
from simulations.scenarios.scenario import Scenario, with_knobs


def shop(search: int, social: int, video: int) -> tuple[Channel, ...]:
    """Return three channels with so many campaigns each."""
    return (
        Channel("search", search, 16.0, 62.0, 0.045, 0.045, delay_mean_days=2.0),
        Channel("social", social, 22.0, 58.0, 0.013, 0.028, delay_mean_days=3.0),
        Channel("video", video, 30.0, 66.0, 0.006, 0.022, delay_mean_days=4.5),
    )


def each(channels: tuple[Channel, ...], **knobs: Any) -> tuple[Channel, ...]:
    """Return the channels, each with some knobs changed.

    Raises:
        ScenarioError: A knob is out of range.
    """
    return tuple(replace(channel, **knobs) for channel in channels)


CALM = Scenario(
    name="calm",
    summary="A shop of eight campaigns with a weekly season, a little drift and no shocks, for others to vary.",
    channels=shop(3, 3, 2),
    horizon_days=180,
    history=History(history_days=28),
    shocks=Shocks(break_probability=0.0),
)


def calm(name: str, summary: str, **knobs: object) -> Scenario:
    """Return the calm shop under another name, with some knobs changed.

    Raises:
        ScenarioError: A knob is unknown or out of range.
    """
    return with_knobs(CALM, name=name, summary=summary, **knobs)


def _closed_loop(campaigns: int) -> Scenario:
    third = campaigns // 3
    return Scenario(
        name=f"closed-loop-{campaigns}",
        summary=f"A cold start of {campaigns} campaigns from an equal split, as policies are compared in it.",
        channels=shop(campaigns - 2 * third, third, third),
        horizon_days=150,
        history=History(history_days=0),
        shocks=Shocks(break_probability=0.5, break_days=(20, 100)),
    )


DEMO = Scenario(
    name="demo",
    summary="A shop with three channels, a dozen campaigns and two months of a marketer's own budgets.",
    channels=shop(5, 4, 3),
    average_budget=240.0,
    minimum_budget=5.0,
    ads=Ads(creatives=(2, 3), audiences=(2, 2)),
    history=History(start_tracks_size=0.5, start_noise_sd=0.45),
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
    horizon_days=120,
    ads=Ads(creatives=(1, 2)),
    tracking=Tracking(restatement_days=14),
    shocks=Shocks(break_days=(20, 100)),
    history=History(history_days=10),
)
WIDE_300 = Scenario(
    name="wide-300",
    summary="Three hundred campaigns of nine ads each over 120 days, to see how fast and how large it all becomes.",
    channels=shop(120, 100, 80),
    horizon_days=120,
    ads=Ads(creatives=(3, 3), audiences=(3, 3)),
    history=History(history_days=0),
    shocks=Shocks(break_days=(20, 100)),
)

SHOPS = (DEMO, TINY_YEN, *map(_closed_loop, (6, 30, 300)), WIDE_300, CALM)
"""The scenarios that are sized for a use of their own."""
