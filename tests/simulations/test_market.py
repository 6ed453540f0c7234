"""Days depend on nothing that they should not, and are whole, whatever forces are at work."""

import hashlib
import subprocess
import sys
from dataclasses import fields, replace
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulations.market.delivery import charged, days_of_month
from simulations.market.play import Day, HorizonEnded, ages, begin, by_age, in_horizon, play
from simulations.market.truth import draw
from simulations.noise import noise_key
from simulations.scenarios import FurtherConversion, Scenario, named, with_knobs

START = date(2025, 2, 20)
CALM = named("demo", horizon_days=90, history_days=0, break_probability=0.0)
SIGNUP = FurtherConversion("signup", 3.0, 4.0)


def _stormy() -> Scenario:
    """Every force at once."""
    search, social, video = CALM.channels
    channels = (
        replace(search, harvest=0.2, incrementality=0.5),
        replace(social, attribution_days=7, further=(SIGNUP,)),
        replace(video, further=(replace(SIGNUP, name="visit", value=0.0),)),
    )
    return with_knobs(
        CALM,
        channels=channels,
        ratio=(0.5, 2.0),
        year_amplitude=0.2,
        quality_elasticity=(0.0, 0.4),
        adstock_share=0.3,
        wear_out_half_life_days=9.0,
        refresh_days=25,
        overlap=0.8,
        overlap_campaigns=2,
        returned_share=0.2,
        outages=2.0,
        competitors=2.0,
        launch_share=0.3,
        pause_share=0.3,
    )


STORMY = _stormy()
CALM_TRUTH, STORMY_TRUTH, APART_TRUTH = (
    draw(scenario, np.random.default_rng(6), START) for scenario in (CALM, STORMY, with_knobs(STORMY, overlap=0.0))
)
KEY = noise_key(9)


def _play(truth, factors=1.0, days=8, key=KEY):
    """Days at multiples of the first budgets: one for all, or one for each campaign."""
    budgets = (truth.first * np.broadcast_to(factors, truth.first.shape) / 1e4).astype(np.int64) * 10_000
    carry, played = begin(truth), []
    for _ in range(days):
        day, carry = play(truth, key, carry, budgets)
        played.append(day)
    return played


def _digest(days):
    whole = hashlib.sha256()
    for day in days:
        for field in fields(Day):
            whole.update(np.asarray(getattr(day, field.name)).tobytes())
    return whole.hexdigest()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.sampled_from([0.0, 0.01, 0.7, 1.0, 6.0]), min_size=12, max_size=12))
def test_every_day_is_whole(seed, factors):
    for day in _play(STORMY_TRUTH, factors, 4, noise_key(seed)):
        assert (day.clicks >= 0).all()
        assert (day.impressions >= day.clicks).all()
        assert (day.spend >= 0).all()
        for money in (day.spend, day.cell_value):
            assert (money % 10_000 == 0).all()
        assert ((day.cell_count > 0) == (day.cell_value > 0))[day.cell_kind < 2].all()
        assert not day.cell_value[day.cell_kind == 2].any()
        assert (day.cell_lag >= 0).all()
        for count, value in (day.occurred(), day.matured(), day.reported(day.day + 3)):
            assert (count >= 0).all()
            assert (value >= 0).all()
        assert (day.occurred()[0] >= day.matured()[0]).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 11), st.floats(0.0, 5.0), st.floats(0.0, 5.0))
def test_a_larger_budget_never_brings_fewer_impressions_or_clicks_under_the_same_noise(campaign, one, other):
    """Where no people are shared: overlap turns buyers into mere clickers, whose counts have a noise of their own."""
    less, more = (np.where(np.arange(12) == campaign, factor, 1.0) for factor in sorted((one, other)))
    own = APART_TRUTH.ads.campaign == campaign
    for low, high in zip(_play(APART_TRUTH, less, 3), _play(APART_TRUTH, more, 3), strict=True):
        for name in ("impressions", "clicks", "spend"):
            assert (getattr(low, name)[own] <= getattr(high, name)[own]).all()


def test_a_larger_budget_brings_no_fewer_conversions_where_nothing_drags_them_down():
    path = [_play(CALM_TRUTH, factor, 3) for factor in (0.3, 1.0, 1.7, 4.0)]
    for less, more in pairwise(path):
        for low, high in zip(less, more, strict=True):
            assert (low.matured()[0] <= high.matured()[0]).all()


def test_a_campaigns_days_do_not_hang_on_anothers_budget():
    factors = np.where(np.arange(12) == 3, 3.0, 1.0)
    same = CALM_TRUTH.ads.campaign != 3
    for one, two in zip(_play(CALM_TRUTH), _play(CALM_TRUTH, factors), strict=True):
        for name in ("spend", "impressions", "clicks"):
            assert np.array_equal(getattr(one, name)[same], getattr(two, name)[same])
        for mine, theirs in zip(one.matured(), two.matured(), strict=True):
            assert np.array_equal(mine[same], theirs[same])
        assert one.clicks[~same].sum() < two.clicks[~same].sum()


@pytest.mark.parametrize(
    "knobs",
    [
        {"adstock_share": 0.3},
        {"returned_share": 0.2},
        {"channels": tuple(replace(c, further=(SIGNUP,)) for c in CALM.channels)},
        {"channels": tuple(replace(c, incrementality=0.5) for c in CALM.channels)},
        {"outages": 5.0},
    ],
)
def test_forces_that_do_not_touch_traffic_leave_it_to_the_unit(knobs):
    changed = draw(with_knobs(CALM, **knobs), np.random.default_rng(6), START)
    for one, two in zip(_play(CALM_TRUTH), _play(changed), strict=True):
        assert np.array_equal(one.spend, two.spend)
        assert np.array_equal(one.impressions - one.clicks, two.impressions - two.clicks)


def test_conversions_of_clicks_are_no_more_than_the_clicks():
    for day in _play(CALM_TRUTH, days=30):
        assert (day.matured()[0][:, 0] <= day.clicks).all()


def test_no_budget_brings_nothing():
    for day in _play(CALM_TRUTH, 0.0):
        assert day.spend.sum() == day.impressions.sum() == day.clicks.sum() == day.cell_ad.size == 0


def test_ads_share_the_spend_to_the_cent():
    ads = CALM_TRUTH.ads
    for day in _play(CALM_TRUTH):
        whole = np.bincount(ads.campaign, day.spend)
        assert (np.abs(day.spend - ads.share * whole[ads.campaign]) <= 10_000).all()


def test_the_same_seed_gives_the_same_bytes_in_another_process():
    ours = _digest(_play(STORMY_TRUTH, days=20))
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_market import _digest, _play, STORMY_TRUTH\n"
        "print(_digest(_play(STORMY_TRUTH, days=20)))"
    )
    root = Path(__file__).parents[2]
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root)
    assert other.stdout.strip() == ours
    assert _digest(_play(STORMY_TRUTH, days=20, key=noise_key(10))) != ours


def test_what_is_reported_by_age_is_what_is_reported_by_morning():
    mornings = ages(STORMY)
    assert mornings == 31 + 10
    for day in _play(STORMY_TRUTH, days=6):
        table = by_age(STORMY_TRUTH, day, mornings)
        for age in (0, 1, 9, mornings - 1):
            reported = day.reported(day.day + age + 1)[0].sum(axis=1)
            assert np.array_equal(table[:, age], np.bincount(STORMY_TRUTH.ads.campaign, reported, 12))
        assert np.array_equal(by_age(STORMY_TRUTH, day, 5), table[:, :5])
        assert table[:, -1].sum() == day.matured()[0].sum()


def test_a_day_by_hand():
    day = Day(
        day=7,
        kinds=2,
        spend=np.array([10, 20]),
        impressions=np.array([100, 50]),
        clicks=np.array([10, 5]),
        cell_ad=np.array([0, 1, 1, 0, 1]),
        cell_kind=np.array([0, 0, 1, 0, 0]),
        cell_lag=np.array([0, 1, 0, 3, 2]),
        cell_count=np.array([4, 2, 3, -1, 5]),
        cell_value=np.array([40, 30, 9, -10, 70]),
        cell_lost=np.array([False, False, False, False, True]),
    )
    assert day.reported(7)[0].tolist() == [[0, 0], [0, 0]]
    assert day.reported(8)[0].tolist() == [[4, 0], [0, 3]]
    assert day.reported(10)[1].tolist() == [[40, 0], [30, 9]]
    assert day.matured()[0].tolist() == [[3, 0], [2, 3]]
    assert day.occurred()[1].tolist() == [[30, 0], [100, 9]]


@given(
    st.integers(0, 89),
    st.lists(st.integers(0, 3_000), min_size=12, max_size=12),
    st.floats(0.0, 3.0),
    st.floats(0.0, 2.0),
)
def test_what_is_charged_keeps_the_months_promise(day, cents, delivered, charged_before):
    """Under one budget all month, whatever was charged before."""
    budgets, passed = np.array(cents) * 10_000, days_of_month(CALM_TRUTH, day)
    asked = budgets * passed
    before = np.rint(asked * charged_before / 10_000).astype(np.int64) * 10_000
    pays = charged(CALM_TRUTH, day, budgets, budgets * delivered / 1e6, asked, before)
    assert (pays % 10_000 == 0).all()
    assert ((pays >= 0) & (pays <= budgets * delivered + 5_000)).all()
    assert ((pays == 0) | (before + pays <= 30.4 * budgets)).all()


def test_a_month_is_as_long_as_this_world_has_lived_in_it():
    assert [days_of_month(CALM_TRUTH, day) for day in (0, 3, 8, 9, 10, 39, 40)] == [0, 3, 8, 0, 1, 30, 0]


def test_beyond_the_horizon_there_is_no_truth():
    with pytest.raises(HorizonEnded, match="days 0 to 89"):
        _play(CALM_TRUTH, days=91)
    with pytest.raises(HorizonEnded):
        in_horizon(CALM_TRUTH, -1)
