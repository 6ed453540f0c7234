"""The named scenarios are many and unlike, each says what it tries, and each does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np
import pytest

from connectors.money import MICROS
from simulations.market.truth import draw
from simulations.saturation import FAMILIES, Family
from simulations.scenarios import SCENARIOS, Scenario, with_knobs

START = date(2025, 9, 1)
ALL = [pytest.param(scenario, id=name) for name, scenario in SCENARIOS.items()]

ON: dict[str, Callable[[Scenario], bool]] = {
    "year": lambda s: s.demand.year_amplitude > 0,
    "holidays": lambda s: bool(s.demand.holidays),
    "breaks": lambda s: s.shocks.break_probability > 0,
    "competitors": lambda s: s.shocks.competitors > 0,
    "launches": lambda s: s.shocks.launch_share > 0,
    "pauses": lambda s: s.shocks.pause_share > 0,
    "outages": lambda s: s.tracking.outages > 0,
    "returns": lambda s: s.tracking.returned_share > 0,
    "windows": lambda s: any(c.attribution_days for c in s.channels),
    "kinds": lambda s: len(s.definitions) > 1,
    "harvest": lambda s: any(c.harvest for c in s.channels),
    "incrementality": lambda s: any(c.incrementality < 1 for c in s.channels),
    "quality": lambda s: s.funnel.quality_elasticity[1] > 0,
    "adstock": lambda s: s.funnel.adstock_share > 0,
    "wear-out": lambda s: s.ads.wear_out_half_life_days < s.horizon_days,
    "overlap": lambda s: s.ads.overlap > 0 and s.ads.overlap_campaigns > 1,
}
"""Every force that a scenario may switch on."""

ALONE = {
    "calm": set(),
    "quiet": set(),
    "s-curves": set(),
    "traps": set(),
    "random-walk": set(),
    "black-friday": {"year", "holidays"},
    "breaks": {"breaks"},
    "competitor-attack": {"competitors"},
    "launches": {"launches"},
    "pauses": {"pauses"},
    "tracking-outages": {"outages"},
    "long-delay": {"windows"},
    "short-attribution-window": {"windows"},
    "returns": {"returns"},
    "signups-and-purchases": {"kinds"},
    "brand-and-retargeting": {"harvest", "incrementality"},
    "falling-quality": {"quality"},
    "adstock": {"adstock"},
    "wear-out": {"wear-out"},
    "audience-overlap": {"overlap"},
    "everything": set(ON),
}


def _forces(scenario: Scenario) -> set[str]:
    return {force for force, on in ON.items() if on(scenario)}


def test_there_are_many_and_no_two_are_the_same_world() -> None:
    assert len(SCENARIOS) >= 40
    assert len({scenario.digest() for scenario in SCENARIOS.values()}) == len(SCENARIOS)
    assert len({scenario.summary for scenario in SCENARIOS.values()}) == len(SCENARIOS)


@pytest.mark.parametrize("scenario", ALL)
def test_each_says_in_one_sentence_what_it_tries(scenario: Scenario) -> None:
    assert 40 <= len(scenario.summary) <= 130
    assert scenario.summary[0].isupper()
    assert scenario.summary[-1] in ".?"
    assert not any(mark in scenario.summary[:-1] for mark in (". ", "? ", "|"))


@pytest.mark.parametrize("scenario", ALL)
def test_each_leaves_days_to_play_after_its_history(scenario: Scenario) -> None:
    assert SCENARIOS[scenario.name] is scenario
    assert scenario.horizon_days - scenario.history.history_days >= 100


@pytest.mark.parametrize(("name", "forces"), ALONE.items())
def test_a_force_is_tried_alone_and_all_of_them_together(name: str, forces: set[str]) -> None:
    assert _forces(SCENARIOS[name]) == forces


def test_the_families_are_those_that_the_sentence_names() -> None:
    shapes = {name: SCENARIOS[name].saturation.families for name in ("s-curves", "concave-only", "log-and-power")}
    assert [(share.family, share.slope[0] >= 2) for share in shapes["s-curves"]] == [(Family.HILL, True)]
    assert all(share.slope[1] <= 1 and share.family != Family.LOGISTIC for share in shapes["concave-only"])
    assert {share.family for share in shapes["log-and-power"]} == {Family.LOG, Family.POWER}


def test_the_wide_one_is_of_the_size_that_is_measured() -> None:
    wide = SCENARIOS["wide-300"]
    assert (wide.campaigns, wide.ads.creatives, wide.ads.audiences, wide.horizon_days) == (300, (3, 3), (3, 3), 120)


@pytest.mark.parametrize("scenario", ALL)
def test_each_draws_a_world_of_its_size(scenario: Scenario) -> None:
    truth = draw(scenario, np.random.default_rng(5), START)
    assert len(set(truth.names)) == len(truth.names) == scenario.campaigns
    assert truth.demand.shape == truth.runs.shape == (scenario.campaigns, scenario.horizon_days)
    assert (truth.demand > 0).all()
    assert tuple(kind.name for kind in truth.kinds) == scenario.definitions
    assert truth.first.min() >= scenario.minimum_budget * MICROS


def test_a_trap_is_large_and_steep_and_starved_and_worth_a_trial() -> None:
    scenario = SCENARIOS["traps"]
    for seed in range(20):
        world = draw(scenario, np.random.default_rng(seed), START)
        free = draw(with_knobs(scenario, starved=0), np.random.default_rng(seed), START)
        budgets = world.first / MICROS
        assert budgets[0] == scenario.limits.floor * scenario.average_budget
        assert budgets[1:] == pytest.approx((scenario.average_budget * 8 - budgets[0]) / 7, abs=0.01)
        brought = world.curves(budgets[:, None])[0, 0]
        assert brought < 0.01
        assert (FAMILIES[world.curves.family[0]], world.curves.slope[0]) == (Family.HILL, 3.0)
        assert world.curves.reference[0] / world.conversions[0] == pytest.approx(
            free.curves.reference[0] / free.conversions[0] / 2.0
        )
        assert (world.curves.family[1:] == free.curves.family[1:]).all()


@pytest.mark.parametrize(
    ("name", "low", "high"), [("sparse", 0.1, 1.0), ("one-a-day", 0.4, 2.0), ("rich", 100.0, 1000.0)]
)
def test_conversions_are_as_few_or_as_many_as_the_sentence_says(name: str, low: float, high: float) -> None:
    worlds = [draw(SCENARIOS[name], np.random.default_rng(seed), START) for seed in range(20)]
    per_day = [float((w.curves(w.first[:, None] / MICROS)[:, 0] * w.conversions).mean()) for w in worlds]
    assert low < min(per_day)
    assert max(per_day) < high
