from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.policies.contract import Bounds
from simulations.policies.evidence import ageing, deliverable, gather, tabulate, trend, weekday_factors, worth
from simulations.policies.lateness import matured
from simulations.policies.rules import yields
from simulations.policies.steps import choices, kept, optimal, step_box, towards
from tests.simulations.reports import report, setting

SEEDS = st.integers(0, 2**32 - 1)


def drawn_limits(seed):
    """Bounds, live budgets within them, and an aim that knows nothing of either."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 9))
    lower = rng.uniform(0.0, 0.5, size)
    upper = lower + rng.exponential(2.0, size)
    live = rng.uniform(lower, upper)
    total = float(live.sum() + rng.choice([0.0, 1.0]) * rng.exponential())
    aim = rng.exponential(size=size) * rng.choice([0.0, 1.0, 1e6], size)
    return Bounds(total, lower, upper, float(rng.choice([0.05, 0.3, 2.0]))), live, aim


@given(SEEDS)
def test_towards_keeps_every_limit_and_spends_what_it_may(seed):
    bounds, live, aim = drawn_limits(seed)
    budgets = towards(live, aim, bounds)
    low, high = step_box(live, bounds)
    assert (budgets >= low).all()
    assert (budgets <= high).all()
    assert budgets.sum() <= bounds.total * (1 + 1e-12)
    assert budgets.sum() == pytest.approx(min(bounds.total, high.sum()), rel=1e-9)


@given(SEEDS)
def test_towards_is_nearest_in_divergence(seed):
    bounds, live, aim = drawn_limits(seed)
    aim = np.maximum(aim, 1e-3)
    budgets = towards(live, aim, bounds)
    low, high = step_box(live, bounds)
    other = towards(live, np.random.default_rng(seed).exponential(size=aim.size) + 1e-3, bounds)
    assert ((other >= low) & (other <= high)).all()

    def divergence(b):
        return float((b * np.log(np.maximum(b, 1e-12) / aim)).sum())

    assert divergence(budgets) <= divergence(other) + 1e-6 * (1 + abs(divergence(other)))


def test_towards_by_hand():
    bounds = Bounds(3.0, np.full(3, 0.1), np.full(3, 5.0), 0.3)
    # 2 : 1 : 0 of 3 would be [2, 1, 0]; the outer two stop at 1.3 and 0.7, which leaves 1.
    assert towards(np.ones(3), np.array([2.0, 1.0, 0.0]), bounds) == pytest.approx([1.3, 1.0, 0.7])
    assert towards(np.ones(3), np.array([np.nan, np.nan, np.nan]), bounds) == pytest.approx([1.0, 1.0, 1.0])


def test_too_much_money_at_work_comes_down_to_the_total_before_the_step():
    bounds = Bounds(2.0, np.array([0.5, 0.1]), np.full(2, 5.0), 0.1)
    budgets = towards(np.array([2.0, 2.0]), np.ones(2), bounds)
    assert budgets.sum() == pytest.approx(2.0)
    assert (budgets >= bounds.lower).all()


@given(SEEDS)
def test_kept_changes_nothing_within_the_limits(seed):
    bounds, live, _ = drawn_limits(seed)
    assert (kept(live, bounds) == live).all()


def test_choices_run_through_the_box_in_twentieths():
    grid = choices(Bounds(200.0, np.array([10.0, 50.0]), np.array([300.0, 100.0]), 0.3))
    assert grid[0, :3] == pytest.approx([0.1, 0.15, 0.2])
    assert grid[0, -1] == pytest.approx(3.0)
    assert grid[1, [0, 10, -1]] == pytest.approx([0.5, 1.0, 1.0])
    assert choices(Bounds(1.0, np.zeros(1), np.array([100.0]), 0.3)).shape == (1, 128)


def test_choices_starve_nobody_unless_the_total_demands_it():
    free = choices(Bounds(2.0, np.zeros(2), np.array([5.0, 0.02]), 0.3))
    assert free[:, 0] == pytest.approx([0.05, 0.02])
    tight = choices(Bounds(2.0, np.array([2.0, 0.0]), np.full(2, 5.0), 0.3))
    assert tight[:, 0] == pytest.approx([2.0, 0.0])


def test_a_paused_campaign_gets_its_least_in_an_optimal_split():
    bounds = setting(3).bounds
    grid = choices(bounds)
    aim = optimal(10.0 * np.sqrt(grid), grid, np.array([True, False, True]), bounds)
    assert aim[1] == pytest.approx(10.0)
    assert aim.sum() == pytest.approx(300.0)


def test_lateness_is_the_share_reported_at_each_age():
    share = np.array([0.5, 0.75, 0.9, 1.0])
    spend, counts = np.ones((2, 60)), np.full((2, 60), 1e7)
    found = matured(report(spend, counts, share=share).by_age, np.array([0, 0]))
    assert found[0] == pytest.approx(share, rel=1e-6)


def test_lateness_is_by_channel_and_sees_conversions_taken_back():
    slow, returned = np.array([0.2, 0.6, 1.0]), np.array([1.0, 1.25, 1.0])
    one = report(np.ones((1, 30)), np.full((1, 30), 1e7), share=slow).by_age
    other = report(np.ones((1, 30)), np.full((1, 30), 1e7), share=returned).by_age
    found = matured(np.concatenate([one, other]), np.array([0, 1]))
    assert found == pytest.approx(np.array([slow, returned]), rel=1e-6)


def test_ages_that_were_never_seen_count_as_final():
    found = matured(
        report(np.ones((1, 2)), np.full((1, 2), 1e7), share=np.array([0.5, 1.0, 1.0])).by_age, np.zeros(1, int)
    )
    assert found[0] == pytest.approx([0.5, 1.0, 1.0], rel=1e-6)
    nothing = matured(np.full((1, 5, 3), np.nan), np.zeros(1, int))
    assert (nothing == 1.0).all()


def test_weekday_factors_of_a_regular_week():
    week = np.array([1.3, 1.1, 1.0, 1.0, 0.9, 0.8, 0.9])
    days = np.arange(7 * 200)
    found = weekday_factors(week[days % 7] * 50.0, days % 7)
    assert found == pytest.approx(week, abs=0.01)
    assert (weekday_factors(np.ones(3), days[:3]) == 1.0).all()
    assert (weekday_factors(np.full(20, np.nan), days[:20] % 7) == 1.0).all()


def test_the_past_is_brought_to_average_days_of_full_maturity():
    week = np.array([1.3, 1.1, 1.0, 1.0, 0.9, 0.8, 0.9])
    share = np.array([0.4, 0.8, 1.0])
    t = 140
    counts = np.tile(1e6 * week[np.arange(t) % 7], (2, 1))
    told = setting(2)
    days = gather(told, report(np.full((2, t), 100.0), counts, share=share))
    assert days.counts / days.exposure == pytest.approx(np.full((2, t), 1e6), rel=0.03)
    assert days.today == pytest.approx(week[t % 7], abs=0.03)
    assert days.levels[days.level] == pytest.approx(np.ones((2, t)), rel=0.08)


def test_dispersion_of_gamma_poisson_counts_is_found():
    rng = np.random.default_rng(11)
    counts = rng.poisson(40.0 * rng.gamma(10.0, 0.1, (60, 140))).astype(float)
    days = gather(setting(60), report(np.full((60, 140), 100.0), counts))
    assert 8.0 < days.size < 12.5


def test_days_without_spend_say_nothing():
    spend, counts = np.full((1, 30), 100.0), np.full((1, 30), 5.0)
    spend[0, 10:20], counts[0, 25] = 0.0, np.nan
    days = gather(setting(1), report(spend, counts))
    assert (days.exposure[0, 10:20] == 0).all()
    assert days.exposure[0, 25] == 0
    assert np.isfinite(days.counts).all()


def test_the_table_holds_the_past_by_level_with_overdispersed_days_weighing_less():
    counts = np.full((1, 70), 30.0)
    days = gather(setting(1), report(np.full((1, 70), 100.0), counts))
    table = tabulate(days, ageing(70, 0.99))
    kept_weight = sum(0.99**age for age in range(70)) / (1 + 30.0 / days.size)
    assert table.exposure.sum() == pytest.approx(kept_weight, rel=0.02)
    assert table.counts.sum() / table.exposure.sum() == pytest.approx(30.0, rel=1e-6)
    assert float(table.trended[0, days.level[0, 0]]) == pytest.approx(30.0, rel=0.05)
    assert trend(np.array([0.0, 1.0])) == pytest.approx([0.0, 0.5])


def test_supply_that_ran_out_bounds_what_can_be_spent():
    spend, budgets = np.full((2, 40), 100.0), np.full((2, 40), 100.0)
    budgets[1, 20:] = 200.0
    assert deliverable(setting(2), report(spend, spend, budgets=budgets)) == pytest.approx([np.inf, 1.05])


def test_worth_is_one_for_conversions_and_relative_for_value():
    spend, counts = np.full((2, 60), 100.0), np.full((2, 60), 50.0)
    seen = report(spend, counts)
    seen.value[1] *= 3.0
    assert (worth(setting(2), seen) == 1.0).all()
    assert worth(setting(2, goal="value"), seen) == pytest.approx([0.5, 1.5], rel=0.01)
    assert (worth(setting(2, goal="value"), report(np.zeros((2, 0)), np.zeros((2, 0)))) == 1.0).all()


def test_yields_by_hand():
    spend = np.array([[100.0] * 4, [200.0] * 4, [0.0] * 4])
    counts = np.array([[4.0] * 4, [2.0] * 4, [0.0] * 4])
    mean = 24.0 / 12.0
    expected = [(16.0 + 0.1 * mean) / 4.1, (8.0 + 0.1 * mean) / 8.1, mean]
    assert yields(setting(3), report(spend, counts), 28) == pytest.approx(expected)
