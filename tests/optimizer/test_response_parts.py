"""The parts around the filter: maturity, season, noise, funnel, delivery, value per conversion, priors."""

from datetime import UTC, date, datetime

import numpy as np
import pytest

from optimizer.plan.priors import ChannelPrior, ResponsePriors, Spread
from optimizer.plan.snapshot import DelayTriangle
from optimizer.response.capacities import learn_supply
from optimizer.response.curves import CELLS, LOGISTIC_SHARE
from optimizer.response.delivery import NOISE, Supply, days_of_week
from optimizer.response.funnel import REPORTED, WORTHWHILE, funnel
from optimizer.response.history import History
from optimizer.response.learning import VOLUME
from optimizer.response.maturity import GROUP_WEIGHT, hazards, laws, learn_maturity
from optimizer.response.prior import PULL, SCALE_WEIGHT, reference_spend, scale_prior, shape_prior
from optimizer.response.season import (
    ELASTICITY,
    TYPICAL_EXCESS,
    TYPICAL_SHOWN,
    Local,
    elasticity,
    excess_variance,
    weekday_factors,
)
from optimizer.response.worth import learn_worth


def history(spend, conversions=None, value=None, budget=None, clicks=None, impressions=None):
    spend = np.asarray(spend, dtype=float)
    empty = np.full_like(spend, np.nan)
    return History(
        today=date(2025, 6, 2),
        spend=spend,
        conversions=empty if conversions is None else np.asarray(conversions, dtype=float),
        value=empty if value is None else np.asarray(value, dtype=float),
        clicks=empty if clicks is None else np.asarray(clicks, dtype=float),
        impressions=empty if impressions is None else np.asarray(impressions, dtype=float),
        budget=empty if budget is None else np.asarray(budget, dtype=float),
        weekday=np.arange(spend.shape[1], dtype=np.int64) % 7,
    )


def around(spend, counts):
    """Days against their neighbourhood, all of them complete, from a Monday on."""
    spend = np.nan_to_num(np.asarray(spend, dtype=float))
    weekday = np.arange(spend.shape[1], dtype=np.int64) % 7
    late = np.ones(len(spend), dtype=bool)
    return Local.of_spend(np.asarray(counts, dtype=float), spend, np.ones_like(spend), late, weekday)


def triangle(rng, days, lags, late, volume, today=None):
    """Cumulative conversions by lag, geometric delay of ratio `late`, cut at what is known today."""
    share = np.append((1 - late) * late ** np.arange(lags - 1), late ** (lags - 1))
    cumulative = np.cumsum(rng.multinomial(rng.poisson(volume, days), share), axis=1).astype(float)
    age = (days if today is None else today) - np.arange(days)
    return np.where(np.arange(lags) <= age[:, None], cumulative, np.nan)


# Maturity


def test_a_law_of_delay_by_hand():
    """F(l) = 1 - .5 exp(-(l - 1) / 2): half of a day is missing the day after, .303 after two days."""
    hazard = hazards(np.array([0.5]), np.array([2.0]), 40)[0]
    later = [np.prod(1 - hazard[lag + 1 :]) for lag in (1, 2, 3)]
    assert np.allclose(later, [0.5, 1 - 0.5 * np.exp(-0.5), 1 - 0.5 * np.exp(-1.0)], atol=1e-8)
    assert hazard[0] == 1.0


def test_completeness_by_hand():
    """One day, 60 conversions at once, 30 at lag 1, 10 at lag 2, against the laws as they are likely for it."""
    group = DelayTriangle("g", np.array([0]), np.array([[60.0, 90.0, 100.0]]))
    late, slow, prior = laws()
    each = hazards(late, slow, 35)
    likelihood = each[:, 1] ** 30 * (1 - each[:, 1]) ** 60 * each[:, 2] ** 10 * (1 - each[:, 2]) ** 90
    expected = (prior * likelihood) @ each / (prior @ likelihood)
    hazard = np.zeros(35)  # none beyond the last lag of the triangle
    hazard[1] = (30.0 + GROUP_WEIGHT * expected[1]) / (90.0 + GROUP_WEIGHT)
    hazard[2] = (10.0 + GROUP_WEIGHT * expected[2]) / (100.0 + GROUP_WEIGHT)
    learnt = learn_maturity([group], 1).at(np.array([0, 1, 2, 99]))
    assert np.allclose(learnt[0], [np.prod(1 - hazard[lag + 1 :]) for lag in (0, 1, 2)] + [1.0])


def test_a_slow_platform_is_known_before_its_last_lags_were_seen():
    """Half of what comes after a day comes later than five days; the store has seen eight."""
    rng = np.random.default_rng(15)
    late = 0.87
    full = triangle(rng, 8, 36, late, volume=60.0)
    learnt = learn_maturity([DelayTriangle("g", np.array([0]), full)], 1).at(np.array([1, 4]))[0]
    truth = 1 - late ** np.array([2, 5])
    assert np.allclose(learnt, truth, atol=0.2)
    assert (learnt < learn_maturity([], 1).at(np.array([1, 4]))[0] - 0.3).all()


def test_delay_is_recovered_from_a_truncated_triangle():
    rng = np.random.default_rng(11)
    late = 0.7
    group = DelayTriangle("g", np.array([0]), triangle(rng, 60, 30, late, volume=2_000.0))
    learnt = learn_maturity([group], 1).at(np.arange(12))[0]
    assert np.allclose(learnt, 1 - late ** np.arange(1, 13), atol=0.01)


def test_a_store_that_began_late_learns_the_same_delay():
    """Early statements of old days are missing; reversed hazards use each pair of lags that was seen."""
    rng = np.random.default_rng(12)
    full = triangle(rng, 60, 30, 0.7, volume=2_000.0)
    began = 40
    known_from = np.maximum(began - np.arange(60), 0)
    late = np.where(np.arange(30) >= known_from[:, None], full, np.nan)
    learnt = learn_maturity([DelayTriangle("g", np.array([0]), late)], 1).at(np.arange(10))[0]
    assert np.allclose(learnt, 1 - 0.7 ** np.arange(1, 11), atol=0.02)


def test_nowcasts_are_unbiased_over_many_triangles():
    rng = np.random.default_rng(13)
    ratios = []
    for _ in range(60):
        cumulative = triangle(rng, 90, 30, 0.7, volume=40.0)
        maturity = learn_maturity([DelayTriangle("g", np.array([0]), cumulative)], 1)
        recent = cumulative[np.arange(80, 90), 90 - np.arange(80, 90)]
        ratios.append(recent.sum() / (40.0 * maturity.history(10)[0]).sum())
    error = np.std(ratios) / np.sqrt(60)
    assert abs(np.mean(ratios) - 1) < 5 * error + 0.01


def test_groups_without_restatements_take_the_pool_and_a_lone_portfolio_the_default():
    rng = np.random.default_rng(14)
    seen = DelayTriangle("seen", np.array([0]), triangle(rng, 60, 30, 0.7, volume=500.0))
    unseen = DelayTriangle("unseen", np.array([1]), np.full((60, 30), np.nan))
    both = learn_maturity([seen, unseen], 3).at(np.arange(1, 8))
    late = learn_maturity([], 1).at(np.arange(1, 8))[0] - both  # than what is expected where nobody tells
    assert (late[1] > 0.5 * late[0]).all()
    assert np.allclose(both[1], both[2], atol=1e-3)  # the third target is in no group
    alone = learn_maturity([unseen], 2).at(np.array([0, 1, 7]))[1]
    late, slow, prior = laws()
    survive = 1.0 - prior @ hazards(late, slow, 35)
    assert np.allclose(alone, [np.prod(survive[lag + 1 :]) for lag in (0, 1, 7)], atol=2e-4)  # cut at the triangle
    assert np.allclose(alone, [0.78, 0.88, 0.99], atol=0.005)


def test_conversions_that_are_taken_back_make_early_days_more_than_complete():
    cumulative = np.tile([100.0, 90.0, 90.0], (50, 1))
    learnt = learn_maturity([DelayTriangle("g", np.array([0]), cumulative)], 1).at(np.array([0, 20]))[0]
    assert learnt[0] > 1.05
    assert learnt[1] == 1.0


def test_a_triangle_of_targets_that_there_are_not_is_refused():
    with pytest.raises(ValueError, match="outside 0"):
        learn_maturity([DelayTriangle("g", np.array([2]), np.ones((3, 3)))], 2)


# Season and noise


def test_weekday_factors_are_recovered_though_spend_follows_the_weekday():
    rng = np.random.default_rng(21)
    truth = np.array([1.3, 1.1, 1.0, 1.0, 0.9, 0.8, 0.9])
    weekday = np.arange(182) % 7
    spend = 100 * np.where(weekday >= 5, 0.6, 1.2) * rng.lognormal(0, 0.1, (20, 182))
    counts = rng.poisson(40 * (spend / 100) ** 0.7 * truth[weekday])
    days = around(spend, counts)
    assert np.allclose(weekday_factors(days).mean(axis=0), truth, atol=0.03)


def test_a_climb_in_the_first_week_is_no_weekday():
    """Spend falls by 30% a day and volume with its 2.5th power, as at the foot of an S-curve."""
    spend = 100.0 * 0.7 ** np.arange(7.0)[None] * np.ones((6, 1))
    counts = 5_000.0 * (spend / 100.0) ** 2.5
    days = Local.of_spend(counts, spend, np.ones_like(spend), np.zeros(6, dtype=bool), np.arange(7, dtype=np.int64))
    assumed = Local(counts, spend**ELASTICITY, days.typical, days.weekday)
    found, mistaken = (np.abs(np.log(weekday_factors(each))).max() for each in (days, assumed))
    assert found < 0.3 < 2.0 * found < mistaken
    own = elasticity(counts, spend, np.ones_like(spend), np.full(6, TYPICAL_SHOWN), np.arange(7, dtype=np.int64))
    assert np.allclose(own, 2.5, atol=0.4)


def test_an_elasticity_of_which_nothing_is_seen_is_the_expected_one():
    nothing = np.zeros((2, 0))
    none = np.zeros(0, dtype=np.int64)
    assert np.allclose(elasticity(nothing, nothing, nothing, np.full(2, TYPICAL_SHOWN), none), ELASTICITY)
    still = np.full((2, 14), 100.0)
    held = elasticity(still, still, np.ones_like(still), np.full(2, TYPICAL_SHOWN), np.arange(14, dtype=np.int64) % 7)
    assert np.allclose(held, ELASTICITY)


def test_weekdays_without_rows_keep_a_factor_and_bias_no_other():
    rng = np.random.default_rng(22)
    truth = np.array([1.2, 1.0, 0.9, 1.0, 0.9, 1.0, 1.0])
    weekday = np.arange(182) % 7
    spend = np.where(weekday < 5, 100.0, np.nan) * np.ones((20, 1))
    counts = np.where(weekday < 5, rng.poisson(40 * truth[weekday], (20, 182)), np.nan)
    factors = weekday_factors(around(spend, counts)).mean(axis=0)
    assert np.allclose(factors[:5] / factors[:5].mean(), truth[:5], atol=0.03)
    assert np.allclose(factors[5:], 1.0, atol=0.05)


def test_a_thin_target_takes_the_portfolios_weekdays():
    rng = np.random.default_rng(23)
    truth = np.array([1.4, 1.2, 1.0, 1.0, 0.8, 0.8, 0.8])
    volume = np.append(np.full(20, 50.0), 0.05)[:, None]
    counts = rng.poisson(volume * truth[np.arange(182) % 7])
    factors = weekday_factors(around(np.full((21, 182), 100.0), counts))
    assert np.allclose(factors[20], truth, atol=0.08)


def test_no_history_means_even_weeks():
    days = around(np.empty((3, 0)), np.empty((3, 0)))
    assert np.allclose(weekday_factors(days), 1.0)
    assert np.allclose(excess_variance(days, np.ones((3, 7))), TYPICAL_EXCESS)


def test_each_measure_is_pooled_as_a_multiple_of_what_is_typical_of_it():
    """A target without a day takes the portfolio's noise in the proportion in which its own measure is noisy."""
    rng = np.random.default_rng(26)
    counts = rng.poisson(5_000.0 * rng.gamma(1 / 0.06, 0.06, (60, 180))).astype(float)
    spend = np.vstack([np.full((60, 180), 100.0), np.zeros((2, 180))])
    late = np.array([False] * 61 + [True])
    counts = np.vstack([counts, np.zeros((2, 180))])
    days = Local.of_spend(counts, spend, np.ones_like(spend), late, np.arange(180, dtype=np.int64) % 7)
    noise = excess_variance(days, np.ones((62, 7)))
    assert np.isclose(np.median(noise[:60]), 0.06, rtol=0.1)
    assert np.isclose(noise[60], 0.06, rtol=0.15)
    assert np.isclose(noise[61] / noise[60], TYPICAL_EXCESS / TYPICAL_SHOWN)


@pytest.mark.parametrize("size", [4.0, 20.0])
def test_overdispersion_is_recovered(size):
    rng = np.random.default_rng(24)
    counts = rng.poisson(30.0 * rng.gamma(size, 1 / size, (100, 180)))
    days = around(np.full((100, 180), 100.0), counts)
    assert np.isclose(np.median(excess_variance(days, np.ones((100, 7)))), 1 / size, rtol=0.15)


def test_poisson_days_show_next_to_no_excess():
    rng = np.random.default_rng(25)
    counts = rng.poisson(30.0, (100, 180))
    days = around(np.full((100, 180), 100.0), counts)
    assert np.median(excess_variance(days, np.ones((100, 7)))) < 0.02


def test_local_days_count_where_there_was_spend_and_what_is_to_come_is_no_exposure():
    spend, complete = np.array([[100.0, 0.0, 100.0]]), np.array([[1.0, 1.0, 0.5]])
    days = Local.of_spend(np.array([[8.0, 3.0, 4.0]]), spend, complete, np.array([True]), np.arange(3, dtype=np.int64))
    assert np.array_equal(days.count, [[8.0, 0.0, 4.0]])
    assert np.allclose(days.exposure[0] / days.exposure[0, 0], [1.0, 0.0, 0.5])


# Funnel


def test_the_volume_is_impressions_else_clicks_else_conversions():
    spend, conversions = np.full((4, 10), 9.0), np.full((4, 10), 2.0)
    impressions = np.array([[5000.0], [5000.0], [np.nan], [np.nan]]) * np.ones((1, 10))
    clicks = np.array([[80.0], [np.nan], [80.0], [np.nan]]) * np.ones((1, 10))
    steps = funnel(history(spend, conversions, clicks=clicks, impressions=impressions))
    assert steps.volume[:, 0].tolist() == [5000.0, 5000.0, 80.0, 2.0]
    assert steps.late.tolist() == [False, False, False, True]
    assert steps.clicks.known.tolist() == [True, False, False, False]
    assert steps.conversions.known.tolist() == [True, True, True, False]
    assert steps.clicks.exposure[:, 0].tolist() == [5000.0, 0.0, 0.0, 0.0]
    assert steps.clicks.count[:, 0].tolist() == [80.0, 0.0, 0.0, 0.0]
    assert steps.conversions.exposure[:, 0].tolist() == [80.0, 5000.0, 80.0, 0.0]
    assert steps.conversions.count[:, 0].tolist() == [2.0, 2.0, 2.0, 0.0]
    assert steps.conversions.late.all()
    assert not steps.clicks.late.any()


def test_a_measure_that_counts_hardly_more_than_conversions_is_no_step():
    spend, conversions = np.full((2, 10), 9.0), np.full((2, 10), 2.0)
    clicks = np.array([[0.9], [1.1]]) * WORTHWHILE * conversions
    steps = funnel(history(spend, conversions, clicks=clicks))
    assert steps.late.tolist() == [True, False]
    assert steps.volume[:, 0].tolist() == [2.0, 1.1 * WORTHWHILE * 2.0]


def test_a_measure_that_is_missing_too_often_is_not_used_and_one_missing_seldom_costs_its_days():
    days = 40
    spend, conversions = np.full((2, days), 9.0), np.full((2, days), 2.0)
    impressions = np.full((2, days), 4000.0)
    often, seldom = np.ceil(2 * (1 - REPORTED) * days), np.floor((1 - REPORTED) * days)
    impressions[0, : int(often)] = impressions[1, : int(seldom)] = np.nan
    steps = funnel(history(spend, conversions, impressions=impressions))
    assert steps.late.tolist() == [True, False]
    assert (steps.volume[0] == 2.0).all()
    assert (steps.spend[1] == 0).tolist() == np.isnan(impressions[1]).tolist()
    assert (steps.volume[1, : int(seldom)] == 0).all()
    assert (steps.conversions.exposure[1] > 0).tolist() == np.isfinite(impressions[1]).tolist()
    for part in (steps.volume, steps.clicks.count, steps.conversions.count, steps.conversions.exposure):
        assert np.isfinite(part).all()


def test_a_target_without_a_day_is_taken_to_have_what_most_others_have():
    spend, conversions = np.full((4, 10), 9.0), np.full((4, 10), 2.0)
    clicks, impressions = np.full((4, 10), 50.0), np.full((4, 10), 4000.0)
    clicks[1:3] = np.nan
    for measure in (spend, conversions, clicks, impressions):
        measure[3] = np.nan
    steps = funnel(history(spend, conversions, clicks=clicks, impressions=impressions))
    assert steps.measure.tolist() == [2, 2, 2, 2]
    assert steps.clicks.known.tolist() == [True, False, False, False]
    assert steps.conversions.known.tolist() == [True] * 4
    nobody = funnel(history(np.full((2, 3), np.nan)))
    assert nobody.late.all()


def test_days_without_spend_or_conversions_take_no_part_in_any_step():
    spend, conversions = np.full((1, 10), 9.0), np.full((1, 10), 2.0)
    spend[0, 2], spend[0, 3], conversions[0, 4] = 0.0, np.nan, np.nan
    clicks, impressions = np.full((1, 10), 50.0), np.full((1, 10), 4000.0)
    steps = funnel(history(spend, conversions, clicks=clicks, impressions=impressions))
    out = np.isin(np.arange(10), [2, 3, 4])
    for part in (steps.spend, steps.volume, steps.clicks.exposure, steps.conversions.exposure):
        assert ((part[0] == 0) == out).all()


# Delivery


def supplied(spend, budget=None, season=None):
    """The supply of days whose budgets are known, on weeks without a weekday if nothing else is said."""
    spend = np.asarray(spend)
    even = np.ones((len(spend), 7)) if season is None else season
    return learn_supply(history(spend, budget=budget), even, VOLUME)


def usual(supply):
    return np.median(supply.capacity, axis=1)


def test_unknown_budgets_are_taken_as_delivered():
    supply = supplied(np.full((2, 40), 50.0))
    assert np.array_equal(supply.delivered(np.array([[10.0], [1e6]])), [[10.0], [1e6]])


def test_exhausted_supply_is_found_and_free_supply_is_not():
    rng = np.random.default_rng(31)
    budget = np.tile(np.geomspace(50, 300, 56), (2, 1))
    spend = np.minimum(budget, np.array([[120.0], [np.inf]])) * rng.lognormal(0, 0.05, (2, 56))
    supply = supplied(spend, budget=budget)
    assert np.isclose(usual(supply)[0], 120.0, rtol=0.04)
    assert np.isinf(supply.capacity[1]).all()
    assert np.allclose(supply.share, 1.0, atol=0.05)


def test_a_steady_shortfall_at_any_budget_is_a_share():
    rng = np.random.default_rng(32)
    budget = rng.uniform(50, 300, (1, 56))
    supply = supplied(0.9 * budget * rng.lognormal(0, 0.03, (1, 56)), budget=budget)
    assert np.isclose(supply.share[0], 0.9, atol=0.02)
    assert np.isinf(supply.capacity[0]).all()


def test_a_large_shortfall_of_a_constant_budget_is_exhausted_supply():
    supply = supplied(np.full((1, 40), 60.0), budget=np.full((1, 40), 100.0))
    assert np.isclose(usual(supply)[0], 60.0, rtol=0.03)


def test_delivery_scales_with_the_currency():
    rng = np.random.default_rng(33)
    budget = rng.uniform(50, 300, (4, 56))
    spend = np.minimum(budget, 150) * rng.lognormal(0, 0.1, (4, 56))
    one, other = supplied(spend, budget=budget), supplied(spend * 1e4, budget=budget * 1e4)
    assert np.allclose(one.share, other.share)
    assert np.allclose(one.capacity * 1e4, other.capacity)


def test_capacities_are_believed_as_often_as_they_are_true():
    """Supplies of the model's own law under budgets around them, 400 targets."""
    rng = np.random.default_rng(34)
    targets, days = 400, 56
    season = np.exp(0.15 * rng.standard_normal((targets, 7)))
    season /= season.mean(axis=1, keepdims=True)
    log_usual = np.log(100.0) + np.cumsum(np.sqrt(VOLUME.drift) * rng.standard_normal((targets, days + 1)), axis=1)
    budget = rng.uniform(60.0, 160.0, (targets, days))
    of_day = np.exp(log_usual[:, :-1] + NOISE * rng.standard_normal((targets, days)))
    spend = np.minimum(0.95 * budget * rng.lognormal(0, 0.04, budget.shape), of_day * season[:, np.arange(days) % 7])
    supply = supplied(spend, budget=budget, season=season)
    low, high = supply.capacity[:, 0], supply.capacity[:, -1]  # 94% of what is believed lies between
    held = ((low <= np.exp(log_usual[:, -1])) & (np.exp(log_usual[:, -1]) <= high)).mean()
    assert 0.87 < held < 0.99  # 400 targets at 94% stay in it but once in a million
    assert np.allclose(supply.share, 0.95, atol=0.06)


def test_a_supply_that_halves_is_followed_within_days():
    rng = np.random.default_rng(35)
    budget = np.full((1, 50), 150.0)
    most = np.where(np.arange(50) < 46, 120.0, 60.0) * rng.lognormal(0, 0.05, (1, 50))
    assert np.isclose(usual(supplied(np.minimum(budget, most), budget=budget))[0], 60.0, rtol=0.1)


def test_a_mean_delivery_is_that_of_its_draws_and_never_falls():
    capacity = np.stack([np.linspace(70.0, 130.0, 16), np.full(16, np.inf)])
    supply = Supply(np.array([0.95, 1.0]), capacity, np.tile([0.9, 1.0, 1.1], (2, 1)))
    at = np.tile([20.0, 60.0, 100.0, 150.0, 400.0], (2, 1))
    mean = supply.delivered(at)
    assert supply.within_reach(at).tolist() == [0]
    drawn = supply.sample(40_000, np.random.default_rng(36)).delivered(at)
    assert np.allclose(drawn.mean(axis=0), mean, rtol=0.01)
    assert np.array_equal(mean[1], at[1])
    assert mean[0, 0] == pytest.approx(0.95 * 20.0)
    assert (np.diff(mean[0]) >= 0).all()
    assert mean[0, 4] == pytest.approx(100.0)


def test_days_of_a_week_have_the_mean_of_its_factors():
    season = np.array([[1.0] * 7, [1.2, 1.1, 1.1, 1.1, 1.1, 0.7, 0.7]])
    days = days_of_week(season)
    assert np.allclose(days.mean(axis=1), 1.0, atol=0.02)
    assert np.allclose(np.log(days[1]).std(), np.hypot(NOISE, np.log(season[1]).std()))
    assert np.isfinite(days_of_week(np.zeros((1, 7)))).all()


STEADY = np.full((20, 56), 100.0)
UNEVEN = np.random.default_rng(37).uniform(50.0, 300.0, (20, 56))
NOISY = np.random.default_rng(38).standard_normal((20, 56))
PAUSED = np.where(np.arange(56) == 30, 50.0, STEADY * np.exp(0.03 * NOISY))
MISTYPED = np.where(np.arange(56) == 20, 15_000.0, 1.5 * STEADY)
STOPPED = np.where(np.arange(56) < 42, STEADY, 0.0)


@pytest.mark.parametrize(
    ("budget", "spend", "asked", "least", "most"),
    [
        pytest.param(STEADY, PAUSED, 200, 185, 205, id="half a day paused"),
        pytest.param(STEADY, STEADY * np.exp(0.05 * NOISY), 200, 185, 210, id="loose by 5% a day"),
        pytest.param(STEADY, STEADY * np.exp(0.3 * NOISY), 200, 180, 225, id="loose by 30% a day"),
        pytest.param(UNEVEN, UNEVEN * np.exp(0.3 * NOISY), 600, 530, 680, id="loose under budgets that move"),
        pytest.param(UNEVEN, 0.5 * UNEVEN * np.exp(0.05 * NOISY), 300, 140, 160, id="half of any budget"),
        pytest.param(UNEVEN, 1.3 * UNEVEN * np.exp(0.05 * NOISY), 300, 370, 400, id="more than any budget"),
        pytest.param(STEADY, 0.0 * STEADY, 200, 0, 1, id="nothing ever"),
        pytest.param(STEADY, STOPPED, 100, 0, 15, id="nothing for two weeks"),
        pytest.param(2 * STEADY, 6.0 * np.exp(0.05 * NOISY), 200, 5, 8, id="a capacity far below the budget"),
        pytest.param(MISTYPED, 100.0 * np.exp(0.06 * NOISY), 300, 95, 115, id="a mistyped budget"),
    ],
)
def test_delivery_beyond_the_budget_is_what_its_days_say(budget, spend, asked, least, most):
    delivered = supplied(spend, budget=budget).delivered(np.full((20, 1), float(asked)))
    assert least <= delivered.mean() <= most


# Value per conversion


def test_value_of_nowhere_is_zero():
    worth = learn_worth(history(np.ones((2, 5)), conversions=np.ones((2, 5))))
    assert not worth.reported.any()
    assert np.array_equal(worth.mean, [0.0, 0.0])


def test_value_is_recovered_and_an_unreported_target_takes_the_pool():
    rng = np.random.default_rng(41)
    truth = np.array([20.0, 40.0, 80.0])
    counts = rng.poisson(30.0, (3, 100))
    value = truth[:, None] * counts * rng.lognormal(0, 0.05, (3, 100))
    counts, value = np.vstack([counts, counts[:1]]), np.vstack([value, np.full((1, 100), np.nan)])
    worth = learn_worth(history(np.ones((4, 100)), conversions=counts, value=value))
    assert np.allclose(worth.mean[:3], truth, rtol=0.02)
    assert np.isclose(worth.mean[3], 40.0, rtol=0.1)
    assert worth.sd[3] > 10 * worth.sd[:3].max()
    assert worth.reported.tolist() == [True, True, True, False]


def test_a_single_large_sale_moves_a_thin_target_only_part_of_the_way():
    rng = np.random.default_rng(42)
    counts = rng.poisson(30.0, (10, 60)).astype(float)
    value = counts * 50.0 * rng.lognormal(0, 0.4, (10, 60))
    counts[0], value[0] = 0.0, 0.0
    counts[0, 30], value[0, 30] = 1.0, 2_000.0
    worth = learn_worth(history(np.ones((10, 60)), conversions=counts, value=value))
    assert 45.0 < worth.mean[0] < 500.0


# Prior


def test_reference_spend_lies_between_a_targets_own_scale_and_the_portfolios():
    spend = np.array([[100.0] * 18 + [5_000.0, 0.0], [25.0] * 20, [np.nan] * 20, [np.nan] * 20])
    pool = np.nanmean(np.where(spend > 0, spend, np.nan))
    own = np.array([100.0, 25.0, 64.0, pool])
    reference = reference_spend(history(spend), np.array([70.0, 30.0, 64.0, 0.0]))
    assert np.allclose(reference, np.sqrt(own * pool))


def test_the_portfolio_moves_a_reference_only_so_far():
    spend = np.array([[1.0] * 20, [1_000.0] * 20])
    assert np.allclose(reference_spend(history(spend), np.ones(2)), [PULL[1], np.sqrt(1_000 * 500.5)])


def test_a_portfolio_that_never_spent_takes_its_budgets():
    nothing = history(np.full((2, 5), np.nan))
    assert np.allclose(reference_spend(nothing, np.array([10.0, 30.0])), np.sqrt(np.array([10.0, 30.0]) * 20.0))
    assert np.array_equal(reference_spend(nothing, np.zeros(2)), [1.0, 1.0])


def test_scale_prior_is_the_pooled_rate_of_the_channel():
    """Two channels; the portfolio's ratio enters each with one typical spend."""
    volume, exposure = np.array([500.0, 700.0, 50.0, 0.0]), np.array([1_000.0, 1_000.0, 1_000.0, 0.0])
    reference, channel = np.array([100.0, 100.0, 100.0, 40.0]), np.array([0, 0, 1, 1])
    alpha, mean = scale_prior(volume, exposure, reference, channel, np.zeros(4, np.int64))
    overall = 1_250.5 / 3_050.0
    assert (alpha == SCALE_WEIGHT).all()
    assert np.isclose(mean[0], 100 * (1_200 + 100 * overall) / 2_100)
    assert np.isclose(mean[3], 40 * (50 + 100 * overall) / 1_100)


def test_a_portfolio_that_saw_no_conversion_keeps_a_positive_prior():
    alpha, mean = scale_prior(np.zeros(3), np.full(3, 1_000.0), np.full(3, 10.0), *(np.zeros(3, np.int64),) * 2)
    assert (alpha > 0).all()
    assert (mean > 0).all()
    assert (mean < 0.01).all()


def test_one_tiny_day_does_not_sway_the_pooled_scale():
    volume, exposure = np.append(np.full(50, 50.0), 1.0), np.append(np.full(50, 1_000.0), 1e-3)
    same, alone = np.zeros(51, np.int64), np.append(np.zeros(50, np.int64), 1)
    for channel in (same, alone):
        assert np.allclose(scale_prior(volume, exposure, np.full(51, 100.0), channel, same)[1], 5.0, rtol=0.25)


def test_impressions_and_conversions_are_not_pooled_as_one():
    volume, exposure = np.array([500_000.0, 20.0, 0.0]), np.array([1_000.0, 1_000.0, 0.0])
    channel, measure = np.zeros(3, np.int64), np.array([2, 0, 0])
    mean = scale_prior(volume, exposure, np.full(3, 10.0), channel, measure)[1]
    assert np.allclose(mean, [5_000.0, 0.2, 0.2], rtol=0.05)


def test_the_slow_tier_moves_the_shapes_of_its_channel_only():
    search = ChannelPrior("search", Spread(-1.0, 0.3), Spread(float(np.log(2.0)), 0.2))
    priors = ResponsePriors(datetime(2025, 1, 1, tzinfo=UTC), "slow/1", (search,))
    prior = np.exp(shape_prior(["search", "social", "search"], [priors] * 3, CELLS))
    assert np.allclose(prior[1], np.exp(CELLS.log_prior))
    assert np.array_equal(prior[0], prior[2])
    assert np.isclose(prior[0].sum(), 1.0)
    assert np.isclose(prior[0, CELLS.logistic].sum(), LOGISTIC_SHARE)
    hill = np.where(CELLS.logistic, 0.0, prior[0]) / (1 - LOGISTIC_SHARE)
    assert np.isclose(hill @ CELLS.log_half, -1.0, atol=0.1)
    assert np.isclose(hill @ np.log(CELLS.slope), np.log(2.0), atol=0.1)
    bend = np.where(CELLS.logistic, prior[0], 0.0) / LOGISTIC_SHARE
    assert bend @ CELLS.log_half < -0.7


def test_without_a_slow_tier_every_channel_has_the_plain_shapes():
    assert np.array_equal(shape_prior(["a", "b"], [None, None], CELLS), np.tile(CELLS.log_prior, (2, 1)))
