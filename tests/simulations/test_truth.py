"""A drawn world is what its scenario says, and one knob moves nothing that is not its own."""

from dataclasses import fields, replace
from datetime import date, timedelta
from itertools import groupby

import numpy as np
import pytest
from scipy import stats

from simulations.market.creatives import Ads
from simulations.market.truth import Truth, campaign_names, delay_law, draw
from simulations.scenarios import SCENARIOS, Channel, FurtherConversion, Holiday, named, with_knobs

MONDAY = date(2025, 3, 3)
DEMO = named("demo", horizon_days=200)
LAW = {"delay_mean_days": 4.0, "delay_shape": 0.7}


def _draw(scenario=DEMO, start=MONDAY, seed=3):
    return draw(scenario, np.random.default_rng(seed), start)


def _with_first_channel(**knobs):
    return replace(DEMO, channels=(replace(DEMO.channels[0], **knobs), *DEMO.channels[1:]))


def _parts(truth: Truth):
    """Every array of a truth by name."""
    parts = {f"ads.{f.name}": getattr(truth.ads, f.name) for f in fields(Ads)}
    parts |= {f"curves.{name}": getattr(truth.curves, name) for name in ("family", "half", "slope", "reference")}
    for index, kind in enumerate(truth.kinds):
        parts |= {f"kinds.{index}.{name}": getattr(kind, name) for name in ("per_purchase", "value", "delay")}
    for f in fields(Truth):
        if isinstance(value := getattr(truth, f.name), np.ndarray):
            parts[f.name] = value
    return parts


@pytest.mark.parametrize(
    ("scenario", "own"),
    [
        (with_knobs(DEMO, year_amplitude=0.3), {"demand"}),
        (with_knobs(DEMO, holidays=(Holiday(4, 1),)), {"demand"}),
        (with_knobs(DEMO, wear_out_half_life_days=20.0), {"ads.half_life"}),
        (with_knobs(DEMO, refresh_days=30), {"ads.age0"}),
        (with_knobs(DEMO, competitors=3.0), {"price"}),
        (with_knobs(DEMO, outages=3.0), {"tracked"}),
        (with_knobs(DEMO, launch_share=0.5), {"launch", "runs"}),
        (with_knobs(DEMO, pause_share=0.5), {"runs"}),
        (with_knobs(DEMO, quality_elasticity=(0.1, 0.4)), {"quality"}),
        (with_knobs(DEMO, overlap_campaigns=3), {"pool"}),
        (with_knobs(DEMO, overlap_campaigns=3, overlap=1.0), {"pool", "order_value"}),
        (_with_first_channel(incrementality=0.4), {"incrementality"}),
        (_with_first_channel(harvest=0.2), set()),
        (_with_first_channel(attribution_days=7), {"kinds.0.delay"}),
        (
            _with_first_channel(further=(FurtherConversion("signup", 3.0, 2.0),)),
            {"kinds.1.per_purchase", "kinds.1.value", "kinds.1.delay"},
        ),
        (with_knobs(DEMO, adstock_share=0.4), set()),
        (with_knobs(DEMO, returned_share=0.2), set()),
    ],
)
def test_a_force_that_is_switched_on_moves_only_what_is_its_own(scenario, own):
    without, with_it = _parts(_draw()), _parts(_draw(scenario))
    moved = {
        name
        for name in without.keys() | with_it.keys()
        if name not in without or not np.array_equal(without[name], with_it[name], equal_nan=name.endswith(".value"))
    }
    assert moved == own


def test_two_forces_together_are_drawn_as_each_alone():
    both = _draw(with_knobs(DEMO, launch_share=0.5, pause_share=0.5, competitors=3.0))
    assert np.array_equal(both.price, _draw(with_knobs(DEMO, competitors=3.0)).price)
    alone = [_draw(with_knobs(DEMO, **{knob: 0.5})).runs for knob in ("launch_share", "pause_share")]
    assert np.array_equal(both.runs, alone[0] & alone[1])


def test_history_is_drawn_last_so_that_its_length_changes_no_truth():
    short, long = (_parts(_draw(with_knobs(DEMO, history_days=d))) for d in (0, 90))
    assert {name for name in short if not np.array_equal(short[name], long[name], equal_nan=True)} == {
        "history",
        "first",
    }
    assert np.array_equal(short["first"], long["history"][0])


def test_the_week_begins_where_it_is_told_to():
    quiet = with_knobs(DEMO, drift_sd=0.0, break_probability=0.0)
    monday = _draw(quiet, MONDAY).demand
    friday = _draw(quiet, MONDAY + timedelta(days=4)).demand
    assert np.array_equal(monday[:, 4:-3], friday[:, :-7])
    assert np.allclose(monday[:, :7].mean(axis=1), 1.0)


def test_the_year_is_one_wave_for_all():
    quiet = with_knobs(DEMO, drift_sd=0.0, break_probability=0.0, horizon_days=1461, season_sd=0.0)
    wave = _draw(with_knobs(quiet, year_amplitude=0.3)).demand / _draw(quiet).demand
    assert np.allclose(wave, wave[0])
    assert wave.max() == pytest.approx(1.3, abs=1e-4)
    assert wave.min() == pytest.approx(0.7, abs=1e-4)
    assert np.allclose(wave[0, :182] + wave[0, 182:364], 2.0, atol=0.01)


@pytest.mark.parametrize(
    ("holiday", "start", "days"),
    [
        (Holiday(3, 5, days=2, factor=1.5), MONDAY, {2, 3, 367, 368}),
        (Holiday(3, 1, days=4, factor=1.5), MONDAY, {0, 1, 363, 364, 365, 366}),
        (Holiday(12, 30, days=4, factor=1.5), date(2025, 12, 31), {0, 1, 2, 364, 365, 366, 367}),
        (Holiday(2, 29, factor=1.5), date(2027, 3, 1), {365}),
        (Holiday(2, 29, factor=1.5), date(2025, 3, 1), set()),
    ],
)
def test_holidays_fall_on_their_dates(holiday, start, days):
    plain = with_knobs(DEMO, horizon_days=400)
    ratio = _draw(with_knobs(plain, holidays=(holiday,)), start).demand / _draw(plain, start).demand
    assert set(np.flatnonzero(ratio[0] > 1.25).tolist()) == days
    assert np.allclose(ratio[:, sorted(days)], 1.5)


def test_holidays_on_one_day_multiply():
    two = (Holiday(3, 5, factor=1.5), Holiday(3, 4, days=3, factor=2.0))
    assert np.allclose((_draw(with_knobs(DEMO, holidays=two)).demand / _draw().demand)[:, 1:4], [2.0, 3.0, 2.0])


def _stretches(row):
    """Lengths of the stretches of True; the last one may be cut off by the horizon and does not count."""
    lengths = [len(list(group)) for value, group in groupby(row.tolist()) if value]
    return lengths[:-1] if row[-1] else lengths


def test_attacks_outages_and_pauses_last_as_long_as_they_may():
    knobs = {
        "competitors": 1.0,
        "competitor_days": (9, 9),
        "competitor_price": 1.7,
        "outages": 1.0,
        "outage_days": (4, 4),
        "pause_share": 1.0,
        "pause_length": (6, 8),
    }
    truths = [_draw(with_knobs(DEMO, **knobs), seed=seed) for seed in range(30)]
    attacks = [length for t in truths for row in t.price == 1.7 for length in _stretches(row)]
    outages = [length for t in truths for row in ~t.tracked for length in _stretches(row)]
    pauses = [length for t in truths for row in ~t.runs for length in _stretches(row)]
    # Two that meet are one stretch.
    assert min(attacks) == 9
    assert min(outages) == 4
    assert set(pauses) == {6, 7, 8}
    assert max(len(_stretches(row)) for t in truths for row in ~t.runs) == 1
    assert {price for t in truths for price in np.unique(t.price)} == {1.0, 1.7}
    # 90 times a Poisson number of mean 1, of which some meet or are cut off.
    assert 90 - 5.5 * np.sqrt(90) - 20 < len(attacks) < 90 + 5.5 * np.sqrt(90)


def test_a_share_of_the_campaigns_is_launched_late_and_then_runs():
    truth = _draw(with_knobs(DEMO, launch_share=0.5, launch_days=(20, 60)))
    first = truth.launch
    assert (first > 0).sum() == 6
    assert ((first == 0) | ((first >= 20) & (first <= 60))).all()
    assert all(truth.runs[k, day:].all() and not truth.runs[k, :day].any() for k, day in enumerate(first))


def test_a_pool_is_of_neighbours_in_one_channel_with_one_order_value_and_incrementality():
    shop = with_knobs(DEMO, overlap=1.0, overlap_campaigns=2)
    truth = _draw(replace(shop, channels=tuple(replace(c, incrementality=0.5) for c in shop.channels)))
    assert truth.pool.tolist() == [0, 0, 1, 1, 2, 3, 3, 4, 4, 5, 5, 6]
    for pool in range(7):
        members = truth.pool == pool
        assert np.unique(truth.order_value[members]).size == np.unique(truth.incrementality[members]).size == 1
    assert np.unique(truth.incrementality).size == 7


def test_incrementality_has_its_median_and_is_certain_where_it_is_one():
    channels = (
        Channel("brand", 4000, 5.0, 50.0, 0.1, 0.1, incrementality=0.25),
        Channel("new", 1, 5.0, 50.0, 0.1, 0.1),
    )
    truth = _draw(replace(DEMO, channels=channels))
    below = (truth.incrementality[:4000] < 0.25).sum()
    assert abs(below - 2000) < 5.5 * np.sqrt(1000)
    assert truth.incrementality[:4000].min() > 0.0
    assert truth.incrementality[4000] == 1.0


def test_creatives_that_are_refreshed_have_all_ages_and_others_are_new():
    assert (_draw(with_knobs(DEMO, wear_out_half_life_days=20.0)).ads.age0 == 0).all()
    ads = _draw(with_knobs(DEMO, wear_out_half_life_days=20.0, refresh_days=15, creatives=(9, 9))).ads
    assert ads.age0.min() >= 0
    assert ads.age0.max() < 15
    assert np.unique(ads.age0).size > 10
    same = (ads.campaign == 0) & (ads.creative == 4)
    assert same.sum() == 2
    assert np.unique(ads.half_life[same]).size == np.unique(ads.age0[same]).size == 1
    logs = np.log(ads.half_life[ads.audience == 0] / 20.0)
    assert abs(logs.mean()) < 5.5 * 0.3 / np.sqrt(logs.size)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda s: s.name)
def test_every_named_scenario_draws_a_world_in_which_all_adds_up(scenario):
    truth = _draw(scenario)
    assert np.allclose(np.bincount(truth.ads.campaign, truth.ads.share), 1.0)
    assert np.allclose(np.bincount(truth.ads.campaign, truth.ads.purchases) * truth.impressions, truth.conversions)
    assert (truth.demand > 0).all()
    assert (truth.first % truth.quantum_micros == 0).all()
    assert truth.first.min() >= scenario.minimum_budget * 1e6
    assert len(truth.kinds) == len(scenario.definitions)
    for kind in truth.kinds:
        assert ((kind.delay >= 0).all(axis=1) & (kind.delay.sum(axis=1) <= 1 + 1e-12)).all()


def test_without_noise_the_first_budgets_are_an_equal_split():
    assert set(_draw(SCENARIOS["closed-loop-30"]).first.tolist()) == {200_000_000}


def test_names_stay_different_beyond_the_list():
    names = campaign_names((Channel("search", 350, 1.0, 1.0, 0.1, 0.1),))
    assert len(set(names)) == 350
    assert names[0] == "Search | Brand | DE"


def test_the_delay_law_of_an_exponential_time_is_geometric():
    law = delay_law(replace(DEMO.channels[0], delay_mean_days=2.0, delay_shape=1.0), 40)
    assert np.allclose(law[1:] / law[:-1], np.exp(-0.5))
    assert law[0] == pytest.approx(1 - np.exp(-0.5), rel=1e-6)


def test_the_delay_law_is_the_whole_days_of_a_gamma_time():
    law = delay_law(replace(DEMO.channels[0], **LAW), 30)
    below = stats.gamma(0.7, scale=4.0 / 0.7).cdf(np.arange(32))
    assert law == pytest.approx(np.diff(below) / below[-1])


def test_an_attribution_window_cuts_the_law_and_does_not_stretch_it():
    signup = FurtherConversion("signup", 3.0, 2.0, delay_mean_days=6.0)
    truth = _draw(_with_first_channel(attribution_days=7, further=(signup,), **LAW))
    for kind, source in ((truth.kinds[0], replace(DEMO.channels[0], **LAW)), (truth.kinds[1], signup)):
        whole = delay_law(source, 30)
        assert kind.delay[0, :8].tolist() == whole[:8].tolist()
        assert not kind.delay[0, 8:].any()
    assert truth.kinds[0].delay[1:].sum(axis=1) == pytest.approx([1.0, 1.0])
    assert truth.kinds[1].per_purchase.tolist() == [3.0, 0.0, 0.0]
    assert not truth.kinds[1].delay[1:].any()
