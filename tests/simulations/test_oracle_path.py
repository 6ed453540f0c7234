"""The clairvoyant under the step limit: feasible, certified, and looking ahead."""

from dataclasses import replace
from datetime import date
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.money import MICROS
from simulations.market.play import HorizonEnded
from simulations.market.truth import draw
from simulations.oracle import Impossible, expected, horizon, optimum
from simulations.oracle.steady import ladder, steady_paths
from simulations.policies.contract import bounds_of
from simulations.scenarios import Channel, named

START = date(2025, 3, 3)
CALM = dict.fromkeys(("season_sd", "season_channel_sd", "drift_sd", "break_probability"), 0.0)


def _world(scenario, seed):
    truth = draw(scenario, np.random.default_rng([seed, 0]), START)
    return truth, bounds_of(scenario), truth.first / MICROS


def _value(truth, path, first, goal="conversions"):
    return np.array([expected(truth, row, first + t).of(goal).sum() for t, row in enumerate(path)])


def _require_feasible(path, before, bounds):
    assert (path.sum(axis=1) <= bounds.total * (1 + 1e-9)).all()
    assert (path >= bounds.lower - 1e-9).all()
    assert (path <= bounds.upper + 1e-9).all()
    yesterday = np.vstack([before, path[:-1]])
    assert (np.abs(path / yesterday - 1.0) <= bounds.step + 1e-9).all()


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    step=st.sampled_from([0.02, 0.3, 0.95, 4.0]),
    goal=st.sampled_from(["conversions", "incremental-value"]),
    knobs=st.sampled_from([{}, {"overlap": 1.0, "overlap_campaigns": 2, "launch_share": 0.5, "launch_days": (3, 9)}]),
)
def test_paths_are_feasible_and_nothing_feasible_beats_their_bound(seed, step, goal, knobs):
    truth, bounds, before = _world(named("closed-loop-6", start_noise_sd=0.3, step=step, **knobs), seed % 40)
    before = before.clip(bounds.lower, bounds.upper)
    before *= min(bounds.total / before.sum(), 1.0)
    found = horizon(truth, 5, 14, bounds=bounds, before=before, goal=goal)
    _require_feasible(found.budgets, before, bounds)
    assert found.value == pytest.approx(_value(truth, found.budgets, 5, goal))
    assert (found.upper_bound >= found.value).all()
    rng, live, path = np.random.default_rng(seed), before, []
    for _ in range(14):
        low = np.maximum(live * (1 - min(step, 1.0)), bounds.lower)
        high = np.minimum(live * (1 + step), bounds.upper)
        live = low + (high - low) * rng.random(6)
        live = low + (live - low) * min((bounds.total - low.sum()) / max((live - low).sum(), 1e-12), 1.0)
        path.append(live)
    _require_feasible(np.array(path), before, bounds)
    assert (_value(truth, path, 5, goal) <= found.upper_bound * (1 + 1e-9)).all()
    assert _value(truth, path, 5, goal).sum() <= found.value.sum()


@pytest.mark.parametrize(("name", "seed"), [("closed-loop-6", 4), ("closed-loop-30", 0), ("closed-loop-30", 2)])
def test_the_gap_is_below_a_hundredth(name, seed):
    truth, bounds, before = _world(named(name), seed)
    found = horizon(truth, 0, 60, bounds=bounds, before=before)
    assert found.gap < 0.01
    free = [optimum(truth, t, total=bounds.total, lower=bounds.lower, upper=bounds.upper) for t in range(60)]
    assert found.value.sum() <= sum(day.upper_bound for day in free)
    assert found.value[-20:].sum() > 0.98 * sum(day.value for day in free[-20:])


def test_where_no_day_differs_the_path_ends_at_the_free_optimum():
    truth, bounds, before = _world(named("closed-loop-6", **CALM), 1)
    found = horizon(truth, 0, 25, bounds=bounds, before=before)
    free = optimum(truth, 24, total=bounds.total, lower=bounds.lower, upper=bounds.upper)
    assert found.value[-1] == pytest.approx(free.value, rel=1e-4)
    assert (np.diff(found.value) >= -1e-3 * found.value[:-1]).all()


def test_budgets_rise_before_a_launch_is_due():
    two = (Channel("search", 2, 16.0, 62.0, 0.045, 0.045),)
    scenario = named("closed-loop-6", channels=two, launch_share=0.5, launch_days=(12, 12), **CALM)
    truth, bounds, _ = _world(scenario, 0)
    truth = replace(truth, runs=np.array([[True] * 150, [False] * 12 + [True] * 138]))
    before = np.array([bounds.total - bounds.lower[1], bounds.lower[1]])
    path = horizon(truth, 0, 30, bounds=bounds, before=before).budgets[:, 1]
    assert path[:4].max() < 1.5 * bounds.lower[1]
    assert path[12] > 0.9 * path[-1] > 10.0 * bounds.lower[1]


def test_limits_that_cannot_be_kept_are_refused():
    truth, bounds, before = _world(named("closed-loop-6"), 0)
    low = np.where(np.arange(6) == 2, 1.0, before)
    with pytest.raises(Impossible, match="campaign number 2 cannot get from"):
        horizon(truth, 0, 3, bounds=bounds, before=low)
    with pytest.raises(Impossible, match="after a step of 30% the least budgets"):
        horizon(truth, 0, 3, bounds=bounds, before=2.0 * before)
    with pytest.raises(Impossible, match="lower <= upper"):
        horizon(truth, 0, 3, bounds=replace(bounds, upper=0.5 * bounds.lower), before=before)
    with pytest.raises(Impossible, match="without a step limit"):
        horizon(truth, 0, 3, bounds=replace(bounds, step=np.inf), before=before)
    with pytest.raises(HorizonEnded):
        horizon(truth, 148, 3, bounds=bounds, before=before)


def test_steady_paths_are_the_best_on_their_rungs():
    rng = np.random.default_rng(3)
    rungs = ladder(np.array([100.0]), np.array([118.0]), 0.11)
    assert (rungs.up, rungs.down, rungs.budgets.size) == (5, 5, 8)
    days, gains = 4, 40.0 * rng.random((4, 1, 8))
    path = next(steady_paths(rungs, gains, np.ones(gains.shape, dtype=bool), np.full(days, 0.3), 110.0))[:, 0]
    net = gains[:, 0] - 0.3 * rungs.budgets
    best = max(
        sum(net[t, at] for t, at in enumerate(way))
        for way in product(range(8), repeat=days)
        if all(abs(a - b) <= 5 for a, b in pairwise(way))
    )
    at = np.searchsorted(rungs.budgets, path)
    assert net[np.arange(days), at].sum() == pytest.approx(best)


@pytest.mark.parametrize(("lower", "upper", "step"), [(20.0, 1000.0, 0.3), (0.0, 50.0, 2.0), (7.0, 7.0, 0.1)])
def test_rungs_stay_within_the_box_and_climb_no_more_than_a_step(lower, upper, step):
    rungs = ladder(np.array([lower]), np.array([upper]), step)
    assert rungs.budgets[-1] == upper
    assert rungs.budgets[0] >= lower
    assert (np.diff(rungs.budgets) > 0).all()
    if rungs.budgets.size > 1:
        factor = rungs.budgets[1] / rungs.budgets[0]
        assert factor**rungs.up <= 1.0 + step + 1e-6
        assert factor**-rungs.down >= 1.0 - step - 1e-6
