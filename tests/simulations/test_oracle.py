"""The clairvoyant's plan: feasible, certified, and as good as brute force."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulations.market import HorizonEnded
from simulations.noise import beta22_quantile, noise_key
from simulations.oracle import Impossible, curve_of, expected, optimum
from simulations.regret import Bounds, compare
from simulations.saturation import Family
from simulations.scenarios import DEMO, SCENARIOS, FamilyShare, named
from simulations.truth import draw

TINY, SIX = SCENARIOS["tiny-yen"], SCENARIOS["closed-loop-6"]
S_SHAPED = (FamilyShare(Family.HILL, 1.0, (2.5, 3.0)),)


def _world(scenario, seed):
    truth = draw(scenario, np.random.default_rng(seed))
    k = truth.start.size
    average = scenario.average_budget
    return truth, average * k, np.full(k, 0.1 * average), np.full(k, 5.0 * average)


@pytest.mark.parametrize("families", [TINY.families, S_SHAPED], ids=["mixed", "s-shaped"])
@pytest.mark.parametrize("seed", range(4))
def test_brute_force_finds_nothing_better(families, seed):
    truth, total, lower, upper = _world(replace(TINY, families=families), seed)
    best = optimum(truth, 20, total=total, lower=lower, upper=np.minimum(upper, total), goal="value")
    grid = np.linspace(lower[0], total - 2 * lower[0], 121)
    curve = curve_of(truth, 20, "value")
    table = curve(np.arange(3), np.tile(grid, (3, 1)))
    brute = max(
        table[0, i] + table[1, j] + float(curve(np.array([2]), np.array([total - grid[i] - grid[j]]))[0])
        for i, j in product(range(121), repeat=2)
        if total - grid[i] - grid[j] >= lower[2]
    )
    assert best.value >= brute * (1 - 1e-6)
    assert best.upper_bound >= best.value
    assert best.gap < 0.01


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["conversions", "value"]))
def test_no_feasible_budgets_beat_the_bound(seed, goal):
    truth, total, lower, upper = _world(SIX, seed % 50)
    best = optimum(truth, 30, total=total, lower=lower, upper=upper, goal=goal)
    assert best.budgets.sum() <= total * (1 + 1e-9)
    assert (best.budgets >= lower - 1e-9).all()
    assert (best.budgets <= upper + 1e-9).all()
    assert best.value == pytest.approx(getattr(expected(truth, best.budgets, 30), goal).sum())
    rng = np.random.default_rng(seed)
    for alpha in (0.2, 1.0, 5.0):
        share = rng.dirichlet(np.full(6, alpha))
        plan = np.minimum(lower + share * (total - lower.sum()), upper)
        assert getattr(expected(truth, plan, 30), goal).sum() <= best.upper_bound


@pytest.mark.parametrize("name", ["closed-loop-30", "closed-loop-300"])
def test_large_portfolios_are_solved_to_a_thousandth(name):
    truth, total, lower, upper = _world(SCENARIOS[name], 1)
    best = optimum(truth, 10, total=total, lower=lower, upper=upper)
    assert best.gap < 1e-3
    assert best.value > expected(truth, truth.start / 1e6, 10).conversions.sum() * 1.1


def test_the_bound_is_no_less_than_the_dual_on_a_finer_grid():
    truth, total, lower, upper = _world(SCENARIOS["closed-loop-300"], 2)
    best = optimum(truth, 10, total=total, lower=lower, upper=upper)
    grid = np.linspace(lower, upper, 3001, axis=1)
    table = curve_of(truth, 10, "conversions")(np.arange(300), grid)
    dual = best.price * total + (table - best.price * grid).max(axis=1).sum()
    assert dual <= best.upper_bound <= dual * 1.0002


def test_expectation_averages_over_the_delivery():
    truth = draw(replace(DEMO, delivery=(0.2, 2.0), supply_median=50.0), np.random.default_rng(1))
    ratio = 0.2 + 1.8 * beta22_quantile((np.arange(20_000) + 0.5) / 20_000)
    budgets = truth.start / 1e6
    by_hand = (truth.conversions * truth.demand[:, 3])[:, None] * truth.curves(budgets[:, None] * ratio)
    assert expected(truth, budgets, 3).conversions == pytest.approx(by_hand.mean(axis=1), rel=2e-3)
    assert expected(truth, budgets, 3).spend == pytest.approx(1.1 * budgets)


def test_equal_campaigns_with_concave_curves_get_equal_budgets():
    alike = named(
        "closed-loop-6",
        channels=(replace(SIX.channels[0], campaigns=4),),
        families=(FamilyShare(Family.MICHAELIS_MENTEN, 1.0),),
        **dict.fromkeys(("half_saturation_sd", "size_sd", "efficiency_sd", "value_sd", "season_sd"), 0.0),
        **dict.fromkeys(("season_channel_sd", "drift_sd", "supply_sd", "break_probability"), 0.0),
    )
    truth, total, lower, upper = _world(alike, 0)
    best = optimum(truth, 0, total=total, lower=lower, upper=upper)
    assert best.budgets == pytest.approx(np.full(4, 200.0), rel=1e-3)
    # d/dx of x / (x + half) at the budget: the price of money.
    half = float(truth.curves.half[0])
    at = 200.0 * 0.975
    top = truth.curves.reference[0] / (truth.curves.reference[0] + half)
    slope = 0.975 * truth.conversions[0] * half / (at + half) ** 2 / top
    assert best.price == pytest.approx(slope, rel=0.05)


def test_money_enough_for_all_leaves_no_price():
    truth, total, lower, upper = _world(SIX, 3)
    best = optimum(truth, 0, total=100 * total, lower=lower, upper=upper)
    assert best.price == 0.0
    assert best.value == pytest.approx(expected(truth, upper, 0).conversions.sum())


def test_a_box_of_one_point_is_its_own_optimum():
    truth, total, lower, _ = _world(SIX, 3)
    for total_, upper in ((lower.sum(), lower * 5), (total, lower)):
        best = optimum(truth, 0, total=float(total_), lower=lower, upper=upper)
        assert best.budgets == pytest.approx(lower)
        assert best.gap < 2e-4


def test_impossible_constraints_are_refused():
    truth, total, lower, upper = _world(SIX, 3)
    with pytest.raises(Impossible, match="more than the total"):
        optimum(truth, 0, total=1.0, lower=lower, upper=upper)
    with pytest.raises(Impossible, match="lower <= upper"):
        optimum(truth, 0, total=total, lower=upper, upper=lower)
    with pytest.raises(HorizonEnded):
        optimum(truth, 9_999, total=total, lower=lower, upper=upper)


def test_comparison_puts_the_oracle_first_and_measures_both_under_one_noise():
    truth, total, _, _ = _world(DEMO, 8)
    kept = np.tile(truth.start, (5, 1))
    same = compare(truth, noise_key(2), 60, kept, truth.start, Bounds(total, 5.0, 1200.0))
    assert same.actual.tolist() == same.unchanged.tolist()
    assert same.realised.tolist() == same.realised_unchanged.tolist()
    assert (same.best >= same.actual).all()
    assert (same.bound >= same.best).all()
    assert 0 < same.of_best == same.unchanged_of_best < 1

    halved = compare(truth, noise_key(2), 60, kept // 2, truth.start, Bounds(total, 5.0, 1200.0), "value")
    assert halved.actual.sum() < halved.unchanged.sum()
    assert halved.realised.sum() < halved.realised_unchanged.sum()
    assert halved.spend.sum() < 0.6 * halved.spend_unchanged.sum()
