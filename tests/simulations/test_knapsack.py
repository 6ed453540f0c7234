from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.policies.knapsack import split

SEEDS = st.integers(0, 2**32 - 1)


def worth_of(values, taken):
    return float(values[np.arange(len(values)), taken].sum())


@given(SEEDS, st.integers(1, 4), st.integers(1, 5))
def test_few_rows_are_solved_exactly_whatever_the_shape(seed, rows, points):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 20, (rows, points)).astype(float)
    costs = np.cumsum(rng.integers(0, 4, (rows, points)), axis=1).astype(float)
    total = float(costs[:, 0].sum() + rng.integers(0, 12))
    best = max(
        worth_of(values, np.array(choice))
        for choice in product(range(points), repeat=rows)
        if sum(costs[k, p] for k, p in enumerate(choice)) <= total
    )
    taken = split(values, costs, total)
    assert costs[np.arange(rows), taken].sum() <= total
    assert worth_of(values, taken) == best


@given(SEEDS, st.sampled_from([2, 7, 41, 60]))
def test_the_total_is_kept_at_any_costs(seed, rows):
    rng = np.random.default_rng(seed)
    values, costs = rng.normal(size=(rows, 9)), np.cumsum(rng.exponential(size=(rows, 9)), axis=1)
    total = float(costs[:, 0].sum() + rng.exponential() * rows)
    taken = split(values, costs, total)
    assert costs[np.arange(rows), taken].sum() <= total * (1 + 1e-9)


@given(SEEDS)
def test_many_concave_rows_get_the_largest_increments(seed):
    rng = np.random.default_rng(seed)
    increments = -np.sort(-rng.exponential(size=(50, 8)), axis=1)
    values = np.pad(np.cumsum(increments, axis=1), ((0, 0), (1, 0)))
    taken = split(values, np.arange(9.0), 120.0)
    best = np.sort(increments.ravel())[-120:].sum()
    assert worth_of(values, taken) == pytest.approx(best, rel=1e-12)


@given(SEEDS)
def test_many_rows_miss_the_dual_bound_by_less_than_one_row(seed):
    rng = np.random.default_rng(seed)
    values = np.cumsum(rng.exponential(size=(45, 12)) ** 3, axis=1)
    costs = np.cumsum(rng.exponential(size=(45, 12)), axis=1)
    total = float(costs[:, 0].sum() + 0.3 * (costs[:, -1] - costs[:, 0]).sum())
    prices = np.linspace(0.0, 50.0, 2001)
    bound = min(p * total + (values - p * costs).max(axis=1).sum() for p in prices)
    taken = split(values, costs, total)
    assert worth_of(values, taken) >= bound - np.ptp(values, axis=1).max()


def test_an_s_curve_is_taken_whole_or_not_at_all():
    steady = np.array([0.0, 3.0, 5.0, 6.0])
    threshold = np.array([0.0, 0.0, 1.0, 9.0])
    assert split(np.stack([steady, threshold]), np.arange(4.0), 3.0).tolist() == [0, 3]
    assert split(np.stack([steady, threshold]), np.arange(4.0), 2.0).tolist() == [2, 0]


def test_money_is_not_spent_where_it_brings_nothing():
    assert split(np.array([[0.0, 2.0, 2.0, 1.0]]), np.arange(4.0), 3.0).tolist() == [1]
    assert split(np.zeros((50, 4)), np.arange(4.0), 90.0).sum() == 0


@pytest.mark.parametrize(
    ("values", "grid", "total", "message"),
    [
        ([[0.0, np.nan]], [0.0, 1.0], 1.0, "finite"),
        ([[0.0, 1.0]], [1.0, 0.0], 1.0, "decrease"),
        ([[0.0, 1.0], [0.0, 1.0]], [1.0, 2.0], 1.5, "more than the total"),
    ],
)
def test_impossible_tables_are_refused(values, grid, total, message):
    with pytest.raises(ValueError, match=message):
        split(np.array(values), np.array(grid), total)
