"""What a day brings agrees with the closed forms, and depends on nothing that it should not."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from simulations.market import HorizonEnded, by_campaign, in_horizon, play
from simulations.noise import noise_key
from simulations.oracle import expected
from simulations.saturation import Family
from simulations.scenarios import DEMO, Channel, FamilyShare, Scenario
from simulations.truth import draw

Z = 5.5  # a standard normal is further out than this less often than once in ten million times
DAYS = 350

ALIKE = Scenario(
    name="alike",
    summary="300 campaigns that differ in nothing, for closed forms.",
    channels=(Channel("search", 300, 20.0, 50.0, 0.05, 0.04, delay_mean_days=3.0),),
    creatives=(2, 2),
    average_budget=100.0,
    families=(FamilyShare(Family.MICHAELIS_MENTEN, 1.0),),
    half_saturation_sd=0.0,
    size_sd=0.0,
    efficiency_sd=0.0,
    value_sd=0.0,
    season_sd=0.0,
    season_channel_sd=0.0,
    drift_sd=0.0,
    break_probability=0.0,
    supply_sd=0.0,
    click_rate_sd_between=0.0,
    traffic_size=8.0,
    rate_size=15.0,
    horizon_days=DAYS,
    history_days=0,
)


@pytest.fixture(scope="module")
def truth():
    return draw(ALIKE, np.random.default_rng(2))


@pytest.fixture(scope="module")
def days(truth):
    key = noise_key(4)
    return [play(truth, key, day, truth.start) for day in range(DAYS)]


@pytest.fixture(scope="module")
def exact(truth):
    """The same market where each budget is delivered to the cent, and its days."""
    fixed = replace(truth, scenario=replace(ALIKE, delivery=(1.0, 1.0)))
    key = noise_key(5)
    return fixed, [play(fixed, key, day, fixed.start) for day in range(DAYS)]


def _totals(truth, days, measure):
    return np.array([by_campaign(truth, measure(day)) for day in days])


def _close(sample, mean, z=Z):
    sample = np.asarray(sample, dtype=float)
    assert abs(sample.mean() - mean) < z * sample.std() / np.sqrt(sample.size)


def _variance_close(sample, mean, variance):
    deviations = (np.asarray(sample, dtype=float) - mean) ** 2
    _close(deviations, variance)


def test_spend_is_delivered_between_the_bounds_with_the_mean_of_beta(truth, days):
    spend = _totals(truth, days, lambda day: day.spend) / 1e6
    assert spend.min() >= 90.0 - 0.01
    assert spend.max() <= 105.0 + 0.01
    _close(spend, 97.5)
    _variance_close(spend, 97.5, 15.0**2 / 20)


def test_impressions_and_clicks_are_negative_binomial(exact):
    truth, days = exact
    g = float(truth.curves(np.full(300, 100.0))[0])
    shown = g * truth.impressions
    clicked = shown * np.bincount(truth.ads.campaign, truth.ads.share * truth.ads.click_rate)
    for measure, mean in ((lambda d: d.impressions, shown), (lambda d: d.clicks, clicked)):
        scaled = _totals(truth, days, measure) / mean
        _close(scaled, 1.0)
        # Var / mean^2 = 1 / mean + 1 / R, averaged over the campaigns.
        _variance_close(scaled, 1.0, float((1 / mean).mean() + 1 / 8))


def test_conversions_have_the_mean_and_variance_of_both_shocks(exact):
    truth, days = exact
    converted = _totals(truth, days, lambda day: day.matured()[0])
    mean = float(truth.conversions[0] * truth.curves(np.full(300, 100.0))[0])
    _close(converted, mean)
    _variance_close(converted, mean, mean + mean**2 * ((1 + 1 / 8) * (1 + 1 / 15) - 1))


def test_conversions_are_thinned_clicks_and_clicks_thinned_impressions(days):
    for day in days:
        assert (day.matured()[0] <= day.clicks).all()
        assert (day.clicks <= day.impressions).all()


def test_delay_fractions_agree_with_the_law(truth, days):
    counts = np.zeros(truth.delay.shape[1])
    for day in days:
        np.add.at(counts, day.cell_lag, day.cell_count)
    total, law = counts.sum(), truth.delay[0]
    assert total > 1e5
    large = total * law > 30
    sd = np.sqrt(total * law * (1 - law))
    assert (np.abs(counts - total * law)[large] < Z * sd[large]).all()


def test_what_is_reported_grows_with_the_morning(truth, days):
    day = days[10]
    assert day.reported(10)[0].sum() == 0
    steps = [day.reported(morning) for morning in range(11, 45)]
    for (c0, v0), (c1, v1) in pairwise(steps):
        assert (c1 >= c0).all()
        assert (v1 >= v0).all()
    assert np.array_equal(steps[-1][0], day.matured()[0])
    assert np.array_equal(steps[-1][1], day.matured()[1])


def test_the_value_of_a_single_conversion_has_its_mean_and_spread(days):
    values = np.concatenate([day.cell_value[day.cell_count == 1] for day in days]) / 1e6
    assert values.size > 1e5
    _close(values, 50.0)
    _variance_close(values, 50.0, (0.5 * 50.0) ** 2)


def test_amounts_are_whole_minor_units_that_sum_to_the_campaign(days):
    for day in days[:20]:
        assert (day.spend % 10_000 == 0).all()
        assert (day.cell_value % 10_000 == 0).all()
        assert (day.spend >= 0).all()


def test_ads_share_the_spend_to_the_cent(truth, days):
    spend = days[0].spend.reshape(300, 2)
    share = truth.ads.share.reshape(300, 2)
    assert (np.abs(spend - share * spend.sum(axis=1, keepdims=True)) <= 10_000).all()


def test_supply_caps_the_spend():
    tight = replace(ALIKE, supply_median=0.5, half_saturation_median=0.5)
    truth = draw(tight, np.random.default_rng(2))
    day = play(truth, noise_key(1), 0, truth.start)
    assert by_campaign(truth, day.spend).tolist() == [50_000_000] * 300


def test_no_budget_brings_nothing(truth):
    day = play(truth, noise_key(1), 0, np.zeros(300, dtype=np.int64))
    assert day.spend.sum() == day.impressions.sum() == day.clicks.sum() == day.cell_count.sum() == 0


def test_expectation_is_the_mean_of_what_is_played(truth, days):
    forecast = expected(truth, truth.start / 1e6, 0)
    _close(_totals(truth, days, lambda day: day.spend) / 1e6, forecast.spend[0])
    _close(_totals(truth, days, lambda day: day.matured()[0]), forecast.conversions[0])
    _close(_totals(truth, days, lambda day: day.matured()[1]) / 1e6, forecast.value[0])


def test_a_campaigns_noise_does_not_hang_on_anothers_budget():
    truth = draw(DEMO, np.random.default_rng(6))
    other = truth.start.copy()
    other[3] *= 3
    one, two = (play(truth, noise_key(9), 5, budgets) for budgets in (truth.start, other))
    same = truth.ads.campaign != 3
    for name in ("spend", "impressions", "clicks"):
        assert np.array_equal(getattr(one, name)[same], getattr(two, name)[same])
        assert (getattr(one, name)[~same] <= getattr(two, name)[~same]).all()
    for mine, theirs in zip(one.matured(), two.matured(), strict=True):
        assert np.array_equal(mine[same], theirs[same])
    assert one.clicks[~same].sum() < two.clicks[~same].sum()


def test_a_larger_budget_brings_no_fewer_conversions_under_the_same_noise():
    truth = draw(replace(DEMO, rate_size=float("inf")), np.random.default_rng(6))
    key = noise_key(3)
    path = [play(truth, key, 8, (truth.start * factor).astype(np.int64)) for factor in (0.3, 1.0, 1.7, 4.0)]
    for less, more in pairwise(path):
        assert (less.matured()[0] <= more.matured()[0]).all()


def test_beyond_the_horizon_there_is_no_truth(truth):
    with pytest.raises(HorizonEnded, match="days 0 to 349"):
        play(truth, noise_key(1), DAYS, truth.start)
    with pytest.raises(HorizonEnded):
        in_horizon(truth, -1)
