"""What the clairvoyant expects is what the market brings on average, and its plans are feasible and certified."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.money import MICROS
from simulations.market.play import HorizonEnded, begin, play
from simulations.market.truth import draw
from simulations.noise import beta22_quantile, noise_key
from simulations.oracle import Impossible, expected, horizon, optimum, portfolio_of
from simulations.policies.contract import bounds_of
from simulations.saturation import Family
from simulations.scenarios import SCENARIOS, Channel, FamilyShare, FurtherConversion, named

GOALS = ("conversions", "value", "incremental", "incremental-value")
SIX = SCENARIOS["closed-loop-6"]
START = date(2025, 3, 3)
S_SHAPED = (FamilyShare(Family.HILL, 1.0, (2.5, 3.0)),)
# A few campaigns that bring dozens of conversions a day, with every force of the response at work.
FORCES = {
    "quality_elasticity": (0.1, 0.4),
    "overlap": 1.0,
    "overlap_campaigns": 2,
    "wear_out_half_life_days": 6.0,
    "refresh_days": 9,
    "creatives": (2, 2),
    "competitors": 20.0,
    "pause_share": 0.5,
    "launch_share": 0.3,
    "launch_days": (1, 3),
    "supply_median": 2.0,
    "traffic_size": np.inf,
    "rate_size": np.inf,
}


def _shop(**knobs):
    search = Channel("search", 2, 4.0, 60.0, 0.05, 0.05, 1.0, incrementality=0.6)
    social = Channel("social", 2, 6.0, 50.0, 0.02, 0.03, 2.0, incrementality=0.9)
    return named("closed-loop-6", **{"channels": (search, social), "restatement_days": 5, "horizon_days": 120, **knobs})


def _world(scenario, seed):
    return draw(scenario, np.random.default_rng([seed, 0]), START), bounds_of(scenario)


def _mean_of_plays(truth, budgets, plays):
    """Conversions and value in the end by campaign over all days, their means and standard errors, shape (2, K)."""
    seen = np.empty((plays, 2, truth.channel.size))
    for i in range(plays):
        carry = begin(truth)
        seen[i] = 0.0
        for row in budgets:
            day, carry = play(truth, noise_key(i), carry, row)
            for j, measure in enumerate(day.occurred()):
                seen[i, j] += np.bincount(truth.ads.campaign, measure.sum(axis=1), truth.channel.size)
    seen[:, 1] /= MICROS
    return seen.mean(axis=0), seen.std(axis=0) / np.sqrt(plays)


@pytest.mark.parametrize("day", [2, 17])
def test_expectation_is_the_mean_of_plays_with_every_force_of_the_response(day):
    truth, _ = _world(_shop(**FORCES), 3)
    rng = np.random.default_rng(day)
    budgets = np.rint(truth.first * rng.uniform(0.3, 2.0, 4) / 10_000).astype(np.int64) * 10_000
    keyed = [play(truth, noise_key(seed), replace(begin(truth), day=day), budgets)[0] for seed in range(1500)]
    sums = np.array(
        [[np.bincount(truth.ads.campaign, m.sum(axis=1), 4) for m in played.occurred()] for played in keyed],
        dtype=float,
    )
    sums[:, 1] /= MICROS
    awaited = expected(truth, budgets / MICROS, day)
    for j, by_campaign in enumerate((awaited.conversions, awaited.value)):
        mean, error = sums[:, j].mean(axis=0), sums[:, j].std(axis=0) / np.sqrt(len(sums))
        # A thousandth for the corner at the supply, where the quadrature over the delivery is not exact.
        assert (np.abs(mean - by_campaign) <= 5.3 * error + 1e-3 * by_campaign).all()
    spend = np.array([np.bincount(truth.ads.campaign, played.spend, 4) for played in keyed]) / MICROS
    error = spend.std(axis=0) / np.sqrt(len(spend))
    assert (np.abs(spend.mean(axis=0) - awaited.spend) <= 5.3 * error + 2e-3 * awaited.spend + 0.01).all()


def test_what_is_harvested_and_held_back_is_credited_to_whom_and_when_it_was_caused():
    search, social = _shop().channels
    scenario = _shop(
        channels=(replace(search, harvest=0.4), social), adstock_share=0.5, adstock_mean_days=1.4, supply_median=50.0
    )
    truth, _ = _world(scenario, 5)
    days = 3
    # Nothing is spent for nine days after: what is still to come then is a hundred-thousandth of it.
    budgets = np.concatenate([np.tile(truth.first, (days, 1)), np.zeros((9, 4), dtype=np.int64)])
    seen = np.empty((200, 2))
    for i in range(len(seen)):
        carry, sums = begin(truth), np.zeros(2)
        for row in budgets:
            day, carry = play(truth, noise_key(i), carry, row)
            sums += [measure.sum() for measure in day.occurred()]
        seen[i] = sums / [1.0, MICROS]
    awaited = [expected(truth, truth.first / MICROS, day) for day in range(days)]
    mean, error = seen.mean(axis=0), seen.std(axis=0) / np.sqrt(len(seen))
    assert abs(mean[0] - sum(day.conversions.sum() for day in awaited)) <= 5.3 * error[0]
    assert abs(mean[1] - sum(day.value.sum() for day in awaited)) <= 5.3 * error[1]


def test_attribution_windows_returns_and_further_kinds_count_as_they_stand_in_the_end():
    search, social = _shop().channels
    signup = FurtherConversion("signup", 2.0, 5.0, delay_mean_days=3.0)
    scenario = _shop(
        channels=(replace(search, attribution_days=1, further=(signup,)), social),
        returned_share=0.3,
        supply_median=50.0,
    )
    truth, _ = _world(scenario, 2)
    plain, _ = _world(_shop(supply_median=50.0), 2)
    awaited, before = (expected(world, truth.first / MICROS, 4) for world in (truth, plain))
    purchases, signups = (kind.delay[0, :2].sum() for kind in truth.kinds)
    assert awaited.conversions[:2] == pytest.approx(before.conversions[:2] * 0.7 * (purchases + 2.0 * signups))
    assert awaited.conversions[2:] == pytest.approx(before.conversions[2:] * 0.7)
    assert awaited.value[:2] == pytest.approx(
        before.conversions[:2] * 0.7 * (purchases * truth.order_value[:2] + 2.0 * 5.0 * signups)
    )
    assert awaited.incremental == pytest.approx(awaited.conversions * truth.incrementality)
    assert awaited.incremental_value == pytest.approx(awaited.value * truth.incrementality)
    mean, error = _mean_of_plays(truth, np.tile(truth.first, (1, 1)), 600)
    first = expected(truth, truth.first / MICROS, 0)
    assert (np.abs(mean - [first.conversions, first.value]) <= 5.3 * error).all()


@pytest.mark.parametrize("name", ["closed-loop-6", "scarce-supply", "loose-delivery"])
@pytest.mark.parametrize("factor", [0.3, 1.0, 3.0])
def test_expectation_averages_over_the_delivery_however_wide_it_is(name, factor):
    truth, _ = _world(SCENARIOS[name], 1)
    low, high = truth.scenario.delivery.ratio
    ratio = low + (high - low) * beta22_quantile((np.arange(20_000) + 0.5) / 20_000)
    budgets = factor * truth.first / MICROS
    demand = truth.demand[:, 3]
    spend = np.minimum(budgets[:, None] * ratio, (truth.supply * demand)[:, None])
    by_hand = truth.conversions * demand * truth.curves(spend).mean(axis=1)
    found = expected(truth, budgets, 3)
    assert found.conversions == pytest.approx(by_hand, rel=1e-3)
    assert found.conversions.sum() == pytest.approx(by_hand.sum(), rel=2e-4)
    assert found.spend == pytest.approx(spend.mean(axis=1), rel=1e-3)


def test_a_campaign_that_does_not_run_brings_and_spends_nothing():
    truth, _ = _world(_shop(launch_share=1.0, launch_days=(30, 40)), 0)
    assert expected(truth, truth.first / MICROS, 10).conversions.tolist() == [0.0] * 4
    assert expected(truth, truth.first / MICROS, 10).spend.tolist() == [0.0] * 4
    assert expected(truth, truth.first / MICROS, 45).conversions.min() > 0.0


@pytest.mark.parametrize("overlap", [0.0, 1.0])
def test_days_on_which_nothing_runs_have_an_optimum_of_nothing(overlap):
    truth, bounds = _world(_shop(launch_share=1.0, launch_days=(30, 40), overlap=overlap, overlap_campaigns=2), 0)
    best = optimum(truth, 10, total=bounds.total, lower=bounds.lower, upper=bounds.upper)
    assert best.value == 0.0
    assert best.gap < 1e-12
    path = horizon(truth, 28, 20, bounds=bounds, before=truth.first / MICROS)
    assert path.value[:2].tolist() == [0.0, 0.0]
    assert path.value[-1] > 0.0
    assert path.gap < 0.02


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("families", [SIX.saturation.families, S_SHAPED], ids=["mixed", "s-shaped"])
@pytest.mark.parametrize("overlap", [0.0, 1.5])
def test_brute_force_finds_nothing_better(families, goal, overlap):
    three = tuple(replace(channel, campaigns=n) for channel, n in zip(SIX.channels, (2, 1), strict=False))
    scenario = named("closed-loop-6", channels=three, families=families, overlap=overlap, overlap_campaigns=2)
    truth, bounds = _world(scenario, 7)
    best = optimum(truth, 20, total=bounds.total, lower=bounds.lower, upper=bounds.upper, goal=goal)
    grid = np.linspace(bounds.lower[0], bounds.total - 2 * bounds.lower[0], 40)
    plans = [
        np.array([first, second, bounds.total - first - second])
        for first in grid
        for second in grid
        if first + second <= bounds.total - bounds.lower[2]
    ]
    brute = max(float(expected(truth, plan, 20).of(goal).sum()) for plan in plans)
    assert best.value >= brute * (1 - 1e-6)
    assert best.upper_bound >= brute
    assert best.gap < 1e-3


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from(GOALS),
    st.sampled_from([{}, FORCES, {"families": S_SHAPED, "returned_share": 0.2}]),
)
def test_no_feasible_budgets_beat_the_bound(seed, goal, knobs):
    truth, bounds = _world(named("closed-loop-6", **knobs), seed % 50)
    best = optimum(truth, 30, total=bounds.total, lower=bounds.lower, upper=bounds.upper, goal=goal)
    assert best.budgets.sum() <= bounds.total * (1 + 1e-9)
    assert (best.budgets >= bounds.lower - 1e-9).all()
    assert (best.budgets <= bounds.upper + 1e-9).all()
    assert best.value == pytest.approx(expected(truth, best.budgets, 30).of(goal).sum())
    assert best.gap < 0.01
    rng = np.random.default_rng(seed)
    for alpha in (0.2, 1.0, 5.0):
        share = rng.dirichlet(np.full(6, alpha))
        plan = np.minimum(bounds.lower + share * (bounds.total - bounds.lower.sum()), bounds.upper)
        assert expected(truth, plan, 30).of(goal).sum() <= best.upper_bound * (1 + 1e-12)


@pytest.mark.parametrize("knobs", [{}, {"overlap": 1.0, "overlap_campaigns": 3}], ids=["apart", "overlapping"])
@pytest.mark.parametrize("name", ["closed-loop-30", "closed-loop-300"])
def test_large_portfolios_are_certified(name, knobs):
    truth, bounds = _world(named(name, **knobs), 1)
    best = optimum(truth, 10, total=bounds.total, lower=bounds.lower, upper=bounds.upper)
    assert best.gap < (5e-3 if knobs else 5e-4)
    assert best.value > expected(truth, truth.first / MICROS, 10).conversions.sum() * 1.1


def test_equal_campaigns_with_concave_curves_get_equal_budgets():
    alike = named(
        "closed-loop-6",
        channels=(replace(SIX.channels[0], campaigns=4),),
        families=(FamilyShare(Family.MICHAELIS_MENTEN, 1.0),),
        **dict.fromkeys(("half_saturation_sd", "size_sd", "efficiency_sd", "value_sd", "season_sd"), 0.0),
        **dict.fromkeys(("season_channel_sd", "drift_sd", "supply_sd", "break_probability"), 0.0),
    )
    truth, bounds = _world(alike, 0)
    best = optimum(truth, 0, total=bounds.total, lower=bounds.lower, upper=bounds.upper)
    assert best.budgets == pytest.approx(np.full(4, 200.0), rel=1e-2)
    # d/dx of x / (x + half) at the budget: the price of money.
    half = float(truth.curves.half[0])
    at = 200.0 * 0.975
    top = truth.curves.reference[0] / (truth.curves.reference[0] + half)
    slope = 0.975 * truth.conversions[0] * half / (at + half) ** 2 / top
    assert best.price == pytest.approx(slope, rel=0.05)


def test_money_enough_for_all_leaves_no_price():
    truth, bounds = _world(SIX, 3)
    best = optimum(truth, 0, total=100 * bounds.total, lower=bounds.lower, upper=bounds.upper)
    assert best.price == 0.0
    assert best.value == pytest.approx(expected(truth, bounds.upper, 0).conversions.sum())


def test_a_box_of_one_point_is_its_own_optimum():
    truth, bounds = _world(SIX, 3)
    for total, upper in ((float(bounds.lower.sum()), bounds.upper), (bounds.total, bounds.lower)):
        best = optimum(truth, 0, total=total, lower=bounds.lower, upper=upper)
        assert best.budgets == pytest.approx(bounds.lower)
        assert best.gap < 2e-4


def test_impossible_constraints_and_days_are_refused():
    truth, bounds = _world(SIX, 3)
    with pytest.raises(Impossible, match="more than the total"):
        optimum(truth, 0, total=1.0, lower=bounds.lower, upper=bounds.upper)
    with pytest.raises(Impossible, match="lower <= upper"):
        optimum(truth, 0, total=bounds.total, lower=bounds.upper, upper=bounds.lower)
    with pytest.raises(HorizonEnded):
        optimum(truth, 9_999, total=bounds.total, lower=bounds.lower, upper=bounds.upper)
    with pytest.raises(HorizonEnded):
        portfolio_of(truth, -1, "value")
