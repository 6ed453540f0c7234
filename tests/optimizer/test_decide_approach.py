"""Which rows the approach to an aim needs: the same plan comes out of fewer of them."""

from dataclasses import replace

import numpy as np
import pytest

from optimizer.allocate import solve
from optimizer.decide.market import Space
from optimizer.decide.search import _needed
from optimizer.plan.problem import Outcome, Problem, Row


def row(name, sign, bound, targets):
    return Row(name, name, np.full(targets, sign), bound)


def setting(seed, targets=5):
    """Spends to choose from, and how near each is to an aim."""
    rng = np.random.default_rng(seed)
    lower, upper = np.sort(rng.uniform(10, 200, (2, targets)), axis=0)
    grid = lower[:, None] + (upper - lower)[:, None] * np.linspace(0, 1, 17)
    nearness = -((grid - rng.uniform(10, 200, (targets, 1))) ** 2) / rng.uniform(20, 100, (targets, 1))
    return Space(grid, np.zeros(targets, dtype=np.bool_)), nearness, grid[:, 0].sum(), grid[:, -1].sum()


@pytest.mark.parametrize("seed", range(30))
def test_the_plan_is_the_same_with_the_rows_that_are_needed(seed):
    choice, nearness, low, high = setting(seed)
    least, most = np.sort(np.random.default_rng([seed, 1]).uniform(low, high, 2))
    rows = (row("total", 1.0, float(most), 5), row("spent", -1.0, -float(least), 5))
    needed = _needed(rows, choice, nearness)
    assert len(needed) == 1
    all_, few = (solve(Problem(choice.grid, nearness, {}, some)).spend for some in (rows, needed))
    assert np.allclose(all_, few, atol=1e-6)
    assert least - 1e-6 <= few.sum() <= most + 1e-6


def test_rows_of_another_kind_are_kept():
    choice, nearness, low, high = setting(3)
    total, spent = row("total", 1.0, float(high), 5), row("spent", -1.0, -float(low), 5)
    group = Row("group", "group", np.array([1.0, 1.0, 0.0, 0.0, 0.0]), 150.0)
    roas = Row("roas", "roas", np.ones(5), 0.0, Outcome.VALUE, np.ones(5))
    for other in (group, roas):
        assert _needed((total, other, spent), choice, nearness) == (total, other, spent)
    apart = replace(choice, apart=np.array([True, False, False, False, False]))
    assert _needed((total, spent), apart, nearness) == (total, spent)


def test_bounds_that_cross_are_left_to_the_solver():
    choice, nearness, low, high = setting(4)
    rows = (row("total", 1.0, float(low), 5), row("spent", -1.0, -float(high), 5))
    assert _needed(rows, choice, nearness) == rows
