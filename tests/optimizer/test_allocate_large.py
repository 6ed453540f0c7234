"""Large portfolios settle most targets by price alone; the plan and its proof must be those of the whole problem."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.allocate import large, solve, solver
from optimizer.plan.problem import Problem
from tests.optimizer.allocate_problems import excess, linear, market, plain, read


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take portfolios of 60 targets for large ones."""
    for module in (large, solver):
        monkeypatch.setattr(module, "LARGE", 60)
    monkeypatch.setattr(large, "WAVERING", 40)
    monkeypatch.setattr(large, "_SAMPLE", 50)


def whole(problem: Problem) -> Problem:
    """The problem with its total alone."""
    return replace(problem, rows=problem.rows[:1])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("single", [True, False])
def test_settling_first_changes_neither_value_nor_proof(
    seed: int, single: bool, request: pytest.FixtureRequest
) -> None:
    problem = market(seed, targets=200, points=24)
    problem = whole(problem) if single else problem
    direct = solve(problem)
    request.getfixturevalue("settled")
    answer = solve(problem)
    assert answer.collision is None
    assert answer.gap <= 1e-4
    assert excess(problem, answer.spend).max() <= 1e-7
    assert answer.value == pytest.approx(read(problem, problem.objective, answer.spend).sum())
    assert answer.value <= direct.upper_bound * (1 + 1e-9)
    assert direct.value <= answer.upper_bound * (1 + 1e-9)


@pytest.mark.usefixtures("settled")
def test_equal_straight_lines_all_waver_and_still_fill_the_total() -> None:
    """At the one price that counts every target may be empty or full."""
    answer = solve(plain([[0, 1]] * 100, [linear("total", 1, 30.5, 100)]))
    assert answer.spend.sum() == pytest.approx(30.5)
    assert answer.value == pytest.approx(30.5)
    assert answer.prices == pytest.approx([1.0])


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(("total", "spent"), [(1e6, 100.0), (0.0, 0.0)])
def test_a_total_that_never_binds_and_one_of_nothing(total: float, spent: float) -> None:
    answer = solve(plain([[0, 1, 1.5]] * 100, [linear("total", 1, total, 100)]))
    assert answer.spend.sum() == pytest.approx(spent)
    assert answer.gap <= 1e-4
    assert (answer.prices == 0).all() == (total > 0)


@pytest.mark.usefixtures("settled")
def test_a_total_below_the_box_collides_in_a_large_portfolio_too() -> None:
    grid = np.tile([1.0, 2.0], (100, 1))
    answer = solve(Problem(grid, grid, {}, (linear("total", 1, 90, 100),)))
    assert answer.collision is not None
    assert answer.collision.nearest == pytest.approx({"total": 100})


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 3.0))
def test_the_enclosed_price_proves_the_plan(seed: int, scale: float) -> None:
    problem = whole(market(seed, targets=large.LARGE + 500, points=6))
    row = replace(problem.rows[0], bound=problem.rows[0].bound * scale)
    answer = solve(replace(problem, rows=(row,)))
    assert answer.gap <= 1e-4
    assert answer.spend.sum() <= row.bound * (1 + 1e-9)
    assert answer.slack[0] == pytest.approx(row.bound - answer.spend.sum(), abs=1e-6)
