"""Every knob is checked, named and counts; curves and laws keep what they promise."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulations.saturation import FAMILIES, Curves, Family
from simulations.scenarios import DEMO, SCENARIOS, Channel, FamilyShare, Scenario, ScenarioError, named
from simulations.truth import campaign_names, delay_law, draw


@pytest.mark.parametrize(
    ("knob", "value"),
    [
        ("name", ""),
        ("channels", ()),
        ("channels", (DEMO.channels[0], DEMO.channels[0])),
        ("currency", "euro"),
        ("time_zone", "Mars/Base"),
        ("average_budget", 0.0),
        ("average_budget", float("nan")),
        ("minimum_budget", 500.0),
        ("creatives", (3, 2)),
        ("audiences", (0, 1)),
        ("families", (FamilyShare(Family.LOG, 0.0),)),
        ("half_saturation_median", -1.0),
        ("size_sd", -0.1),
        ("click_rate_sd_within", float("nan")),
        ("rate_size", 2.0),
        ("traffic_size", 0.0),
        ("break_factors", (0.0,)),
        ("break_days", (5, 4)),
        ("delivery", (1.2, 0.9)),
        ("audience_part", 0.5),
        ("restatement_days", 401),
        ("history_days", 401),
        ("horizon_days", 0),
    ],
)
def test_a_bad_knob_is_refused_by_name(knob, value):
    with pytest.raises(ScenarioError) as caught:
        replace(DEMO, **{knob: value})
    assert caught.value.field == knob
    assert str(caught.value).startswith(f"{knob}: ")


@pytest.mark.parametrize(
    ("knob", "value"),
    [("name", ""), ("campaigns", 0), ("click_rate", 0.9), ("delay_mean_days", 0.0), ("cost_per_conversion", -1.0)],
)
def test_a_bad_channel_is_refused_by_name(knob, value):
    with pytest.raises(ScenarioError, match=f"^{knob}"):
        replace(DEMO.channels[0], **{knob: value})


def test_a_slope_that_no_curve_has_is_refused():
    with pytest.raises(ScenarioError, match="slope"):
        FamilyShare(Family.HILL, 1.0, (0.0, 2.0))


def test_named_scenarios_are_found_and_changed_by_knob():
    assert named("demo") == SCENARIOS["demo"]
    assert named("demo", average_budget=99.0).average_budget == 99.0
    with pytest.raises(ScenarioError, match="closed-loop-6"):
        named("no-such")
    with pytest.raises(ScenarioError, match="budgets"):
        named("demo", budgets=3)


def test_the_digest_hangs_on_every_knob_but_the_words():
    assert replace(DEMO, summary="other words").digest() == DEMO.digest()
    assert replace(DEMO, season_sd=0.13).digest() != DEMO.digest()


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda s: s.name)
def test_every_named_scenario_draws_a_world_of_its_size(scenario: Scenario):
    truth = draw(scenario, np.random.default_rng(5))
    k = scenario.campaigns
    assert len(set(truth.names)) == len(truth.names) == k
    assert np.allclose(np.bincount(truth.ads.campaign, truth.ads.share), 1.0)
    assert np.allclose(truth.delay.sum(axis=1), 1.0)
    assert truth.demand.shape == (k, scenario.horizon_days)
    assert (truth.demand > 0).all()
    assert (truth.start % truth.quantum_micros == 0).all()
    assert truth.start.min() >= scenario.minimum_budget * 1e6
    assert len(scenario.summary) > 20


def test_without_noise_the_first_budgets_are_an_equal_split():
    truth = draw(SCENARIOS["closed-loop-30"], np.random.default_rng(5))
    assert set(truth.start.tolist()) == {200_000_000}


def test_names_stay_different_beyond_the_list():
    names = campaign_names((Channel("search", 350, 1.0, 1.0, 0.1, 0.1),))
    assert len(set(names)) == 350
    assert names[0] == "Search | Brand | DE"


def test_the_week_begins_where_it_is_told_to():
    quiet = replace(DEMO, drift_sd=0.0, break_probability=0.0)
    monday = draw(quiet, np.random.default_rng(3), 0).demand
    friday = draw(quiet, np.random.default_rng(3), 4).demand
    assert np.array_equal(monday[:, 4:-3], friday[:, :-7])
    assert np.allclose(monday[:, :7].mean(axis=1), 1.0)


def test_history_is_drawn_last_so_that_its_length_changes_no_truth():
    short, long = (draw(replace(DEMO, history_days=d), np.random.default_rng(3)) for d in (0, 90))
    assert np.array_equal(short.demand, long.demand)
    assert np.array_equal(short.ads.click_rate, long.ads.click_rate)
    assert np.array_equal(short.start, long.history[0])


def test_the_delay_law_of_an_exponential_time_is_geometric():
    law = delay_law(replace(DEMO.channels[0], delay_mean_days=2.0, delay_shape=1.0), 40)
    assert np.allclose(law[1:] / law[:-1], np.exp(-0.5))
    assert law[0] == pytest.approx(1 - np.exp(-0.5), rel=1e-6)


def test_the_delay_law_is_the_whole_days_of_a_gamma_time():
    law = delay_law(replace(DEMO.channels[0], delay_mean_days=4.0, delay_shape=0.7), 30)
    below = stats.gamma(0.7, scale=4.0 / 0.7).cdf(np.arange(32))
    assert law == pytest.approx(np.diff(below) / below[-1])


HAND = [
    (Family.MICHAELIS_MENTEN, 1.0, 2.0, (2 / 3) / (1 / 2)),
    (Family.HILL, 2.0, 2.0, (4 / 5) / (1 / 2)),
    (Family.POWER, 0.5, 4.0, 2.0),
    (Family.LOG, 1.0, 3.0, 2.0),
    (Family.LOGISTIC, 2.0, 2.0, (1 / (1 + np.exp(-2)) - 1 / (1 + np.exp(2))) / (1 / 2 - 1 / (1 + np.exp(2)))),
]


@pytest.mark.parametrize(("family", "slope", "z", "g"), HAND)
def test_each_family_by_hand_at_a_reference_of_one_half_saturation(family, slope, z, g):
    half = 50.0
    one = np.array([1.0])
    curve = Curves(np.array([FAMILIES.index(family)]), half * one, slope * one, half * one)
    assert curve(np.array([0.0, half, z * half])[None, :])[0] == pytest.approx([0.0, 1.0, g])


@given(
    st.integers(0, len(FAMILIES) - 1),
    st.floats(0.1, 1e4),
    st.floats(0.3, 8),
    st.floats(0.1, 1e4),
    st.lists(st.floats(0, 1e5), min_size=2, max_size=6),
)
def test_no_curve_ever_falls(family, half, slope, reference, spends):
    one = np.ones(1)
    curve = Curves(np.array([family]), half * one, slope * one, reference * one)
    assert (np.diff(curve(np.sort(spends)[None, :])[0]) >= -1e-12).all()


def test_curves_keep_to_their_rows():
    rng = np.random.default_rng(1)
    family = rng.integers(0, len(FAMILIES), 20)
    curves = Curves(family, rng.uniform(1, 9, 20), rng.uniform(0.5, 3, 20), rng.uniform(1, 9, 20))
    spend = rng.uniform(0, 20, (20, 3))
    whole = curves(spend)
    for k in range(20):
        assert curves.take(np.array([k]))(spend[[k]])[0].tolist() == whole[k].tolist()


def test_curves_of_unlike_lengths_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        Curves(np.zeros(2, dtype=int), np.ones(1), np.ones(2), np.ones(2))


def test_every_knob_of_the_sample_is_documented():
    words = f"{Scenario.__doc__}"
    assert [f.name for f in fields(Scenario) if f.name not in words] == []
