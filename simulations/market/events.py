"""What happens to channels and campaigns at one blow: competitors, tracking outages, launches and pauses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulations.market.draws import some
from simulations.noise import FloatArray, IntArray
from simulations.scenarios import Scenario

BoolArray = npt.NDArray[np.bool_]


def draw_price(scenario: Scenario, rng: np.random.Generator) -> FloatArray:
    """Draw the factor on the auction price, 1 = normal, shape (C, H); attacks at the same time do not add up."""
    knobs = scenario.shocks
    return np.where(_spells(scenario, knobs.competitors, knobs.competitor_days, rng), knobs.competitor_price, 1.0)


def draw_tracked(scenario: Scenario, rng: np.random.Generator) -> BoolArray:
    """Draw whether the tracking of a channel works, shape (C, H)."""
    return ~_spells(scenario, scenario.tracking.outages, scenario.tracking.outage_days, rng)


def draw_launch(scenario: Scenario, rng: np.random.Generator) -> IntArray:
    """Draw the day on which each campaign is launched, shape (K,); 0: it was there from the start."""
    knobs, k = scenario.shocks, scenario.campaigns
    chosen = some(rng, knobs.launch_share, k)
    day = rng.integers(knobs.launch_days[0], knobs.launch_days[1] + 1, size=k)
    first = np.zeros(k, dtype=np.int64)
    first[chosen] = day[chosen]
    return first


def draw_awake(scenario: Scenario, rng: np.random.Generator) -> BoolArray:
    """Draw whether a campaign is not paused by its owner, shape (K, H)."""
    knobs, k, days = scenario.shocks, scenario.campaigns, scenario.horizon_days
    chosen = some(rng, knobs.pause_share, k)
    first = rng.integers(0, days, size=k)
    length = np.zeros(k, dtype=np.int64)
    length[chosen] = rng.integers(knobs.pause_length[0], knobs.pause_length[1] + 1, size=k)[chosen]
    since = np.arange(days) - first[:, None]
    return (since < 0) | (since >= length[:, None])


def _spells(scenario: Scenario, mean: float, lengths: tuple[int, int], rng: np.random.Generator) -> BoolArray:
    """Days under a spell of which there are a Poisson number by channel, shape (C, H)."""
    days = scenario.horizon_days
    under = np.zeros((len(scenario.channels), days), dtype=bool)
    for row, count in zip(under, rng.poisson(mean, size=len(under)), strict=True):
        firsts = rng.integers(0, days, size=count)
        for first, length in zip(firsts, rng.integers(lengths[0], lengths[1] + 1, size=count), strict=True):
            row[first : first + length] = True
    return under
